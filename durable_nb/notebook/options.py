"""The ``%%step`` line: its flags, and what they mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from durable_nb.core.step import make_policy
from durable_nb.errors import OptionError
from durable_nb.notebook.cell_run import StepOptions
from durable_nb.notebook.partial import Selection

if TYPE_CHECKING:
    from argparse import Namespace as Arguments

RETRY_FLAGS = ("interval_seconds", "backoff_rate", "timeout_seconds", "max_interval_seconds", "jitter")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def step_options(arguments: Arguments, names: dict[str, Any]) -> StepOptions:
    """Turn parsed flags into options.

    Args:
        arguments: as ``argparse`` has them.
        names: the user's namespace, where ``--should-retry`` finds its function.

    Raises:
        OptionError: a value has no meaning; it names the flag as the user typed it.
    """
    words: dict[str, Any] = {name: getattr(arguments, name) for name in RETRY_FLAGS}
    words = {name: value for name, value in words.items() if value is not None}
    if arguments.max_attempts is not None:
        words["max_attempts"] = arguments.max_attempts
    if arguments.should_retry is not None:
        words["should_retry"] = _function(arguments.should_retry, names)
    if arguments.retries_allowed or arguments.max_attempts is not None:
        words["retries_allowed"] = True
    try:
        policy = make_policy(words)
    except OptionError as error:
        flag = "--" + error.option.replace("_", "-")
        raise OptionError(flag, str(error).partition(": ")[2]) from None
    return StepOptions(
        name=arguments.name or "",
        policy=policy,
        rerun=arguments.rerun,
        expires_seconds=None if arguments.expires is None else duration("--expires", arguments.expires),
        inputs=tuple(arguments.inputs or ()),
        depends=tuple(arguments.depends or ()),
        selection=Selection(_names("--keep", arguments.keep), _names("--ephemeral", arguments.ephemeral)),
        monitor=arguments.monitor,
    )


def _names(flag: str, given: list[str] | None) -> tuple[str, ...]:
    for name in given or ():
        if not name.isidentifier():
            raise OptionError(flag, f"must be the name of a variable, not {name!r}; give it again for each name")
    return tuple(given or ())


def duration(flag: str, text: str) -> float:
    """Return the seconds that a text such as ``90``, ``45s``, ``30m``, ``6h``, ``2d`` or ``1w`` means.

    Raises:
        OptionError: it means none.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise OptionError(flag, f"must be a time such as 45s, 30m, 6h or 2d, not {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def _function(name: str, names: dict[str, Any]) -> Any:
    value = names.get(name)
    if not callable(value):
        raise OptionError("--should-retry", f"must be the name of a function of the notebook, not {name!r}")
    return value
