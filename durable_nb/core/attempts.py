"""Attempts that outlive the process: where a killed step goes on, and how long it still waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from durable_nb.core.failure import record_error, restore_error
from durable_nb.core.transaction import Transaction
from durable_nb.store.open_attempts import last_of
from durable_nb.store.records import AttemptRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.session import Cancellable, Session
    from durable_nb.store.open_attempts import OpenAttempts

LONG_ATTEMPT_SECONDS = 1.0
"""A first attempt that runs this long gets a row, so that its death is known; shorter ones write none."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where to go on: the 1-based attempt, the seconds still to wait before it, and what the last one failed with."""

    attempt: int = 1
    wait_seconds: float = 0.0
    error: BaseException | None = None


def resume_point(attempts: OpenAttempts, key: bytes, max_attempts: int, now: float) -> ResumePoint:
    """Return where a step goes on (DESIGN §5 row 19).

    At least one attempt always remains; a deadline is kept, but never longer than the wait that was planned.
    """
    rows = attempts.of(key)
    if not rows:
        return ResumePoint()
    last = last_of(rows)
    attempt = min(last.number + 1, max_attempts)
    wait = min(max(0.0, last.retry_at - now), last.wait_seconds) if last.state == "failed" else 0.0
    error = restore_error(last.error, last.name) if last.error is not None else None
    return ResumePoint(attempt, wait, error)


class AttemptLog(Protocol):
    """What the engine tells of a step's attempts while it runs."""

    def resume(self, max_attempts: int) -> ResumePoint:
        """Say where to begin."""

    def started(self, number: int) -> Transaction | None:
        """Attempt ``number`` (1-based) starts; returns what must be on disk before."""

    def finished(self) -> None:
        """The attempt that ran is over, however it went."""

    def failed(self, number: int, error: BaseException, wait_seconds: float) -> Transaction | None:
        """Attempt ``number`` failed and the next is due in ``wait_seconds``; returns what tells of it."""

    def close(self) -> None:
        """The step ended in a way the user saw and no row tells of: the next run has a fresh budget."""


class NoAttemptLog:
    """Without a store there is nothing to resume and nothing to write."""

    def resume(self, max_attempts: int) -> ResumePoint:  # noqa: ARG002
        """Begin at the first attempt."""
        return ResumePoint()

    def started(self, number: int) -> None:
        """Write nothing."""

    def finished(self) -> None:
        """Write nothing."""

    def failed(self, number: int, error: BaseException, wait_seconds: float) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Write nothing."""


class StoredAttemptLog:
    """Writes a row per failed attempt, and per started one from the second on or after a second."""

    def __init__(self, session: Session, key: bytes, name: str, pass_id: int) -> None:
        self._session = session
        self._key = key
        self._name = name
        self._pass_id = pass_id
        self._of = 0
        self._late: tuple[Cancellable, Callable[[], AttemptRecord]] | None = None
        self._started_at = 0.0

    def resume(self, max_attempts: int) -> ResumePoint:
        """Go on after the attempts that an earlier process made."""
        self._of = max_attempts
        return resume_point(self._session.attempts, self._key, max_attempts, self._session.clock.now())

    def started(self, number: int) -> Transaction | None:
        """Tell of the start: from attempt 2 on before the body runs, which may kill the process at once; else late."""
        self._started_at = self._session.clock.now()
        start = partial(self._record, number, "started", self._started_at)
        if number > 1:
            record = start()
            self._session.attempts.add(record)
            return Transaction(self._session, (record,))
        self._late = (self._session.write_later(LONG_ATTEMPT_SECONDS, start), start)
        return None

    def finished(self) -> None:
        """Write no late start row any more; one that was written counts."""
        if self._late is not None:
            handle, start = self._late
            self._late = None
            if not handle.cancel():
                self._session.attempts.add(start())

    def failed(self, number: int, error: BaseException, wait_seconds: float) -> Transaction:
        """Tell of the failure and the deadline of the next attempt."""
        record = self._record(number, "failed", self._session.clock.now(), error, wait_seconds)
        record = replace(record, started_at=self._started_at)
        self._session.attempts.add(record)
        return Transaction(self._session, (record,))

    def close(self) -> None:
        """Write that the budget is used up, if any of it was written."""
        if self._session.attempts.of(self._key):
            self._write(self._record(1, "closed", self._session.clock.now()))

    def _record(
        self, number: int, state: str, now: float, error: BaseException | None = None, wait_seconds: float = 0.0
    ) -> AttemptRecord:
        return AttemptRecord(
            key=self._key,
            name=self._name,
            pass_id=self._pass_id,
            number=number,
            state=state,  # type: ignore[arg-type]
            at=now,
            wait_seconds=wait_seconds,
            retry_at=now + wait_seconds if wait_seconds else 0.0,
            error=None if error is None else record_error(error),
            max_attempts=self._of,
        )

    def _write(self, record: AttemptRecord) -> None:
        self._session.attempts.add(record)
        self._session.write(record)
