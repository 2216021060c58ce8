"""What still runs when a cell is over: a step that leaves some of it behind runs again (DESIGN §5 row 21)."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_CLONES_TOO: Final = 0x40000000 if sys.platform == "linux" else 0
"""``__WALL`` of ``waitid(2)``: children that do not signal their end count as well."""
_HELPERS = ("multiprocessing", "loky")
"""In the command lines of processes that Python and joblib keep for their own purposes."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What runs beside a cell."""

    threads: frozenset[threading.Thread]
    tasks: frozenset[asyncio.Task[Any]]
    children: frozenset[int]

    @classmethod
    def now(cls) -> ProcessState:
        """Take the state as it is."""
        return cls(frozenset(threading.enumerate()), _tasks(), frozenset(_children()))

    def what_changed(self, shell: InteractiveShell) -> str | None:
        """Say what is different now, in words for the user; None when nothing is."""
        return self._running_thread(shell) or self._running_task(shell) or self._running_child()

    def _running_task(self, shell: InteractiveShell) -> str | None:
        """Name a task of the cell that will still run notebook code."""
        for task in _tasks() - self.tasks:
            awaited: Any = task.get_coro()
            while awaited is not None and task is not asyncio.current_task():
                if getattr(getattr(awaited, "cr_frame", None), "f_globals", None) is shell.user_ns:
                    return f"task {task.get_name()} still runs code of the notebook"
                awaited = getattr(awaited, "cr_await", None)
        return None

    def _running_child(self) -> str | None:
        """Name a process that the cell started: what it will do is not known yet."""
        started = {pid: name for pid, name in _children().items() if pid not in self.children}
        return next((f"process {name} (pid {pid}) still runs" for pid, name in started.items()), None)

    def _running_thread(self, shell: InteractiveShell) -> str | None:
        """Name a thread of the cell that still runs notebook code: what it will do is not known yet."""
        frames = sys._current_frames()  # noqa: SLF001 - the only way to see what another thread runs
        for thread in threading.enumerate():
            if thread in self.threads or thread is threading.current_thread():
                continue
            if _will_run(thread, shell.user_ns):
                return f"thread {thread.name} still runs code of the notebook"
            frame = frames.get(thread.ident or 0)
            while frame is not None:
                if frame.f_globals is shell.user_ns:
                    return f"thread {thread.name} still runs code of the notebook"
                frame = frame.f_back
        return None


def _tasks() -> frozenset[asyncio.Task[Any]]:
    try:
        return frozenset(asyncio.all_tasks())
    except RuntimeError:  # no event loop runs in this thread
        return frozenset()


def _children() -> dict[int, str]:
    """Return the live processes that were started here, pid -> name; pools that libraries keep are none."""
    module = sys.modules.get("multiprocessing")
    found = (
        {}
        if module is None
        else {each.pid or 0: each.name for each in module.active_children() if not _is_helper(each)}
    )
    return _programs() | found


def _is_helper(process: object) -> bool:
    return "loky" in type(process).__module__


def _programs() -> dict[int, str]:
    """Return the programs that run as children of this process, where the system tells (Linux)."""
    if not _any_child():
        return {}
    found = {}
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread is gone
            for pid in task.read_text().split():
                with suppress(OSError):  # the child is gone
                    name, state, command = _process(Path("/proc", pid))
                    if state != "Z" and not any(helper in command for helper in _HELPERS):
                        found[int(pid)] = name
    return found


def _any_child() -> bool:
    """Say whether there may be a child, which one call tells where listing them takes two for each thread."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _CLONES_TOO)
    except ChildProcessError:
        return False
    except OSError:  # a system that cannot be asked so
        return True
    return True


def _process(folder: Path) -> tuple[str, str, str]:
    """Return a process's name, its state and its command line, which may still be empty when it has just begun."""
    pid_and_name, _, rest = (folder / "stat").read_text(errors="replace").rpartition(")")
    command = (folder / "cmdline").read_bytes().decode(errors="replace")
    return pid_and_name.partition("(")[2], rest.split()[0], command


def _will_run(thread: threading.Thread, names: dict[str, Any]) -> bool:
    """Say whether a thread that has only just started will run a function of the notebook."""
    target: Any = vars(thread).get("_target") or type(thread).run
    while not hasattr(target, "__globals__") and (inner := getattr(target, "func", getattr(target, "__func__", None))):
        target = inner
    return getattr(target, "__globals__", None) is names
