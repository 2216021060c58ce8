"""The attempts of steps that have not ended."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from durable_nb.store.records import ErrorRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.store.records import AttemptRecord


class Ended(Protocol):
    """A step that ended, as far as its attempts are concerned."""

    @property
    def key(self) -> bytes:
        """The step's key."""

    @property
    def ended_at(self) -> float:
        """Unix seconds."""


class OpenAttempts:
    """The attempts of steps that have not ended, as the ledger had them when it was opened and since.

    Attributes:
        history: every attempt in the order of writing, those of steps that have ended among them; of their errors
            only type and message, since the rest may hold much.
    """

    def __init__(self, attempts: Iterable[AttemptRecord], steps: Iterable[Ended]) -> None:
        ended: dict[bytes, float] = {}
        for step in steps:
            ended[step.key] = max(step.ended_at, ended.get(step.key, 0.0))
        self._open: defaultdict[bytes, list[AttemptRecord]] = defaultdict(list)
        self.history: list[AttemptRecord] = []
        for attempt in attempts:
            if attempt.at > ended.get(attempt.key, 0.0):
                self.add(attempt)
            else:
                self.history.append(_in_short(attempt))

    def add(self, attempt: AttemptRecord) -> None:
        """Take in a row; one that closes an execution of the step clears what came before."""
        self.history.append(_in_short(attempt))
        if attempt.state == "closed":
            self.close(attempt.key)
        else:
            self._open[attempt.key].append(attempt)

    def close(self, key: bytes) -> bool:
        """Forget the attempts of a step that ended; says whether there were any."""
        return bool(self._open.pop(key, None))

    def of(self, key: bytes) -> list[AttemptRecord]:
        """Return the open attempts of a step, oldest first."""
        return list(self._open.get(key, ()))

    def newest(self) -> dict[str, AttemptRecord]:
        """Return the newest open attempt of each step by its name."""
        found: dict[str, AttemptRecord] = {}
        for rows in self._open.values():
            for row in rows:
                if row.name not in found or row.at >= found[row.name].at:
                    found[row.name] = row
        return found

    def last(self) -> list[AttemptRecord]:
        """Return the last row of each step that has not ended, in the order of their first."""
        return [last_of(rows) for rows in self._open.values()]


def _in_short(attempt: AttemptRecord) -> AttemptRecord:
    error = attempt.error
    return attempt if error is None else replace(attempt, error=ErrorRecord(error.type, error.message))


def last_of(rows: Iterable[AttemptRecord]) -> AttemptRecord:
    """Return the last of a step's attempts: where the clock is coarse an attempt starts and fails at the same time."""
    return max(reversed([*rows]), key=lambda row: (row.number, row.at))
