"""What a kernel tells ``durable-nb run`` of its steps: messages beside the outputs of the cell that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.events import StepEvent

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


def listens(shell: InteractiveShell) -> bool:
    """Say whether whoever asked for the cell that runs listens to news."""
    request: dict[str, Any] = getattr(shell, "get_parent", dict)() or {}
    return bool((request.get("metadata") or {}).get(ASKS))


def send(shell: InteractiveShell, news: LineNews | StepNews) -> None:
    """Send news of the cell that runs."""
    publisher: Any = shell.display_pub
    publisher.session.send(publisher.pub_socket, MESSAGE, dict(news), parent=publisher.parent_header)


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
