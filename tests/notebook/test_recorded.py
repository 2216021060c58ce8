"""Values of checkpoints are looked at without touching what is live, and claimed only when they are what was read."""

from __future__ import annotations

import pytest

from durable_nb.notebook import recorded

WHAT = "What changed since:"


@pytest.fixture
def why(shell):
    """Run cells and return the lines of what changed since for a step."""

    def after(step, *cells):
        for cell in cells:
            assert shell.run_cell(cell, store_history=True).success
        lines = repr(shell.run_line_magic("durable", f"why {step}")).splitlines()
        start = lines.index(WHAT) + 1 if WHAT in lines else len(lines)
        end = next((n for n, line in enumerate(lines[start:], start) if not line.startswith("  ")), start)
        return [line[2:] for line in lines[start:end]]

    return after


LOAD, USE = "%%step load\nrows = [1, 2, 3]", "%%step use\nn = sum(rows)"


def test_the_value_that_a_step_bound(why):
    """The old value comes from the checkpoint that bound it."""
    assert why("use", LOAD, USE, "rows = [1, 5, 3]") == ["rows changed", "    rows[1]: 2 → 5"]


def test_an_older_checkpoint_is_found(why):
    """It need not be the newest one that bound the name."""
    cells = (LOAD, USE, LOAD.replace("2", "7"))
    assert why("use", *cells) == ["rows changed", "    rows[1]: 2 → 7"]


def test_a_value_that_was_not_what_the_step_read_is_not_claimed(why):
    """When something changed it between, its old contents are not known, and nothing is said of them."""
    cells = (LOAD, "rows[0] = 100", USE, "rows = [100, 5, 3]")
    assert why("use", *cells) == ["rows changed", "    other contents, still list 3 items"]


def test_live_classes_are_not_touched(why, shell):
    """A checkpoint that holds a class is not loaded: that would set the attributes of the live one."""
    make = "%%step make\nclass Box:\n    limit = 1\nboxes = [Box(), 1]"
    found = why("use", make, "%%step use\nn = len(boxes)", "Box.limit = 5\nboxes[1] = 2")
    assert "    boxes[1]: 1 → 2" not in found
    assert shell.user_ns["Box"].limit == 5
    shell.run_cell(make.replace("limit = 1", "limit = 2"))
    shell.user_ns["Box"].limit = 7
    page = repr(shell.run_line_magic("durable", "diff make"))
    assert "values were not compared: it holds a class, which is only loaded by a replay" in page
    assert "boxes: list 2 items" in page
    assert shell.user_ns["Box"].limit == 7


def test_what_is_too_large_is_told_by_its_summary(why, monkeypatch):
    """Beyond the bound nothing is loaded."""
    monkeypatch.setattr(recorded, "MAX_BYTES", 8)
    assert why("use", LOAD, USE, "rows = [1, 5, 3]") == ["rows changed", "    other contents, still list 3 items"]


def test_the_reference_is_what_was_used_last(why):
    """After a replay of an older checkpoint it is that one which is compared with."""
    cells = ("k = 1", "%%step use\nn = k", "k = 2", "%%step use\nn = k", "k = 1", "%%step use\nn = k", "k = 3")
    assert why("use", *cells) == ["k changed (int 1 → int 3)"]


def test_a_forgotten_reference_is_no_error(shell):
    """When the checkpoint that a run was compared with is gone, why tells the rest."""
    for cell in (LOAD, USE, "rows = [1]", USE):
        shell.run_cell(cell, store_history=True)
    notebook = shell._durable_nb.notebook
    first, second = notebook.checkpoints.steps()["use"]
    assert notebook.checkpoints.before(second) is first
    notebook.forget({first.id}).result()
    page = repr(shell.run_line_magic("durable", "why use"))
    assert "because rows changed (list 3 items → list 1 items)" in page
    assert "What had changed then" not in page
