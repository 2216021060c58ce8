"""Drives real kernels and a real terminal IPython, as front ends do; no test framework in it."""

from __future__ import annotations

import ast
import os
import queue
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_OUTPUTS = {"stream", "display_data", "execute_result", "error"}
_CHANGES = {"clear_output", "update_display_data"}
_TICK_SECONDS = 0.05
PATIENCE_SECONDS = 180.0  # a busy machine is slow, and only a hang takes this long


def plain(text: str) -> str:
    """Return ``text`` without colours."""
    return _ANSI.sub("", text)


@dataclass
class Result:
    """What one cell showed.

    Attributes:
        outputs: as a saved notebook has them: streams joined, clears and updates applied.
        messages: the output messages as they came, as (type, content).
        comms: the messages of comms as they came, as (type, content).
        execution_count: of the reply; None when the kernel died.
        status: ``ok``, ``error``, ``aborted``, or ``died``.
    """

    outputs: list[dict[str, Any]] = field(default_factory=list)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    comms: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    execution_count: int | None = None
    status: str = "died"
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Everything readable, without colours: streams and the plain form of displays."""
        return "".join(plain(_text(output)) for output in self.outputs)

    @property
    def own_lines(self) -> list[str]:
        """The extension's own lines, but for how long saving took: a busy disk decides whether that is said."""
        lines = [_text(each) for each in self.outputs if _is_own(each)]
        return [line for line in lines if not line.startswith("↻ saved ")]

    @property
    def foreign(self) -> list[dict[str, Any]]:
        """The outputs without the extension's own lines."""
        return [each for each in self.outputs if not _is_own(each)]

    @property
    def error(self) -> str:
        """The traceback without colours; "" when there was none."""
        found = [each for each in self.outputs if each["output_type"] == "error"]
        return plain("\n".join(found[-1]["traceback"])) if found else ""

    @property
    def error_name(self) -> str:
        """The error's type."""
        found = [each for each in self.outputs if each["output_type"] == "error"]
        return found[-1]["ename"] if found else ""


def _is_own(output: dict[str, Any]) -> bool:
    return bool(output.get("metadata", {}).get("durable_nb"))


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return output["text"]
    if output["output_type"] == "error":
        return "\n".join(output["traceback"])
    return output["data"].get("text/plain", "")


class Page:
    """The output areas of a notebook, by the rules of JupyterLab."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[dict[str, Any]]] = {}

    def show(self, result: Result, kind: str, content: dict[str, Any], pending: set[str]) -> None:
        """Apply one message to a cell's outputs."""
        result.messages.append((kind, content))
        display_id = content.get("transient", {}).get("display_id")
        if kind == "clear_output":
            if content["wait"]:
                pending.add("clear")
            else:
                result.outputs.clear()
        elif kind == "update_display_data":
            for output in self._by_id.get(display_id, []):
                output.update(data=content["data"], metadata=content["metadata"])
        else:
            if "clear" in pending:
                pending.clear()
                result.outputs.clear()
            self._append(result.outputs, kind, content, display_id)

    def _append(self, outputs, kind, content, display_id) -> None:
        last = outputs[-1] if outputs else {}
        same = (last.get("output_type"), last.get("name")) == (kind, content.get("name"))
        if kind == "stream" and same:
            last["text"] += content["text"]
            return
        output = {"output_type": kind} | {k: v for k, v in content.items() if k != "transient"}
        outputs.append(output)
        if display_id:
            self._by_id.setdefault(display_id, []).append(output)


class Kernel:
    """An ipykernel process, with a client.

    Args:
        folder: its working directory; its own stdout and stderr go to ``kernel.log`` in there.
        env: variables on top of those of this process.
        python: the interpreter, where it is not this one.
    """

    def __init__(self, folder: Path, env: dict[str, str] | None = None, python: str = sys.executable) -> None:
        self.folder = folder
        self._python = python
        self.log = folder / "kernel.log"
        self.page = Page()
        self._env = _environment(folder) | (env or {})
        # Free TCP ports are free only until another test's kernel takes them; a socket's path has to be short.
        self._sockets = tempfile.TemporaryDirectory(prefix="nb-")
        self._start()

    def _start(self) -> None:
        from jupyter_client import KernelManager

        connection = {} if sys.platform == "win32" else {"transport": "ipc", "ip": f"{self._sockets.name}/s"}
        self._manager = KernelManager(connection_file=str(self.folder / "connection.json"), **connection)
        self._manager.kernel_spec.argv = [self._python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        with self.log.open("ab") as log:
            self._manager.start_kernel(cwd=str(self.folder), env=self._env, stdout=log, stderr=log, independent=False)
        self.client = self._manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_SECONDS)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._manager.provisioner.pid

    @property
    def stderr(self) -> str:
        """What the process itself wrote, outside the notebook."""
        return self.log.read_text()

    def run(
        self, code: str, cell_id: str | None = None, timeout: float = PATIENCE_SECONDS, tags: Sequence[str] = ()
    ) -> Result:
        """Run one cell to its end."""
        return self.finish(self.start(code, cell_id, tags), timeout)

    def start(self, code: str, cell_id: str | None = None, tags: Sequence[str] = ()) -> Running:
        """Send one cell; ``cell_id`` and ``tags`` as JupyterLab sends them, None as nbclient does."""
        metadata: dict[str, Any] = {} if cell_id is None else {"cellId": cell_id}
        if tags:
            metadata["tags"] = list(tags)
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return Running(message["header"]["msg_id"], Result())

    def finish(self, running: Running, timeout: float = PATIENCE_SECONDS) -> Result:
        """Wait until the cell is done."""
        self._listen(running, timeout, lambda: running.idle)
        reply = _reply(self.client.get_shell_msg, running.request, timeout)
        result = running.result
        result.status = reply["content"]["status"]
        result.execution_count = reply["content"].get("execution_count")
        result.seconds = time.monotonic() - running.since
        return result

    def wait_for(self, running: Running, when: str | Path, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until the running cell shows a text, or until a file exists."""
        if isinstance(when, Path):
            self._listen(running, timeout, when.exists)
        else:
            self._listen(running, timeout, lambda: when in running.result.text)

    def wait_until_queued(self) -> None:
        """Wait until the kernel has taken in all that was sent, though a cell is running.

        A subshell answers from a thread of its own, and the shell channel is read in order.
        """
        create = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(create)
        reply = _reply(self.client.get_control_msg, create["header"]["msg_id"], PATIENCE_SECONDS)
        ask = self.client.session.msg("kernel_info_request")
        ask["header"]["subshell_id"] = reply["content"]["subshell_id"]
        self.client.shell_channel.send(ask)
        _reply(self.client.get_shell_msg, ask["header"]["msg_id"], PATIENCE_SECONDS)

    def run_until(self, code: str, when: str | Path, cell_id: str | None = None) -> Result:
        """Run a cell, and kill the kernel with SIGKILL at a text or when a file appears."""
        running = self.start(code, cell_id)
        self.wait_for(running, when)
        self.kill()
        return running.result

    def run_for(self, code: str, seconds: float, cell_id: str | None = None) -> None:
        """Run a cell, and kill the kernel with SIGKILL some seconds after it was sent, be it done by then or not."""
        self.start(code, cell_id)
        threading.Timer(seconds, os.kill, (self.pid, signal.SIGKILL)).start()
        self._manager.provisioner.process.wait(seconds + PATIENCE_SECONDS)
        self.client.stop_channels()

    def ask(self, expression: str) -> str:
        """Return the text of an expression's value, asked by a silent request, which no notebook sees."""
        request = self.client.execute("", silent=True, store_history=False, user_expressions={"it": expression})
        reply = _reply(self.client.get_shell_msg, request, PATIENCE_SECONDS)
        answer = reply["content"]["user_expressions"]["it"]
        if answer["status"] != "ok":
            raise RuntimeError(f"{expression}: {answer}")
        text = answer["data"]["text/plain"]
        return ast.literal_eval(text) if text.startswith(("'", '"')) else text

    def run_and_interrupt(self, code: str, when: str | Path, cell_id: str | None = None) -> Result:
        """Run a cell, and press ■ at a text or a file; ``seconds`` counts from there."""
        running = self.start(code, cell_id)
        self.wait_for(running, when)
        running.since = time.monotonic()
        self.interrupt()
        return self.finish(running)

    def _listen(self, running: Running, timeout: float, done: Any) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {timeout} s; so far: {running.result.text!r}")
            try:
                message = self.client.get_iopub_msg(timeout=_TICK_SECONDS)
            except queue.Empty:
                if not self._manager.is_alive():
                    raise RuntimeError(f"the kernel died: {self.stderr}") from None
                continue
            if message["parent_header"].get("msg_id") != running.request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                running.idle = content["execution_state"] == "idle"
            elif kind.startswith("comm_"):
                running.result.comms.append((kind, content))
            elif kind in _OUTPUTS | _CHANGES:
                self.page.show(running.result, kind, content, running.pending)

    def interrupt(self) -> None:
        """Send SIGINT, as ■ does."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """SIGKILL the process, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._manager.provisioner.process.wait()
        self.client.stop_channels()

    def restart(self) -> None:
        """Start a fresh process in the same folder, killing the old one if it lives."""
        self._end()
        self._start()

    def close(self) -> None:
        """End the process, if it lives."""
        self._end()
        self._sockets.cleanup()

    def _end(self) -> None:
        if self._manager.has_kernel and self._manager.provisioner.process.poll() is None:
            self.kill()
        self._manager.cleanup_resources()

    def run_notebook(self, cells: list[str], *, cell_ids: bool = True) -> list[Result]:
        """Run cells in order, until one fails; with ids as JupyterLab, without as nbclient."""
        results = []
        for number, code in enumerate(cells):
            results.append(self.run(code, f"cell-{number}" if cell_ids else None))
            if results[-1].status != "ok":
                break
        return results


def _reply(get: Callable[..., dict[str, Any]], request: str, timeout: float) -> dict[str, Any]:
    while True:
        reply = get(timeout=timeout)
        if reply["parent_header"].get("msg_id") == request:
            return reply


@dataclass
class Running:
    """A cell that was sent."""

    request: str
    result: Result
    idle: bool = False
    pending: set[str] = field(default_factory=set)
    since: float = field(default_factory=time.monotonic)


class Terminal:
    """IPython in a pseudo-terminal."""

    _PROMPT = re.compile(r"In \[\d+\]: $")

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        import pexpect

        arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"]
        self._child = pexpect.spawn(
            sys.executable,
            [*arguments, "--no-confirm-exit", "--HistoryManager.enabled=False"],
            cwd=str(folder),
            env=_environment(folder) | (env or {}),
            encoding="utf-8",
            echo=False,
            timeout=PATIENCE_SECONDS,
            dimensions=(60, 200),
        )
        self._child.expect(self._PROMPT)

    def run(self, code: str) -> str:
        """Run one cell; return what the terminal showed, without the prompts."""
        lines = iter(code.splitlines())
        while True:
            self._child.sendline(next(lines, ""))
            at_prompt = self._child.expect([r" +\.\.\.: $", self._PROMPT]) == 1
            if at_prompt:
                return plain(self._child.before).replace("\r\n", "\n").strip()

    def kill(self) -> None:
        """SIGKILL it, and wait until it is gone."""
        if not self._child.closed:
            os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child.close()


def _environment(folder: Path) -> dict[str, str]:
    paths = [str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]
    # ipykernel does not show file descriptors where it believes to run inside a test
    inherited = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "DURABLE_NB_KEY_FILE": str(folder / "key"),
        "IPYTHONDIR": str(folder / ".ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
