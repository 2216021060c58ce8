"""Runs one notebook without a front end: writes as it goes, restarts a kernel that dies, and can be resumed."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async
from traitlets import Callable as CallableTrait

from durable_nb.cli.command import CommandError
from durable_nb.cli.notebook_file import write_notebook
from durable_nb.notebook.news import ASKS, MESSAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbformat import NotebookNode

    from durable_nb.cli.progress import Progress

OK: Final = 0
CELL_FAILED: Final = 1
KERNEL_DIED: Final = 3
SIGNALLED: Final = 128
"""Exit status; of a run that a signal stopped, 128 and the signal's number are added, as shells do."""

_MOST_LAST_WORDS: Final = 20
"""So many lines that a kernel wrote outside of the notebook are told when it dies."""
_LOAD: Final = "%load_ext durable_nb"
_MEND: Final = "mend it, or choose another with --kernel"
_INSTALL: Final = "pip install durable-nb where it is, or choose another with --kernel"
_COMPLETE: Final = (
    "from durable_nb.core.session import active_session as _session\n"
    "if _session() is not None: _session().complete_execution().result()\n"
    "del _session"
)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be run.

    Attributes:
        source: path of the notebook, whose store is used.
        target: path that is written.
        notebook: its content, with parameters put in.
        environment: variables for its kernel, on top of those of this process.
        kernel_name: of the kernelspec; "" for the notebook's own.
        max_kernel_restarts: how often a kernel that died is started again.
        timeout_seconds: bound on one cell; None for none.
    """

    source: Path
    target: Path
    notebook: NotebookNode
    environment: Mapping[str, str]
    kernel_name: str = ""
    max_kernel_restarts: int = 3
    timeout_seconds: int | None = None


@dataclass(slots=True)
class Stop:
    """Remembers the signal that asked to stop."""

    number: int = 0
    waiting: set[asyncio.Task[Any]] = field(default_factory=set)


def run_notebook(task: Task, progress: Progress) -> int:
    """Run a notebook and return the exit status.

    Raises:
        CommandError: the kernel cannot be used, or the notebook cannot be written.
    """
    for cell in task.notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return asyncio.run(_run(task, progress))


async def _run(task: Task, progress: Progress) -> int:
    stop = Stop()
    for restarts in range(task.max_kernel_restarts + 1):
        progress.kernel_started(restarts)
        try:
            return await _in_kernel(task, progress, stop)
        except DeadKernelError as last_words:
            if stop.number:
                return SIGNALLED + stop.number
            progress.kernel_died(restarts, task.max_kernel_restarts, str(last_words))
    return KERNEL_DIED


async def _in_kernel(task: Task, progress: Progress, stop: Stop) -> int:
    """Run the cells in a fresh kernel; what was complete replays."""
    client = _client(task, progress, stop)
    environment, folder = {**os.environ, **task.environment}, str(task.source.absolute().parent)
    with TemporaryDirectory(prefix="nb-") as client.sockets:
        log = Path(client.sockets) / "kernel.log"
        with log.open("wb") as written:
            process: dict[str, Any] = {"env": environment, "cwd": folder, "stdout": written, "stderr": written}
            try:
                async with client.async_setup_kernel(**process):
                    return await _run_cells(client, task, progress, stop)
            except DeadKernelError as error:
                raise DeadKernelError("\n".join(_last_words(log))) from error
            except NotStartedError as error:
                if stop.number:
                    return SIGNALLED + stop.number
                why = "".join(_last_words(log)[-1:]) or str(error)
                raise CommandError(f"kernel {client.kernel_name} does not start ({why}): {_MEND}") from error


def _last_words(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").strip().splitlines()[-_MOST_LAST_WORDS:]


async def _run_cells(client: RunClient, task: Task, progress: Progress, stop: Stop) -> int:
    failed = "" if stop.number else await client.run_quietly(_LOAD)
    if stop.number:
        return SIGNALLED + stop.number
    if failed:
        raise CommandError(f"kernel {client.kernel_name} cannot load durable_nb ({failed}): {_INSTALL}")
    try:
        return await _run_each(client, task, progress, stop)
    finally:
        write_notebook(task.notebook, task.target)


async def _run_each(client: RunClient, task: Task, progress: Progress, stop: Stop) -> int:
    loop = asyncio.get_running_loop()
    for number, cell in enumerate(task.notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        if stop.number:
            return SIGNALLED + stop.number
        began = loop.time()
        progress.cell_started(number, cell)
        try:
            await client.async_execute_cell(cell, number, execution_count=client.code_cells_executed + 1)
        except CellExecutionError as error:
            late = task.timeout_seconds is not None and loop.time() - began >= task.timeout_seconds
            took = f"it took longer than --timeout-seconds {task.timeout_seconds}" if late else ""
            progress.cell_failed(number, str(error.ename), str(error.evalue) or took)
            return SIGNALLED + stop.number if stop.number else CELL_FAILED
        progress.cell_ended(number)
        write_notebook(task.notebook, task.target)
    client.set_widgets_metadata()
    failed = await client.run_quietly(_COMPLETE)
    if stop.number:
        return SIGNALLED + stop.number
    if failed:
        raise CommandError(f"{task.source} completed, which could not be recorded ({failed}): the next run replays it")
    return OK


def _stop_on_signals(client: RunClient) -> None:
    """Interrupt the cell that runs when this process is asked to end: it resumes there the next time."""
    loop, stop = asyncio.get_running_loop(), client.stop

    async def end(*, at_once: bool) -> None:
        manager: Any = client.km
        if client.started and manager is not None and manager.has_kernel:
            with contextlib.suppress(RuntimeError):  # it ended at this moment
                await (manager.shutdown_kernel(now=True) if at_once else manager.interrupt_kernel())

    def interrupt(number: int) -> None:
        at_once, stop.number = bool(stop.number) or not client.ready, number
        waiting = loop.create_task(end(at_once=at_once))
        stop.waiting.add(waiting)
        waiting.add_done_callback(stop.waiting.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, interrupt, number)
        except (NotImplementedError, RuntimeError):  # not on Windows, nor off the main thread
            return


class NotStartedError(Exception):
    """A kernel ended, or said nothing, before it could run code."""


class RunClient(NotebookClient):
    """nbclient, with the ids of cells on their requests and an ear for the kernel's news.

    Attributes:
        sockets: a folder for the sockets to the kernel: nobody else can listen there, as on TCP ports.
        stop: the signal that asked to stop.
        started: whether its process runs.
        ready: whether the kernel runs code.
    """

    sockets = ""
    stop: Stop
    started = ready = False
    on_news = CallableTrait(help="Called with each piece of news of a kernel.")

    def create_kernel_manager(self) -> Any:
        """Make the kernel manager, whose clients send what front ends send with a cell."""
        manager: Any = super().create_kernel_manager()
        manager.client_factory = _CellClient
        if sys.platform != "win32":
            manager.transport, manager.ip = "ipc", f"{self.sockets}/s"
        return manager

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel; from here on signals do what they do here, not what nbclient lets them do."""
        _stop_on_signals(self)
        try:
            await super().async_start_new_kernel(**kwargs)
        except (OSError, RuntimeError, ValueError) as error:
            raise await self._not_started(str(error)) from error
        self.started = True
        if self.stop.number:
            raise await self._not_started("")

    async def async_start_new_kernel_client(self) -> Any:
        """Wait until the kernel runs code."""
        try:
            client = await super().async_start_new_kernel_client()
        except RuntimeError as error:
            raise await self._not_started(str(error)) from error
        self.ready = True
        return client

    async def _not_started(self, why: str) -> NotStartedError:
        if self.km is not None:
            await self._async_cleanup_kernel()
        atexit.unregister(self._cleanup_kernel)  # nbclient would do it once more at the exit, and fail
        return NotStartedError(why)

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, *args: Any, **kwargs: Any) -> NotebookNode:
        """Execute a cell as its front end would."""
        own_id = cell.get("id", f"cell-{cell_index}")
        self._channel.metadata = {"cellId": own_id, "tags": cell.metadata.get("tags", []), ASKS: True}
        return await super().async_execute_cell(cell, cell_index, *args, **kwargs)

    async def run_quietly(self, code: str) -> str:
        """Run code that is no cell and shows nothing; news of it is heard. Returns the error that it raised, or ""."""
        self._channel.metadata = {ASKS: True}
        request = self._channel.execute(code, silent=True, store_history=False)
        listening = asyncio.create_task(self._listen(request))
        try:
            reply = await self.async_wait_for_reply(request)
        finally:
            listening.cancel()
        if reply is None:
            return "it took too long"
        content = reply["content"]
        return "" if content["status"] == "ok" else f"{content.get('ename')}: {content.get('evalue')}"

    @property
    def _channel(self) -> _CellClient:
        client = self.kc
        assert isinstance(client, _CellClient)  # noqa: S101 - made by the manager above
        return client

    async def _listen(self, request: str) -> None:
        while True:
            message = await ensure_async(self._channel.iopub_channel.get_msg(timeout=None))
            if message["msg_type"] == MESSAGE and message["parent_header"].get("msg_id") == request:
                self.on_news(message["content"])

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """Take a message: news for the progress, all else as nbclient does."""
        if msg["msg_type"] == MESSAGE:
            self.on_news(msg["content"])
            return None
        return super().process_message(msg, cell, cell_index)


class _CellClient(AsyncKernelClient):
    """A client that sends metadata with each request to execute; nobody is there to answer questions."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata: Mapping[str, Any] = {}

    def execute(self, code: str, **options: Any) -> str:  # type: ignore[override]  # by keyword, as nbclient calls it
        """Send a request; returns its id.

        Args:
            code: to run.
            options: fields of the request's content; nbclient gives ``store_history`` and ``stop_on_error``.
        """
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = self.session.msg("execute_request", content | options, metadata=dict(self.metadata))
        self.shell_channel.send(message)
        return str(message["header"]["msg_id"])


def _client(task: Task, progress: Progress, stop: Stop) -> RunClient:
    options: dict[str, Any] = {"kernel_name": task.kernel_name} if task.kernel_name else {}
    options |= {"timeout": task.timeout_seconds, "interrupt_on_timeout": True, "coalesce_streams": True}
    client = RunClient(task.notebook, on_news=progress.news, **options)
    client.stop = stop
    return client
