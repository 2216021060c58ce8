"""Scopes and passes: where call steps are recorded, and which recorded call answers which call."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from durable_nb.core.failure import contains
from durable_nb.core.scope import TaskNames
from durable_nb.store.records import PassEndRecord, PassRecord, ScopeRecord, StepRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from durable_nb.core.session import Session
    from durable_nb.store.records import PassStatus, Record


class StoredStep(Protocol):
    """A recorded step: its head for looking up, the rest verified and read when it is needed."""

    @property
    def head(self) -> StepRecord:
        """The row without payload, files and the like; not verified."""

    def load(self) -> StepRecord:
        """Return the whole row; raises CheckpointUntrusted when it is not what was signed."""


@dataclass(frozen=True, slots=True)
class OwnStep:
    """A step that this process recorded itself."""

    head: StepRecord

    def load(self) -> StepRecord:
        """Return the row."""
        return self.head


class ScopeIndex:
    """The recorded calls of one scope, by key and occurrence: read once, so that a hit needs no query."""

    def __init__(
        self,
        record: ScopeRecord,
        steps: Iterable[StoredStep] = (),
        passes: Iterable[PassRecord] = (),
        ends: Iterable[PassEndRecord] = (),
    ) -> None:
        self.record = record
        self.saved = bool(record.id)
        self._rows: defaultdict[tuple[bytes, int], list[StoredStep]] = defaultdict(list)
        self._last_start: dict[tuple[int, str], int] = {}
        self._ends = {end.pass_id: end for end in ends}
        self._forced = [each.id for each in passes if each.forced]
        for step in steps:
            self.add(step)

    def add(self, step: StoredStep) -> None:
        """Take in a row that is committed."""
        head = step.head
        self._rows[head.base_key, head.occurrence].append(step)
        self.note_start(head.pass_id, head.task, head.sequence)

    def note_start(self, pass_id: int, task: str, sequence: int) -> None:
        """Remember that a call of ``task`` started: an error before it was handled."""
        spot = (pass_id, task)
        self._last_start[spot] = max(sequence, self._last_start.get(spot, 0))

    def add_pass(self, record: PassRecord) -> None:
        """Take in a pass that began."""
        if record.forced:
            self._forced.append(record.id)

    def end_pass(self, record: PassEndRecord) -> None:
        """Take in the end of a pass."""
        self._ends[record.pass_id] = record

    def floor(self) -> int:
        """Return the oldest pass whose rows count: the newest forced one, while it has not completed."""
        if not self._forced:
            return 0
        newest = max(self._forced)
        end = self._ends.get(newest)
        return 0 if end is not None and end.status == "completed" else newest

    def answers(self, base_key: bytes, occurrence: int, floor: int) -> Iterator[StoredStep]:
        """Yield the rows that may answer a call, newest first."""
        for row in reversed(self._rows.get((base_key, occurrence), ())):
            if row.head.pass_id >= floor and self.counts(row.head):
                yield row

    def rows(self) -> list[StepRecord]:
        """Return every row, oldest first."""
        return sorted((row.head for rows in self._rows.values() for row in rows), key=lambda row: row.id)

    def forget(self, ids: set[int]) -> None:
        """Drop the rows with these ids."""
        for spot, rows in self._rows.items():
            self._rows[spot] = [row for row in rows if row.head.id not in ids]

    def counts(self, row: StepRecord) -> bool:
        """Say whether the row may replay: successes do, errors only when the code around them went on.

        DESIGN §5 row 13: a fatal error is tried afresh; one that a completed pass handled is replayed; in a
        killed pass it was handled if the same task started a later call.
        """
        if row.status == "success":
            return True
        if row.status != "error":
            return False
        end = self._ends.get(row.pass_id)
        if end is None or end.status == "interrupted":
            return self._last_start.get((row.pass_id, row.task), 0) > row.sequence
        return end.status == "completed" or row.id not in end.fatal


class ScopePass:
    """One pass through a scope: counts equal calls, and gathers what the pass's end must know."""

    def __init__(self, session: Session, index: ScopeIndex, pass_id: int, *, forced: bool = False) -> None:
        self.session = session
        self.index = index
        self.id = pass_id
        self.forced = forced
        self.floor = pass_id if forced else index.floor()
        self.replayed = 0
        self.executed = 0
        self.replayed_name = ""
        self.replayed_rows: list[StepRecord] = []
        self.recorded_rows: list[StepRecord] = []
        self._tasks = TaskNames()
        self._counts: defaultdict[bytes, int] = defaultdict(int)
        self._sequence = 0
        self._begun = False
        self._errors: list[tuple[int, BaseException]] = []
        self._lock = threading.Lock()

    def start_call(self, base_key: bytes) -> tuple[int, int, str]:
        """Count one more call: returns its occurrence, its start order and its task."""
        task = self._tasks.here()
        with self._lock:
            occurrence = self._counts[base_key]
            self._counts[base_key] = occurrence + 1
            self._sequence += 1
            sequence = self._sequence
        self.index.note_start(self.id, task, sequence)
        return occurrence, sequence, task

    def begin_records(self, untouched: tuple[str, ...] = ()) -> tuple[Record, ...]:
        """Return the rows that must come before the first call row of this pass; empty once they were given.

        Args:
            untouched: as ``PassRecord`` has them.
        """
        with self._lock:
            if self._begun:
                return ()
            self._begun = True
            records: list[Record] = []
            if not self.index.saved:
                self.index.saved = True
                records.append(self.index.record)
            begun = PassRecord(self.id, self.index.record.id, self.session.clock.now(), self.forced, untouched)
        self.index.add_pass(begun)
        return (*records, begun)

    def note_replay(self, row: StepRecord) -> None:
        """Count a call that replayed, and keep what it depended on for the step around it."""
        self.replayed += 1
        self.replayed_name = row.name
        if row.files or row.extra:
            self.replayed_rows.append(row)

    def note_run(self, row: StepRecord) -> None:
        """Keep what a call that ran depended on: the same is known of it when it replays."""
        if row.files or row.extra:
            self.recorded_rows.append(row)

    def note_error(self, step_id: int, error: BaseException) -> None:
        """Remember a recorded error until the pass ends, when it turns out handled or fatal."""
        with self._lock:
            self._errors.append((step_id, error))

    def end(self, status: PassStatus, error: BaseException | None = None) -> None:
        """End the pass; a row is written only where a later pass would read it."""
        if not self._begun or not (self.forced or self.floor or self._errors):
            return
        fatal = tuple(step_id for step_id, each in self._errors if contains(error, each))
        record = PassEndRecord(self.id, status, self.session.clock.now(), fatal)
        self.index.end_pass(record)
        records: list[Record] = [record]
        if status == "completed" and self.floor and not self.forced:
            # A resumed forced pass is over as well: older rows count again for whoever comes next.
            over = replace(record, pass_id=self.floor, fatal=())
            self.index.end_pass(over)
            records.append(over)
        self.session.write(*records)
