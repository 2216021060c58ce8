"""Keys of calls: function, what it reaches, arguments."""

from __future__ import annotations

import itertools

import pytest

from durable_nb.values.callkey import ARGS, CallKey

SOURCE = """
import math
k = 2
table = {"a": 1}
def g(v, w=1): return v * k
def f(v, *rest, **named): return g(v) + math.sqrt(k)
def reads(v): return table["a"]
class C:
    def __init__(self): self.n = 0
    def m(self, v): return self.n
def make():
    n = 1
    def inner(v): return n
    return inner
inner = make()
"""


@pytest.fixture
def names() -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(SOURCE, "<cell>", "exec"), namespace)
    return namespace


def _key(names: dict[str, object], name: str) -> CallKey:
    return CallKey(names[name], names)  # type: ignore[arg-type]


def test_calls_with_atoms_take_the_short_way(names: dict[str, object]) -> None:
    """Immutable function, globals and arguments need no object graph."""
    key = _key(names, "f")
    assert key.fingerprint((1, "a"), {"x": None}).full is None
    assert key.fingerprint(([1],), {}).full is not None
    assert _key(names, "reads").fingerprint((1,), {}).full is not None


def test_each_argument_counts(names: dict[str, object]) -> None:
    """Type, place and keyword of an argument tell calls apart."""
    key = _key(names, "f")
    calls = [((1,), {}), ((1.0,), {}), ((True,), {}), (("1",), {}), ((), {"v": 1}), ((1, 2), {}), (((1,),), {})]
    calls += [((b"1",), {}), (([1],), {}), ((0.0,), {}), ((-0.0,), {}), (([1.0],), {})]
    digests = [key.fingerprint(args, kwargs).digest for args, kwargs in calls]
    for one, other in itertools.combinations(range(len(digests)), 2):
        assert digests[one] != digests[other], (calls[one], calls[other])


def test_order_of_keywords_does_not_count(names: dict[str, object]) -> None:
    """Keywords are sorted, on both ways."""
    key = _key(names, "f")
    for extra in (1, [1]):
        one = key.fingerprint((1,), {"a": extra, "b": 2}).digest
        assert one == key.fingerprint((1,), {"b": 2, "a": extra}).digest


def test_equal_strings_are_one_argument(names: dict[str, object]) -> None:
    """Interned or not, a string is its characters."""
    key = _key(names, "f")
    assert key.fingerprint(("ab", "ab"), {}) == key.fingerprint(("abc"[:-1], "ab"), {})


@pytest.mark.parametrize(
    "edit",
    [
        "k = 3",
        "def g(v, w=1): return v + k",
        "def g(v, w=2): return v * k",
        "g.__defaults__ = (5,)",
        "math = None",
        "print = f",
        "f.__code__ = inner.__code__.replace(co_freevars=()) if False else g.__code__",
    ],
)
def test_what_the_function_reaches_counts_at_each_call(names: dict[str, object], edit: str) -> None:
    """A helper, a global or a default that changes between two calls changes the key, and back again."""
    key = _key(names, "f")
    if edit.startswith("print"):
        names["f"] = names["g"]
        exec("def f(v): return print(v)", names)
        key = _key(names, "f")
    before = key.fingerprint((1,), {}).digest
    exec(edit, names)
    assert key.fingerprint((1,), {}).digest != before


def test_an_old_value_gives_the_old_key(names: dict[str, object]) -> None:
    """Setting a global back makes the old calls hits again."""
    key = _key(names, "f")
    before = key.fingerprint((1,), {}).digest
    names["k"] = 3
    assert key.fingerprint((1,), {}).digest != before
    names["k"] = 2
    assert key.fingerprint((1,), {}).digest == before


def test_mutable_globals_are_read_live(names: dict[str, object]) -> None:
    """A global that is mutated in place is noticed."""
    key = _key(names, "reads")
    before = key.fingerprint((1,), {}).digest
    names["table"]["a"] = 2  # type: ignore[index]
    assert key.fingerprint((1,), {}).digest != before


def test_closures_are_read_live(names: dict[str, object]) -> None:
    """A closure variable that is rebound is noticed."""
    inner = names["inner"]
    key = _key(names, "inner")
    before = key.fingerprint((1,), {})
    assert before.full is None
    inner.__closure__[0].cell_contents = 2  # type: ignore[attr-defined]
    assert key.fingerprint((1,), {}).digest != before.digest


def test_self_is_an_argument(names: dict[str, object]) -> None:
    """A bound method is its function called with self, whose state counts."""
    made = names["C"]()  # type: ignore[operator]
    key = CallKey(made.m, names)
    before = key.fingerprint((1,), {})
    assert before.full is not None
    assert ARGS in before.full.each
    made.n = 1
    assert key.fingerprint((1,), {}).digest != before.digest


def test_an_argument_shared_with_a_global_counts(names: dict[str, object]) -> None:
    """Passing the global dict itself is not the same as passing a copy."""
    key = _key(names, "reads")
    table = names["table"]
    assert key.fingerprint((table,), {}).digest != key.fingerprint((dict(table),), {}).digest  # type: ignore[call-overload]
