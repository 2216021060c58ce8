"""What README and docs show works as written, and lists what there is."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import pytest

from durable_nb.cli.main import COMMANDS, parser

from .run_page import PYTHON, blocks

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("run_page.py")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


WITH_PYTHON = [page for page in PAGES if blocks(page, PYTHON)]
WITH_SHELL = [page for page in PAGES if blocks(page, {"shell"})]


def test_pages_with_code_are_found():
    """The pages that matter most have code that is run, so the tests below are not empty."""
    assert {"README.md", "docs/tutorial.md", "docs/howto/scripts.md"} <= set(names(WITH_PYTHON))
    assert {"README.md", "CONTRIBUTING.md"} <= set(names(WITH_SHELL))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_each_block_says_its_language(page):
    """No code escapes these tests by an unknown language."""
    languages = re.findall(r"^```([^\s`]*)$", page.read_text("utf-8"), re.MULTILINE)[::2]
    assert set(languages) <= {*PYTHON, "shell", "text", "{toctree}", "{eval-rst}"}


@pytest.mark.parametrize("page", WITH_PYTHON, ids=names(WITH_PYTHON))
def test_python_runs_as_written(page, tmp_path):
    """All Python of a page runs from top to bottom in one IPython shell, warnings apart."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": str(ROOT),  # the code that these pages are about, whatever is installed
    }
    command = [sys.executable, str(RUNNER), str(page)]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("COMPLETE"), done.stdout + done.stderr
    assert "without a checkpoint" not in done.stdout + done.stderr, done.stderr


def make_targets():
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def check_command(words):
    """Say what is wrong with a command line, or return None."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, *rest = words
    if program == "make":
        unknown = {word for word in rest if "=" not in word} - make_targets()
        return f"no target {unknown}" if unknown else None
    if program == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        known = {project["name"]} | {f"{project['name']}[{extra}]" for extra in project["optional-dependencies"]}
        return None if rest[0] == "install" and set(rest[1:]) <= known else "no such project"
    if program == "jupyter":
        scripts = {script.name for script in entry_points(group="console_scripts")}
        return None if f"jupyter-{rest[0]}" in scripts else f"no jupyter {rest[0]}"
    if program == "durable-nb":
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                parser().parse_args(rest)
            except SystemExit:
                return said.getvalue()
        return None
    return f"unknown program {program}"


@pytest.mark.parametrize("page", WITH_SHELL, ids=names(WITH_SHELL))
def test_shell_commands_exist(page):
    """Each command line names a target, a project or a program that there is."""
    for block in blocks(page, {"shell"}):
        for line in block.splitlines():
            assert check_command(shlex.split(line)) is None, line


def test_make_help_lists_the_targets_that_people_use():
    """`make help` names the targets that README and CONTRIBUTING mention."""
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.MULTILINE))
    assert {"demo", "test", "lab", "bench", "docs", "help"} <= listed <= make_targets()


def test_reference_lists_the_flags_of_step():
    """The table of `%%step` flags and the magic's parser name the same flags."""
    from durable_nb.notebook.magics import StepMagics

    options = {
        option
        for action in StepMagics.step.parser._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    text = (ROOT / "docs/reference/magics.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)) == options


def test_reference_lists_the_commands():
    """The table of the command line and the program have the same commands."""
    text = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [command.name for command in COMMANDS]


def test_the_page_about_the_server_lists_states_and_fields():
    """Each state that a notebook can have, and each field of its entry."""
    from durable_nb.store.found import State, StoreEntry

    text = (ROOT / "docs/howto/server.md").read_text("utf-8")
    states, fields = text.split("## What the states mean")[1].split("## As JSON")
    assert set(re.findall(r"^\| (\w+) \|", states, re.MULTILINE)) - {"state"} == set(get_args(State))
    rows = re.findall(r"^\| (`[^|]*`) \|", fields, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(StoreEntry.__annotations__)


def test_reference_lists_the_ledgers_views():
    """The table of views and the schema name the same views."""
    from durable_nb.store.schema import VIEWS

    text = (ROOT / "docs/reference/ledger.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(VIEWS)


def test_reference_lists_the_environment_variables():
    """Each DURABLE_NB_ variable that the code reads is documented, and no other."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "durable_nb").rglob("*.py"))
    text = (ROOT / "docs/reference/environment.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(DURABLE_NB_\w+)`", text, re.MULTILINE)) == set(
        re.findall(r"\bDURABLE_NB_[A-Z_]+[A-Z]", code)
    )


def test_reference_lists_the_public_names():
    """The API page documents each name of `__all__`."""
    import durable_nb

    text = (ROOT / "docs/reference/api.md").read_text("utf-8")
    documented = set(re.findall(r"auto(?:function|exception):: (\w+)", text))
    assert set(durable_nb.__all__) - {"__version__"} <= documented
