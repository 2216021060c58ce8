"""The first difference between two values, as an expression a user would write: ``rows[12]['x']: 1 → 2``."""

from __future__ import annotations

import sys
import time
import types
from typing import TYPE_CHECKING, Any, Final

from durable_nb.errors import FingerprintError
from durable_nb.values import tables
from durable_nb.values.code import code_digest
from durable_nb.values.fingerprint import fingerprint
from durable_nb.values.kinds import PLAIN_ATOMS, all_atoms, class_dict, class_name, is_atom, mro_names

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TEXT: Final = 60
SECONDS: Final = 2.0
_CHECK_EACH: Final = 1 << 12
_ABSENT: Final = object()
_SETS: Final = (set, frozenset)
_SLOTTED: Final = types.MemberDescriptorType


class _TimeUpError(Exception):
    """Comparing takes too long."""


def first_difference(old: object, new: object, name: str, *, seconds: float = SECONDS) -> str:
    """Return where two values first differ and how; "" when no difference is found.

    The values are only read: containers and attributes by Python's own access, arrays and frames by their
    libraries, anything else by its fingerprint and, to be shown, its ``repr``.

    Args:
        old: the value before.
        new: the value now.
        name: what the value is called.
        seconds: how long to look.
    """
    try:
        return _Search(time.perf_counter() + seconds).between(old, new, name) or ""
    except _TimeUpError:
        return f"{name} has so much in it that the first difference was not found in {seconds:g} s"
    except RecursionError:
        return f"{name} is nested too deeply to be compared"


def shown(value: object) -> str:
    """Return a value in a few words; never raises."""
    item = getattr(value, "item", None) if "numpy.generic" in mro_names(type(value)) else None
    try:
        text = repr(item() if item is not None else value)
    except Exception:  # noqa: BLE001 - a user's own repr
        text = ""
    if not text or " at 0x" in text:
        text = f"a {class_name(type(value))[1]}"
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class _Search:
    """Looks for the first difference until its time is up."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._seen: set[tuple[int, int]] = set()

    def between(self, old: Any, new: Any, path: str) -> str | None:  # noqa: PLR0911 - one line per kind of value
        self._check()
        if old is new or (id(old), id(new)) in self._seen:
            return None
        kind = type(old)
        if kind is not type(new):
            return f"{path}: {_typed(old)} → {_typed(new)}"
        if is_atom(old):
            return None if _equal(old, new) else _texts(old, new, path) or f"{path}: {shown(old)} → {shown(new)}"
        self._seen.add((id(old), id(new)))
        if issubclass(kind, dict):
            return self._mappings(old, new, path)
        if issubclass(kind, list | tuple):
            return self._sequences(old, new, path)
        if kind in _SETS and all_atoms(old) and all_atoms(new):
            return _sets(old, new, path)
        if kind is types.FunctionType:
            return None if code_digest(old.__code__) == code_digest(new.__code__) else f"{path}: other code"
        table = tables.difference(old, new, path, self.between, shown)
        return self._others(old, new, path) if table is None else table or None

    def _check(self) -> None:
        if time.perf_counter() > self._until:
            raise _TimeUpError

    def _sequences(self, old: Any, new: Any, path: str) -> str | None:
        inside = None
        for index, (was, now) in enumerate(zip(old, new, strict=False)):
            if index % _CHECK_EACH == 0:
                self._check()
            if was is now or (type(was) in PLAIN_ATOMS and type(was) is type(now) and was == now):
                continue
            inside = self.between(was, now, f"{path}[{index}]")
            if inside:
                break
        length = f"len({path}): {len(old):,} → {len(new):,}" if len(old) != len(new) else None
        return "; ".join(filter(None, (length, inside))) or None

    def _mappings(self, old: Any, new: Any, path: str) -> str | None:
        if not all_atoms(old) or not all_atoms(new):
            return self._sequences([*old, *old.values()], [*new, *new.values()], f"(keys and values of {path})")
        for what, keys in (("removed", old.keys() - new.keys()), ("added", new.keys() - old.keys())):
            if keys:
                return f"{path}: {_some(keys, old if what == 'removed' else new)} {what}"
        for number, (key, was) in enumerate(old.items()):
            if number % _CHECK_EACH == 0:
                self._check()
            now = new[key]
            if was is now or (type(was) in PLAIN_ATOMS and type(was) is type(now) and was == now):
                continue
            inside = self.between(was, now, f"{path}[{key!r}]")
            if inside:
                return inside
        return None if list(old) == list(new) else f"{path}: the same keys in another order"

    def _others(self, old: Any, new: Any, path: str) -> str | None:
        """Compare objects by their attributes, and what has none by fingerprint."""
        # What Python's own types keep in attributes are caches, too.
        own = class_name(type(old))[0].partition(".")[0] not in sys.stdlib_module_names
        attributes = list(_attributes(old, new)) if own else []
        for name, was, now in attributes:
            if was is _ABSENT or now is _ABSENT:
                return f"{path}.{name} {'added' if was is _ABSENT else 'removed'}"
            inside = self.between(was, now, f"{path}.{name}")
            if inside:
                return inside
        if attributes or _same(old, new):
            return None
        was_shown, now_shown = shown(old), shown(new)
        return f"{path}: {was_shown} → {now_shown}" if was_shown != now_shown else f"{path}: another {was_shown}"


def _attributes(old: Any, new: Any) -> Iterator[tuple[str, object, object]]:
    """Yield (name, old, new) of the attributes that objects have of their own, without running any code of theirs."""
    try:
        before, after = object.__getattribute__(old, "__dict__"), object.__getattribute__(new, "__dict__")
    except AttributeError:
        before, after = {}, {}
    for name in [*before, *(name for name in after if name not in before)]:
        yield str(name), before.get(name, _ABSENT), after.get(name, _ABSENT)
    for base in type.__dict__["__mro__"].__get__(type(old)):
        for name, descriptor in class_dict(base).items():
            if type(descriptor) is _SLOTTED and name not in ("__dict__", "__weakref__"):
                was, now = _slot(descriptor, old), _slot(descriptor, new)
                if was is not _ABSENT or now is not _ABSENT:
                    yield name, was, now


def _slot(descriptor: Any, obj: object) -> object:
    try:
        return descriptor.__get__(obj)
    except AttributeError:
        return _ABSENT


def _equal(old: Any, new: Any) -> bool:
    return bool(old == new or (old != old and new != new))  # noqa: PLR0124 - nan is nan


def _texts(old: object, new: object, path: str) -> str | None:
    """Return where two long texts differ; None for what is shown whole."""
    if not isinstance(old, str | bytes) or not isinstance(new, str | bytes) or max(len(old), len(new)) <= MAX_TEXT:
        return None
    pairs = enumerate(zip(old, new, strict=False))
    at = next((index for index, (was, now) in pairs if was != now), min(len(old), len(new)))
    first, last = max(0, at - 10), at + 20
    where = f"{path}[{first}:{last}]: {old[first:last]!r} → {new[first:last]!r}"
    return where if len(old) == len(new) else f"len({path}): {len(old):,} → {len(new):,}; {where}"


def _sets(old: Any, new: Any, path: str) -> str | None:
    for what, items in (("removed", old - new), ("added", new - old)):
        if items:
            return f"{path}: {_some(items, sorted(items, key=repr))} {what}"
    return None


def _some(found: Any, order: Any) -> str:
    """Return the first of some keys, and how many more there are."""
    first = next(each for each in order if each in found)
    return shown(first) + (f" and {len(found) - 1:,} more" if len(found) > 1 else "")


def _typed(value: object) -> str:
    name = class_name(type(value))[1]
    return f"{name} {shown(value)}" if is_atom(value) else name


def _same(old: object, new: object) -> bool:
    try:
        return fingerprint(old) == fingerprint(new)
    except FingerprintError:
        return False
