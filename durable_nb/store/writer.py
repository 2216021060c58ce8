"""The group-commit writer: one thread that writes everything waiting in one transaction."""

from __future__ import annotations

import base64
import heapq
import json
import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from durable_nb.errors import StoreError
from durable_nb.store.interrupts import is_interrupt
from durable_nb.store.schema import COLUMNS, FORGET_STEPS, INSERT_JSON, INSERT_ONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import duckdb

_log = logging.getLogger("durable_nb")
_WAKE_EVERY = 64
LogRow = tuple[int, int, str, str, str | None, bytes]
"""A signed row, as DuckDB takes it."""


@dataclass(slots=True)
class Batch:
    """Rows that become durable together, and the steps to remove with them."""

    rows: list[LogRow]
    forget: tuple[int, ...] = ()
    _done: Future[None] | None = None

    @property
    def done(self) -> Future[None]:
        """Done when the rows are durable; ask for it before they are handed over."""
        if self._done is None:
            self._done = Future()
        return self._done

    def settle(self, failure: StoreError | None = None) -> None:
        """Say that the rows are durable, or why not; a commit on the caller's own thread often has nobody to tell."""
        if self._done is None:
            return
        if failure is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(failure)


@dataclass(slots=True, order=True)
class Later:
    """Something to write at a moment, unless :meth:`cancel` comes first."""

    due: float
    number: int
    make: Callable[[], Batch] = field(compare=False)
    _lock: threading.Lock = field(compare=False)
    _state: str = field(default="waiting", compare=False)

    def cancel(self) -> bool:
        """Return True when nothing was and will be written, False when it was too late."""
        with self._lock:
            if self._state == "waiting":
                self._state = "cancelled"
            return self._state == "cancelled"

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` came first."""
        return self._state == "cancelled"

    def take(self) -> bool:
        """Return whether it is to be written now; the lock is the caller's."""
        if self._state != "waiting":
            return False
        self._state = "taken"
        return True


class _Wake:
    """Queued to make the thread look around; ``stop`` ends it."""

    def __init__(self, *, stop: bool = False) -> None:
        self.stop = stop


class Writer:
    """Owns the connection that writes.

    Args:
        connection: used by the writer's thread alone from now on.
        path: the ledger's, for error messages.
        idle: called on the writer's thread when nothing is waiting; returns the seconds after
            which it wants to be called again, or None.

    Attributes:
        before_commit: called inside the transaction, right before its COMMIT (crash tests).
        commits: how many transactions were committed.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        idle: Callable[[], float | None] | None = None,
    ) -> None:
        self.before_commit: Callable[[], None] | None = None
        self.commits = 0
        self._connection = connection
        self._path = path
        self._idle = idle
        self._queue: queue.SimpleQueue[Batch | _Wake] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # Held by whoever uses the connection: the thread, or commit()'s caller.
        self._turn = threading.Lock()
        self._pending = 0
        self._later: list[Later] = []
        self._numbers = 0
        self._wakes_at = float("-inf")
        self._insert_one: Any = connection.extract_statements(INSERT_ONE)[0]
        # DuckDB 2.0 has an appender; before it, one JSON text is the fast way for many rows.
        self._appender: Any = connection.appender("log") if hasattr(connection, "appender") else None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="durable_nb-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """Queue rows; the future resolves when they are durable, or fails with StoreError."""
        # Written whatever becomes of the waiter: asyncio cancels the futures of cancelled tasks.
        batch.done.set_running_or_notify_cancel()
        with self._lock:
            if self._stopped:
                batch.settle(StoreError(self._path, f"the store {self._path} is closed"))
            else:
                self._pending += 1
                self._queue.put(batch)
        return batch.done

    def commit(self, batch: Batch) -> None:
        """Write rows and return when they are durable: ``submit(batch).result()`` with less latency.

        When nothing else is waiting the caller's thread commits them itself: waking another thread
        and being woken by it costs a fifth of a commit. An interrupt then meets this batch alone.

        Raises:
            StoreError: they could not be written.
        """
        if not self._turn.locked() and self._free(batch):
            # A `with`, for no interrupt can come between it and its lock being held.
            with self._turn:
                if self._free(batch):
                    self._write_here(batch)
                    return
        self.submit(batch).result()

    def wake(self) -> None:
        """Make the thread look around soon, and call ``idle``."""
        self._queue.put(_Wake())

    def _free(self, batch: Batch) -> bool:
        """Return whether the caller may commit itself; what was submitted before must come first."""
        with self._lock:
            waiting = self._pending or self._stopped
        return not waiting and not batch.forget and self.before_commit is None

    def _write_here(self, batch: Batch) -> None:
        try:
            self._transact([batch])
        except Exception as error:
            failure = self._failure(error)
            batch.settle(failure)
            raise (KeyboardInterrupt if is_interrupt(error) else failure) from error
        self.commits += 1
        batch.settle()
        if self.commits % _WAKE_EVERY == 1:
            self.wake()

    def submit_later(self, seconds: float, make: Callable[[], Batch]) -> Later:
        """Write what ``make`` returns in so many seconds, unless cancelled before."""
        due = time.monotonic() + seconds
        with self._lock:
            self._numbers += 1
            later = Later(due, self._numbers, make, self._lock)
            heapq.heappush(self._later, later)
            # A loop of short calls must not wake the thread for each: it sleeps until the first
            # moment it knows of and then looks at all of them.
            if due < self._wakes_at:
                self._wakes_at = due
                self._queue.put(_Wake())
        return later

    def stop(self) -> None:
        """Write what is waiting, end the thread and release the connection's helpers."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._queue.put(_Wake(stop=True))
        self._thread.join()
        with self._turn:  # a commit on another thread may be under way
            self._insert_one = None
            self._appender = None

    @property
    def handles(self) -> tuple[object, ...]:
        """Everything that keeps DuckDB's instance alive; a forked child must never free it."""
        return self._connection, self._appender, self._insert_one

    # ---- the thread

    def _run(self) -> None:
        stop = False
        while not stop:
            batches, stop = self._next()
            if batches:
                self._write_waiting(batches)
            # Nothing below may keep a finished batch's rows alive while the thread sleeps.
            batches = []

    def _next(self) -> tuple[list[Batch], bool]:
        """Wait for work and return all there is."""
        items = self._drain()
        batches = self._take_due()
        if not items and not batches:
            wait = self._idle() if self._idle is not None else None
            items = self._wait(wait)
            batches = self._take_due()
        batches += [item for item in items if isinstance(item, Batch)]
        return batches, any(isinstance(item, _Wake) and item.stop for item in items)

    def _wait(self, seconds: float | None) -> list[Batch | _Wake]:
        now = time.monotonic()
        with self._lock:
            moments = [later.due for later in self._later[:1]]
            if seconds is not None:
                moments.append(now + seconds)
            self._wakes_at = min(moments, default=float("inf"))
        try:
            timeout = max(0.0, min(moments) - now) if moments else None
            first = self._queue.get(timeout=timeout)
        except queue.Empty:
            return []
        finally:
            self._wakes_at = float("-inf")
        return [first, *self._drain()]

    def _drain(self) -> list[Batch | _Wake]:
        items: list[Batch | _Wake] = []
        while True:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                return items

    def _take_due(self) -> list[Batch]:
        taken: list[Later] = []
        with self._lock:
            now = time.monotonic()
            while self._later and (self._later[0].due <= now or self._later[0].cancelled):
                later = heapq.heappop(self._later)
                if later.take():
                    taken.append(later)
        batches = []
        for later in taken:
            try:
                batch = later.make()
            except Exception:  # noqa: BLE001 - logged, and the thread goes on
                _log.exception("a row that was to be written later could not be made")
                continue
            batch.done.set_running_or_notify_cancel()
            batch.done.add_done_callback(_say_failure)
            batches.append(batch)
        with self._lock:
            self._pending += len(batches)
        return batches

    def _write_waiting(self, batches: list[Batch]) -> None:
        try:
            with self._turn:
                self._write(batches)
        finally:
            with self._lock:
                self._pending -= len(batches)

    def _write(self, batches: list[Batch]) -> None:
        """Commit all batches as one; when that fails each alone, so that only culprits fail."""
        try:
            self._transact(batches)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            if len(batches) > 1:
                for batch in batches:
                    self._write([batch])
                return
            batches[0].settle(self._failure(error))
        else:
            self.commits += 1
            for batch in batches:
                batch.settle()

    def _failure(self, error: Exception) -> StoreError:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        failure = StoreError(
            self._path,
            f"the checkpoint could not be written to {self._path}: {reason}; "
            "free some space or check the disk, then run the step again",
        )
        failure.__cause__ = error
        return failure

    def _transact(self, batches: Sequence[Batch]) -> None:
        rows = [row for batch in batches for row in batch.rows]
        forget = [number for batch in batches for number in batch.forget]
        # One statement commits by itself; BEGIN and COMMIT would cost half as much again.
        if not forget and self.before_commit is None:
            self._insert(rows)
            return
        connection = self._connection
        connection.begin()
        try:
            self._insert(rows)
            if forget:
                connection.execute(FORGET_STEPS, [forget])
            if self.before_commit is not None:
                self.before_commit()
            connection.commit()
        except BaseException:
            _roll_back(connection)
            raise

    def _insert(self, rows: list[LogRow]) -> None:
        if len(rows) == 1:
            self._connection.execute(self._insert_one, rows[0])
        elif not rows:
            return
        elif self._appender is not None:
            try:
                self._appender.append_rows(rows)
                self._appender.flush()
            except BaseException:
                self._appender.clear()
                raise
        else:
            self._connection.execute(INSERT_JSON, [_as_json(rows)])


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except Exception as error:  # noqa: BLE001 - a failed COMMIT has ended the transaction itself
        _log.debug("nothing to roll back: %s", error)


def _as_json(rows: list[LogRow]) -> str:
    return json.dumps([dict(zip(COLUMNS, (*row[:5], base64.b64encode(row[5]).decode()), strict=True)) for row in rows])


def _say_failure(done: Future[None]) -> None:
    if (error := done.exception()) is not None:
        _log.warning("%s", error)
