"""Fingerprints: equal for equal values in every process, different for any difference a program can see."""

from __future__ import annotations

import asyncio
import collections
import copy
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import os
import pathlib
import pickle
import random
import re
import subprocess
import sys
import threading
import types
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_nb.errors import FingerprintError
from durable_nb.values.fingerprint import fingerprint, fingerprint_roots

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = pathlib.Path(__file__).parents[2]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: int
    tags: list[str] = field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: object) -> None:
        self.a = a


class Node:
    def __init__(self) -> None:
        self.children: set[Node] = set()
        self.parent: Node | None = None


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1.5, None, 3.0],
            "i": [1, 2, 3],
            "s": ["a", None, "c"],
            "o": pd.Series([[1], {"k": 2}, "x"], dtype=object),
            "c": pd.Categorical(["u", "v", "u"]),
            "d": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
            "z": pd.to_datetime(["2026-01-01", "2026-01-02", None]).tz_localize("UTC"),
            "m": pd.array([1, None, 3], dtype="Int64"),
        }
    )


def _structured() -> np.ndarray:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    array = np.zeros(4, kind)
    array["a"], array["b"] = [1, 2, 3, 4], 0.5
    return array


def _series_with_attrs() -> pd.Series:
    series = pd.Series([1, 2], index=pd.Index([5, 6], name="key"), name="v")
    series.attrs["unit"] = "m"
    return series


def _sparse() -> object:
    import scipy.sparse

    return scipy.sparse.csr_array(np.eye(3))


def _estimator() -> object:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, random_state=0).fit(np.arange(20).reshape(10, 2), [0, 1] * 5)


VALUES = {
    "none": lambda: None,
    "nan": lambda: float("nan"),
    "complex": lambda: 1 + 2j,
    "ellipsis": lambda: [..., NotImplemented],
    "text": lambda: ["ä", "\ud800", b"x", bytearray(b"y")],
    "set": lambda: {"a", "b", ("c", 1), frozenset({"d"})},
    "mixed set": lambda: {1, "1", None, 2.5, Colour.RED, pathlib.Path("p")},
    "dict": lambda: {"b": 1, "a": [1, {2: (3, [4])}]},
    "range": lambda: [range(3), slice(1, None)],
    "dates": lambda: [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2), dt.timedelta(1)],
    "zoned": lambda: [
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Rome")),
    ],
    "numbers": lambda: [decimal.Decimal("1.10"), fractions.Fraction(1, 3)],
    "path": lambda: [pathlib.Path("a/b"), pathlib.PurePosixPath("/x")],
    "uuid": lambda: uuid.UUID(int=5),
    "pattern": lambda: re.compile("a+", re.IGNORECASE),
    "enum": lambda: [Colour.RED, Colour.BLUE],
    "dataclass": lambda: Point(1, ["t"]),
    "slots": lambda: Slotted([1]),
    "namedtuple": lambda: Pair(1, [2]),
    "ordered": lambda: collections.OrderedDict(b=1, a=[2]),
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
    "counter": lambda: collections.Counter("hello"),
    "deque": lambda: collections.deque([1, [2]], maxlen=5),
    "namespace": lambda: types.SimpleNamespace(a=1, b=[2]),
    "random": lambda: random.Random(3),
    "generator": lambda: np.random.default_rng(3),
    "random state": lambda: np.random.RandomState(3),
    "partial": lambda: functools.partial(int, base=2),
    "builtin": lambda: [len, [].append, str.upper, dict.fromkeys, int, list[int], int | None],
    "exception": lambda: ValueError("x", [1]),
    "bytes io": lambda: io.BytesIO(b"abc"),
    "array": lambda: np.arange(6.0).reshape(2, 3),
    "fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": lambda: np.arange(20)[::3],
    "empty": lambda: np.empty((0, 3)),
    "zero dim": lambda: np.array(3),
    "object array": lambda: np.array([1, "a", [2]], dtype=object),
    "string array": lambda: np.array(["a", "bcd"]),
    "variable strings": lambda: np.array(["a", "b" * 40], dtype=np.dtypes.StringDType()),
    "structured": _structured,
    "long double": lambda: np.arange(3, dtype=np.longdouble),
    "datetime array": lambda: np.array(["2026-01-01"], dtype="M8[s]"),
    "scalar": lambda: [np.float64(1.5), np.int8(3), np.datetime64("2026-01-01")],
    "dtype": lambda: [np.dtype("f4"), _structured().dtype],
    "masked": lambda: np.ma.array([1, 2, 3], mask=[0, 1, 0]),
    "frame": _frame,
    "series": _series_with_attrs,
    "index": lambda: [pd.RangeIndex(3), pd.Index(["a", "b"]), pd.date_range("2026", periods=3)],
    "multi index": lambda: pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "y"]),
    "interval": lambda: pd.interval_range(0, 3),
    "period": lambda: pd.period_range("2026-01", periods=3, freq="M"),
    "timestamps": lambda: [pd.Timestamp("2026"), pd.Timedelta(1, "s"), pd.NaT, pd.NA],
    "slice of frame": lambda: pd.concat([_frame(), _frame()])[2:5],
    "arrow": lambda: pa.table({"s": ["a", None, "b"], "n": [1, None, 3]}),
    "arrow slice": lambda: pa.table({"s": ["a", None, "b"] * 9, "n": range(27)}).slice(7, 9),
    "arrow array": lambda: pa.array([[1], None, [2, 3]]),
    "polars": lambda: pl.DataFrame({"a": [1, None], "s": ["x", "y"]}),
    "polars slice": lambda: pl.DataFrame({"a": range(50)})[10:20],
    "sparse": _sparse,
    "estimator": _estimator,
}


@pytest.mark.parametrize("name", VALUES)
def test_a_pickled_copy_has_the_same_fingerprint(name: str) -> None:
    """A value that was stored and loaded again is the same value."""
    value = VALUES[name]()
    before = fingerprint(value)
    restored = pickle.loads(pickle.dumps(value, 5))
    assert fingerprint(restored) == before
    assert fingerprint(value) == before


def test_all_these_values_differ() -> None:
    """No two of the values above have one fingerprint, but for arrays that differ only in memory order."""
    seen: dict[bytes, str] = {}
    for name, make in VALUES.items():
        if name != "fortran":
            assert seen.setdefault(fingerprint(make()), name) == name


SCRIPT = """
import sys, decimal, enum, random
sys.path.insert(0, {project!r})
from durable_nb.values.fingerprint import fingerprint, fingerprint_roots
source = '''
LIMIT = 3
class Base:
    level = {{"x", "y", "z"}}
    def run(self): return helper(LIMIT)
def helper(v): return v in {{"alpha", "beta", "gamma", 4}}
class Tone(enum.Enum):
    LOW = "low"
obj = Base(); obj.tags = {{"p", "q", "r", ("s", 1), frozenset("tuv")}}
obj.helper = helper; obj.tone = {{Tone.LOW, 3}}
'''
import __main__
ns = __main__.__dict__
exec(compile(source, "cell", "exec"), ns)
made = fingerprint_roots({{"obj": ns["obj"], "Base": ns["Base"], "t": Tone}}, namespace=ns)
assert not made.opaque, made.opaque
print(made.digest.hex(), sorted(made.reached), [v.hex() for v in made.each.values()])
"""


def _in_process(seed: str) -> str:
    script = SCRIPT.format(project=str(PROJECT))
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fingerprints_do_not_depend_on_process_or_hash_seed() -> None:
    """Two processes with other hash seeds give sets, classes and functions the same fingerprints."""
    outputs = {_in_process(seed) for seed in ("1", "2", "77")}
    assert len(outputs) == 1
    assert "['LIMIT', 'helper']" in outputs.pop()


def _aliased() -> list[tuple[object, object]]:
    inner: list[int] = [1]
    cycle: list[object] = []
    cycle.append(cycle)
    longer: list[object] = [[]]
    longer[0].append(longer)  # type: ignore[attr-defined]
    one, other = Point(1), Point(1)
    array = np.arange(10)
    return [
        ([inner, inner], [[1], [1]]),
        ([[]] * 2, [[], []]),
        ((inner, [inner]), ([1], [[1]])),
        ({"a": inner, "b": inner}, {"a": [1], "b": [1]}),
        (cycle, longer),
        ([one, one], [one, other]),
        ([one.tags, one], [other.tags, one]),
        ([array, array], [array, array.copy()]),
        ([array, array[2:5]], [array, array[2:5].copy()]),
        ([array, array[2:5]], [array, np.concatenate([array[:2], array])[4:7]]),
        ([inner, (inner,)], [inner, (list(inner),)]),
        ({1: inner, 2: {3: inner}}, {1: inner, 2: {3: [1]}}),
    ]


@pytest.mark.parametrize("case", range(len(_aliased())))
def test_what_is_shared_is_part_of_the_fingerprint(case: int) -> None:
    """A value that refers twice to one mutable object differs from one that holds two equal objects."""
    shared, copied = _aliased()[case]
    assert fingerprint(shared) != fingerprint(copied)


def test_which_one_is_shared_counts() -> None:
    """``[a, b, a]`` and ``[a, b, b]`` differ although a equals b."""
    a, b = [1], [1]
    made = {fingerprint(x) for x in ([a, b, a], [a, b, b], [a, a, b], [a, a, a], [a, b, [1]])}
    assert len(made) == 5


def _fresh(value: object) -> object:
    return pickle.loads(pickle.dumps(value))


def test_atoms_never_count_as_shared() -> None:
    """Two equal atoms, small tuples of atoms or immutable values are as good as one."""
    pairs = [
        ("xyz"[:-1], "xy"),
        (int("1000000"), 1_000_000),
        (_fresh((1, "a")), (1, "a")),
        (_fresh((1, ("b",))), (1, ("b",))),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC),) * 2,
        (decimal.Decimal(5), decimal.Decimal("5")),
        (np.float64(2.0), np.float64(2)),
        (np.dtype([("a", "i4")]), np.dtype([("a", "i4")])),
        (pathlib.Path("a"), pathlib.Path("a")),
        (frozenset({1, 2}), frozenset({2, 1})),
    ]
    for one, other in pairs:
        clone = pickle.loads(pickle.dumps(one))
        assert fingerprint([one, one, []]) == fingerprint([one, other, []])
        assert fingerprint([one, one, []]) == fingerprint([clone, other, []])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        ("a", b"a"),
        ((1,), [1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1}, frozenset({1})),
        ([1, [2]], [[1], 2]),
        (None, "None"),
        ([np.zeros(4)], [np.zeros((2, 2))]),
        (np.zeros(2, "f4"), np.zeros(1, "f8")),
        (np.zeros(2, "i8"), np.zeros(2, "u8")),
        ([np.array([1, 2]), np.array([3])], [np.array([1]), np.array([2, 3])]),
        (pd.Series([1], name="a"), pd.Series([1], name="b")),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (Colour.RED, Colour.BLUE),
        (np.str_("a"), "a"),
        (np.bool_(True), True),
        (range(3), [0, 1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (Pair(1, 2), (1, 2)),
        (collections.deque([1], 3), collections.deque([1], 4)),
        (io.BytesIO(b"a"), io.BytesIO(b"b")),
    ],
)
def test_values_that_differ_have_different_fingerprints(one: object, other: object) -> None:
    """Type, order, sign and shape count."""
    assert fingerprint(one) != fingerprint(other)


def test_nan_is_equal_to_itself() -> None:
    """Two NaN with the same bits are one value."""
    assert fingerprint(float("nan")) == fingerprint(float("nan"))


def test_strides_and_block_layout_do_not_count() -> None:
    """Frames and arrays are told apart by values, not by how these lie in memory; but Fortran's order is a value."""
    rows = np.arange(60_000.0).reshape(20_000, 3)
    joined = pd.DataFrame(rows, columns=list("abc"))
    apart = pd.DataFrame({name: rows[:, place].copy() for place, name in enumerate("abc")})
    assert fingerprint(joined) == fingerprint(apart)
    assert fingerprint(rows[::2]) == fingerprint(rows[::2].copy())
    assert fingerprint(rows) != fingerprint(np.asfortranarray(rows))
    assert fingerprint(rows.T) == fingerprint(np.asfortranarray(rows.T.copy()))
    joined.iloc[19_999, 2] = -1
    assert fingerprint(joined) != fingerprint(apart)


def test_chunks_and_slices_of_tables_do_not_count() -> None:
    """Arrow and polars tables are told apart by rows."""
    whole = pa.table({"s": ["a", None, "b", "c"], "n": [1, 2, None, 4]})
    parts = pa.concat_tables([whole.slice(0, 2), whole.slice(2)])
    assert fingerprint(whole) == fingerprint(parts)
    tail = pa.table({"s": ["b", "c"], "n": [None, 4]})
    assert fingerprint(whole.slice(2)) == fingerprint(tail.cast(whole.schema))
    left = pl.DataFrame({"a": [1, 2]})
    assert fingerprint(pl.concat([left, left], rechunk=False)) == fingerprint(pl.DataFrame({"a": [1, 2, 1, 2]}))


def test_reading_a_frame_does_not_change_its_fingerprint() -> None:
    """Caches that pandas fills while it reads are no part of a value."""
    frame = _frame()
    before = fingerprint(frame)
    frame.groupby("s").size()
    frame.index.is_unique, frame.columns.get_loc("i"), frame["i"].sum(), frame.to_numpy()
    assert fingerprint(frame) == before


def test_a_view_of_strings_is_equal_to_the_strings() -> None:
    """That it may be written to is an attribute of views only; what may not be written to is another value."""
    strings = pd.array(["a", "b"], dtype="str")
    assert fingerprint(strings[:]) == fingerprint(strings) == fingerprint(pd.array(["a", "b"], dtype="str"))
    assert fingerprint(pd.Index(["a", "b"])[::-1]) == fingerprint(pd.Index(["b", "a"]))
    assert fingerprint(pd.Index(strings).array) != fingerprint(strings)
    periods = pd.period_range("2026-01", periods=3, freq="M").array
    assert fingerprint(periods.copy()[:]) == fingerprint(periods.copy())


def test_padding_of_structured_arrays_does_not_count() -> None:
    """What lies between the fields is whatever was in memory."""
    clean = _structured()
    dirty = _structured()
    dirty.view("u1").reshape(4, -1)[:, 1:8] = 255
    assert fingerprint(clean) == fingerprint(dirty)


def test_a_mutation_changes_the_fingerprint() -> None:
    """Whatever is changed inside a value is noticed."""
    values = {name: make() for name, make in VALUES.items() if name in ("dict", "dataclass", "frame")}
    values["array"] = np.arange(5)
    before = {name: fingerprint(value) for name, value in values.items()}
    values["dict"]["a"][1][2][1].append(5)  # type: ignore[index]
    values["dataclass"].tags.append("u")  # type: ignore[attr-defined]
    values["frame"].loc[1, "o"]["k"] = 3  # type: ignore[attr-defined]
    values["array"][3] = 9
    for name, value in values.items():
        assert fingerprint(value) != before[name], name


def iter_closure() -> object:
    inside = _generator()

    def reads() -> object:
        return inside

    return reads


def _generator() -> object:
    yield 1


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (lambda: types.SimpleNamespace(cb=[Slotted(_generator())]), "value.cb[0].a", "builtins.generator"),
        (lambda: {"k": [0, io.TextIOWrapper(io.BytesIO())]}, "value['k'][1]", "_io.TextIOWrapper"),
        (lambda: Point(1, [threading.local()]), "value.tags[0]", "_thread._local"),  # type: ignore[list-item]
        (lambda: collections.OrderedDict(a=[_generator()]), "value['a'][0]", "builtins.generator"),
        (iter_closure, "value.__closure__[0].cell_contents", "builtins.generator"),
    ],
)
def test_an_opaque_value_is_named_with_its_path(make: object, path: str, kind: str) -> None:
    """The error says where in the value the culprit is, and of what type."""
    value = make()  # type: ignore[operator]
    with pytest.raises(FingerprintError) as raised:
        fingerprint(value)
    assert (raised.value.path, raised.value.type_name) == (path, kind)
    assert raised.value.reason


def test_opaque_names_do_not_spoil_the_others() -> None:
    """The digest covers the names that have a fingerprint, and the others are listed."""
    made = fingerprint_roots({"a": [1], "g": _generator()}, namespace={})
    alone = fingerprint_roots({"a": [1]}, namespace={})
    assert set(made.each) == {"a"}
    assert made.opaque["g"].path == "g"
    assert made.digest == alone.digest


def test_locks_and_loggers_are_stateless() -> None:
    """A lock inside a value does not make it opaque."""
    import logging

    one = types.SimpleNamespace(lock=threading.Lock(), log=logging.getLogger("a"))
    two = types.SimpleNamespace(lock=threading.Lock(), log=logging.getLogger("a"))
    three = types.SimpleNamespace(lock=threading.Lock(), log=logging.getLogger("b"))
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(three)


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (threading.Lock, lambda lock: lock.acquire()),
        (threading.RLock, lambda lock: lock.acquire()),
        (threading.Event, threading.Event.set),
        (threading.Semaphore, threading.Semaphore.acquire),
        (asyncio.Event, asyncio.Event.set),
        (asyncio.Lock, lambda lock: asyncio.run(lock.acquire())),
        (asyncio.Semaphore, lambda lock: asyncio.run(lock.acquire())),
    ],
)
def test_what_a_lock_stands_at_counts(make: Callable[[], Any], change: Callable[[Any], Any]) -> None:
    """A held lock, a set event and a used semaphore are not what new ones are."""
    value = make()
    assert fingerprint(value) == fingerprint(make())
    change(value)
    assert fingerprint(value) != fingerprint(make())


def test_deep_and_cyclic_values_work() -> None:
    """Ten thousand levels, self-reference and mutual reference have fingerprints, which differ."""
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    deeper = [deep]
    left: list[object] = []
    right: dict[str, object] = {"left": left}
    left.append(right)
    made = {fingerprint(value) for value in (deep, deeper, left, right, deep[0])}
    assert len(made) == 5
    for chain in range(2):
        nested: object = ()
        for _ in range(3000):
            nested = (nested,) if chain else {"k": (nested,)}
        assert len(fingerprint(nested)) == 16


def test_work_is_linear_in_the_graph() -> None:
    """An object met many times is reduced and hashed once."""
    calls = []

    class Counted:
        def __reduce__(self) -> tuple[object, ...]:
            calls.append(1)
            return Counted, ()

    shared = Counted()
    value: list[object] = [shared]
    for _ in range(60):
        value = [value, value, shared]
    fingerprint([value] * 10_000)
    assert len(calls) == 1


def test_sets_of_objects_that_refer_back_work() -> None:
    """A tree whose nodes keep children in sets and know their parent has a fingerprint, at linear cost."""
    root = Node()
    for _ in range(300):
        child = Node()
        child.parent = root
        root.children.add(child)
    assert fingerprint(root) == fingerprint(pickle.loads(pickle.dumps(root)))


def test_sharing_between_names_counts() -> None:
    """``b = a`` is not ``b = a.copy()``, but each name alone is the same."""
    a = [[1], 2]
    aliased = fingerprint_roots({"a": a, "b": a}, namespace={})
    copied = fingerprint_roots({"a": a, "b": [[1], 2]}, namespace={})
    halfway = fingerprint_roots({"a": a, "b": [a[0], 2]}, namespace={})
    assert aliased.each == copied.each == halfway.each
    assert len({aliased.digest, copied.digest, halfway.digest}) == 3


def test_rows_and_views_shared_between_names_count() -> None:
    """``row = rows[0]`` and views of another name's array are seen."""
    rows = [{"a": 1}, {"a": 1}]
    digests = {
        fingerprint_roots({"rows": rows, "row": row}, namespace={}).digest for row in (rows[0], rows[1], {"a": 1})
    }
    assert len(digests) == 3
    array = np.zeros(10)
    digests = {
        fingerprint_roots({"array": array, "view": view}, namespace={}).digest
        for view in (array[2:4], array[3:5], np.zeros(2))
    }
    assert len(digests) == 3


def test_the_stride_of_a_single_element_does_not_count() -> None:
    """Views at the same place are equal, whatever numpy says of the step to an element that there is not."""
    array = np.zeros((1, 2))
    column = array[:, 0]
    same = np.lib.stride_tricks.as_strided(column, (1,), (8,))
    assert column.strides != same.strides
    assert fingerprint([array, column]) == fingerprint([array, same]) != fingerprint([array, array[:, 1]])


def test_sharing_between_names_does_not_follow_identity_of_atoms() -> None:
    """Only mutable objects connect names: equal tuples, types and modules in both do not."""
    first = (1, "a")
    second = _fresh((1, "a"))
    stamp = pd.Timestamp("2026")
    number = int("1009")
    same = fingerprint_roots({"a": number, "b": number, "c": first, "d": first}, namespace={})
    equal = fingerprint_roots({"a": number, "b": int("1009"), "c": first, "d": second}, namespace={})
    assert same.digest == equal.digest
    one = fingerprint_roots({"a": [first, stamp, int, np], "b": [first, stamp, int]}, namespace={})
    two = fingerprint_roots({"a": [first, pd.Timestamp("2026"), int, np], "b": [second, stamp, int]}, namespace={})
    assert one.digest == two.digest


def _cell(source: str, **names: object) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "__main__", **names}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace


HELPERS = """
k = 2
def g(v, w=1): return v * k
def f(v): return g(v)
class C:
    rate = 3
    def m(self): return f(self.rate)
def make():
    n = [0]
    def inner(): return n[0]
    return inner
inner = make()
from functools import lru_cache
@lru_cache
def cached(v): return v
cached.note = [1]
"""


def _digest(namespace: dict[str, object], name: str) -> bytes:
    return fingerprint_roots({name: namespace[name]}, namespace=namespace).digest


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("f", "v * k", "v + k", True),
        ("f", "k = 2", "k = 3", True),
        ("f", "w=1", "w=2", True),
        ("f", "rate = 3", "rate = 4", False),
        ("C", "rate = 3", "rate = 4", True),
        ("C", "k = 2", "k = 3", True),
        ("inner", "n = [0]", "n = [1]", True),
        ("cached", "note = [1]", "note = [2]", True),
        ("f", "\ndef f(v)", "\n\n# a comment\ndef f(v)", False),
    ],
)
def test_functions_are_what_they_reach(name: str, old: str, new: str, changes: bool) -> None:
    """Code, defaults, closures, class attributes and globals count, recursively; layout does not."""
    before = _digest(_cell(HELPERS), name)
    after = _digest(_cell(HELPERS.replace(old, new)), name)
    assert (before != after) is changes


def test_instances_know_the_code_of_their_class() -> None:
    """An edited method makes instances differ."""
    one = _cell(HELPERS + "c = C()")
    two = _cell(HELPERS.replace("f(self.rate)", "f(self.rate) + 1") + "c = C()")
    assert _digest(one, "c") != _digest(two, "c")
    assert _digest(one, "c") == _digest(_cell(HELPERS + "c = C()"), "c")


def test_reached_globals_are_listed() -> None:
    """What functions read is reported under its name, builtins and unbound names are not."""
    namespace = _cell(HELPERS)
    made = fingerprint_roots({"C": namespace["C"]}, namespace=namespace)
    assert set(made.reached) == {"f", "g", "k"}
    assert made.reached["k"] == 2
    assert len(made.facts) == 3


def test_names_that_texts_mention_are_reached() -> None:
    """A text input and a string argument mention notebook names; an opaque one is left out silently."""
    source = "a = 1\nq = 'select * from a'\ng = (x for x in ())\ndef f(d): return d.query('z > a')\n"
    namespace = _cell(source + "r = 'see g'\n")
    made = fingerprint_roots({"q": namespace["q"]}, namespace=namespace)
    assert set(made.reached) == {"a"}
    assert set(fingerprint_roots({"f": namespace["f"]}, namespace=namespace).reached) == {"a"}
    quiet = fingerprint_roots({"r": namespace["r"]}, namespace=namespace)
    assert not quiet.reached
    assert not quiet.opaque
    off = fingerprint_roots({"q": namespace["q"]}, namespace=namespace, mentions=False)
    assert not off.reached


def test_the_namespace_itself_is_never_walked() -> None:
    """A value that refers to the notebook's globals does not contain everything in them."""
    namespace = _cell("import math\ng = (x for x in ())\n")
    namespace["me"] = [namespace]
    before = _digest(namespace, "me")
    namespace["more"] = 1
    assert _digest(namespace, "me") == before


def test_own_fingerprints_are_honoured() -> None:
    """``__durable_fingerprint__`` decides for its type."""

    class Own:
        def __init__(self, key: object, noise: object) -> None:
            self.key, self.noise = key, noise

        def __durable_fingerprint__(self) -> object:
            return self.key

    assert fingerprint(Own(1, _generator())) == fingerprint(Own(1, 2))
    assert fingerprint(Own(1, 2)) != fingerprint(Own(2, 2))


def test_reading_runs_no_code_of_the_user() -> None:
    """Nothing but the pickle protocol is called on a user's object."""

    class Touchy(dict):  # type: ignore[type-arg]
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            raise AssertionError

        def __len__(self) -> int:
            raise AssertionError

        def __bool__(self) -> bool:
            raise AssertionError

        @property
        def trap(self) -> int:
            raise AssertionError

    touchy = Touchy(a=1)
    assert len(fingerprint([touchy, {"k": touchy}])) == 16


def test_classes_of_enums_know_their_values() -> None:
    """Members are told by name, their class by the values."""
    one = _cell("import enum\nclass E(enum.Enum):\n    A = 1\n")
    two = _cell("import enum\nclass E(enum.Enum):\n    A = 2\n")
    assert fingerprint(one["E"].A) != fingerprint(two["E"].A)  # type: ignore[attr-defined]


ATOMS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=3))
KEYS = st.one_of(st.integers(0, 5), st.text(max_size=2))
TREES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.tuples(inner, inner),
        st.builds(Point, inner, st.lists(st.text(max_size=2), max_size=2)),
        st.sets(ATOMS, max_size=4),
    ),
    max_leaves=20,
)


def _mutables(value: object) -> list[object]:
    found: dict[int, object] = {}
    pending = [value]
    while pending:
        item = pending.pop()
        if id(item) in found:
            continue
        if isinstance(item, list | dict | Point):
            found[id(item)] = item
        if isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, Point):
            pending.extend([item.x, item.tags])
    return list(found.values())


@settings(max_examples=150, deadline=None)
@given(TREES, st.data())
def test_copies_are_equal_and_changes_are_seen(tree: object, data: st.DataObject) -> None:
    """A copy with the same sharing has the same fingerprint; one mutation, or one alias more, another."""
    root = [tree]
    mutables = _mutables(root)
    for _ in range(data.draw(st.integers(0, 3))):
        target = data.draw(st.sampled_from(mutables))
        if isinstance(target, list):
            target.append(data.draw(st.sampled_from(mutables)))
    before = fingerprint(root)
    clone = copy.deepcopy(root)
    assert fingerprint(clone) == before
    assert fingerprint(pickle.loads(pickle.dumps(root, 5))) == before
    changed = data.draw(st.sampled_from(_mutables(clone)))
    if isinstance(changed, list):
        changed.append("changed")
    elif isinstance(changed, dict):
        changed["changed"] = 1
    else:
        changed.x = ["changed"]
    assert fingerprint(clone) != before


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_one_alias_broken_is_seen(tree: object) -> None:
    """Replacing one of two references to a mutable object by an equal copy changes the fingerprint."""
    for inner in _mutables([tree])[1:4]:
        assert fingerprint([tree, inner]) != fingerprint([tree, copy.deepcopy(inner)])


def test_long_texts_met_again_and_again_are_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a volume, long texts are hashed by number; equal texts stay equal whether or not they are one object."""
    from durable_nb.values import hashing

    monkeypatch.setattr(hashing, "_MUCH", 1 << 20)
    text = "x" * 100_000
    other = "".join(["x"] * 100_000)
    assert text is not other
    assert fingerprint([text] * 20) == fingerprint([text, other] * 10)
    assert fingerprint([text] * 20) != fingerprint([text] * 19 + [text[1:] + "y"])
    assert fingerprint([text] * 20) != fingerprint([text.encode()] * 20)


def test_local_modules_imported_inside_functions_count(tmp_path, monkeypatch) -> None:
    """An import in a function's body is followed to the file while the module is not loaded."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "late_b.py").write_text("x = 1\n")
    (tmp_path / "late_a.py").write_text("from late_b import x\n")
    namespace = _cell("def f():\n    import late_a, json\n    return late_a.x\n")
    before = _digest(namespace, "f")
    (tmp_path / "late_b.py").write_text("x = 1  # same\n")
    assert _digest(namespace, "f") == before
    (tmp_path / "late_b.py").write_text("x = 2\n")
    assert _digest(namespace, "f") != before
    made = fingerprint_roots({"f": namespace["f"]}, namespace=namespace)
    assert set(made.reached) == {"import late_a"}
