"""``@workflow``: a function whose steps are resumed under one id."""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from durable_nb.core.engine import drive, drive_async, run_step
from durable_nb.core.naming import importable_name
from durable_nb.core.step import check_function
from durable_nb.core.workflow_run import WorkflowRun
from durable_nb.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

_NEXT_ID: ContextVar[list[str] | None] = ContextVar("durable_nb_workflow_id", default=None)


@contextmanager
def workflow_id(name: str) -> Iterator[str]:
    """Give the first workflow that is called in the ``with`` body this id.

    Args:
        name: any text; the same id goes on where that execution ended, or returns what it returned.

    Raises:
        OptionError: the id is not a non-empty text.
    """
    if not isinstance(name, str) or not name.strip():
        raise OptionError("workflow_id", f"must be a non-empty text, not {name!r}")
    token = _NEXT_ID.set([name])
    try:
        yield name
    finally:
        _NEXT_ID.reset(token)


def _take_id() -> str:
    """Return the id asked for, once: workflows that are called by this one get ids of their own."""
    asked = _NEXT_ID.get()
    return asked.pop() if asked else ""


class Workflow(Generic[P, R]):
    """A durable workflow: call it as the function it was made of.

    Attributes:
        func: the function.
        name: with the id, what an execution is known by.
    """

    def __init__(self, func: Callable[P, R], *, name: str | None = None) -> None:
        functools.update_wrapper(self, func)
        self.func: Any = func
        self.name = name or func.__qualname__.rpartition("<locals>.")[2]
        self.is_async = inspect.iscoroutinefunction(func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Begin, resume, or return the recorded result."""
        run = WorkflowRun(self, args, kwargs, _take_id())
        return cast("R", self._run_async(run) if self.is_async else drive(run_step(run)))

    async def _run_async(self, run: WorkflowRun) -> Any:
        return await drive_async(run_step(run))

    def __durable_fingerprint__(self) -> object:
        """A workflow is the function it runs."""
        return self.func

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle by name where that finds it again, as a function does, else as the function and the name."""
        return importable_name(self) or (_rebuild, (self.func, self.name))

    def __repr__(self) -> str:
        """Name the workflow."""
        return f"<workflow {self.name}>"


@overload
def workflow(func: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(*, name: str | None = None) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...
def workflow(func: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Make a function a durable workflow: its completed steps are not repeated when it is called again.

    With ``with workflow_id("…"):`` the call belongs to that execution: an interrupted one goes on after its last
    completed step, a completed one returns its recorded result, a failed one is tried afresh. Without an id the
    newest unfinished execution of this workflow with equal arguments is resumed, else a new one begins.

    Args:
        func: the function, when used without parentheses; sync or async.
        name: used instead of the function's qualified name.

    Raises:
        OptionError: the function is a generator, or not a function.
    """

    def decorate(function: Callable[..., Any]) -> Workflow[..., Any]:
        check_function(function)
        return Workflow(function, name=name)

    return decorate if func is None else decorate(func)


def _rebuild(func: Any, name: str) -> Workflow[..., Any]:
    return Workflow(func, name=name)
