"""What a kernel tells ``durable-nb run`` of its steps: messages beside the outputs of the cell that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

from durable_nb.notebook.monitor_text import progress_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.events import StepEvent
    from durable_nb.notebook.activity import Calls

MESSAGE: Final = "durable_nb"
"""Type of the messages. Sent only in answer to a request that asks for them: other clients need not know it."""
ASKS: Final = "durable_nb_run"
"""Key in the metadata of a request whose sender listens to them."""
_UNTOLD: Final = frozenset({"body_finished", "interrupted"})


class LineNews(TypedDict):
    """A line of the extension's own."""

    line: str


class StepNews(TypedDict):
    """Something that happened to a step; the words are those of :class:`durable_nb.core.events.StepEvent`."""

    kind: str
    name: str
    step_kind: str
    attempt: int
    max_attempts: int
    wait_seconds: float
    error: str


class CallsNews(TypedDict):
    """How far the ``@step`` calls of the cell are; the counts are those of :class:`durable_nb.notebook.activity.Calls`.

    ``text`` says it in a line; ``total`` and ``seconds_left`` are None where they cannot be told.
    """

    text: str
    replayed: int
    done: int
    failed: int
    retrying: int
    running: int
    total: int | None
    seconds: float
    seconds_left: float | None


def listens(shell: InteractiveShell) -> bool:
    """Say whether whoever asked for the cell that runs listens to news."""
    request: dict[str, Any] = getattr(shell, "get_parent", dict)() or {}
    return bool((request.get("metadata") or {}).get(ASKS))


def send(shell: InteractiveShell, news: LineNews | StepNews | CallsNews) -> None:
    """Send news of the cell that runs."""
    publisher: Any = shell.display_pub
    publisher.session.send(publisher.pub_socket, MESSAGE, dict(news), parent=publisher.parent_header)


def send_calls(shell: InteractiveShell, calls: Calls) -> None:
    """Send how far the calls of the cell that runs are."""
    send(
        shell,
        CallsNews(
            text=progress_text(calls),
            replayed=calls.replayed,
            done=calls.done,
            failed=calls.failed,
            retrying=calls.retrying,
            running=calls.running,
            total=calls.total,
            seconds=round(calls.seconds, 3),
            seconds_left=None if calls.seconds_left is None else round(calls.seconds_left, 3),
        ),
    )


class News:
    """Listens to the events of steps and tells them; of the calls in a cell only what fails."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def on_event(self, event: StepEvent) -> None:
        """Tell an event, if anybody listens."""
        if event.kind in _UNTOLD or (event.step_kind == "call" and event.kind != "attempt_failed"):
            return
        if listens(self._shell):
            error = event.error
            send(
                self._shell,
                StepNews(
                    kind=event.kind,
                    name=event.name,
                    step_kind=event.step_kind,
                    attempt=event.attempt,
                    max_attempts=event.max_attempts,
                    wait_seconds=event.wait_seconds,
                    error="" if error is None else f"{type(error).__name__}: {error}".partition("\n")[0],
                ),
            )
