"""The ``%%step`` line: flags and their values."""

from __future__ import annotations

import pytest
from IPython.core.magic_arguments import parse_argstring

from durable_nb.errors import OptionError
from durable_nb.notebook.magics import StepMagics
from durable_nb.notebook.options import duration, step_options
from durable_nb.notebook.partial import Selection


def parse(line, names=None):
    return step_options(parse_argstring(StepMagics.step, line), names or {})


def test_without_flags_nothing_is_retried():
    """A bare ``%%step`` has no name, one attempt and no limits."""
    options = parse("")
    assert (options.name, options.rerun, options.expires_seconds, options.inputs, options.depends) == (
        "",
        False,
        None,
        (),
        (),
    )
    assert options.policy.retries_allowed is False
    assert options.policy.attempts == 1


def test_max_attempts_alone_allows_retries():
    """``--max-attempts N`` is enough; the other words have DBOS's defaults."""
    policy = parse("load --max-attempts 4").policy
    assert (policy.attempts, policy.interval_seconds, policy.backoff_rate, policy.max_interval_seconds) == (
        4,
        1.0,
        2.0,
        3600.0,
    )


def test_retries_allowed_alone_has_the_default_attempts():
    """``--retries-allowed`` means three attempts in all."""
    assert parse("--retries-allowed").policy.attempts == 3


def test_all_words():
    """Every flag reaches the policy or the options; those that take a value repeat where a list makes sense."""
    line = (
        "load --max-attempts 5 --interval-seconds 0.5 --backoff-rate 3 --max-interval-seconds 9 --jitter 0.25 "
        "--timeout-seconds 60 --should-retry again --rerun --expires "
        "6h --inputs a --inputs b --depends x.csv --depends y.csv --keep c --keep d --ephemeral e --ephemeral _"
    )
    again = lambda error: True
    options = parse(line, {"again": again})
    policy = options.policy
    assert (policy.attempts, policy.interval_seconds, policy.backoff_rate, policy.max_interval_seconds) == (
        5,
        0.5,
        3.0,
        9.0,
    )
    assert (policy.jitter, policy.timeout_seconds, policy.should_retry) == (0.25, 60.0, again)
    assert (options.name, options.rerun, options.expires_seconds) == ("load", True, 21_600.0)
    assert (options.inputs, options.depends) == (("a", "b"), ("x.csv", "y.csv"))
    assert options.selection == Selection(keep=("c", "d"), ephemeral=("e", "_"))


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("--max-attempts 0", "--max-attempts"),
        ("--max-attempts -3", "--max-attempts"),
        ("--max-attempts 2 --interval-seconds -0.1", "--interval-seconds"),
        ("--max-attempts 2 --interval-seconds inf", "--interval-seconds"),
        ("--max-attempts 2 --backoff-rate 0.99", "--backoff-rate"),
        ("--max-attempts 2 --max-interval-seconds -1", "--max-interval-seconds"),
        ("--max-attempts 2 --jitter -0.1", "--jitter"),
        ("--max-attempts 2 --jitter 1.1", "--jitter"),
        ("--timeout-seconds 0", "--timeout-seconds"),
        ("--max-attempts 2 --should-retry missing", "--should-retry"),
        ("--expires 6y", "--expires"),
        ("--expires=-1s", "--expires"),
        ("--keep a,b", "--keep"),
        ("--ephemeral m.cb", "--ephemeral"),
    ],
)
def test_a_value_without_meaning_names_its_flag(line, flag):
    """The error says the flag as the user typed it."""
    with pytest.raises(OptionError, match=f"^{flag}: must be ") as error:
        parse(line)
    assert error.value.option == flag


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("45s", 45),
        ("30m", 1800),
        ("6h", 21_600),
        ("2d", 172_800),
        ("1w", 604_800),
        ("0.5h", 1800),
        ("6 H", 21_600),
        ("0", 0),
    ],
)
def test_durations(text, seconds):
    """A number with a unit of s, m, h, d or w; seconds without."""
    assert duration("--expires", text) == seconds


@pytest.mark.parametrize("text", ["", "h", "6 hours", "1e3", "nan", "--", "6h30m"])
def test_no_durations(text):
    """Anything else is refused with examples."""
    with pytest.raises(OptionError, match=r"must be a time such as 45s, 30m, 6h or 2d"):
        duration("--expires", text)
