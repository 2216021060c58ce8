"""Help for tests of durable code: a clock that does not wait, a store that goes away, and deaths on demand.

Nothing here is imported by the package itself.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, get_args

from durable_nb.core.session import active_session, open_store
from durable_nb.errors import OptionError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from durable_nb.core.clock import Clock, Verdict, Wake
    from durable_nb.core.events import StepEvent
    from durable_nb.core.session import Session

CrashPoint = Literal["before_body", "after_body", "in_commit", "after_commit"]

_EVENTS_OF = {
    "before_body": ("attempt_started",),
    "after_body": ("body_finished",),
    "after_commit": ("completed", "failed"),
}


class FakeClock:
    """A clock whose waits take no time: it notes them and moves on.

    Attributes:
        time: what ``now()`` says, in Unix seconds.
        waits: every wait so far, in seconds.
        on_wait: called with each wait's ``Wake``, to end it early or to look around.
    """

    def __init__(self, time: float = 1_700_000_000.0) -> None:
        self.time = time
        self.waits: list[float] = []
        self.on_wait: Callable[[Wake], None] | None = None

    def __durable_fingerprint__(self) -> object:
        """Time is no input: a step may read and advance the clock."""
        return "FakeClock"

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def wait(self, seconds: float, wake: Wake) -> Verdict:
        """Note the wait and let its time pass at once."""
        self.waits.append(seconds)
        if self.on_wait is not None:
            self.on_wait(wake)
        if wake.verdict == "elapsed":
            self.time += seconds
        return wake.verdict

    async def wait_async(self, seconds: float, wake: Wake) -> Verdict:
        """Do the same in async code."""
        return self.wait(seconds, wake)


@contextmanager
def temporary_store(*, clock: Clock | None = None) -> Iterator[Session]:
    """Open a store that is gone after the ``with`` block."""
    with TemporaryDirectory() as folder, open_store(Path(folder) / "store.duckdb", clock=clock) as session:
        yield session


def crash_at(point: CrashPoint, step: str = "", *, die: Callable[[], None] | None = None) -> None:
    """Kill this process at a point in the life of the next step that gets there.

    Args:
        point: ``before_body``, ``after_body`` (before the commit), ``in_commit`` (inside the transaction) or
            ``after_commit``.
        step: the step's name; "" for any step.
        die: what to do instead of SIGKILL.

    Raises:
        OptionError: the point is unknown.
        StoreError: no store is open.
    """
    if point not in get_args(CrashPoint):
        raise OptionError("point", f"must be one of {', '.join(get_args(CrashPoint))}, not {point!r}")
    session = active_session()
    if session is None:
        raise StoreError("", "no store is open: call open_store(path), or %load_ext durable_nb in a notebook")
    kill = die or _kill
    if point != "in_commit":
        session.bus.subscribe(_Killer(_EVENTS_OF[point], step, kill))
        return

    def arm() -> None:
        session.ledger.writer.before_commit = kill

    # The step's own transaction is the one after its body: earlier ones are those of other steps.
    session.bus.subscribe(_Killer(("body_finished",), step, arm))


class _Killer:
    def __init__(self, kinds: tuple[str, ...], step: str, act: Callable[[], None]) -> None:
        self._kinds, self._step, self._act = kinds, step, act

    def __call__(self, event: StepEvent) -> None:
        if event.kind in self._kinds and (not self._step or event.name == self._step):
            self._act()


def _kill() -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
