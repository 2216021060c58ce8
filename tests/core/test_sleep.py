"""Durable sleep: a restart does not begin the wait anew."""

from __future__ import annotations

import pytest

from durable_nb import sleep, sleep_async, step, workflow, workflow_id
from durable_nb.core.clock import SystemClock
from durable_nb.errors import OptionError


def test_sleep_waits_once(reopen, clock):
    """A sleep that ran its course is not slept again."""
    with reopen():
        sleep(10)
    with reopen():
        sleep(10)
    assert clock.waits == [10, 0.0]


def test_sleep_over_a_restart(reopen, clock):
    """After a death in the middle only the rest is slept; time that passed meanwhile counts."""

    def die(wake):
        clock.on_wait = None
        clock.advance(4)
        raise KeyboardInterrupt

    clock.on_wait = die
    with pytest.raises(KeyboardInterrupt), reopen():
        sleep(10)
    clock.advance(3)
    with reopen():
        sleep(10)
    assert clock.waits == [10, 3.0]


def test_sleep_is_never_longer_than_asked(reopen, clock):
    """A clock that was put back makes the sleep no longer than it was."""
    with reopen():
        sleep(10)
    clock.advance(-1000)
    with reopen():
        sleep(10)
    assert clock.waits == [10, 10]


def test_equal_sleeps_count(reopen, clock):
    """Two equal sleeps are two."""
    for _ in range(2):
        with reopen():
            sleep(5)
            sleep(5)
    assert clock.waits == [5, 5, 0.0, 0.0]


async def test_sleep_async(reopen, clock):
    """The async sleep is as durable."""
    for _ in range(2):
        with reopen():
            await sleep_async(5)
    assert clock.waits == [5, 0.0]


def test_sleep_inside_a_step_is_plain(reopen, clock):
    """Inside a step a sleep is no record of its own."""

    @step
    def f():
        sleep(5)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), reopen() as session:
            f()
        assert session.heads == []
    assert clock.waits == [5, 5]


def test_sleep_in_a_workflow_belongs_to_its_execution(reopen, clock):
    """Each execution has its own sleeps."""

    @workflow
    def w():
        sleep(5)

    for name in ("a", "b"):
        with reopen(), workflow_id(name):
            w()
    assert clock.waits == [5, 5]


def test_sleep_without_a_store(monkeypatch):
    """With no open store it is an ordinary sleep."""
    waits = []
    monkeypatch.setattr(SystemClock, "wait", lambda self, seconds, wake: waits.append(seconds) or "elapsed")
    sleep(3)
    assert waits == [3]


@pytest.mark.parametrize("bad", [-1, float("nan"), "1", None, True])
def test_bad_seconds(bad):
    """Seconds are a number of 0 or more."""
    with pytest.raises(OptionError, match="^seconds: must be 0 or more"):
        sleep(bad)
