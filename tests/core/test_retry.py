"""The retry policy as a pure description."""

from __future__ import annotations

import math
import random

import pytest

from durable_nb.core.retry import RetryPolicy, check_options
from durable_nb.core.step import make_policy
from durable_nb.errors import OptionError


def test_defaults_are_those_of_dbos():
    """No retries; else three attempts, one second, doubling, an hour at most."""
    policy = RetryPolicy()
    assert (policy.retries_allowed, policy.interval_seconds, policy.max_attempts, policy.backoff_rate) == (
        False,
        1.0,
        3,
        2.0,
    )
    assert (policy.max_interval_seconds, policy.jitter, policy.timeout_seconds, policy.should_retry) == (
        3600.0,
        0.0,
        None,
        None,
    )
    assert policy.attempts == 1
    assert RetryPolicy(retries_allowed=True).attempts == 3


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, [1, 2, 4, 8]),
        ({"interval_seconds": 0.5, "backoff_rate": 3}, [0.5, 1.5, 4.5, 13.5]),
        ({"backoff_rate": 1}, [1, 1, 1, 1]),
        ({"interval_seconds": 0}, [0, 0, 0, 0]),
        ({"max_interval_seconds": 3}, [1, 2, 3, 3]),
        ({"interval_seconds": 10, "max_interval_seconds": 3}, [3, 3, 3, 3]),
        ({"max_interval_seconds": 0}, [0, 0, 0, 0]),
        ({"interval_seconds": 900, "backoff_rate": 2}, [900, 1800, 3600, 3600]),
    ],
)
def test_wait_after(options, waits):
    """The wait after failed attempt i is ``min(interval * rate**i, max_interval)``."""
    policy = RetryPolicy(**options)
    assert [policy.wait_after(i) for i in range(4)] == waits


@pytest.mark.parametrize(
    "options", [{}, {"backoff_rate": 1e300}, {"interval_seconds": 1e-300}, {"interval_seconds": 1e300}]
)
def test_wait_is_finite_at_attempt_2000(options):
    """Neither a large exponent nor extreme options overflow."""
    wait = RetryPolicy(**options).wait_after(2000)
    assert math.isfinite(wait)
    assert 0 <= wait <= 3600
    assert RetryPolicy().wait_after(2000) == 3600.0


def test_jitter_shortens_and_leaves_the_users_stream_alone():
    """Jitter takes up to its share off a wait, and never draws from ``random``'s own stream."""
    policy = RetryPolicy(jitter=0.25)
    before = random.getstate()
    waits = {policy.wait_after(3) for _ in range(200)}
    assert random.getstate() == before
    assert all(6 <= wait <= 8 for wait in waits)
    assert len(waits) > 100
    assert max(waits) - min(waits) > 1


def test_make_policy_names_the_unknown_option():
    """An unknown option is named."""
    with pytest.raises(OptionError) as caught:
        make_policy({"retries": 3})
    assert caught.value.option == "retries"


def test_async_predicate_is_fine_for_an_async_step():
    """Only a sync step refuses an async predicate."""

    async def ask(error):
        return True

    policy = RetryPolicy(should_retry=ask)
    check_options(policy, {}, is_async=True)
    with pytest.raises(OptionError, match="^should_retry"):
        check_options(policy, {}, is_async=False)
