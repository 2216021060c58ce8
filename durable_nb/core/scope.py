"""Which scope and step the running code belongs to, and how threads and tasks inherit it."""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from durable_nb.values.contexts import Bound
from durable_nb.values.files import watched_by, watches_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.passes import ScopePass


@dataclass(frozen=True, slots=True)
class StepStatus:
    """What ``step_status()`` tells the code of a running step; fields are those of DBOS.

    Attributes:
        step_id: start order within the pass through its scope, 1-based; 0 without a store.
        current_attempt: 0-based; None where retries are not allowed.
        max_attempts: None where retries are not allowed.
    """

    step_id: int
    current_attempt: int | None
    max_attempts: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where code runs: in a pass through a scope, and perhaps inside a step."""

    scope_pass: ScopePass | None
    step: StepStatus | None = None


_PLACE: ContextVar[Place | None] = ContextVar("durable_nb_place", default=None)


def current_place() -> Place | None:
    """Return where the calling code runs; None outside every scope and step."""
    return _PLACE.get()


def step_status() -> StepStatus | None:
    """Return the status of the step that is running here, or None outside of one."""
    place = _PLACE.get()
    return place.step if place is not None else None


def at(place: Place | None) -> Bound[Place | None]:
    """Run a ``with`` body at ``place``."""
    return Bound(_PLACE, place)


def move_to(place: Place | None) -> None:
    """Go to ``place`` and stay there: for front ends whose cells begin and end in separate callbacks."""
    _PLACE.set(place)


class TaskNames:
    """Names the threads and tasks of a pass, so that rows of one and the same can be told.

    Names are small numbers given at first sight: ids of threads and tasks are reused by Python.
    """

    def __init__(self) -> None:
        self._names: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
        self._next = 0
        self._lock = threading.Lock()

    def here(self) -> str:
        """Return the name of the task that runs here, or of the thread outside of tasks."""
        owner: object = _running_task() or threading.current_thread()
        name = self._names.get(owner)
        if name is None:
            with self._lock:
                name = self._names.setdefault(owner, str(self._next))
                self._next += 1
        return name


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None


class Inheritance:
    """Lets threads and executor jobs belong to the scope that started them, as tasks do by themselves.

    Only our own context variables travel: copying the whole context would change what the user's
    other context variables mean in a new thread.
    """

    def __init__(self) -> None:
        self._start: Callable[..., Any] | None = None
        self._submit: Callable[..., Any] | None = None

    def install(self) -> None:
        """Wrap ``Thread.start`` and ``ThreadPoolExecutor.submit``; a second call changes nothing."""
        if self._start is not None:
            return
        start: Any = threading.Thread.start
        submit: Any = ThreadPoolExecutor.submit
        self._start, self._submit = start, submit

        @wraps(start)
        def start_here(thread: threading.Thread) -> None:
            if _PLACE.get() is not None or watches_here():
                thread.run = _at_place(thread.run)  # type: ignore[method-assign]
            start(thread)

        @wraps(submit)
        def submit_here(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            # Always wrapped: a worker started by one scope must not lend it to a job that has none.
            return submit(pool, _at_place(fn), *args, **kwargs)

        threading.Thread.start = start_here  # type: ignore[assignment,method-assign]
        ThreadPoolExecutor.submit = submit_here  # type: ignore[assignment,method-assign]

    def uninstall(self) -> None:
        """Put the originals back."""
        if self._start is None or self._submit is None:
            return
        threading.Thread.start = self._start  # type: ignore[method-assign]
        ThreadPoolExecutor.submit = self._submit  # type: ignore[method-assign]
        self._start = self._submit = None


def _at_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function run elsewhere as if here: in this place, its files seen by the watches that see this code."""
    place, watches = _PLACE.get(), watches_here()

    def run_at_place(*args: Any, **kwargs: Any) -> Any:
        with at(place), watched_by(watches):
            return function(*args, **kwargs)

    return run_at_place
