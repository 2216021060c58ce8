"""``durable-nb ls`` and ``show``: the same as the server's page, in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stores import make_store, step

from durable_nb.store.ledger import Ledger
from durable_nb.store.location import store_path
from durable_nb.store.records import AttemptRecord

OPEN = AttemptRecord(b"a" * 16, "train", 0, 2, "started", 1_700_000_003.0, max_attempts=5)


@pytest.fixture
def stores(tmp_path):
    """A notebook whose kernel ended in a step, and one with calls."""
    make_store(tmp_path / "sub/killed.ipynb", step(), OPEN)
    make_store(tmp_path / "calls.ipynb", *(step(n, kind="call", name="fetch") for n in range(1, 4)))


def test_ls_lists_what_can_be_resumed(run, stores):
    """A line each, the interrupted one first, with what happened."""
    header, first, second = run("ls").splitlines()
    assert header.split() == ["notebook", "state", "steps", "calls", "newest", "size", "what"]
    assert first.split()[:4] == ["sub/killed.ipynb", "interrupted", "1", "0"]
    assert first.endswith("the kernel ended during train, attempt 2 of 5")
    assert second.split()[:4] == ["calls.ipynb", "saved", "0", "3"]
    assert run("ls", "sub").splitlines()[1].split()[0] == "killed.ipynb"


def test_ls_for_programs(run, stores):
    """The server's entries, as JSON."""
    told = json.loads(run("ls", "--json"))
    assert [each["path"] for each in told["notebooks"]] == ["sub/killed.ipynb", "calls.ipynb"]
    assert (told["refused"], told["cut"]) == (0, "")


def test_ls_of_nothing_says_what_to_do(run, tmp_path):
    """An empty folder is no error; a folder that is not there is one."""
    assert "%load_ext durable_nb" in run("ls")
    assert "nowhere is no folder" in run("ls", "nowhere", status=1)


def test_ls_while_the_ledger_is_held(run, tmp_path):
    """No ledger is opened: it works while a process holds it, and that process keeps it."""
    notebook = tmp_path / "held.ipynb"
    notebook.write_text("{}")
    ledger = Ledger.open(store_path(notebook, {}), notebook=str(notebook), key=b"k" * 32)
    try:
        ledger.commit(step())
        ledger._summary.write(os.getpid())
        assert f"open in a kernel, process {os.getpid()}" in run("ls")
        ledger.commit(step(2, name="second"))
    finally:
        ledger.close()


def test_show_tells_of_each_step(run, stores):
    """Steps, calls, and what had not ended."""
    lines = run("show", "sub/killed.ipynb").splitlines()
    assert lines[0].startswith("killed.ipynb · interrupted: the kernel ended during train, attempt 2 of 5 · ")
    assert lines[2].split()[:2] == ["load", "saved"]
    assert lines[3].split()[:6] == ["train", "interrupted,", "attempt", "2", "of", "5"]
    assert "3 × saved" in run("show", "calls.ipynb")
    assert json.loads(run("show", "calls.ipynb", "--json"))["summary"]["calls"][0]["count"] == 3
    assert "none.ipynb has no checkpoints of yours beside it" in run("show", "none.ipynb", status=1)


def test_a_terminal_that_lacks_the_signs(run, stores):
    """They are shown as escapes, and nothing fails."""
    assert "\\xb7" in run("show", "calls.ipynb", PYTHONIOENCODING="ascii", PYTHONUTF8="0")


def test_a_reader_that_has_seen_enough(tmp_path, stores):
    """``durable-nb ls | head -0`` is no error of ours."""
    program = Path(sys.executable).with_name("durable-nb")
    done = subprocess.run(f"{program} ls | true", shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
