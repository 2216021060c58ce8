"""Where two values first differ, said as an expression of the user's."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from durable_nb.values.difference import first_difference


@dataclass
class Point:
    x: int
    tags: list


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Rude:
    def __init__(self, secret):
        self.secret = secret

    def __eq__(self, other):
        raise RuntimeError("nobody compares me")

    def __repr__(self):
        raise RuntimeError("nobody shows me")

    __hash__ = None


def f():
    return 1


def g():
    return 2


FRAME = pd.DataFrame({"price": [1.0, 2.0, 3.0, 4.0], "kind": list("abcd"), "n": [1, 2, 3, 4]})


def changed(frame, where, column, value):
    frame = frame.copy()
    frame.loc[where, column] = value
    return frame


CASES = [
    (1, 2, "v: 1 → 2"),
    (1, "many", "v: int 1 → str 'many'"),
    (1, True, "v: int 1 → bool True"),
    ([{"x": 1}, {"x": 1}], [{"x": 1}, {"x": 2}], "v[1]['x']: 1 → 2"),
    ([1, 2], [1, 2, 3], "len(v): 2 → 3"),
    ([1, 2], [0, 1, 2], "len(v): 2 → 3; v[0]: 1 → 0"),
    ((1, (2, 3)), (1, (2, 4)), "v[1][1]: 3 → 4"),
    ({"a": 1}, {"a": 1, "b": 2}, "v: 'b' added"),
    ({"a": 1, "b": 2, "c": 3}, {"a": 1}, "v: 'b' and 1 more removed"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "v: the same keys in another order"),
    ({1, 2}, {2, 3}, "v: 1 removed"),
    (frozenset("a"), frozenset("ab"), "v: 'b' added"),
    ("a" * 99 + "x", "a" * 99 + "y", "v[89:119]: 'aaaaaaaaaax' → 'aaaaaaaaaay'"),
    (Decimal("1.0"), Decimal("1.5"), "v: Decimal('1.0') → Decimal('1.5')"),
    (dt.date(2026, 1, 1), dt.date(2026, 1, 2), "v: datetime.date(2026, 1, 1) → datetime.date(2026, 1, 2)"),
    (Path("a"), Path("b"), "v: PosixPath('a') → PosixPath('b')"),
    (Point(1, [1]), Point(1, [2]), "v.tags[0]: 1 → 2"),
    (Slotted(1), Slotted(2), "v.a: 1 → 2"),
    (Rude(1), Rude(2), "v.secret: 1 → 2"),
    (f, g, "v: other code"),
    (np.arange(6).reshape(2, 3), np.array([[0, 1, 2], [3, 9, 5]]), "v[1, 1]: 4 → 9"),
    (np.array([1.0, np.nan]), np.array([2.0, np.nan]), "v[0]: 1.0 → 2.0"),
    (np.zeros(3), np.ones(3), "v[0]: 0.0 → 1.0 (3 of 3 elements differ)"),
    (np.zeros(3), np.zeros(4), "v.shape: (3,) → (4,)"),
    (np.zeros(3), np.zeros(3, dtype="f4"), "v.dtype: float64 → float32"),
    (np.array([[1], "a"], dtype=object), np.array([[2], "a"], dtype=object), "v.flat[0][0]: 1 → 2"),
    (np.float64(1), np.float64(2), "v: 1.0 → 2.0"),
    (FRAME, changed(FRAME, 3, "price", 5.0), "v.loc[3, 'price']: 4.0 → 5.0"),
    (FRAME, changed(FRAME, 1, "kind", "z"), "v.loc[1, 'kind']: 'b' → 'z'"),
    (FRAME, FRAME.assign(extra=1), "columns added in v: 'extra'"),
    (FRAME, FRAME.drop(columns="n"), "columns removed in v: 'n'"),
    (FRAME, FRAME[["kind", "price", "n"]], "v: the same columns in another order"),
    (FRAME, FRAME.head(3), "len(v): 4 → 3"),
    (FRAME, FRAME.astype({"n": "int8"}), "v['n'].dtype: int64 → int8"),
    (FRAME, FRAME.set_axis([0, 1, 2, 9]), "v.index[3]: 3 → 9"),
    (FRAME["n"], FRAME["n"] + 1, "v.loc[0]: 1 → 2 (4 of 4 rows differ)"),
    (FRAME["n"], FRAME["n"].rename("m"), "v.name: 'n' → 'm'"),
    (pd.Series([1, None], dtype="Int64"), pd.Series([1, 2], dtype="Int64"), "v.loc[1]: <NA> → 2"),
    (pd.Index(["a", "b"]), pd.Index(["a", "c"]), "v[1]: 'b' → 'c'"),
    (pl.DataFrame({"x": [1, None]}), pl.DataFrame({"x": [1, 2]}), "v['x'][1]: None → 2"),
    (pl.DataFrame({"x": [[1]]}), pl.DataFrame({"x": [[2]]}), "v['x'][0][0]: 1 → 2"),
    (pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [1, 2]}), "len(v): 1 → 2"),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2] for case in CASES])
def test_the_first_difference(old, new, expected):
    """What differs is named by the way to it, with the old and the new part."""
    assert first_difference(old, new, "v") == expected


@pytest.mark.parametrize("value", [case[0] for case in CASES if not isinstance(case[0], Rude)], ids=type)
def test_equal_values_have_none(value):
    """A copy does not differ."""
    assert first_difference(value, copy.deepcopy(value), "v") == ""


def test_cycles_end():
    """Values that hold themselves can be compared."""
    one, two = [1], [1]
    one.append(one)
    two.append(two)
    assert first_difference(one, two, "v") == ""
    two.append(3)
    assert first_difference(one, two, "v") == "len(v): 2 → 3"


def test_time_is_bounded():
    """When comparing takes too long, that is said."""
    rows = [[n] for n in range(100)]
    assert first_difference(rows, copy.deepcopy(rows), "v", seconds=0) == (
        "v has so much in it that the first difference was not found in 0 s"
    )


def test_what_has_neither_attributes_nor_a_repr_is_told_by_its_type():
    """An object whose repr is an address is called by its type."""
    assert first_difference([object()], [1], "v") == "v[0]: object → int 1"
    assert first_difference(iter([1]), iter([2]), "v").startswith("v: another a list_iterator")
