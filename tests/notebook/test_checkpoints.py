"""The recorded steps of a notebook: by key, by label, and what has changed since."""

from __future__ import annotations

import pytest

from durable_nb.notebook.extension import extension_of
from durable_nb.store.records import label


@pytest.fixture
def notebook(shell):
    """Run cells in a shell and return what its steps share."""

    def after(*cells):
        for cell in cells:
            shell.run_cell(cell)
        return extension_of(shell).notebook

    return after


LOAD = "%%step load\nrows = [scale, 2]"
FIT = "%%step fit\nmodel = sum(rows)"


def test_steps_are_in_the_order_of_their_first_run(notebook):
    """Each label has its rows, oldest first; an unnamed step has the start of its code's digest."""
    steps = notebook("scale = 1", LOAD, FIT, "%%step\nq = 1", "scale = 5", LOAD).checkpoints.steps()
    assert list(steps)[:2] == ["load", "fit"]
    assert [len(rows) for rows in steps.values()] == [2, 1, 1]
    unnamed = list(steps)[2]
    assert steps[unnamed][0].code_digest.startswith(unnamed)
    assert label(steps["load"][0]) == "load"
    assert steps["load"][1].reason == "scale changed (int 1 → int 5)"


def test_checkpoints_of_a_key_are_newest_first(notebook):
    """A forced run leaves two checkpoints of one key."""
    checkpoints = notebook("scale = 1", LOAD, LOAD.replace("load", "load --rerun")).checkpoints
    first, second = checkpoints.steps()["load"]
    assert first.key == second.key
    assert [row.id for row in checkpoints.of(first.key)] == [second.id, first.id]


def test_failed_steps_are_listed_but_no_checkpoint(notebook):
    """A cell that raised is a row of its step, and nothing is replayed from it."""
    checkpoints = notebook("%%step bad\n1 / 0").checkpoints
    (row,) = checkpoints.steps()["bad"]
    assert row.status == "ended"
    assert checkpoints.of(row.key) == []


def test_forget(notebook):
    """Forgotten rows are gone from both indexes; others stay."""
    found = notebook("scale = 1", LOAD, FIT)
    (load,) = found.checkpoints.steps()["load"]
    found.forget({load.id}).result()
    assert list(found.checkpoints.steps()) == ["fit"]
    assert found.checkpoints.of(load.key) == []


def test_at_most_three_changes_are_named(notebook):
    """A step of which everything changed names three inputs and counts the rest."""
    names = [f"v{n}" for n in range(6)]
    cell = f"%%step all\nout = [{', '.join(names)}]"
    found = notebook(*(f"{name} = 1" for name in names), cell, *(f"{name} = 2" for name in names), cell)
    assert found.checkpoints.steps()["all"][-1].reason == "v0, v1, v2 and 3 more changed"


def test_code_and_inputs_that_changed_are_both_named(notebook):
    """The code is named first."""
    found = notebook("scale = 1", LOAD, "scale = 2", LOAD + "\nmore = 1")
    assert found.checkpoints.steps()["load"][-1].reason == "its code, scale changed"


def test_the_next_kernel_knows_the_same_steps(make_shell):
    """What a shell recorded, the next one lists and replays."""
    first = make_shell()
    for cell in ("scale = 1", LOAD, FIT):
        first.run_cell(cell)
    keys = {name: rows[-1].key for name, rows in extension_of(first).notebook.checkpoints.steps().items()}
    second = make_shell()
    notebook = extension_of(second).notebook
    assert {name: rows[-1].key for name, rows in notebook.checkpoints.steps().items()} == keys
    second.run_cell("scale = 1")
    second.run_cell(LOAD)
    assert notebook.decisions == {"load": "was replayed in this kernel"}
    assert second.user_ns["rows"] == [1, 2]
