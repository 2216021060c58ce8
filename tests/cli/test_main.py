"""The command line itself: its two names, what it loads, what it says of mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from durable_nb.cli.main import COMMANDS

HEAVY = ("IPython", "duckdb", "jupyter_server", "jupyter_core", "traitlets", "ipywidgets", "rich", "tornado", "numpy")


def test_help_lists_the_commands(run):
    """Each with a line."""
    text = run("--help")
    for command in COMMANDS:
        assert f"\n    {command.name} " in text
        assert command.name in run(command.name, "--help").splitlines()[0]
    assert "%%" in run("enable", "--help")
    assert "%%%" not in run("enable", "--help")


def test_it_is_a_command_of_jupyter(run):
    """Jupyter durable … does the same, and calls itself so."""
    jupyter = Path(sys.executable).with_name("jupyter")
    assert run("durable", "--help", program=(jupyter,)).startswith("usage: jupyter durable ")
    assert "nothing to resume" in run("durable", "ls", program=(jupyter,), PATH=str(jupyter.parent))


def test_mistakes_are_told(run):
    """In one line that says where to read more, and status 2."""
    assert "invalid choice: 'lst'" in run("lst", status=2)
    needed = "durable-nb: the following arguments are required: COMMAND (see durable-nb --help)\n"
    assert run(status=2) == needed


def test_help_loads_nothing_heavy():
    """What a command needs is imported when it runs."""
    code = "import sys; from durable_nb.cli.main import parser; parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in HEAVY if name in loaded}


def test_it_works_without_jupyter_server(run, tmp_path):
    """Nothing but the server itself imports it: with the package hidden every command runs."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['jupyter_server'] = None")
    assert "jupyter_server is not installed here" in run("doctor", PYTHONPATH=str(tmp_path))
    assert "nothing to resume" in run("ls", PYTHONPATH=str(tmp_path))
