"""What happens to a step, told to whoever listens; displays know of steps only through this."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.clock import Wake

logger = logging.getLogger("durable_nb")

EventKind = Literal[
    "attempt_started",
    "attempt_failed",
    "body_finished",
    "completed",
    "failed",
    "interrupted",
    "replayed",
    "partial",
    "unrecorded",
]


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One moment in the life of a step.

    Attributes:
        kind: what happened.
        name: the step's name.
        step_kind: ``cell``, ``call``, ``workflow`` or ``sleep``.
        run: tells this run of the step from the others that are under way in this process.
        pass_id: the pass through the scope it runs in, 0 without a store.
        scope_id: that scope: the cell around a call; 0 where it is not known.
        sequence: its start order in that pass, 1-based.
        attempt: 1-based.
        max_attempts: the most attempts there are.
        at: Unix seconds.
        took_seconds: how long the body took, all attempts and waits included; for a replay, of the recorded run.
        recorded_at: for a replay, when the replayed run ended, in Unix seconds.
        wait_seconds: for a failed attempt, how long the backoff is.
        error: for a failed attempt or step, what was raised.
        wake: for a failed attempt, ends the backoff early.
        size_bytes: for a completed cell, the size of its checkpoint.
        reason: why a step ran although there was a checkpoint, why it could not be recorded or only in part; for a
            replay, what it went without, and what else is worth knowing about it.
    """

    kind: EventKind
    name: str
    step_kind: str
    run: int = 0
    pass_id: int = 0
    scope_id: int = 0
    sequence: int = 0
    attempt: int = 1
    max_attempts: int = 1
    at: float = 0.0
    took_seconds: float = 0.0
    recorded_at: float = 0.0
    wait_seconds: float = 0.0
    error: BaseException | None = None
    wake: Wake | None = None
    size_bytes: int = 0
    reason: str = ""


class EventBus:
    """Hands each event to every listener, in the thread where it happened."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[[StepEvent], None], ...] = ()

    def subscribe(self, listener: Callable[[StepEvent], None]) -> Callable[[], None]:
        """Call ``listener`` with each event from now on; the function returned ends that."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return unsubscribe

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def emit(self, event: StepEvent) -> None:
        """Tell every listener; one that fails is logged and does not harm the step."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s of step %s", event.kind, event.name)
