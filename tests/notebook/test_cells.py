"""Which cell is it? Scopes and occurrences over kernels and front ends."""

from __future__ import annotations

import pytest

from durable_nb.notebook.cells import Cell, CellScopes, Occurrences
from durable_nb.testing import temporary_store

BASE = b"b" * 16


@pytest.fixture
def session():
    with temporary_store() as opened:
        yield opened


def lab(cell_id):
    return Cell("x", cell_id, 1, interactive=True)


HEADLESS = Cell("x", "", 1, interactive=False)
TERMINAL = Cell("x", "", 1, interactive=True)


def test_a_cell_id_finds_its_scope_though_the_code_changed(session):
    """The id is enough, whatever the code."""
    first = CellScopes(session).find(lab("a"), "", "one")
    again = CellScopes(session).find(lab("a"), "", "two")
    assert again.id == first.id
    assert again.code_digest == "two"


def test_a_name_comes_before_the_id(session):
    """An explicit name finds its scope in any cell, and keeps it when the cell is moved."""
    named = CellScopes(session).find(lab("a"), "load", "one")
    assert CellScopes(session).find(lab("b"), "load", "two").id == named.id


def test_another_id_is_another_cell(session):
    """A copy of a cell has a scope of its own, even if its code is equal."""
    first = CellScopes(session).find(lab("a"), "", "one")
    assert CellScopes(session).find(lab("b"), "", "one").id != first.id


def test_headless_takes_scopes_of_equal_code_in_order(session):
    """Without ids, the nth cell of equal code in a kernel finds the nth scope."""
    scopes = CellScopes(session)
    ids = [scopes.find(lab(name), "", "one").id for name in "ab"]
    runner = CellScopes(session)
    found = [runner.find(HEADLESS, "", "one").id for _ in range(3)]
    assert found[:2] == ids
    assert found[2] not in ids
    assert [CellScopes(session).find(HEADLESS, "", "one").id for _ in range(2)] == [ids[0], ids[0]]


def test_an_id_is_learnt(session):
    """A scope that a headless runner made belongs, from then on, to the cell that first finds it with its id."""
    made = CellScopes(session).find(HEADLESS, "", "one")
    learnt = CellScopes(session).find(lab("a"), "", "one")
    assert (learnt.id, learnt.cell_id) == (made.id, "a")
    assert CellScopes(session).find(lab("b"), "", "one").id != made.id


def test_a_terminal_runs_the_same_cell_again(session):
    """Where a person may run a cell again, equal code is the same cell."""
    scopes = CellScopes(session)
    assert scopes.find(TERMINAL, "", "one").id == scopes.find(TERMINAL, "", "one").id


def test_a_cell_named_later_keeps_its_scope(session):
    """Giving a cell a name keeps its calls; another name is still found by the id."""
    first = CellScopes(session).find(lab("a"), "", "one")
    named = CellScopes(session).find(lab("a"), "load", "one")
    assert (named.id, named.name) == (first.id, "load")
    assert CellScopes(session).find(lab("a"), "", "one").name == "load"


def test_occurrences_by_id(session):
    """A cell keeps its occurrence among equal cells, in whatever order they run."""
    occurrences = Occurrences(session)
    assert [occurrences.of(lab(name), BASE) for name in "abcab"] == [0, 1, 2, 0, 1]
    assert occurrences.of(lab("c"), b"other") == 0


def test_occurrences_headless(session):
    """Without ids each run is the next one."""
    occurrences = Occurrences(session)
    assert [occurrences.of(HEADLESS, BASE) for _ in range(3)] == [0, 1, 2]


def test_occurrences_in_a_terminal(session):
    """In a terminal each run is the same one."""
    occurrences = Occurrences(session)
    assert [occurrences.of(TERMINAL, BASE) for _ in range(3)] == [0, 0, 0]
