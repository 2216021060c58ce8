"""Recording what a cell shows while it shows it, and showing it again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from IPython.core.events import EventManager, available_events

from durable_nb.notebook.descriptors import Descriptors
from durable_nb.notebook.lines import Line, cell_id_of, in_kernel, is_headless, say
from durable_nb.notebook.recording import OUTPUT_TYPES, Recording
from durable_nb.notebook.terminal import TerminalTee, replay_in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.store.records import DisplayRecord

    Listener = Callable[[str, dict[str, Any], str], None]

__all__ = [
    "Line",
    "OutputTee",
    "Tee",
    "cell_id_of",
    "in_kernel",
    "is_headless",
    "replay",
    "say",
    "tee_for",
]

_DRAWS_FIGURES: Final = frozenset({"matplotlib.pyplot", "matplotlib_inline.backend_inline", "ipympl.backend_nbagg"})


class Tee(Protocol):
    """Records what is shown inside its ``with`` block; nothing is held back or delayed."""

    def __enter__(self) -> Self:
        """Begin to record."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for what is on its way, then end."""

    def exclude(self, display_id: str) -> None:
        """Leave the display of this id out (a retry panel), with its updates."""

    @property
    def displays(self) -> tuple[DisplayRecord, ...]:
        """What was on display at the end of the block, in order; empty before."""


def tee_for(shell: InteractiveShell) -> Tee:
    """Return a new recorder that fits the shell: a kernel's or a terminal's."""
    return OutputTee(shell) if in_kernel(shell) else TerminalTee(shell)


class OutputTee:
    """Records every output message of the running request, from whatever thread it is sent.

    Text of C code, child processes and ``os.write`` is in, complete, on the systems where ipykernel
    shows it (not on Windows). Figures that matplotlib would show when the cell ends are shown at the
    end of the block, so that they are in.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._publisher: Any = shell.display_pub
        self._recording = Recording()
        self._displays: tuple[DisplayRecord, ...] = ()

    def __enter__(self) -> Self:
        """Begin to record; what was shown before is sent on first."""
        _show_figures(self._shell)  # of an attempt that failed in this cell
        self._streams = (sys.stdout, sys.stderr)
        if not all(map(_has_sent, self._streams)):
            self._flush()
        self._request = self._publisher.parent_header.get("msg_id")
        self._tap = _Tap.on(self._publisher.session)
        self._tap.listeners += (self._hear,)
        self._descriptors = Descriptors(
            {
                number: stream
                for number, stream in zip((1, 2), self._streams, strict=True)
                if getattr(stream, "watch_fd_thread", None) is not None  # ipykernel shows descriptors
            }
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send what is on its way, then end; the figures of a failed block stay for after its error."""
        try:
            try:
                if error is None:
                    _show_figures(self._shell)
            finally:
                self._descriptors.close()
            if not all(map(_has_sent, self._streams)):
                self._flush()
        finally:
            self._tap.remove(self._hear)
            self._displays = self._recording.records()

    def exclude(self, display_id: str) -> None:
        """Leave the display of this id out, with its updates."""
        self._recording.exclude(display_id)

    @property
    def displays(self) -> tuple[DisplayRecord, ...]:
        """What was on display at the end of the block, in order."""
        return self._displays

    def _flush(self) -> None:
        """Send all that was written. What waits for one stream waits for both: one thread sends for them."""
        out, err = self._streams
        out.flush()
        if not (_is_empty(err) and getattr(err, "pub_thread", err) is getattr(out, "pub_thread", out)):
            err.flush()

    def _hear(self, msg_type: str, content: dict[str, Any], request: str) -> None:
        if request == self._request:
            self._recording.add(msg_type, content)


def _is_empty(stream: object) -> bool:
    """Say whether nothing was written to one of ipykernel's streams that is not on its way yet."""
    return not getattr(stream, "_buffers", True)


def _has_sent(stream: Any) -> bool:
    """Say whether all that was written to one of ipykernel's streams is on its way: to wait for it takes a while.

    What its thread is about to send waits no longer and is not on its way yet; so the thread must be at something else.
    """
    if not _is_empty(stream):
        return False
    sender, send = getattr(stream, "pub_thread", None), getattr(type(stream), "_flush", None)
    frame = sys._current_frames().get(getattr(getattr(sender, "thread", None), "ident", None) or 0)  # noqa: SLF001
    if frame is None or send is None:
        return False
    while frame is not None and frame.f_code is not send.__code__:
        frame = frame.f_back
    return frame is None


class _Tap:
    """Stands in for a session's ``send`` and tells listeners of each output message it has sent."""

    def __init__(self, session: Any) -> None:
        self.listeners: tuple[Listener, ...] = ()
        self._session, self._send = session, session.send

    @classmethod
    def on(cls, session: Any) -> _Tap:
        """Return the tap of this session; steps in subshells share one."""
        if not isinstance(session.send, cls):
            session.send = cls(session)
        tap: _Tap = session.send
        return tap

    def remove(self, listener: Listener) -> None:
        """Stop telling ``listener``; the last one to go takes the tap with it."""
        self.listeners = tuple(each for each in self.listeners if each != listener)
        if not self.listeners and self._session.send is self:
            self._session.send = self._send

    def __call__(self, stream: Any, msg_or_type: Any, *args: Any, **kwargs: Any) -> Any:
        message = self._send(stream, msg_or_type, *args, **kwargs)
        if isinstance(message, dict) and message["msg_type"] in OUTPUT_TYPES:
            request = (message.get("parent_header") or {}).get("msg_id", "")
            for listener in self.listeners:
                listener(message["msg_type"], message["content"], request)
        return message


def _show_figures(shell: InteractiveShell) -> None:
    """Show the figures that are waiting for the end of the cell, as they would be there: drawn first, then sent.

    Only matplotlib's own callbacks are called: others on ``post_execute`` run when the cell ends, in
    replays too, so what they show is no part of the step.
    """
    events = EventManager(shell, available_events)
    events.callbacks["post_execute"] = [
        each for each in shell.events.callbacks["post_execute"] if getattr(each, "__module__", "") in _DRAWS_FIGURES
    ]
    events.trigger("post_execute")


def replay(shell: InteractiveShell, displays: Iterable[DisplayRecord]) -> None:
    """Show recorded outputs again, as outputs of the cell that runs now.

    Results get its execution count; displays keep their ids, so later updates reach them. It does not
    set ``Out[n]`` and ``_``: see ``bind_result``.
    """
    if not in_kernel(shell):
        replay_in_terminal(shell, displays)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    publisher: Any = shell.display_pub
    for display in displays:
        content = dict(display.content)
        if display.msg_type == "execute_result":
            content["execution_count"] = shell.displayhook.prompt_count
        publisher.session.send(
            publisher.pub_socket,
            display.msg_type,
            content,
            parent=publisher.parent_header,
            ident=display.msg_type.encode(),
        )
