"""Recording and replaying outputs in terminal IPython, which has no messages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from durable_nb.notebook.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.store.records import DisplayRecord


class TerminalTee:
    """Records what Python code writes to ``sys.stdout`` and ``sys.stderr``, displays, and results.

    Not recorded, and so not shown by a replay: what C code, child processes (``!cmd``) and
    ``sys.stdout.buffer`` write. To read it, the terminal would have to be taken from them, and with it
    their colours, widths and key presses.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._recording = Recording()
        self._displays: tuple[DisplayRecord, ...] = ()
        self._undo: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        """Begin to record."""
        self._wrap(self._shell.display_pub, "publish", self._publish)
        self._wrap(self._shell.displayhook, "write_format_data", self._write_result)
        for name in ("stdout", "stderr"):
            self._wrap(getattr(sys, name), "write", self._writer(name))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; everything was recorded when it was written."""
        while self._undo:
            owner, name, before = self._undo.pop()
            setattr(owner, name, before)
        self._displays = self._recording.records()

    def exclude(self, display_id: str) -> None:
        """Leave the display of this id out, with its updates."""
        self._recording.exclude(display_id)

    @property
    def displays(self) -> tuple[DisplayRecord, ...]:
        """What was shown, in order."""
        return self._displays

    def _wrap(self, owner: Any, name: str, make: Any) -> None:
        # On the instance, as IPython itself does for its history: the class serves other instances too.
        before = getattr(owner, name)
        self._undo.append((owner, name, before))
        setattr(owner, name, make(before))

    def _writer(self, name: str) -> Any:
        def make(write: Any) -> Any:
            def write_and_record(text: str) -> Any:
                written = write(text)
                # displays and results are recorded as such, not as the text that stands for them here
                if not (self._shell.display_pub.is_publishing or self._shell.displayhook.is_active):
                    self._recording.add("stream", {"name": name, "text": text})
                return written

            return write_and_record

        return make

    def _publish(self, publish: Any) -> Any:
        def publish_and_record(data: Any, metadata: Any = None, **kwargs: Any) -> None:
            publish(data, metadata, **kwargs)
            kind = "update_display_data" if kwargs.get("update") else "display_data"
            transient = kwargs.get("transient") or {}
            content = {"data": data, "metadata": metadata or {}, "transient": transient}
            self._recording.add(kind, content)

        return publish_and_record

    def _write_result(self, write: Any) -> Any:
        def write_and_record(data: Any, metadata: Any = None) -> None:
            write(data, metadata)
            content = {"data": data, "metadata": metadata or {}}
            self._recording.add("execute_result", content)

        return write_and_record


def replay_in_terminal(shell: InteractiveShell, displays: Iterable[DisplayRecord]) -> None:
    """Write recorded outputs again, results with the prompt of the cell that runs now."""
    for display in displays:
        content = display.content
        if display.msg_type == "stream":
            getattr(sys, content["name"]).write(content["text"])
        elif display.msg_type == "execute_result":
            _show_result(shell, content)
        else:
            shell.display_pub.publish(
                content["data"],
                content["metadata"],
                transient=content.get("transient"),
                update=display.msg_type == "update_display_data",
            )


def _show_result(shell: InteractiveShell, content: dict[str, Any]) -> None:
    hook = shell.displayhook
    hook.start_displayhook()
    hook.write_output_prompt()
    hook.write_format_data(content["data"], content["metadata"])
    hook.finish_displayhook()
