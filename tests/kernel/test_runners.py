"""Runners of notebooks as processes of their own: killed with their kernel and run again, they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from driver import PATIENCE_SECONDS, _environment
from nbformat.v4 import new_code_cell, new_notebook
from scenes import hits, prepare

PROGRAMS = Path(sys.executable).parent
CELLS = [
    "%load_ext durable_nb",
    "import tally",
    "%%step first\ntally.hit('first')\nx = 1",
    "%%step second\ntally.hit('second')\ny = x + 1\nprint(y)",
    "%%step third\ntally.hit('third')\ntally.block_once('blocked')\nz = y + 1\nz",
]
SCRIPT = """\
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook).execute()
nbformat.write(notebook, "out.ipynb")
"""
RUNNERS = {
    "jupyter-execute": [PROGRAMS / "jupyter", "execute", "report.ipynb", "--output", "out.ipynb"],
    "nbconvert": [PROGRAMS / "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "out.ipynb"],
    "papermill": [PROGRAMS / "papermill", "--no-progress-bar", "report.ipynb", "out.ipynb"],
    "nbclient": [sys.executable, "-c", SCRIPT, "report.ipynb"],
}
RUNNERS["nbconvert"].append("report.ipynb")
CANNOT_TELL = "↻ cannot tell which notebook this is"
COMPLETED = "↻ the last execution completed 20"


@pytest.fixture
def folder(tmp_path):
    """The folder of a report, beside another notebook with the same cells but one."""
    prepare(tmp_path).joinpath("notebook.ipynb").unlink()
    write(tmp_path / "report.ipynb", CELLS)
    write(tmp_path / "other.ipynb", [*CELLS[:-1], "y"])
    return tmp_path


def write(path, cells):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(each) for each in cells], metadata=metadata), path)


def start(folder, words, **env):
    """Start a runner in a process group of its own; its log is stderr."""
    environment = {name: value for name, value in _environment(folder).items() if not name.startswith("PYTEST")}
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            words, cwd=folder, env=environment | env, stdout=log, stderr=log, start_new_session=True
        )


def run(folder, words, **env):
    """Run it to its end; return what it and its kernel wrote to the terminal."""
    status = start(folder, words, **env).wait(PATIENCE_SECONDS)
    log = (folder / "log").read_text()
    assert status == 0, log
    return log


def run_until_killed(folder, words):
    """Run it until the third cell blocks, and SIGKILL it and its kernel."""
    runner = start(folder, words)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "blocked").exists():
        assert runner.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.05)
    victims = [*psutil.Process(runner.pid).children(recursive=True), psutil.Process(runner.pid)]
    for each in victims:
        os.kill(each.pid, signal.SIGKILL)
    runner.wait()
    psutil.wait_procs(victims, PATIENCE_SECONDS)


@pytest.mark.parametrize("runner", RUNNERS)
def test_killed_and_run_again_it_goes_on(folder, runner):
    """SIGKILLed with its kernel in the third cell and run again: what was complete replays, the rest runs."""
    words = RUNNERS[runner]
    run_until_killed(folder, words)
    assert hits(folder) == {"first": 1, "second": 1, "third": 1}
    log = run(folder, words)
    assert CANNOT_TELL not in log
    assert log.count("↻ replayed ") == 2
    assert COMPLETED not in log
    assert hits(folder) == {"first": 1, "second": 1, "third": 2}
    assert (folder / ".durable_nb/report.duckdb").exists()
    outputs = [cell.outputs for cell in nbformat.read(folder / "out.ipynb", 4).cells[-2:]]
    assert (outputs[0][0].text, outputs[1][0].data["text/plain"]) == ("2\n", "3")


def test_a_completed_execution_is_told_first_and_a_named_one_begins_anew(folder):
    """What replays is of an execution that completed: the first line says so and how to begin another."""
    (folder / "blocked").mkdir()
    words = RUNNERS["jupyter-execute"]
    assert "↻" not in run(folder, words)
    lines = [line for line in run(folder, words).splitlines() if line.startswith("↻")]
    assert lines[0].startswith(COMPLETED)
    assert "DURABLE_NB_EXECUTION_ID" in lines[0]
    assert "%durable execution ID" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == ["replayed"] * 3
    assert hits(folder) == {"first": 1, "second": 1, "third": 1}
    assert "↻" not in run(folder, words, DURABLE_NB_EXECUTION_ID="monday")
    assert hits(folder) == {"first": 2, "second": 2, "third": 2}
    again = run(folder, words, DURABLE_NB_EXECUTION_ID="monday")
    assert "↻ execution monday had completed" in again
    assert hits(folder) == {"first": 2, "second": 2, "third": 2}


def test_where_the_notebook_cannot_be_told_one_line_says_so(folder):
    """A script without the notebook's name, beside two that could be it: a store of its own, and how to tell it."""
    (folder / "blocked").mkdir()
    write(folder / "other.ipynb", CELLS)
    words = [sys.executable, "-c", SCRIPT.replace("sys.argv[1]", "'report' + '.ipynb'")]
    first, again = run(folder, words), run(folder, words)
    assert first.count("↻") == 1
    assert CANNOT_TELL in first
    assert "set DURABLE_NB_NOTEBOOK" in first
    assert again.count("↻ replayed ") == 3
    assert "to begin a new execution" in again
    assert run(folder, words, DURABLE_NB_NOTEBOOK="report.ipynb").count("↻") == 0
    assert hits(folder) == {"first": 2, "second": 2, "third": 2}
