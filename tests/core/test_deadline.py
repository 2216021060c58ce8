"""The time limit of one attempt."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from durable_nb import MaxStepRetriesExceeded, StepTimeout, step
from durable_nb.core.deadline import _Alarm, call_within
from durable_nb.errors import OptionError

LIMIT_SECONDS = 0.3  # long enough to enter the body, also where other work holds this process up


def spin(seconds=60.0):
    """Be busy in Python code, as a slow pure-Python body is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_sync_step_is_interrupted(store, runs):
    """A sync step on the main thread is interrupted at its limit, and its cleanup runs."""

    @step(timeout_seconds=LIMIT_SECONDS)
    def slow():
        try:
            spin()
        finally:
            runs("cleanup")

    with pytest.raises(StepTimeout) as caught:
        slow()
    assert (caught.value.step_name, caught.value.timeout_seconds) == ("slow", LIMIT_SECONDS)
    assert isinstance(caught.value, TimeoutError)
    assert runs == ["cleanup"]


def test_sync_timeout_counts_as_an_attempt(store, clock, runs):
    """A sync timeout is retried like any failed attempt."""

    @step(timeout_seconds=LIMIT_SECONDS, retries_allowed=True, max_attempts=2)
    def slow():
        runs("ran")
        spin()

    with pytest.raises(MaxStepRetriesExceeded) as caught:
        slow()
    assert [type(each) for each in caught.value.errors] == [StepTimeout, StepTimeout]
    assert (len(runs), clock.waits) == (2, [1.0])


def test_within_the_limit_nothing_changes(store):
    """A step within its limit gives its value; its timer ends and the SIGINT handler is the one before."""
    handler = signal.getsignal(signal.SIGINT)

    @step(timeout_seconds=30)
    def quick(x):
        return x

    assert quick(3) == 3
    assert signal.getsignal(signal.SIGINT) is handler
    for timer in [each for each in threading.enumerate() if type(each) is threading.Timer]:
        timer.join(60)  # a cancelled timer's thread still has to wake up and end
        assert not timer.is_alive()


def test_the_users_interrupt_is_not_a_timeout(store):
    """An interrupt by the user within a limited step stays a KeyboardInterrupt."""

    @step(timeout_seconds=30)
    def f():
        signal.raise_signal(signal.SIGINT)
        spin(1)

    with pytest.raises(KeyboardInterrupt):
        f()
    assert store.heads == []


def test_sync_step_in_a_thread_is_refused(store, clock, runs):
    """Off the main thread a sync limit is refused at once: the body never runs, nothing is retried or recorded."""

    @step(timeout_seconds=5, retries_allowed=True)
    def f():
        runs("ran")

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(OptionError, match="^timeout_seconds: step .*f is sync and not on the main"),
    ):
        pool.submit(f).result()
    assert (runs, clock.waits, store.heads) == ([], [], [])
    f()
    assert runs == ["ran"]


async def test_async_step_in_a_thread_is_fine(store):
    """An async limit works in any thread's event loop."""

    @step(timeout_seconds=0.02)
    async def f(wait):
        if wait:
            await asyncio.Event().wait()
        return 1

    assert await asyncio.to_thread(lambda: asyncio.run(f(wait=False))) == 1
    with pytest.raises(StepTimeout):
        await asyncio.to_thread(lambda: asyncio.run(f(wait=True)))


async def test_sync_step_inside_an_event_loop(store):
    """A sync step called by async code on the main thread is interrupted too."""

    @step(timeout_seconds=0.05)
    def slow():
        spin()

    with pytest.raises(StepTimeout):
        slow()
    await asyncio.sleep(0)  # the loop is unharmed


def test_timer_that_rings_late_does_nothing(monkeypatch):
    """A timer that could not be cancelled any more interrupts nobody."""
    monkeypatch.setattr("_thread.interrupt_main", lambda: pytest.fail("interrupted"))
    alarm = _Alarm(30)
    alarm.start()
    alarm.settle()
    alarm._ring()
    alarm.restore()
    assert not alarm.interrupted


def test_interrupt_that_is_noticed_late_is_swallowed():
    """A ring that Python notices only after the body has returned interrupts nothing; the user's own still does."""
    alarm = _Alarm(30)
    alarm.start()
    alarm._rang = True
    alarm.settle()
    alarm._on_interrupt(2, None)
    with pytest.raises(KeyboardInterrupt):
        alarm._on_interrupt(2, None)
    alarm.restore()
    assert not alarm.interrupted


def test_no_interrupt_escapes_the_limit():
    """A body that ends as its time does gives its value or a timeout: no interrupt reaches the code after it."""
    outcomes = set()
    for n in [*range(60)] * 3:
        limit = 0.002
        try:
            call_within(limit, "f", partial(spin, limit + (n - 30) * 1e-5))
            outcomes.add("value")
        except StepTimeout:
            outcomes.add("timeout")
        spin(0.0005)
    assert outcomes <= {"value", "timeout"}
