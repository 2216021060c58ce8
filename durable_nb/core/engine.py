"""How one step runs, as one sentence; everything else in the package is a word of it.

source → analysis → key → ledger lookup → replay, or attempts → capture → encode → one transaction →
event → display.  The sentence is a generator that yields what it cannot do by itself (run the body, wait,
commit); ``drive`` performs that for sync code and ``drive_async`` for async code, so both share one path.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from durable_nb.core.clock import Clock, Verdict, Wake
from durable_nb.core.deadline import attempt_deadline_async, call_within, check_main_thread
from durable_nb.core.recording import Unrecordable
from durable_nb.errors import EncodeError, MaxStepRetriesExceeded, StoreError, WorkflowConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.events import EventKind
    from durable_nb.core.retry import RetryPolicy
    from durable_nb.core.transaction import Transaction
    from durable_nb.store.records import StepRecord

logger = logging.getLogger("durable_nb")


@dataclass(slots=True)
class Outcome:
    """How a step ended: a value or an error, after how many attempts, and what the failed ones raised."""

    value: Any = None
    error: BaseException | None = None
    attempts: int = 1
    errors: list[BaseException] = field(default_factory=list)
    stopped: bool = False

    def result(self) -> Any:
        """Return the value or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class Work(Protocol):
    """A step from the engine's side: a function call, a cell, a workflow, a sleep."""

    name: str
    policy: RetryPolicy
    clock: Clock
    reason: str

    def candidates(self) -> Iterator[StepRecord]:
        """Analyse, compute the key, look it up: yield the checkpoints that hold, newest first."""

    def replay(self, checkpoint: StepRecord) -> Outcome | None:
        """Bring a checkpoint back; None (with the reason noted) when it cannot be loaded."""

    def attempt_log(self) -> AttemptLog:
        """Return where attempts are written; valid after ``candidates`` was exhausted."""

    def body(self, attempt: int) -> Any:
        """Run the user's code once; an awaitable for async steps."""

    def rolled_back(self, error: BaseException) -> None:
        """An attempt failed and another follows: put back what can be put back."""

    def commit(self, outcome: Outcome) -> Transaction | None:
        """Capture, encode and hand over one transaction; None when nothing need be recorded.

        Raises:
            EncodeError, Unrecordable: it cannot be.
        """

    def give_up(self, why: str) -> None:
        """This run is not recorded, and the user is told why."""

    def announce(self, kind: EventKind, **details: Any) -> None:
        """Emit an event about this step."""


def run_step(work: Work) -> Generator[Operation, Any, Any]:
    """Replay the step from a checkpoint that holds, or run it and commit what came of it."""
    for checkpoint in _candidates(work):
        replayed = _replay(work, checkpoint)
        if replayed is not None:
            took = checkpoint.ended_at - checkpoint.started_at
            work.announce("replayed", took_seconds=took, recorded_at=checkpoint.ended_at)
            return replayed.result()
    outcome = yield from make_attempts(work)
    work.announce("body_finished", attempt=outcome.attempts)
    unsaved = yield Commit(_commit(work, outcome))
    if unsaved is not None:
        work.give_up(str(unsaved))
    work.announce("failed" if outcome.error else "completed", attempt=outcome.attempts, error=outcome.error)
    return outcome.result()


def _candidates(work: Work) -> Iterator[StepRecord]:
    """Yield what may be replayed; the user's code runs even when finding that out fails."""
    try:
        yield from work.candidates()
    except WorkflowConflict:
        raise  # the caller's mistake, which running would not mend
    except StoreError as error:
        work.give_up(str(error))
    except Exception as error:
        logger.exception("the key of step %s could not be computed", work.name)
        work.give_up(f"its key could not be computed ({type(error).__name__}: {error}); please report this")


def _replay(work: Work, checkpoint: StepRecord) -> Outcome | None:
    """Bring a checkpoint back; whatever goes wrong in it, the step runs again rather than fail (DESIGN §5 row 17)."""
    try:
        return work.replay(checkpoint)
    except Exception as error:
        logger.exception("a checkpoint of step %s could not be replayed", work.name)
        work.reason = f"its checkpoint could not be replayed ({type(error).__name__}: {error}); please report this"
        return None


def _commit(work: Work, outcome: Outcome) -> Transaction | None:
    """Hand over the transaction; a step that cannot be recorded is told of, and keeps its result all the same."""
    try:
        return work.commit(outcome)
    except (EncodeError, StoreError, Unrecordable) as why:
        work.give_up(str(why))
    except Exception as error:
        logger.exception("step %s could not be recorded", work.name)
        work.give_up(f"it could not be recorded ({type(error).__name__}: {error}); please report this")
    return None


def make_attempts(work: Work) -> Generator[Operation, Any, Outcome]:
    """Run the body until it succeeds, may not be retried, or the policy's attempts are used up."""
    policy, log = work.policy, work.attempt_log()
    point = log.resume(policy.attempts)
    number, errors = point.attempt, list[BaseException]()
    try:
        if policy.timeout_seconds is not None:
            yield MayInterrupt(work)
        if point.error is not None and point.wait_seconds:
            verdict = yield from _wait(work, number - 1, point.error, point.wait_seconds)
            if verdict == "stop":
                return Outcome(error=point.error, attempts=number - 1, errors=[point.error], stopped=True)
        while True:
            yield Commit(log.started(number))
            work.announce("attempt_started", attempt=number)
            try:
                value = yield Attempt(work, number)
            except Exception as error:  # noqa: BLE001 - whatever the body raises is the step's outcome
                errors.append(error)
            else:
                return Outcome(value, attempts=number, errors=errors)
            finally:
                log.finished()
            last = yield from _last_error(policy, work.name, number, errors)
            if last is not None:
                return Outcome(error=last, attempts=number, errors=errors)
            verdict = yield from _back_off(work, log, number, errors[-1])
            if verdict == "stop":
                return Outcome(error=errors[-1], attempts=number, errors=errors, stopped=True)
            number += 1
    except BaseException as interrupt:
        log.close()
        work.announce("interrupted", attempt=number, error=interrupt)
        raise


def _last_error(
    policy: RetryPolicy, name: str, number: int, errors: list[BaseException]
) -> Generator[Operation, Any, BaseException | None]:
    """Return the error that ends the step, or None when another attempt follows."""
    error = errors[-1]
    if not policy.retries_allowed:
        return error
    if policy.should_retry is not None and not (yield Ask(policy.should_retry, error)):
        return error
    if number < policy.max_attempts:
        return None
    exhausted = MaxStepRetriesExceeded(name, policy.max_attempts, errors)
    exhausted.__cause__ = error
    return exhausted


def _back_off(work: Work, log: AttemptLog, number: int, error: BaseException) -> Generator[Operation, Any, Verdict]:
    """Write the failure and its deadline, roll back, and wait for the next attempt."""
    seconds = work.policy.wait_after(number - 1)
    work.rolled_back(error)
    yield Commit(log.failed(number, error, seconds))
    return (yield from _wait(work, number, error, seconds))


def _wait(work: Work, failed: int, error: BaseException, seconds: float) -> Generator[Operation, Any, Verdict]:
    """Tell the displays of a failed attempt, and wait for the next one or for what they say."""
    wake = Wake()
    work.announce("attempt_failed", attempt=failed, error=error, wait_seconds=seconds, wake=wake)
    verdict: Verdict = yield Wait(work.clock, seconds, wake)
    return verdict


class Operation(Protocol):
    """What the engine asks its driver for."""

    def perform(self) -> Any:
        """Do it, blocking."""

    async def perform_async(self) -> Any:
        """Do it without blocking the event loop."""


@dataclass(frozen=True, slots=True)
class MayInterrupt:
    """Refuse a time limit that could not be kept, before anything runs."""

    work: Work

    def perform(self) -> None:
        """Sync code can be interrupted on the main thread only."""
        check_main_thread(self.work.name)

    async def perform_async(self) -> None:
        """Async code can be cancelled anywhere."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Run the body once, within its time limit."""

    work: Work
    number: int

    def perform(self) -> Any:
        """Call the body."""
        seconds, name = self.work.policy.timeout_seconds, self.work.name
        return call_within(seconds, name, lambda: self.work.body(self.number))

    async def perform_async(self) -> Any:
        """Await the body."""
        seconds = self.work.policy.timeout_seconds
        if seconds is None:
            return await self.work.body(self.number)
        async with attempt_deadline_async(seconds, self.work.name):
            return await self.work.body(self.number)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the user's ``should_retry``."""

    predicate: Callable[[BaseException], Any]
    error: BaseException

    def perform(self) -> bool:
        """Call it."""
        return bool(self.predicate(self.error))

    async def perform_async(self) -> bool:
        """Call it, and await what it returns if that is awaitable."""
        answer = self.predicate(self.error)
        return bool(await answer if inspect.isawaitable(answer) else answer)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait out a backoff."""

    clock: Clock
    seconds: float
    wake: Wake

    def perform(self) -> Verdict:
        """Block."""
        return self.clock.wait(self.seconds, self.wake)

    async def perform_async(self) -> Verdict:
        """Let the event loop go on."""
        return await self.clock.wait_async(self.seconds, self.wake)


@dataclass(frozen=True, slots=True)
class Commit:
    """Wait until a transaction is on disk; the answer is why it is not, or None."""

    transaction: Transaction | None

    def perform(self) -> StoreError | None:
        """Block until it is."""
        return self.transaction.commit() if self.transaction is not None else None

    async def perform_async(self) -> StoreError | None:
        """Let the event loop go on until it is."""
        return await self.transaction.commit_async() if self.transaction is not None else None


def drive(engine: Generator[Operation, Any, Any]) -> Any:
    """Run the engine in sync code."""
    send, value = engine.send, None
    try:
        while True:
            operation = send(value)
            try:
                send, value = engine.send, operation.perform()
            except BaseException as error:  # noqa: BLE001 - the engine decides what an error means
                send, value = engine.throw, error
    except StopIteration as done:
        return done.value


async def drive_async(engine: Generator[Operation, Any, Any]) -> Any:
    """Run the engine in async code."""
    send, value = engine.send, None
    try:
        while True:
            operation = send(value)
            try:
                send, value = engine.send, await operation.perform_async()
            except BaseException as error:  # noqa: BLE001 - the engine decides what an error means
                send, value = engine.throw, error
    except StopIteration as done:
        return done.value
