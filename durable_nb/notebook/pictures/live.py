"""A picture on a page that follows what happens, by updates of its display: no widget, so a saved one stays."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.recording import OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.events import StepEvent
    from durable_nb.core.session import Session
    from durable_nb.notebook.pictures.picture import Picture

logger = logging.getLogger("durable_nb")

MIN_SECONDS: Final = 0.3
"""Between two updates; longer where drawing takes long, so that it never takes more than a tenth of the time."""
GROWS_SECONDS: Final = 1.0
"""While a step runs, its bar grows so often."""
_COST_FACTOR: Final = 10


class Live:
    """Shows a picture and updates it from a thread of its own: the steps that run wait for nothing.

    Args:
        shell: the shell of the cell that shows it.
        session: tells what happens, and how late it is.
        read: makes the picture as of now; it is given the id that its display has.
        underway: says whether a step runs or waits.
    """

    def __init__(
        self, shell: InteractiveShell, session: Session, read: Callable[[str], Picture], underway: Callable[[], bool]
    ) -> None:
        self._publisher: Any = shell.display_pub
        self._session, self._read, self._underway = session, read, underway
        self._id = uuid.uuid4().hex
        self._changed, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="durable_nb timeline", daemon=True)

    def show(self) -> None:
        """Show it in the cell that runs, and begin to follow."""
        self._publish(update=False)
        self._unsubscribe = self._session.bus.subscribe(self._on_event)
        self._thread.start()

    def changed(self) -> None:
        """Remember that a cell ended."""
        self._changed.set()

    def close(self) -> None:
        """Draw it once more, and stop."""
        self._unsubscribe()
        self._closed.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _on_event(self, event: StepEvent) -> None:  # noqa: ARG002 - any event will do
        self._changed.set()

    def _follow(self) -> None:
        now = self._session.clock.now
        while not self._closed.is_set():
            self._changed.wait(GROWS_SECONDS if self._underway() else None)
            self._changed.clear()
            began = now()
            try:
                self._publish(update=True)
            except Exception:
                logger.exception("a live picture could not be drawn, and is not updated any more")
                return
            self._closed.wait(max(MIN_SECONDS, _COST_FACTOR * (now() - began)))

    def _publish(self, *, update: bool) -> None:
        picture = self._read(self._id)
        data = picture.bundle()
        if self._underway():
            del data["image/svg+xml"]  # for exports of the saved notebook: the next update is soon
        self._publisher.publish(data, {OWN: True}, transient={"display_id": self._id}, update=update)
