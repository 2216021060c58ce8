"""The retry monitor: a widget that draws itself into a line of the extension's own.

The line is an ordinary display of text and HTML, so it is all that a saved notebook holds: there is no
view of a widget in it whose model could be missing one day. The widget's model has no view of its own;
in the browser it looks for the line, draws the monitor in its place, and goes when the comm goes, be it
closed or its kernel dead.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import anywidget
import traitlets

if TYPE_CHECKING:
    from durable_nb.core.clock import Clock
    from durable_nb.notebook.activity import Calls, Picture
    from durable_nb.notebook.retrying import Attempt, Retrying, RunState
    from durable_nb.notebook.views import Act, Clicks

_HERE = Path(__file__).parent
_ACTIONS = ("retry_now", "stop")


class AttemptMessage(TypedDict):
    """An attempt, to the browser; ``seconds`` is null while it runs and where it is not known."""

    number: int
    state: Literal["failed", "running", "succeeded", "interrupted"]
    seconds: float | None
    error: str
    traceback: str


class RowMessage(TypedDict):
    """A run that is retried, to the browser.

    ``wait`` is the backoff as planned, ``ends`` when it ends, ``began`` when the run began; on the wire these
    two are the seconds that remain and that have passed when the message is sent.
    """

    run: int
    name: str
    sequence: int
    state: RunState
    max_attempts: int
    goes_on_at: int
    attempts: list[AttemptMessage]
    wait: float
    ends: float
    began: float
    waited: float


class CallsMessage(TypedDict):
    """The calls of a cell by number, to the browser; ``total`` and ``left`` are null where they are not known."""

    total: int | None
    replayed: int
    done: int
    retrying: int
    failed: int
    running: int
    rate: float
    left: float | None


class ActionMessage(TypedDict):
    """A click, from the browser; ``run`` is null for all runs."""

    action: Literal["retry_now", "stop"]
    run: int | None


class RetryMonitor(anywidget.AnyWidget):
    """Shows the runs that are retried and the calls of a cell; implements ``notebook.views.Panel``.

    Attributes:
        place: the class of the elements on the page in which it appears.
        clickable: whether there are buttons.
        rows: a ``RowMessage`` each.
        more: how many other runs are retried.
        calls: a ``CallsMessage``, or None.
    """

    _esm = _HERE / "monitor.js"
    _css = _HERE / "monitor.css"

    place = traitlets.Unicode().tag(sync=True)
    clickable = traitlets.Bool().tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True, to_json=lambda rows, monitor: monitor.dated(rows))
    more = traitlets.Int().tag(sync=True)
    calls: Any = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, act: Act, clock: Clock, *, clickable: bool) -> None:
        self._act, self._clock = act, clock
        super().__init__(place=f"durable-nb-{uuid.uuid4().hex}", clickable=clickable)
        self.on_msg(self._clicked)

    @classmethod
    def make(cls, act: Act, clicks: Clicks, clock: Clock) -> RetryMonitor | None:
        """Make one; None where nobody is behind the kernel's comms."""
        from comm import DummyComm

        monitor = cls(act, clock, clickable=clicks.works)
        if monitor.comm is None or isinstance(monitor.comm, DummyComm):
            monitor.close()
            return None
        clicks.unpin(monitor.comm)
        return monitor

    def update(self, picture: Picture, *, counting: bool) -> None:
        """Send what has changed since the last picture."""
        with self.hold_sync():
            self.rows = [_row(each) for each in picture.rows]
            self.more = picture.more
            self.calls = _calls(picture.calls) if counting else None

    def close(self) -> None:
        """Leave nothing in the kernel, not even the layout that every widget is given."""
        layout = self.layout
        super().close()
        layout.close()

    def dated(self, rows: list[RowMessage]) -> list[RowMessage]:
        """Replace times of the kernel's clock, which the browser's need not agree with, by distances from now."""
        now = self._clock.now()
        return [
            {**each, "ends": max(0.0, each["ends"] - now) if each["ends"] else 0.0, "began": now - each["began"]}
            for each in rows
        ]

    def _clicked(self, _: object, content: ActionMessage, __: object) -> None:
        if content.get("action") in _ACTIONS:
            self._act(content["action"], content.get("run"))


def _row(run: Retrying) -> RowMessage:
    return {
        "run": run.run,
        "name": run.name,
        "sequence": run.sequence,
        "state": run.state,
        "max_attempts": run.max_attempts,
        "goes_on_at": run.goes_on_at,
        "attempts": [_attempt(each, run) for each in run.attempts],
        "wait": run.wait_seconds,
        "ends": run.deadline if run.state == "waiting" else 0.0,
        "began": run.began_at,
        "waited": run.waited_seconds,
    }


def _attempt(attempt: Attempt, run: Retrying) -> AttemptMessage:
    failure = attempt.failure
    return {
        "number": attempt.number,
        "state": _attempt_state(attempt, run),
        "seconds": attempt.seconds,
        "error": failure.line if failure is not None else "",
        "traceback": failure.traceback if failure is not None else "",
    }


def _attempt_state(attempt: Attempt, run: Retrying) -> Literal["failed", "running", "succeeded", "interrupted"]:
    if attempt.failure is not None or attempt.started_at is None:
        return "failed"
    if attempt.ended_at is None and run.active:
        return "running"
    return "succeeded" if run.state == "succeeded" else "interrupted"


def _calls(calls: Calls) -> CallsMessage:
    return {
        "total": calls.total,
        "replayed": calls.replayed,
        "done": calls.done,
        "retrying": calls.retrying,
        "failed": calls.failed,
        "running": calls.running,
        "rate": calls.rate,
        "left": calls.seconds_left,
    }
