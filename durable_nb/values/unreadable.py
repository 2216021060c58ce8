"""What cannot be fingerprinted: the exception inside, the description outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Never stateless: what is wrong is their content, or the code of them.
_CONTENT: Final = frozenset(
    {
        "module",
        *(f"builtins.{name}" for name in ("list", "tuple", "dict", "set", "frozenset", "function", "type", "module")),
    }
)


class CannotReduceError(Exception):
    """One object has no parts that would stand for it; never seen by users, who get an ``Opaque``."""

    def __init__(self, type_name: str, reason: str, *, registered: bool = False) -> None:
        super().__init__(f"{type_name}: {reason}")
        self.type_name = type_name
        self.reason = reason
        self.registered = registered


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value without a fingerprint.

    Attributes:
        path: where the culprit is, as an expression: ``model.cb[0].lock``.
        type: qualified type name of the culprit: ``_thread.lock``.
        reason: why it has no fingerprint.
        registered: whether its type is known to be stateless already.
    """

    path: str
    type: str
    reason: str
    registered: bool = False

    def __str__(self) -> str:
        """Say all of it in a line, and what the user can do."""
        said = f"{self.path}: {self.type}: {self.reason}"
        if self.type in _CONTENT:
            return said
        kind = f"type({self.path})" if self.path[:1].isidentifier() else self.type.rpartition(".")[2]
        if self.registered:
            return f"{said}, or register({kind}, fingerprint=...)"
        return f"{said}; register({kind}, stateless=True) if what it holds does not matter"
