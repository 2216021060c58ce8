"""One run of a step that is retried: its attempts so far, and what it does now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from durable_nb.core.clock import Wake
    from durable_nb.core.events import StepEvent

RunState = Literal["running", "waiting", "succeeded", "failed", "stopped", "interrupted"]
_LONGEST_MESSAGE: Final = 120


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as text: no display keeps the error itself, whose frames hold the user's objects.

    Attributes:
        type: the error's type.
        message: its first line.
        traceback: the user's own frames and the error, as text.
    """

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException | None, traceback: str = "") -> Failure:
        """Describe an error; its traceback is made by whoever knows the shell."""
        if error is None:
            return cls("", "no error is known")
        try:
            text = str(error)
        except Exception:  # noqa: BLE001 - an error of the user's whose own text fails
            text = ""
        first = next((line for line in text.splitlines() if line.strip()), "")
        return cls(type(error).__name__, first[:_LONGEST_MESSAGE], traceback)

    @property
    def line(self) -> str:
        """The type and the first line; some errors say their own name: ``IncompleteRead(…)``."""
        if not self.message or self.message.startswith(self.type):
            return self.message or self.type
        return f"{self.type}: {self.message}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt; the one that succeeded or runs has no failure.

    Attributes:
        number: 1-based.
        started_at: Unix seconds; None for one that an earlier kernel made.
        ended_at: Unix seconds; None while it runs, and for one that an earlier kernel made.
        failure: what it failed with.
    """

    number: int
    started_at: float | None = None
    ended_at: float | None = None
    failure: Failure | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None when that is not known yet, or no more."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Retrying:
    """A run of a step with what is known of its attempts; each event makes a new one.

    Attributes:
        run: tells it from other runs.
        name: the step's name.
        kind: ``cell`` or ``call``.
        sequence: its start order among the calls of the cell; 0 where that is not known.
        max_attempts: the most attempts there are.
        began_at: when its first attempt that this kernel knows of began, in Unix seconds.
        attempts: in order; those of an earlier kernel are not in it, but for the last.
        state: what it does now, or how it ended.
        goes_on_at: the attempt at which it went on after a restart; 0 when it began here.
        wait_seconds: the backoff it is in, as planned; 0 outside of one.
        deadline: when the backoff ends, in Unix seconds.
        waited_seconds: how long it waited in all backoffs that are over.
        changed_at: when it last changed, in Unix seconds.
        wake: ends the backoff early.
    """

    run: int
    name: str
    kind: str
    sequence: int
    max_attempts: int
    began_at: float
    attempts: tuple[Attempt, ...] = ()
    state: RunState = "running"
    goes_on_at: int = 0
    wait_seconds: float = 0.0
    deadline: float = 0.0
    waited_seconds: float = 0.0
    changed_at: float = 0.0
    wake: Wake | None = None

    @classmethod
    def of(cls, event: StepEvent, started_at: float | None) -> Retrying:
        """Begin with the first event that makes a run worth showing.

        Args:
            event: it.
            started_at: when its first attempt began in this kernel; None when it did not.
        """
        run = cls(event.run, event.name, event.step_kind, event.sequence, event.max_attempts, event.at)
        if started_at is not None:
            return replace(run, began_at=started_at, attempts=(Attempt(1, started_at),))
        if event.kind == "attempt_started":
            return replace(run, goes_on_at=event.attempt if event.attempt > 1 else 0)
        return replace(run, goes_on_at=event.attempt + 1, attempts=(Attempt(event.attempt),))

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("running", "waiting")

    @property
    def attempt(self) -> int:
        """The newest attempt, 1-based."""
        return self.attempts[-1].number if self.attempts else max(1, self.goes_on_at)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What the failed attempts failed with, the newest last."""
        return tuple(each.failure for each in self.attempts if each.failure is not None)

    def started(self, event: StepEvent) -> Retrying:
        """An attempt began."""
        waited = self.waited_seconds
        if self.state == "waiting":
            waited += max(0.0, event.at - self.changed_at)
        return replace(
            self,
            attempts=(*self.attempts, Attempt(event.attempt, event.at)),
            state="running",
            wait_seconds=0.0,
            waited_seconds=waited,
            changed_at=event.at,
            wake=None,
        )

    def failed(self, event: StepEvent, failure: Failure) -> Retrying:
        """An attempt failed and another one follows."""
        return replace(
            self,
            attempts=self._closed(event.at, failure),
            state="waiting",
            wait_seconds=event.wait_seconds,
            deadline=event.at + event.wait_seconds,
            changed_at=event.at,
            wake=event.wake,
        )

    def ended(self, event: StepEvent, failure: Failure | None) -> Retrying:
        """The run is over; ``failure`` is that of an attempt which no other follows."""
        waited = self.waited_seconds
        state: RunState = "succeeded"
        if self.state == "waiting":  # only Stop and an interrupt end a run there
            waited += max(0.0, event.at - self.changed_at)
            state = "stopped"
        elif event.kind == "failed":
            state = "failed"
        if event.kind == "interrupted":
            state = "interrupted"
        closed = self.attempts if self.state == "waiting" else self._closed(event.at, failure)
        return replace(
            self, attempts=closed, state=state, wait_seconds=0.0, waited_seconds=waited, changed_at=event.at, wake=None
        )

    def _closed(self, at: float, failure: Failure | None) -> tuple[Attempt, ...]:
        """Return the attempts with the newest one ended."""
        if not self.attempts:
            return ()
        *before, last = self.attempts
        ended = None if last.started_at is None else at
        return (*before, replace(last, ended_at=ended, failure=failure))
