"""What steps did in this kernel that no row of the ledger tells: replays, and what is under way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from durable_nb.core.events import StepEvent

MAX_KEPT: Final = 2000
"""So many replays, passes and unrecorded runs are remembered, the newest."""


@dataclass(frozen=True, slots=True)
class CellReplay:
    """A cell step was replayed at a time, from a checkpoint of a run that ended at ``recorded_at``."""

    name: str
    at: float
    recorded_at: float
    took_seconds: float


@dataclass(slots=True)
class CallReplays:
    """The calls that replayed in one pass through a scope.

    Attributes:
        scope_id: the scope.
        name: the step of the newest of them.
        count: how many.
        first, last: when, in Unix seconds.
    """

    scope_id: int
    name: str
    count: int
    first: float
    last: float


@dataclass(slots=True)
class Underway:
    """A step that has begun and not ended.

    Attributes:
        name: the step's name.
        step_kind: ``cell``, ``call`` or ``workflow``.
        scope_id: the scope it runs in.
        attempt: the newest, 1-based. max_attempts: the most there are.
        began_at: when its first attempt in this kernel began, in Unix seconds.
        since: when the attempt began, or the wait for the next one.
        wait_seconds: how long that wait is; 0 while an attempt runs.
        unrecorded: why it will not be checkpointed, "" as long as it will.
    """

    name: str
    step_kind: str
    scope_id: int
    attempt: int
    max_attempts: int
    began_at: float
    since: float
    wait_seconds: float = 0.0
    unrecorded: str = ""


@dataclass(frozen=True, slots=True)
class UnrecordedRun:
    """A cell that ran and was not checkpointed, and why."""

    name: str
    started_at: float
    ended_at: float
    reason: str


class Journal:
    """Listens to events; it holds no object of the user's, and a replay or a call costs it a microsecond.

    Attributes:
        opened_at: when this kernel opened the store, in Unix seconds.
        replays: the replays of cells, oldest first.
        call_replays: those of calls, by pass.
        underway: what runs or waits now, by run.
        unrecorded: runs of cells that have no row.
    """

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.replays: deque[CellReplay] = deque(maxlen=MAX_KEPT)
        self.call_replays: dict[int, CallReplays] = {}
        self.underway: dict[int, Underway] = {}
        self.unrecorded: deque[UnrecordedRun] = deque(maxlen=MAX_KEPT)

    def on_event(self, event: StepEvent) -> None:
        """Take in what happened to a step."""
        if event.kind == "replayed":
            self._replayed(event)
        elif event.kind in {"attempt_started", "attempt_failed"}:
            self._goes_on(event)
        elif event.kind == "unrecorded":
            if event.run in self.underway:
                self.underway[event.run].unrecorded = event.reason
        elif event.kind in {"completed", "failed", "interrupted"}:
            self._ended(event)

    def _replayed(self, event: StepEvent) -> None:
        if event.step_kind == "cell":
            self.replays.append(CellReplay(event.name, event.at, event.recorded_at, event.took_seconds))
            return
        found = self.call_replays.get(event.pass_id)
        if found is None:
            self.call_replays[event.pass_id] = CallReplays(event.scope_id, event.name, 1, event.at, event.at)
            if len(self.call_replays) > MAX_KEPT:
                del self.call_replays[next(iter(self.call_replays))]
        else:
            found.count, found.last, found.name = found.count + 1, event.at, event.name

    def _goes_on(self, event: StepEvent) -> None:
        """Note an attempt or a wait; after a restart a step waits before its first attempt in this kernel."""
        run = self.underway.get(event.run)
        began = run.began_at if run is not None else event.at
        self.underway[event.run] = Underway(
            event.name,
            event.step_kind,
            event.scope_id,
            event.attempt,
            event.max_attempts,
            began,
            event.at,
            event.wait_seconds,
        )

    def _ended(self, event: StepEvent) -> None:
        run = self.underway.pop(event.run, None)
        if run is not None and run.unrecorded and run.step_kind == "cell":
            self.unrecorded.append(UnrecordedRun(run.name, run.began_at, event.at, run.unrecorded))
