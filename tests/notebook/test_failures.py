"""Errors as text: the user's own frames first."""

from __future__ import annotations

from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.failures import MOST_CHARACTERS, describe

FAILING = "%%step --max-attempts 2 --interval-seconds 0\n"


def fails(shell, code):
    """Run a cell in which a step fails; returns its first failed attempt, described when it is told of."""
    told = []

    def listen(event):
        if event.kind == "attempt_failed":
            told.append(describe(shell, event.error).traceback)

    shell.run_cell("from durable_nb import step", store_history=True)
    extension_of(shell).bus.subscribe(listen)
    shell.run_cell(code, store_history=True)
    return told[0]


def test_a_cell(shell):
    """Frames begin in the cell, named as IPython names it."""
    text = fails(shell, FAILING + "def inner():\n    raise ValueError('no')\ninner()")
    assert text.splitlines() == [
        "Cell In[2], line 4",
        "    inner()",
        "Cell In[2], line 3, in inner",
        "    raise ValueError('no')",
        "ValueError: no",
    ]


def test_a_call(shell):
    """Frames begin in the step's function; none is of this package."""
    code = (
        "@step(retries_allowed=True, max_attempts=2, interval_seconds=0)\ndef call():\n    raise OSError('no')\ncall()"
    )
    assert fails(shell, code).splitlines() == [
        "Cell In[2], line 3, in call",
        "    raise OSError('no')",
        "OSError: no",
    ]


def test_a_file(shell, tmp_path):
    """A file in the notebook's folder is named without the folder."""
    (tmp_path / "helper.py").write_text("def help():\n    raise ValueError('no')")
    shell.run_cell("import sys; sys.path.insert(0, '.'); import helper", store_history=True)
    text = fails(shell, FAILING + "helper.help()")
    shell.run_cell("del sys.modules['helper'], sys.path[0]")
    assert "File helper.py, line 2, in help" in text


def test_causes(shell):
    """What an error came of is named after it, each in a line."""
    code = FAILING + "try:\n    1 / 0\nexcept Exception as error:\n    raise KeyError('k') from error"
    assert fails(shell, code).splitlines()[-2:] == ["KeyError: 'k'", "from ZeroDivisionError: division by zero"]


def test_bounds(shell):
    """A deep recursion is not a long text."""
    text = fails(shell, FAILING + "def deep(n):\n    return deep(n + 1)\ndeep(0)")
    assert len(text) <= MOST_CHARACTERS
    assert text.splitlines()[-1].startswith("RecursionError")


def test_an_error_without_frames(shell):
    """One that was never raised, or came from elsewhere, has only its own line."""
    assert describe(shell, ValueError("x")).traceback == "ValueError: x"
