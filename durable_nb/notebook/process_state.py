"""What a cell leaves behind that a replay would not: found, so that such a step runs again."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from durable_nb.values.modules import is_local

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The attributes of the modules a cell reads, and what runs beside it."""

    modules: dict[str, tuple[ModuleType, dict[str, int]]]
    threads: frozenset[threading.Thread]
    tasks: frozenset[asyncio.Task[Any]]
    children: frozenset[int]

    @classmethod
    def now(cls, values: dict[str, Any]) -> ProcessState:
        """Take the state as it is; ``values`` are the cell's inputs, whose modules are watched."""
        modules = {name: (value, _attributes(value)) for name, value in values.items() if _watched(value)}
        return cls(modules, frozenset(threading.enumerate()), _tasks(), frozenset(_children()))

    def what_changed(self, shell: InteractiveShell) -> str | None:
        """Say what is different now, in words for the user; None when nothing is."""
        for name, (module, before) in self.modules.items():
            if _attributes(module) != before:
                return f"it changed an attribute of module {name}, which a replay would not change again"
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
        """Name a process of the cell that ``multiprocessing`` started: what it will do is not known yet."""
        started = {pid: name for pid, name in _children().items() if pid not in self.children}
        return next((f"process {name} (pid {pid}) still runs" for pid, name in started.items()), None)

    def _running_thread(self, shell: InteractiveShell) -> str | None:
        """Name a thread of the cell that still runs notebook code: what it will do is not known yet."""
        frames = sys._current_frames()  # noqa: SLF001 - the only way to see what another thread runs
        for thread in threading.enumerate():
            if thread in self.threads or thread is threading.current_thread():
                continue
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
    """Return the live processes that ``multiprocessing`` started here: pid -> name."""
    module = sys.modules.get("multiprocessing")
    return {} if module is None else {each.pid or 0: each.name for each in module.active_children()}


def _watched(value: object) -> bool:
    """Say whether an input is a local module: installed ones keep state of their own in their attributes."""
    return isinstance(value, ModuleType) and is_local(value.__name__)


def _attributes(module: ModuleType) -> dict[str, int]:
    """Return which object each public attribute is; submodules come and go with imports and do not count."""
    found = list(vars(module).items())
    return {name: id(value) for name, value in found if name[0] != "_" and not isinstance(value, ModuleType)}
