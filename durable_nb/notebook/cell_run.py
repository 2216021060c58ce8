"""A ``%%step`` cell without a store: runs and retries, records nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from durable_nb.core.attempts import NoAttemptLog
from durable_nb.core.events import StepEvent
from durable_nb.core.retry import RetryPolicy
from durable_nb.notebook.namespace import Namespace
from durable_nb.notebook.partial import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.clock import Clock
    from durable_nb.core.engine import Outcome
    from durable_nb.core.events import EventBus, EventKind
    from durable_nb.core.transaction import Transaction
    from durable_nb.notebook.body import CellBody
    from durable_nb.store.records import StepRecord


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What was asked for on the ``%%step`` line.

    Attributes:
        name: shown to people and used to find the scope; no part of the key.
        policy: how failures are retried.
        rerun: run even if a checkpoint holds.
        expires_seconds: age in seconds beyond which a checkpoint is not replayed.
        inputs: names declared as inputs.
        depends: files declared as inputs.
        selection: which outputs are saved.
        monitor: show the retry monitor from the first attempt on.
        only_slow_seconds: a run that takes less is not recorded; None: one that is not worth it is not.
    """

    name: str = ""
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    rerun: bool = False
    expires_seconds: float | None = None
    inputs: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    monitor: bool = False
    only_slow_seconds: float | None = 0.0


class CellRun:
    """One run of a ``%%step`` cell without a store: runs and retries, records nothing."""

    def __init__(
        self, shell: InteractiveShell, options: StepOptions, body: CellBody, bus: EventBus, clock: Clock
    ) -> None:
        self.shell = shell
        self.bus = bus
        self.options = options
        self.policy = options.policy
        self.reason = ""
        self.clock = clock
        self.saved_bytes = 0
        self.name = options.name or "step"
        self.compiled = body

    @property
    def is_async(self) -> bool:
        """Whether the body has a top-level await."""
        return self.compiled.is_async

    def candidates(self) -> Iterator[StepRecord]:
        """There is nothing to replay."""
        self._before = Namespace(self.shell).snapshot()
        return iter(())

    def replay(self, checkpoint: StepRecord) -> Outcome | None:  # noqa: ARG002
        """There is nothing to replay."""
        return None

    def attempt_log(self) -> AttemptLog:
        """Attempts are written nowhere."""
        return NoAttemptLog()

    def body(self, attempt: int) -> Any:  # noqa: ARG002 - a cell does not see which attempt it is
        """Run the cell's code in the user's namespace."""
        return self._run_async() if self.is_async else self._run()

    def _run(self) -> None:
        with self._attempt():
            self.compiled.run(self.shell)

    async def _run_async(self) -> None:
        with self._attempt():
            await self.compiled.arun(self.shell)

    def _attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def rolled_back(self, error: BaseException) -> None:  # noqa: ARG002 - whatever it was
        """Undo rebinding and deletion, so that the next attempt starts from the same names."""
        self._before.put_back()

    def commit(self, outcome: Outcome) -> Transaction | None:  # noqa: ARG002
        """There is nowhere to commit to."""
        return None

    def give_up(self, why: str) -> None:
        """There is nothing to record."""

    @property
    def pass_id(self) -> int:
        """There is no pass through a scope."""
        return 0

    @property
    def scope_id(self) -> int:
        """There is no scope."""
        return 0

    def announce(self, kind: EventKind, **details: Any) -> None:
        """Tell the displays."""
        self.bus.emit(
            StepEvent(
                kind,
                self.name,
                "cell",
                id(self),
                self.pass_id,
                self.scope_id,
                max_attempts=self.policy.attempts,
                at=self.clock.now(),
                **{"reason": self.reason, "size_bytes": self.saved_bytes, **details},
            )
        )
