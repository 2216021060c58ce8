"""``@step``: any function becomes a durable step."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from durable_nb.core.call import StepCall
from durable_nb.core.engine import drive, drive_async, run_step
from durable_nb.core.naming import importable_name
from durable_nb.core.retry import RetryPolicy, check_number, check_options
from durable_nb.core.step_code import StepCode
from durable_nb.errors import OptionError
from durable_nb.values.callkey import CallKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from durable_nb.values.callkey import Reach

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Q = ParamSpec("Q")


class Step(Generic[P, R]):
    """A durable step: call it as the function it was made of.

    Attributes:
        func: the function.
        name: shown in the ledger and in displays.
        policy: how failures are retried.
        expires_seconds: age in seconds beyond which a checkpoint is not replayed; None for no limit.
    """

    def __init__(
        self, func: Callable[P, R], *, name: str | None, policy: RetryPolicy, expires_seconds: float | None = None
    ) -> None:
        functools.update_wrapper(self, func)
        self.func: Any = func
        self.name = name or func.__qualname__.rpartition("<locals>.")[2]
        self.policy = policy
        self.expires_seconds = expires_seconds
        self.is_async = inspect.iscoroutinefunction(func)
        self._key: CallKey | None = None
        self._namespace: dict[str, Any] | None = None
        self._code: StepCode | None = None
        if self.is_async and hasattr(inspect, "markcoroutinefunction"):
            inspect.markcoroutinefunction(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Replay the call if it was recorded; else run it, retry it as allowed, and record it."""
        return cast("R", self._run(args, kwargs, fresh=False))

    def fresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call and record anew, whatever was recorded before."""
        return cast("R", self._run(args, kwargs, fresh=True))

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, fresh: bool) -> Any:
        if self.is_async:
            return self._run_async(args, kwargs, fresh=fresh)
        return drive(run_step(StepCall(self, args, kwargs, fresh=fresh)))

    async def _run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, fresh: bool) -> Any:
        return await drive_async(run_step(StepCall(self, args, kwargs, fresh=fresh)))

    def call_key(self, namespace: dict[str, Any] | None) -> CallKey:
        """Return what computes the keys of this step's calls."""
        if self._key is None or self._namespace is not namespace:
            self._key, self._namespace = CallKey(self.func, namespace), namespace
        return self._key

    def code(self, reach: Reach) -> StepCode:
        """Return what the function's code tells, with that of what it reaches, where all of that is immutable."""
        code = self._code
        if code is None or code.reach is not reach:
            code = self._code = StepCode(self.func, reach)
        return code

    @overload
    def __get__(self, instance: None, owner: type) -> Step[P, R]: ...
    @overload
    def __get__(self: Step[Concatenate[S, Q], R], instance: S, owner: type | None = None) -> BoundStep[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance, as a method does."""
        return self if instance is None else BoundStep(self, instance)

    def __durable_fingerprint__(self) -> object:
        """A step is the function it runs; how it is retried does not matter to who calls it."""
        return self.func

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle by name where that finds it again, as a function does, else as the function and the options."""
        return importable_name(self) or (_rebuild, (self.func, self.name, self.policy, self.expires_seconds))

    def __repr__(self) -> str:
        """Name the step."""
        return f"<step {self.name}>"


class BoundStep(Generic[P, R]):
    """A step that is a method, bound to its instance."""

    def __init__(self, step: Step[..., R], instance: object) -> None:
        self.__func__ = step
        self.__self__ = instance
        functools.update_wrapper(self, step, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the step on the instance."""
        return self.__func__(self.__self__, *args, **kwargs)

    def fresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call and record anew, whatever was recorded before."""
        return self.__func__.fresh(self.__self__, *args, **kwargs)

    def __repr__(self) -> str:
        """Name the step."""
        return f"<bound step {self.__func__.name}>"


@overload
def step(func: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    retries_allowed: bool = False,
    interval_seconds: float = 1.0,
    max_attempts: int = 3,
    backoff_rate: float = 2.0,
    should_retry: Callable[[BaseException], bool | Awaitable[bool]] | None = None,
    timeout_seconds: float | None = None,
    max_interval_seconds: float = 3600.0,
    jitter: float = 0.0,
    expires_seconds: float | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    func: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    expires_seconds: float | None = None,
    **options: Any,
) -> Any:
    """Make a function a durable step: a completed call is recorded and replays instead of running again.

    Args:
        func: the function, when used without parentheses; sync or async, also a method.
        name: shown instead of the function's qualified name, and used instead of it in the key.
        retries_allowed: whether a call that raises an ``Exception`` is tried again.
        interval_seconds: wait after the first failed attempt.
        max_attempts: attempts in all, the first included.
        backoff_rate: factor by which each wait is longer than the one before.
        should_retry: ``should_retry(error)`` false re-raises the error at once; may be async for async steps.
        timeout_seconds: bound on one attempt; running longer counts as a failed attempt (``StepTimeout``).
        max_interval_seconds: bound on one wait.
        jitter: share of each wait that is random, 0 to 1.
        expires_seconds: age in seconds beyond which a checkpoint is not replayed.
        **options: the retry options above, as the overloads have them.

    Returns:
        The step, to be called as the function; ``.fresh(...)`` calls and records anew.

    Raises:
        OptionError: an option has a value without meaning, or the function is a generator.

    The retry options, their defaults and ``min(interval_seconds * backoff_rate**n, max_interval_seconds)`` are those
    of DBOS: https://docs.dbos.dev/python/tutorials/step-tutorial
    """

    def decorate(function: Callable[..., Any]) -> Step[..., Any]:
        check_function(function)
        policy = make_policy(options)
        if expires_seconds is not None:
            check_number("expires_seconds", expires_seconds, least=0)
        check_options(policy, options, is_async=inspect.iscoroutinefunction(function))
        return Step(function, name=name, policy=policy, expires_seconds=expires_seconds)

    return decorate if func is None else decorate(func)


def make_policy(options: dict[str, Any]) -> RetryPolicy:
    """Build a policy from keyword options.

    Raises:
        OptionError: an option is unknown, or its value is out of range.
    """
    unknown = set(options) - set(RetryPolicy.__dataclass_fields__)
    if unknown:
        raise OptionError(min(unknown), f"is not an option; there are {', '.join(RetryPolicy.__dataclass_fields__)}")
    return RetryPolicy(**options)


def check_function(function: object) -> None:
    """Refuse what cannot be a step.

    Raises:
        OptionError: not a function, or a generator function.
    """
    if isinstance(function, staticmethod | classmethod):
        kind = type(function).__name__
        raise OptionError("step", f"put @{kind} above @step, so that the step wraps the function itself")
    if not inspect.isfunction(function):
        raise OptionError("step", f"wraps a function, not {type(function).__name__} {function!r:.60}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise OptionError("step", f"{function.__qualname__} is a generator function: return a list instead of yielding")


def _rebuild(func: Any, name: str, policy: RetryPolicy, expires_seconds: float | None) -> Step[..., Any]:
    return Step(func, name=name, policy=policy, expires_seconds=expires_seconds)
