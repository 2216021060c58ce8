"""How users' own types are saved: ``register(T, save=, load=)``, or ``__durable_save__`` and ``__durable_load__``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values import rebuild
from durable_nb.values.kinds import class_dict, class_name
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable

SAVE: Final = "__durable_save__"
LOAD: Final = "__durable_load__"
FINGERPRINT: Final = "__durable_fingerprint__"


class HookError(Exception):
    """A user's hook failed for an object, or gave something that cannot be used; never seen by users as such."""

    def __init__(self, obj: object, reason: str) -> None:
        super().__init__(reason)
        self.obj = obj


@dataclass(frozen=True, slots=True)
class SaveHook:
    """What a type's values are saved as.

    Attributes:
        name: how people know the hook.
        save: value -> an object that pickles.
        load: the function of ``rebuild`` that the stream calls.
        home: its first arguments; what was saved is its last.
        problem: why values cannot be saved this way though they should, or "".
    """

    name: str
    save: Callable[[Any], object]
    load: Callable[..., Any]
    home: tuple[object, ...]
    problem: str = ""

    def saved(self, obj: object) -> object:
        """Return what stands for an object in a checkpoint.

        Raises:
            HookError: the user's hook failed.
        """
        if self.problem:
            raise HookError(obj, self.problem)
        return call(self.name, self.save, obj)


def save_hook(kind: type) -> SaveHook | None:
    """Return how a type saves its values; None when pickle does. The type's own methods come first."""
    if defines(kind, SAVE):
        name = f"{kind.__qualname__}.{SAVE}"
        return SaveHook(name, getattr(kind, SAVE), rebuild.load_own, (kind,), _why_not(kind))
    found = registry.registered(kind)
    if found is None or found[1].save is None:
        return None
    name = f"register({found[0].__qualname__}, save=)"
    return SaveHook(name, found[1].save, rebuild.load_registered, class_name(found[0]))


def _why_not(kind: type) -> str:
    for base in mro(kind):
        if LOAD in class_dict(base):
            is_right = type(class_dict(base)[LOAD]) is classmethod
            return "" if is_right else f"{LOAD} must be a classmethod"
    return f"it has {SAVE} but no {LOAD}"


def fingerprint_hook(kind: type) -> Callable[[Any], object] | None:
    """Return what the user gave to stand for values of a type when they are compared, or None."""
    if defines(kind, FINGERPRINT):
        return lambda obj: call(f"{kind.__qualname__}.{FINGERPRINT}", getattr(kind, FINGERPRINT), obj)
    found = registry.registered(kind)
    own = found[1].fingerprint if found is not None else None
    if found is None or own is None:
        return None
    name = f"register({found[0].__qualname__}, fingerprint=)"
    return lambda obj: call(name, own, obj)


def call(name: str, hook: Callable[[Any], object], obj: object) -> object:
    """Call a user's hook.

    Raises:
        HookError: it raised; the error says which hook, and what.
    """
    try:
        return hook(obj)
    except Exception as error:
        raise HookError(obj, f"{name} raised {type(error).__name__}: {error}") from error


def defines(kind: type, name: str) -> bool:
    """Say whether a class or one of its bases has a method of that name, without running a metaclass's code."""
    return any(name in class_dict(base) for base in mro(kind))


def mro(kind: type) -> tuple[type, ...]:
    """Return the method resolution order of a class without running a metaclass's code."""
    order: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return order
