"""Runs a notebook's cells in a real kernel, as JupyterLab would, and can kill it at any moment."""

from __future__ import annotations

import os
import queue
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbformat.v4 import output_from_msg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

OWN_LINE = "↻"
"""Each line that the extension itself shows begins with this: it is no output of the notebook."""


class CellError(RuntimeError):
    """A cell of the notebook failed; carries its traceback as the kernel formatted it."""


@dataclass(slots=True)
class CellRun:
    """One cell's run.

    Attributes:
        id: the cell's id in the notebook.
        seconds: from sending the cell to the kernel's idle, or to its death.
        outputs: what it showed, as saved in a notebook, streams joined, own lines taken out.
        own_lines: what the extension said.
        killed: the kernel was killed while the cell ran.
    """

    id: str
    seconds: float = 0.0
    outputs: list[dict[str, Any]] = field(default_factory=list)
    own_lines: list[str] = field(default_factory=list)
    killed: bool = False


class Kernel:
    """A kernel of this very environment, started in the notebook's folder."""

    def __init__(self, notebook: Path, environment: Mapping[str, str]) -> None:
        # No kernel specs from the machine: one named python3 may belong to another Python.
        specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
        self._manager = KernelManager(kernel_spec_manager=specs)
        self._manager.start_kernel(
            extra_arguments=["--log-level=40"],  # errors: a warning about TCP is not the story
            cwd=str(notebook.parent),
            env={**os.environ, **environment, "JPY_SESSION_NAME": str(notebook)},
        )
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, cell_id: str, source: str, kill_when: Callable[[CellRun], bool]) -> CellRun:
        """Run one cell to its end, or kill the kernel's process as soon as ``kill_when`` holds.

        Raises:
            CellError: the cell itself failed.
        """
        run, began = CellRun(cell_id), time.monotonic()
        for output in self._messages(cell_id, source):
            if output is not None:
                _add(run, output)
            if kill_when(run):
                self.kill()
                run.killed = True
                break
        run.seconds = time.monotonic() - began
        return run

    def kill(self) -> None:
        """SIGKILL the kernel's process and wait until it is gone; nobody restarts it."""
        os.kill(self._manager.provisioner.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        while self._manager.is_alive():
            time.sleep(0.01)

    def close(self) -> None:
        """End the kernel in good order, where it still lives."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=not self._manager.is_alive())

    def _messages(self, cell_id: str, source: str) -> Iterator[dict[str, Any] | None]:
        """Execute and yield each output message, and None while nothing comes."""
        content = {
            "code": source, "silent": False, "store_history": True,
            "user_expressions": {}, "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        message = self._client.session.msg("execute_request", content)
        message["metadata"]["cellId"] = cell_id
        self._client.shell_channel.send(message)
        request = message["header"]["msg_id"]
        while True:
            try:
                answer = self._client.get_iopub_msg(timeout=0.02)
            except queue.Empty:
                if not self._manager.is_alive():
                    text = f"the kernel died by itself in cell {cell_id}"
                    raise CellError(text) from None
                yield None
                continue
            if answer["parent_header"].get("msg_id") != request:
                continue
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return
            yield answer


def code_cells(notebook: Path) -> dict[str, str]:
    """Return the notebook's code by cell id, in order."""
    cells = nbformat.read(notebook, as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def _add(run: CellRun, message: dict[str, Any]) -> None:
    """Apply one message to what the cell shows, as a front end does."""
    kind, content = message["msg_type"], message["content"]
    if kind == "error":
        raise CellError("\n".join(content["traceback"]))
    if kind == "clear_output":
        run.outputs.clear()
    elif kind == "stream":
        _add_text(run, content["name"], content["text"])
    elif kind in {"display_data", "execute_result"}:
        if content["data"].get("text/plain", "").startswith(OWN_LINE):
            run.own_lines.append(content["data"]["text/plain"])
        else:
            run.outputs.append(output_from_msg(message))


def _add_text(run: CellRun, name: str, text: str) -> None:
    """Join a stream's pieces, then take the extension's own lines out of it."""
    last = run.outputs[-1] if run.outputs else None
    if last is None or last.get("name") != name:
        last = nbformat.v4.new_output("stream", name=name, text="")
        run.outputs.append(last)
    kept = []
    for line in (last["text"] + text).splitlines(keepends=True):
        own = line.startswith(OWN_LINE) and line.endswith("\n")
        (run.own_lines if own else kept).append(line.rstrip("\n") if own else line)
    last["text"] = "".join(kept)
    if not kept:
        run.outputs.remove(last)
