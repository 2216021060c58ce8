"""Globals that a call binds or deletes: seen after it ran, and bound again when it replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.recording import Unrecordable
from durable_nb.values.code import function_facts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType

_ABSENT: Final = object()


class Globals:
    """The globals that some functions may bind, as they are when it is made.

    Args:
        writes: the globals that they may bind, as ``writes_of`` has them.
        names: the globals of the function that is called.
    """

    def __init__(self, writes: Iterable[tuple[dict[str, Any], str]], names: dict[str, Any]) -> None:
        self._names = names
        self._before = [(owner, name, owner.get(name, _ABSENT)) for owner, name in writes]

    def rebound(self) -> dict[str, tuple[Any, ...]]:
        """Return what was bound since: name -> ``(value,)``, or ``()`` for one that was deleted.

        Raises:
            Unrecordable: another module's global was.
        """
        found = {}
        for names, name, before in self._before:
            now = names.get(name, _ABSENT)
            if now is before:
                continue
            if names is not self._names:
                raise Unrecordable(f"it bound {names.get('__name__')}.{name}, which a replay would not bind again")
            found[name] = () if now is _ABSENT else (now,)
        return found


def writes_of(functions: Iterable[FunctionType]) -> tuple[tuple[dict[str, Any], str], ...]:
    """Return the globals that functions may bind or delete: the dict that each is in, and its name."""
    found = {(id(each.__globals__), name): each for each in functions for name in function_facts(each).writes}
    return tuple((each.__globals__, name) for (_, name), each in found.items())


def bind_again(names: dict[str, Any], rebound: dict[str, tuple[Any, ...]]) -> None:
    """Bind and delete globals as ``Globals.rebound`` has them."""
    for name, value in rebound.items():
        if value:
            names[name] = value[0]
        else:
            names.pop(name, None)
