"""States of live objects: every form is read, found changed, and written back into the very object."""

from __future__ import annotations

import array
import collections
import dataclasses
import decimal
import random
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.inplace import FORMS
from durable_nb.values.states import States


class Plain:
    shared: list[int] = []
    count = 0

    def __init__(self) -> None:
        self.items = [1]


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = [1]


@dataclasses.dataclass(slots=True)
class SlottedData:
    x: int
    y: list[int]


class WithState:
    def __init__(self) -> None:
        self.n = 1
        self.cache = object()

    def __getstate__(self) -> dict[str, Any]:
        return {"n": self.n}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, cache=object())


class Rows(list[int]):
    pass


def counter() -> Any:
    n = 0

    def up() -> int:
        nonlocal n
        n += 1
        return n

    return up


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})


CASES: dict[str, tuple[Any, Any]] = {
    "list": (lambda: [1, [2]], lambda v: v.append(3)),
    "list, nested": (lambda: [1, [2]], lambda v: v[1].append(3)),
    "list, order": (lambda: [[1], [2]], lambda v: v.reverse()),
    "dict": (lambda: {"a": 1}, lambda v: v.update(b=2)),
    "dict, order": (lambda: {"a": 1, "b": 2}, lambda v: v.update(a=v.pop("a"))),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "bytearray": (lambda: bytearray(b"ab"), lambda v: v.extend(b"c")),
    "array.array": (lambda: array.array("d", [1, 2]), lambda v: v.append(3)),
    "deque": (lambda: collections.deque([1], maxlen=3), lambda v: v.appendleft(0)),
    "ordered dict": (lambda: collections.OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
    "default dict": (lambda: collections.defaultdict(list, a=[1]), lambda v: v["b"].append(2)),
    "default factory": (lambda: collections.defaultdict(list), lambda v: setattr(v, "default_factory", set)),
    "counter": (lambda: collections.Counter("aab"), lambda v: v.update("c")),
    "list subclass": (lambda: Rows([1]), lambda v: v.append(2)),
    "attributes": (Plain, lambda v: setattr(v, "items", [2])),
    "attribute added": (Plain, lambda v: setattr(v, "more", v)),
    "attribute deleted": (Plain, lambda v: delattr(v, "items")),
    "attribute, inside": (Plain, lambda v: v.items.append(2)),
    "namespace": (lambda: types.SimpleNamespace(a=1), lambda v: setattr(v, "b", 2)),
    "slots": (Slotted, lambda v: setattr(v, "b", 1)),
    "slot deleted": (Slotted, lambda v: delattr(v, "a")),
    "dataclass with slots": (lambda: SlottedData(1, []), lambda v: (setattr(v, "x", 2), v.y.append(1))),
    "setstate": (WithState, lambda v: setattr(v, "n", 2)),
    "closure": (counter, lambda v: v()),
    "array": (lambda: np.arange(6.0).reshape(2, 3), lambda v: v.__setitem__((1, 1), 9)),
    "array, Fortran": (lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)), lambda v: v.__setitem__((1, 0), -1)),
    "array of objects": (lambda: np.array([[1], "x", None], dtype=object), lambda v: v.__setitem__(2, "y")),
    "structured array": (lambda: np.zeros(2, "i4,f8"), lambda v: v.__setitem__(0, (1, 2.5))),
    "masked array": (lambda: np.ma.array([1, 2], mask=[0, 1]), lambda v: v.__setitem__(0, np.ma.masked)),
    "nullable array": (lambda: pd.array([1, None]), lambda v: v.__setitem__(1, 4)),
    "nullable booleans": (lambda: pd.array([True, None]), lambda v: v.__setitem__(0, None)),
    "decimal context": (lambda: decimal.Context(prec=5), lambda v: setattr(v, "prec", 7)),
    "decimal flags": (decimal.Context, lambda v: v.divide(1, 3)),
    "generator": (lambda: np.random.default_rng(1), lambda v: v.random()),
    "random state": (lambda: np.random.RandomState(1), lambda v: v.rand()),
    "random": (lambda: random.Random(1), lambda v: v.random()),
    "frame, cell": (frame, lambda v: v.__setitem__("a", [5.0, 6.0])),
    "frame, value": (lambda: pd.DataFrame({"a": [1.0, 2.0]}), lambda v: v.loc.__setitem__((0, "a"), 7.0)),
    "frame, column": (frame, lambda v: v.insert(0, "new", 1)),
    "frame, attrs": (frame, lambda v: v.attrs.update(unit="m")),
    "frame, columns": (frame, lambda v: setattr(v, "columns", ["x", "y"])),
    "frame, popped": (frame, lambda v: v.pop("a")),
    "series": (lambda: pd.Series([1, 2]), lambda v: v.__setitem__(0, 5)),
}


def digest(value: object) -> bytes:
    """Return the fingerprint of a value."""
    return fingerprint_roots({"v": value}, namespace={}).digest


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_found_and_can_be_made_in_another_object(case: str) -> None:
    """The states of the changed objects, written into an equal value, make it what the changed one became."""
    make, change = CASES[case]
    value, other = make(), make()
    states = States(fingerprint_roots({"v": value}, namespace={}).graph, {})
    assert {id(each.obj) for each in states.changes()} <= {id(getattr(value, "bit_generator", value))}
    change(value)
    found = states.changes()
    assert found
    assert digest(value) != digest(other)
    if len(found) == 1 and found[0].obj is value:
        form = found[0].form
        assert form is not None
        FORMS[form].write(other, FORMS[form].read(value))
        assert digest(value) == digest(other)


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_put_back(case: str) -> None:
    """An attempt's changes are undone in the very object, which stays usable; a second attempt's are too."""
    make, change = CASES[case]
    value = make()
    before = digest(value)
    states = States(fingerprint_roots({"v": value}, namespace={}).graph, {}, keep_bytes=1 << 20)
    for _ in range(2):
        change(value)
        assert digest(value) != before
        assert states.put_back() == []
        assert digest(value) == before


def test_a_class_is_changed_and_put_back() -> None:
    """Attributes of a class that were set, added and deleted; lists in them keep their identity."""
    shared = Plain.shared
    states = States(fingerprint_roots({"c": Plain}, namespace={}).graph, {}, keep_bytes=0)
    Plain.count = 5
    Plain.more = 1  # type: ignore[attr-defined]
    Plain.shared.append(1)
    assert states.put_back() == []
    assert (Plain.count, hasattr(Plain, "more"), Plain.shared) == (0, False, [])
    assert Plain.shared is shared


def test_what_is_too_large_is_not_kept_and_named() -> None:
    """Contents beyond the bound stay as the attempt left them, and their paths are told."""
    value = {"small": np.zeros(2), "large": np.zeros(1000)}
    states = States(fingerprint_roots({"v": value}, namespace={}).graph, {}, keep_bytes=100)
    value["small"][0] = value["large"][0] = 1
    assert states.skipped == ["v['large']"]
    assert states.put_back() == ["v['large']"]
    assert (value["small"][0], value["large"][0]) == (0, 1)


def test_memory_of_a_frame_is_written_where_it_lies() -> None:
    """Values changed in a frame's own memory are changed there, so that views of it see them; other changes are not."""
    value = pd.DataFrame({"a": [1.0, 2.0]})
    states = States(fingerprint_roots({"v": value}, namespace={}).graph, {})
    value.loc[0, "a"] = 5.0
    (change,) = states.changes()
    assert change.form == "frame values"
    other = pd.DataFrame({"a": [1.0, 2.0]})
    view = other["a"].to_numpy()
    FORMS["frame values"].write(other, FORMS["frame values"].read(value))
    assert (other["a"].tolist(), view.tolist()) == ([5.0, 2.0], [5.0, 2.0])
    value["a"] = [6.0, 7.0]
    assert [each.form for each in states.changes()] == ["frame"]


def test_beyond_many_objects_every_container_counts_as_changed() -> None:
    """Nothing is copied of a very large graph."""
    value = [[] for _ in range(100_001)]
    states = States(fingerprint_roots({"v": value}, namespace={}).graph, {})
    assert not states.whole
    assert len(states.changes()) == len(value) + 1
