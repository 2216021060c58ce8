"""Clicks of our widgets reach the kernel while one of its cells waits.

A front end sends a click as a comm message on the shell channel, which a kernel reads between cells. Two ways
around that: JupyterLab 4.4 and Notebook 7 send it to a subshell, a thread of ipykernel 7, which hands it on unless
the comm is pinned to another shell (``unpin``); and whoever waits on the main thread reads the main shell's mail
(``deliver``). Both need attributes of ipykernel that are not public: they are looked for, and one that is
missing means that there are no buttons, never that a step fails.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from durable_nb.notebook.interrupts import held_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

    Frames = list[Any]
    IsOurs = Callable[[Frames], bool]

logger = logging.getLogger("durable_nb")


class Mail(Protocol):
    """What has arrived for the main shell and is not dealt with.

    Attributes:
        waits_for_async_cells: whether it is left lying while an async cell runs; else the event loop deals with it.
    """

    waits_for_async_cells: bool

    def take(self, is_ours: IsOurs) -> list[Frames]:
        """Take out our messages in their order; the kernel gets the others, in theirs."""


class Clicks:
    """Hands clicks of our widgets on while a cell runs.

    Attributes:
        works: whether clicks can reach the kernel while a cell of it runs; False in a terminal.
    """

    def __init__(self, shell: Any) -> None:
        self._kernel: Any = getattr(shell, "kernel", None)
        self._ours: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._taken: deque[Frames] = deque()
        self._mail: Mail | None = None
        try:
            self._mail = None if self._kernel is None else _mail_of(self._kernel)
        except Exception as error:  # noqa: BLE001 - whatever an unknown kernel answers
            logger.info("clicks cannot be handed on while a cell runs in this kernel: %r", error)

    @property
    def works(self) -> bool:
        """Whether clicks of widgets can reach the kernel while a cell of it runs."""
        return self._mail is not None

    @property
    def wait_for_async_cells(self) -> bool:
        """Whether clicks wait for the end of an async cell, though its event loop is free."""
        return self._mail is not None and self._mail.waits_for_async_cells

    def unpin(self, comm: Any) -> None:
        """Have a widget's messages handed on while cells run; call it with each new ``widget.comm``.

        ipykernel 7.4 sends what comes in on a comm to the shell that last published on it: for a widget made by
        a cell that is the shell which the cell keeps busy. From now on the front end's choice of a shell holds.
        """
        self._ours[comm.comm_id] = comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = lambda data, default: default  # noqa: SLF001, ARG005

    def deliver(self) -> None:
        """Hand on what was clicked since: call it on the main thread, from inside the cell that waits.

        Messages of other comms and all requests keep their order and reach the kernel when the cell is done.
        """
        if self._mail is None or threading.current_thread() is not threading.main_thread():
            return
        try:
            with held_interrupts():
                self._taken.extend(self._mail.take(self._is_ours))
            while self._taken:
                self._dispatch(self._taken.popleft())
        except Exception:
            self._mail = None
            logger.exception("clicks cannot be handed on any more while a cell runs")

    def _is_ours(self, frames: Frames) -> bool:
        """Say whether a message is of one of our comms; looking at it leaves it as good as unread."""
        session = self._kernel.session
        try:
            _, parts = session.feed_identities(frames, copy=False)
            message = session.deserialize(parts, content=False, copy=False)
            if message["msg_type"] not in {"comm_msg", "comm_close"}:
                return False
            return session.unpack(message["content"])["comm_id"] in self._ours
        except Exception:  # noqa: BLE001 - no message that can be read: the kernel tells of it when it comes to it
            return False

    def _dispatch(self, frames: Frames) -> None:
        """Handle a message as the kernel does between cells, then go on with the request of the cell that waits."""
        kernel = self._kernel
        idents, parts = kernel.session.feed_identities(frames, copy=False)
        message = kernel.session.deserialize(parts, copy=False)
        cell = kernel._parent_ident["shell"], kernel.get_parent("shell")  # noqa: SLF001
        kernel.set_parent(idents, message, channel="shell")
        try:
            kernel._publish_status("busy", "shell")  # noqa: SLF001
            kernel.shell_handlers[message["msg_type"]](None, idents, message)
            sys.stdout.flush()
            sys.stderr.flush()
            kernel._publish_status("idle", "shell")  # noqa: SLF001
        finally:
            kernel.set_parent(*cell, channel="shell")
            kernel._publish_status("busy", "shell")  # noqa: SLF001 - the cell still runs


def _mail_of(kernel: Any) -> Mail:
    """Return the mail of a kernel's main shell.

    Raises:
        AttributeError: it is none of those known.
    """
    for name in ("_publish_status", "_parent_ident", "get_parent", "set_parent", "session"):
        getattr(kernel, name)
    if not hasattr(kernel, "shell_main"):  # 7.0 still has a msg_queue, but uses it no more
        return _Queue(kernel)
    thread = kernel.shell_channel_thread
    return _Stream(kernel.shell_stream if thread is None else thread.manager._shell_channel_to_main.to_stream)  # noqa: SLF001


class _Queue:
    """ipykernel 6: its event loop moves messages from the socket to a queue that a running cell holds up."""

    waits_for_async_cells = True

    def __init__(self, kernel: Any) -> None:
        self._stream, self._queue, self._handler = kernel.shell_stream, kernel.msg_queue, kernel.dispatch_shell
        self._looked_at = -1  # the number of the newest message: cells that are queued are looked at once

    def take(self, is_ours: IsOurs) -> list[Frames]:
        """Take out our messages in their order; the kernel gets the others, in theirs."""
        self._stream.flush(_pollin())
        ours: list[Frames] = []
        for _ in range(self._queue.qsize()):
            number, handler, arguments = item = self._queue.get_nowait()
            new, self._looked_at = number > self._looked_at, max(number, self._looked_at)
            if new and handler == self._handler and is_ours(arguments[0]):
                ours.append(arguments[0])
            else:
                self._queue.put_nowait(item)
        return ours


class _Stream:
    """ipykernel 7: a thread reads the socket and sends the main shell's messages through a pair of sockets.

    Whatever a running async cell leaves in there, its event loop takes out; 7.4 dispatches comms at once then,
    while in 7.0 to 7.3 only those that go to a subshell are not held up.
    """

    waits_for_async_cells = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        stream.flush, stream.on_recv, stream._recv_callback  # noqa: B018, SLF001 - looked for

    def take(self, is_ours: IsOurs) -> list[Frames]:
        """Take out our messages in their order; the kernel gets the others, in theirs."""
        ours: list[Frames] = []
        stream, receive = self._stream, self._stream._recv_callback  # noqa: SLF001

        def sort(frames: Frames) -> Any:
            return ours.append(frames) if is_ours(frames) else receive(frames)

        stream.on_recv(sort, copy=False)
        try:
            stream.flush(_pollin())
        finally:
            stream.on_recv(receive, copy=False)
        return ours


def _pollin() -> int:
    from zmq import POLLIN

    return int(POLLIN)
