"""Graphs: what two sets of names share, and the address of each shared object."""

from __future__ import annotations

import types

import numpy as np

from durable_nb.values.address import resolve
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.graph import Graph


def _graph(**roots: object) -> Graph:
    return fingerprint_roots(roots, namespace={}).graph


def test_shared_objects_are_found_under_their_address() -> None:
    """Each mutable object of the outputs that lies in the inputs comes with a way to find it there."""
    row, tags, array = {"n": 1}, ["t"], np.zeros(3)
    box = types.SimpleNamespace(tags=tags, array=array)
    inputs: dict[str, object] = {"rows": [0, row], "box": box, "table": {"x": {"y": [row]}}}
    before = _graph(**inputs)
    after = _graph(row=row, tags=tags, nested=[array], fresh=[{"n": 1}])
    shared = before.shared_with(after)
    assert set(shared) == {id(row), id(tags), id(array)}
    assert shared[id(row)] == ("rows", (("item", 1),))
    assert shared[id(tags)] == ("box", (("attr", "tags"),))
    for ident, address in shared.items():
        assert address is not None
        assert id(resolve(address, inputs.__getitem__)) == ident


def test_addresses_are_those_before_a_change() -> None:
    """An address leads to the object in the state the graph was made in, not in a later one."""
    first, second = [1], [2]
    rows = ["atom", first, second]
    graph = _graph(rows=rows)
    rows.reverse()
    assert graph.shared_with(_graph(x=second))[id(second)] == ("rows", (("item", 2),))


def test_objects_in_sets_have_no_address() -> None:
    """What no expression leads to maps to None."""

    class Thing:
        pass

    thing = Thing()
    assert _graph(s={thing}).shared_with(_graph(x=thing))[id(thing)] is None


def test_atoms_and_values_are_never_shared() -> None:
    """Small tuples, types and functions of packages connect nothing."""
    pair = (1, "a")
    assert _graph(a=[pair, int, np.sum]).shared_with(_graph(b=[pair, int, np.sum])) == {}


def test_items_of_large_tables_are_addressed() -> None:
    """Positions are kept also where atoms and objects are mixed."""
    rows = [{"a": number, "b": [number], "c": "x"} for number in range(1000)]
    inner = rows[617]["b"]
    graph = _graph(rows=rows)
    assert graph.shared_with(_graph(x=inner))[id(inner)] == (
        "rows",
        (("item", 617), ("item", "b")),
    )


def test_views_into_arrays_are_found() -> None:
    """An array in memory of another one that is not the same object is named."""
    array = np.zeros(10)
    inputs = _graph(a=array)
    assert inputs.overlaps(_graph(out={"v": array[2:4]})) == "out['v']"
    assert inputs.overlaps(_graph(out=[array, np.zeros(10)])) is None
