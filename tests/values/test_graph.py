"""Graphs: what two sets of names share, and the address of each shared object."""

from __future__ import annotations

import types

import numpy as np
import pandas as pd
import pytest

from durable_nb.values.address import resolve
from durable_nb.values.fingerprint import fingerprint_roots, graph_of
from durable_nb.values.graph import Graph


class _Key:
    """Hashed by identity, as a tensor is."""


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


def test_what_names_have_in_common_is_walked_once() -> None:
    """The graph of a figure, its axes and its lines is as large as the figure's; what each name brings is in it."""
    rows = [{"n": number} for number in range(100)]
    mine: dict[str, list[int]] = {"own": []}
    graph = graph_of({"rows": rows, "again": rows, "row": rows[7], "mine": [rows, mine]}, {})
    ids = [each for walk in graph.walks.values() for each in walk.ids]
    assert set(ids) >= {id(rows), *map(id, rows), id(mine), id(mine["own"])}
    assert len(ids) < len(rows) + 10


def test_a_graph_is_made_without_a_look_at_numbers_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which objects there are says nobody's digest; arrays of objects are looked into all the same."""
    held = ["held"]
    objects = np.empty(2, object)
    objects[0] = held
    table = pd.DataFrame(np.arange(12.0).reshape(6, 2).T.copy(), columns=list("abcdef")).assign(g=objects)
    values = {"numbers": np.arange(5.0), "table": table, "function": lambda: held, "objects": objects}

    def look(*_: object) -> bytes:
        raise AssertionError("it was looked at")

    whole = fingerprint_roots(values, namespace={}).graph
    monkeypatch.setattr("durable_nb.values.arrays._values_digest", look)
    monkeypatch.setattr("durable_nb.values.definitions.code_digest", look)
    graph = graph_of(values, {})
    assert not any(walk.blocked for walk in graph.walks.values())
    assert id(held) in graph.walks["function"].ids
    arrays = {id(values[name]) for name in ("numbers", "objects")}
    for name, walk in whole.walks.items():
        assert {*walk.ids} & {*arrays, id(held)} <= set().union(*(each.ids for each in graph.walks.values())), name


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
    """An array in memory of an input is addressed by its place there, and made there again; the same one is none."""
    array = np.zeros((4, 5))
    inputs = _graph(a={"in": array})
    view = array[1:3, 2]
    assert inputs.views_in(_graph(out=[array, np.zeros(10)])) == {}
    (address,) = inputs.views_in(_graph(out={"v": view})).values()
    made = resolve(address, {"a": {"in": array}}.__getitem__)
    made[1] = 7
    assert (array[2, 2], made.shape, made.strides, view[1]) == (7, view.shape, view.strides, 7)
    with pytest.raises(LookupError, match="has other elements"):
        resolve(address, {"a": {"in": np.zeros((5, 4))}}.__getitem__)


VIEWS = {
    "all": lambda y: y[:],
    "reversed": lambda y: y[::-1],
    "transposed": lambda y: y.T,
    "one row": lambda y: y[2],
    "one element": lambda y: y[1:2, 1:2],
    "scalar": lambda y: y[1:2, 1].reshape(()),
    "stepped": lambda y: y[1::2, ::-1],
    "new axis": lambda y: y[:, None, 1:],
    "rows apart": lambda y: y[:, 0].reshape(2, 2),
    "repeated": lambda y: np.broadcast_to(y[0], (3, 3)),
}
LAYOUTS = {
    "in one piece": lambda: np.arange(12).reshape(4, 3),
    "fortran": lambda: np.asfortranarray(np.arange(12).reshape(4, 3)),
    "with gaps": lambda: np.pad(np.arange(12).reshape(4, 3), 2)[2:6, 2:5],
    "stepped": lambda: np.repeat(np.arange(12), 2).reshape(4, 6)[:, ::2],
    "backwards": lambda: np.arange(11, -1, -1).reshape(4, 3)[::-1, ::-1],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("was", LAYOUTS)
def test_a_view_is_addressed_however_its_base_lies(was: str, view: str) -> None:
    """Of an array that lies in memory in any way, a view is made again of one that lies in any other way."""
    base = LAYOUTS[was]()
    seen = VIEWS[view](base)
    (address,) = _graph(y=base).views_in(_graph(x=seen)).values()
    assert isinstance(address, tuple), address
    sharing = _graph(x=seen, y=base).sharing_digest()
    for make in LAYOUTS.values():
        other = make()
        made = resolve(address, {"y": other}.__getitem__)
        assert _graph(x=made, y=other).sharing_digest() == sharing
        other += 100 * np.arange(12).reshape(4, 3)
        assert made.tolist() == VIEWS[view](other).tolist()
        assert made.flags.writeable == seen.flags.writeable


def test_views_of_other_elements_are_told_apart() -> None:
    """What two arrays share tells which elements of one the other has, and in which order."""
    base = LAYOUTS["with gaps"]()
    views = [base[:2], base[2:], base[:2, ::-1], base[1:3], base[::2], base[:2].T, base[:2].copy()]
    assert len({_graph(x=view, y=base).sharing_digest() for view in views}) == len(views)


def test_a_view_of_a_frames_memory_is_addressed() -> None:
    """Pandas gives views of what a frame keeps: they are found in a frame of the same layout."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    view = frame["b"].to_numpy()
    (address,) = _graph(df=frame).views_in(_graph(out=view)).values()
    again = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    made = resolve(address, {"df": again}.__getitem__)
    again.loc[0, "b"] = 9.0
    assert made.tolist() == [9.0, 4.0]
    assert not made.flags.writeable


def test_memory_that_cannot_be_addressed_is_named() -> None:
    """A view of another kind of array, or of what lies between the elements of one, has a path only."""
    array = np.zeros(10)
    assert list(_graph(a=array[::2]).views_in(_graph(out={"v": array[2:6]})).values()) == ["out['v']"]
    assert list(_graph(a=array[::2]).views_in(_graph(out={"v": array[1:6:2]})).values()) == ["out['v']"]
    records = array[2:5].view(np.recarray)
    assert list(_graph(a=array).views_in(_graph(out=records)).values()) == ["out"]


def test_frames_that_share_what_they_copy_on_write_are_apart() -> None:
    """Two frames with common memory are no views of each other: pandas parts them when one is written to."""
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    assert _graph(df=frame).views_in(_graph(out=frame.assign(b=1))) == {}


class _Bunch(dict[str, object]):
    """A dict of a class of its own, which leaves its values to Python."""


class _Rows(list[object]):
    """A list of a class of its own."""


class _Counted(_Bunch):
    def values(self) -> list[object]:  # type: ignore[override]
        return [0, *super().values()]


class _FromOne(_Rows):
    def __getitem__(self, number: int) -> object:  # type: ignore[override]
        return super().__getitem__(number - 1)


def test_items_of_own_containers_are_addressed() -> None:
    """What a dict or a list of a class of its own holds has an address, unless the class hands out something else."""
    first, second = [1], np.arange(3)
    bunch, rows = _Bunch(n=1, data=second, rows=_Rows([first])), _Rows([0, second])
    shared = _graph(b=bunch).shared_with(_graph(out=[first, second]))
    assert shared == {
        id(first): ("b", (("value", 2), ("item", 0))),
        id(second): ("b", (("value", 1),)),
    }
    assert _graph(r=rows).shared_with(_graph(out=second)) == {id(second): ("r", (("item", 1),))}
    for odd in (_Counted(data=second), _FromOne([second])):
        assert _graph(odd=odd).shared_with(_graph(out=second)) == {id(second): None}


def test_items_of_an_own_container_that_changed_have_no_address() -> None:
    """Its items now are not those of the graph: nobody says where the object was."""
    first = [1]
    bunch = _Bunch(n=1, rows=first)
    graph = _graph(b=bunch)
    bunch["n"] = bunch.pop("rows")
    assert graph.shared_with(_graph(out=first)) == {id(first): None}


def test_what_lies_under_keys_without_a_literal_is_addressed_by_order() -> None:
    """Keys that are objects, and what a dict holds under them, as an optimiser's state does."""
    key, state, last = _Key(), {"m": [1]}, [2]
    table = {"first": 1, key: state, (1, "b"): last}
    shared = _graph(t=table).shared_with(_graph(out=[key, state["m"], last]))
    addresses = [shared[id(each)] for each in (key, state["m"], last)]
    assert addresses == [
        ("t", (("key", 1),)),
        ("t", (("value", 1), ("item", "m"))),
        ("t", (("value", 2),)),
    ]
    assert [resolve(address, {"t": table}.__getitem__) for address in addresses if address] == [key, [1], last]
    with pytest.raises(LookupError):
        resolve(("t", (("value", 9),)), {"t": table}.__getitem__)
