"""Which part of a value cannot be saved, and the path to it; asked only after saving failed."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
import types
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_nb.values.address import ATOMS
from durable_nb.values.hooks import HookError, save_hook
from durable_nb.values.left_out import left_out, own_names
from durable_nb.values.refusing import asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Probe = Callable[[object, Sequence[object], float], Exception | None]
    Child = tuple[str, Any, object]  # how to write the step, its key, the part

BUDGET_SECONDS = 1.0
_MAX_PATH = 200
_STATE = 2  # where a reduce tuple has the state, the list items and the dict items
_LIST_ITEMS = 3
_DICT_ITEMS = 4


_CHUNK = 4096
_FEW = 8
_VERBATIM = frozenset({"{}", ".{}", "<closure {}>", "<base {}>", "<annotation {}>"})
_PARTS: Mapping[type, tuple[str, ...]] = {
    types.MethodType: ("__self__", "__func__"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.partial: ("func", "args", "keywords"),
}


class TimeUpError(Exception):
    """The search for a culprit has taken its time."""


class Failure(Exception):  # noqa: N818 - becomes an EncodeError
    """How saving failed, and the last object that pickle looked at before."""

    def __init__(self, error: Exception, suspect: object) -> None:
        super().__init__(str(error))
        self.error = error
        self.suspect = suspect


class ConnectedError(Exception):
    """A part is connected to something in a way that a copy would not be."""

    def __init__(self, part: object, reason: str) -> None:
        super().__init__(reason)
        self.part = part


@dataclass(frozen=True, slots=True)
class Culprit:
    """The innermost part that fails: the path to it, its type's name and why; ``keys`` are the names on the way."""

    path: str
    type_name: str
    reason: str
    keys: tuple[str, ...]


def find(value: object, failure: Failure, probe: Probe, label: str = "") -> Culprit:
    """Descend into the first part that fails, then into the first that fails of that, and so on.

    Args:
        value: what could not be saved.
        failure: how it failed.
        probe: saves a part to nowhere until a moment of ``time.perf_counter``, given the objects
            that lead to it (which it may refer to), and returns what went wrong or None; raises
            ``TimeUpError`` at that moment.
        label: how to call the value; without it a dict's keys are names.
    """
    path, current, ancestors, error = label, value, [value], failure.error
    keys: list[str] = []
    deadline = time.perf_counter() + BUDGET_SECONDS
    names = not label and type(value) is dict
    try:
        while not _is_hopeless(error) and getattr(error, "obj", None) is not current:
            parts = _children(current, names=names)
            failed = _first_failing(parts, error, ancestors, probe, deadline)
            if failed is None:
                break
            (step, key, current), error = failed
            path, names = path + step.format(key if step in _VERBATIM else _brief(key)), False
            ancestors.append(current)
            if isinstance(key, str):
                keys.append(key)
    except TimeUpError:
        if failure.suspect is not None:  # the last object pickle looked at: nearly always the one
            return Culprit(_shown(f"{path}…"), type_name(failure.suspect), _reason(error), tuple(keys))
    return Culprit(_shown(path), type_name(current), _reason(error), tuple(keys))


def find_object(value: object, wanted: object, label: str = "") -> str:
    """Return the path to a certain object inside a value, or the value's own label."""
    queue: deque[tuple[str, object, bool]] = deque([(label, value, not label)])
    seen = {id(value): value}
    deadline = time.perf_counter() + BUDGET_SECONDS
    while queue and time.perf_counter() < deadline:
        path, current, names = queue.popleft()
        if current is wanted:
            return _shown(path)
        for step, key, child in _children(current, names=names):
            if id(child) not in seen:
                seen[id(child)] = child
                shown = key if step in _VERBATIM else _brief(key)
                queue.append((path + step.format(shown), child, False))
    return _shown(label)


def type_name(value: object) -> str:
    """Return the qualified name of a value's type, without a module for builtins and notebooks."""
    kind = type(value)
    plain = kind.__module__ in {"builtins", "__main__"}
    return kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}"


def _first_failing(
    children: Iterator[Child],
    error: Exception,
    ancestors: Sequence[object],
    probe: Probe,
    deadline: float,
) -> tuple[Child, Exception] | None:
    # Many at once keep the work in C: finding the bad one of a million takes about one pickling.
    rest = (child for child in children if type(child[2]) not in ATOMS)
    first = True
    while chunk := list(itertools.islice(rest, _CHUNK)):
        if first and len(chunk) == 1 and type(ancestors[-1]) in {list, tuple, dict}:
            return chunk[0], error  # nothing else can be at fault
        first = False
        together = [child for _, _, child in chunk]
        if len(chunk) > _FEW and probe(together, ancestors, deadline) is None:
            continue
        for child in chunk:
            found = probe(child[2], ancestors, deadline)
            if found is not None:
                return child, found
    return None


def _children(value: object, *, names: bool) -> Iterator[Child]:
    hook = save_hook(type(value))
    if hook is not None:
        with contextlib.suppress(HookError):  # then it is the culprit itself
            yield "<saved>", None, hook.saved(value)
    elif type(value) is dict:
        for key, item in value.items():
            yield ("{}" if names and isinstance(key, str) else "[{}]"), key, item
        yield from (("<key {}>", key, key) for key in value)
    elif isinstance(value, (list, tuple)) and type(value) in {list, tuple}:
        yield from (("[{}]", i, item) for i, item in enumerate(value))
    elif type(value) in {set, frozenset}:
        yield from (("{{…}}", None, item) for item in value)  # type: ignore[attr-defined]
    elif isinstance(value, types.FunctionType):
        yield from _function_parts(value)
    elif isinstance(value, type):
        yield from _attributes(vars(value))
        yield from (("<base {}>", base.__name__, base) for base in value.__bases__)
    elif names_ := _PARTS.get(type(value)):
        yield from ((".{}", name, getattr(value, name)) for name in names_)
    else:
        yield from _reduced(value)


def _attributes(attributes: Mapping[str, object] | Any) -> Iterator[Child]:
    yield from ((".{}", name, item) for name, item in list(attributes.items()))


def _function_parts(func: types.FunctionType) -> Iterator[Child]:
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            yield "<closure {}>", name, cell.cell_contents
    yield from (("<default {}>", i, item) for i, item in enumerate(func.__defaults__ or ()))
    yield from (("<default {}>", n, item) for n, item in (func.__kwdefaults__ or {}).items())
    yield from _attributes(vars(func))
    yield from (("<annotation {}>", n, item) for n, item in func.__annotations__.items())


def _reduced(value: object) -> Iterator[Child]:
    try:
        parts, own = asked(value), own_names(type(value))
        lost = {} if own is None else left_out(value, own)
    except Exception:  # noqa: BLE001 - then it is the culprit itself, which has no parts
        return
    yield from _attributes(lost)
    if not isinstance(parts, tuple):
        return
    padded = (*parts, *[None] * 6)
    yield from _state(padded[_STATE])
    yield from (("[{}]", i, item) for i, item in enumerate(padded[_LIST_ITEMS] or ()))
    for key, item in padded[_DICT_ITEMS] or ():
        yield "[{}]", key, item
        yield "<key {}>", key, key
    yield from (("<part {}>", i, item) for i, item in enumerate(parts[1]))


def _state(state: object) -> Iterator[Child]:
    parts = state if type(state) is tuple and len(state) == 2 else (state,)  # noqa: PLR2004
    if all(type(part) is dict or part is None for part in parts):
        for part in parts:
            yield from _attributes(part or {})
    elif state is not None:
        yield "<state>", None, state


def _brief(key: object) -> str:
    text = repr(key) if isinstance(key, (str, int, float, bool, tuple)) else type_name(key)
    return text if len(text) <= 40 else text[:37] + "…"  # noqa: PLR2004


def _shown(path: str) -> str:
    if not path:
        return "value"
    return path if len(path) <= _MAX_PATH else f"{path[:80]} … {path[-80:]}"


def _is_hopeless(error: BaseException) -> bool:
    # Every part of what is too deep or too big would fail in its turn.
    return isinstance(error, (RecursionError, MemoryError)) or _is_depth(error)


def _is_depth(error: BaseException) -> bool:
    # cloudpickle turns a RecursionError into a PicklingError
    return isinstance(error.__cause__, RecursionError)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError) or _is_depth(error):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
