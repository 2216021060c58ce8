"""What the steps of a running cell do: those that are retried one by one, all calls by number."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from durable_nb.errors import MaxStepRetriesExceeded
from durable_nb.notebook.retrying import Failure, Retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.events import StepEvent

MOST_ROWS: Final = 6
"""So many retried runs are shown one by one, the rest is counted."""
_MOST_TRACEBACKS: Final = 200
_ENDS = frozenset({"completed", "failed", "interrupted"})


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls of ``@step`` functions a cell has made.

    Attributes:
        replayed: answered from a checkpoint.
        done: that ran and returned.
        failed: that ran and raised.
        retrying: between a failed attempt and their end.
        running: that run, the retried ones not counted.
        retried: that failed at least once and were tried again.
        failed_attempts: of all calls, those that another one followed.
        total: how many there will be; None when that is not known.
        seconds: since the first one.
        run_seconds: since the first one that ran.
    """

    replayed: int = 0
    done: int = 0
    failed: int = 0
    retrying: int = 0
    running: int = 0
    retried: int = 0
    failed_attempts: int = 0
    total: int | None = None
    seconds: float = 0.0
    run_seconds: float = 0.0

    @property
    def ended(self) -> int:
        """How many are over."""
        return self.replayed + self.done + self.failed

    @property
    def made(self) -> int:
        """How many began."""
        return self.ended + self.retrying + self.running

    @property
    def rate(self) -> float:
        """Calls per second: of those that run, or of replays as long as nothing else happens."""
        ran, seconds = self.done + self.failed, self.run_seconds
        if not ran:
            ran, seconds = self.replayed, self.seconds
        return ran / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None when that cannot be told."""
        if self.total is None or self.total < self.made or not self.rate:
            return None
        return (self.total - self.ended) / self.rate


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it at one moment.

    Attributes:
        at: the moment, in Unix seconds.
        rows: the runs to show one by one, in the order in which they first failed; the last ones that ended
            when none is being retried.
        more: how many others are being retried.
        calls: the calls of the cell.
    """

    at: float
    rows: tuple[Retrying, ...]
    more: int
    calls: Calls

    @property
    def retrying(self) -> int:
        """How many runs are being retried."""
        return self.more + sum(each.active for each in self.rows)


class Activity:
    """Takes the events of one cell in, from any thread, and says what its steps do.

    Args:
        describe: makes text of an error.

    Attributes:
        keep_all: whether cells are shown that have not failed, from their first attempt on.
    """

    def __init__(self, describe: Callable[[BaseException], Failure]) -> None:
        self._describe = describe
        self.keep_all = False
        self._lock = threading.Lock()
        self._running: dict[int, float] = {}
        self._rows: dict[int, Retrying] = {}
        self._ended: deque[Retrying] = deque(maxlen=MOST_ROWS)
        self._stopping: set[int] = set()
        self._described = self._in_progress = 0
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._replayed = self._done = self._failed = self._retried = self._failed_attempts = 0
        self._first_at = self._first_run_at = 0.0

    @property
    def calls_made(self) -> int:
        """How many calls there were so far; a glance, which no lock is needed for."""
        return self._replayed + self._done + self._failed + self._in_progress

    @property
    def first_at(self) -> float:
        """When the first call was made, in Unix seconds; 0 before."""
        return self._first_at

    def take(self, event: StepEvent) -> None:
        """Take in what happened to a step of the cell."""
        kind = event.kind
        if kind == "replayed":  # the hot one
            if event.step_kind == "call":
                with self._lock:
                    self._replayed += 1
                    self._first_at = self._first_at or event.at
            return
        if kind == "attempt_started":
            with self._lock:
                self._started(event)
        elif kind == "attempt_failed":
            failure = self._failure(event.error)
            with self._lock:
                self._attempt_failed(event, failure)
        elif kind in _ENDS:
            last = self._last_failure(event) if event.run in self._rows else None
            with self._lock:
                self._end(event, last)

    def _started(self, event: StepEvent) -> None:
        row = self._rows.get(event.run)
        if row is not None:
            self._rows[event.run] = row.started(event)
            if row.kind == "cell":
                self._forget_calls()  # they are made again, and those of the failed attempt are not this one's
            return
        self._begin(event)
        if event.attempt > 1 or (self.keep_all and event.step_kind == "cell"):
            self._rows[event.run] = Retrying.of(event, None).started(event)

    def _begin(self, event: StepEvent) -> None:
        self._running[event.run] = event.at
        if event.step_kind == "call":
            self._in_progress += 1
            self._first_at = self._first_at or event.at
            self._first_run_at = self._first_run_at or event.at

    def _attempt_failed(self, event: StepEvent, failure: Failure) -> None:
        row = self._rows.get(event.run)
        if row is None:
            started_at = self._running.get(event.run)
            if started_at is None:
                self._begin(event)  # it goes on in a backoff that a kernel before did not live to end
            row = Retrying.of(event, started_at)
        if event.step_kind == "call":
            self._retried += not row.failures
            self._failed_attempts += 1
        self._rows[event.run] = row.failed(event, failure)
        if event.run in self._stopping and event.wake is not None:
            event.wake.stop()

    def _end(self, event: StepEvent, failure: Failure | None) -> None:
        known = self._running.pop(event.run, None) is not None
        if known and event.step_kind == "call":
            self._in_progress -= 1
            self._done += event.kind == "completed"
            self._failed += event.kind == "failed"
        row = self._rows.pop(event.run, None)
        if row is not None:
            self._ended.append(row.ended(event, failure))
        self._stopping.discard(event.run)

    def _failure(self, error: BaseException | None) -> Failure:
        """Describe an error; of very many only the first have tracebacks."""
        if error is None or self._described >= _MOST_TRACEBACKS:
            return Failure.of(error)
        self._described += 1
        return self._describe(error)

    def _last_failure(self, event: StepEvent) -> Failure | None:
        """Return what the last attempt failed with, where it is not told of as a failed attempt."""
        error = event.error
        if event.kind != "failed" or error is None:
            return None
        if isinstance(error, MaxStepRetriesExceeded) and error.errors:
            error = error.errors[-1]
        return self._failure(error)

    # -- what comes back

    def retry_now(self, run: int | None = None) -> None:
        """End the backoff of a run, or of all: the next attempt begins."""
        for row in self._chosen(run):
            if row.wake is not None:
                row.wake.retry_now()

    def stop(self, run: int | None = None) -> None:
        """End a run, or all, with the error of its last attempt; one in an attempt, once that has failed."""
        rows = self._chosen(run)
        with self._lock:
            self._stopping |= {each.run for each in rows}
        for row in rows:
            if row.wake is not None:
                row.wake.stop()

    def _chosen(self, run: int | None) -> list[Retrying]:
        with self._lock:
            return [each for each in self._rows.values() if run is None or each.run == run]

    # -- what there is to see

    def picture(self, at: float, total: int | None = None) -> Picture:
        """Return what there is to see.

        Args:
            at: now, in Unix seconds.
            total: how many calls there will be, where that is known.
        """
        with self._lock:
            active, ended = list(self._rows.values()), list(self._ended)
            calls = self._calls(at, total)
        newest = sorted(active, key=lambda row: row.changed_at)[-MOST_ROWS:]
        shown = {each.run for each in newest}
        rows = [each for each in active if each.run in shown] or ended
        return Picture(at, tuple(rows), len(active) - len(newest), calls)

    def _calls(self, at: float, total: int | None) -> Calls:
        retrying = sum(each.kind == "call" for each in self._rows.values())
        return Calls(
            self._replayed,
            self._done,
            self._failed,
            retrying,
            self._in_progress - retrying,
            self._retried,
            self._failed_attempts,
            total,
            at - self._first_at if self._first_at else 0.0,
            at - self._first_run_at if self._first_run_at else 0.0,
        )
