"""What cannot be fingerprinted: the exception inside, the description outside."""

from __future__ import annotations

from dataclasses import dataclass


class CannotReduceError(Exception):
    """One object has no parts that would stand for it; never seen by users, who get an ``Opaque``."""

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(f"{type_name}: {reason}")
        self.type_name = type_name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value without a fingerprint.

    Attributes:
        path: where the culprit is, as an expression: ``model.cb[0].lock``.
        type: qualified type name of the culprit: ``_thread.lock``.
        reason: why it has no fingerprint.
    """

    path: str
    type: str
    reason: str
