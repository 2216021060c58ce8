"""When a failed attempt is followed by another, and after how long: a pure description."""

from __future__ import annotations

import inspect
import math
import random
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_nb.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_jitter = random.Random()  # noqa: S311 - spreads retries; the user's own stream must not advance


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a step is tried again; names, defaults and formula are those of DBOS.

    Attributes:
        retries_allowed: whether a failed attempt may be followed by another.
        interval_seconds: wait after the first failed attempt.
        max_attempts: attempts in all, the first included.
        backoff_rate: factor by which each wait is longer than the one before.
        should_retry: given the error, says whether to try again; may be async for async steps.
        timeout_seconds: bound on one attempt.
        max_interval_seconds: bound on one wait.
        jitter: share of a wait that is random, 0 to 1.
    """

    retries_allowed: bool = False
    interval_seconds: float = 1.0
    max_attempts: int = 3
    backoff_rate: float = 2.0
    should_retry: Callable[[BaseException], bool | Awaitable[bool]] | None = None
    timeout_seconds: float | None = None
    max_interval_seconds: float = 3600.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that have no meaning, naming the option.

        Raises:
            OptionError: for the first option that is out of range.
        """
        _whole("max_attempts", self.max_attempts, least=1)
        check_number("interval_seconds", self.interval_seconds, least=0)
        check_number("backoff_rate", self.backoff_rate, least=1)
        check_number("max_interval_seconds", self.max_interval_seconds, least=0)
        check_number("jitter", self.jitter, least=0, most=1)
        if self.timeout_seconds is not None:
            check_number("timeout_seconds", self.timeout_seconds, above=0)
        if self.should_retry is not None and not callable(self.should_retry):
            raise OptionError("should_retry", f"must be a function of the error, not {self.should_retry!r}")

    @property
    def attempts(self) -> int:
        """How many attempts there are at most."""
        return self.max_attempts if self.retries_allowed else 1

    def wait_after(self, failed: int) -> float:
        """Return the seconds to wait after failed attempt ``failed`` (0-based).

        ``min(interval_seconds * backoff_rate**failed, max_interval_seconds)``, as DBOS has it; the
        exponent is bounded by logarithms first, so that attempt 2000 stays finite.
        """
        if not self.interval_seconds:
            return 0.0
        room = self.max_interval_seconds / self.interval_seconds
        if room <= 1 or (self.backoff_rate > 1 and failed >= math.log(room, self.backoff_rate)):
            wait = self.max_interval_seconds
        else:
            wait = min(self.interval_seconds * self.backoff_rate**failed, self.max_interval_seconds)
        return wait * (1 - self.jitter * _jitter.random()) if self.jitter else wait


def check_options(policy: RetryPolicy, options: dict[str, Any], *, is_async: bool) -> None:
    """Check what a policy cannot know by itself: how it was asked for, and for what function.

    Raises:
        OptionError: an async predicate on a sync step.
    """
    if "max_attempts" in options and not policy.retries_allowed:
        warnings.warn(
            "max_attempts has no effect without retries_allowed=True: the step runs once",
            UserWarning,
            stacklevel=3,
        )
    if policy.should_retry is not None and not is_async and inspect.iscoroutinefunction(policy.should_retry):
        raise OptionError("should_retry", "is async, but the step is not: make the step async or the predicate sync")


def check_number(
    option: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
) -> None:
    """Refuse a value that is no finite number within its bounds.

    Raises:
        OptionError: naming ``option``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or math.isinf(value):
        raise OptionError(option, f"must be a finite number, not {value!r}")
    if value < least or value > most or (above is not None and value <= above):
        bound = f"above {above:g}" if above is not None else f"at least {least:g}"
        bound += f" and at most {most:g}" if most != math.inf else ""
        raise OptionError(option, f"must be {bound}, not {value!r}")


def _whole(option: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(option, f"must be a whole number of at least {least}, not {value!r}")
