"""Waits that can be ended early, from any thread."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from durable_nb import MaxStepRetriesExceeded, step
from durable_nb.core.clock import SystemClock, Wake
from durable_nb.testing import FakeClock


def test_wait_runs_its_course():
    """A wait that nobody ends says so, after its time."""
    started = time.monotonic()
    assert SystemClock().wait(0.02, Wake()) == "elapsed"
    assert time.monotonic() - started >= 0.02


@pytest.mark.parametrize(("end", "verdict"), [(Wake.retry_now, "retry"), (Wake.stop, "stop")])
def test_wait_is_ended_from_another_thread(end, verdict):
    """*Retry now* and *Stop* end an hour's wait at once; the first one counts."""
    wake = Wake()
    timer = threading.Timer(0.01, end, [wake])
    timer.start()
    assert SystemClock().wait(3600, wake) == verdict
    wake.retry_now()
    wake.stop()
    assert wake.verdict == verdict
    timer.join()


@pytest.mark.parametrize(("end", "verdict"), [(Wake.retry_now, "retry"), (Wake.stop, "stop")])
async def test_async_wait_is_ended_from_another_thread(end, verdict):
    """The same of an async wait, which lets the loop go on meanwhile."""
    wake = Wake()
    waiting = asyncio.create_task(SystemClock().wait_async(3600, wake))
    await asyncio.sleep(0)
    assert not waiting.done()
    thread = threading.Thread(target=end, args=[wake])
    thread.start()
    assert await asyncio.wait_for(waiting, 60) == verdict
    thread.join()


async def test_async_wait_ended_before_it_began():
    """A wake that was used already ends the wait at once."""
    wake = Wake()
    wake.stop()
    assert await SystemClock().wait_async(3600, wake) == "stop"
    assert await SystemClock().wait_async(0, Wake()) == "elapsed"


def test_now_is_unix_time():
    """The system clock tells Unix seconds."""
    assert abs(SystemClock().now() - time.time()) < 5


def test_fake_clock_lets_time_pass():
    """The fake clock notes its waits and moves on by them; an ended wait takes no time."""
    clock = FakeClock(100)
    assert clock.wait(5, Wake()) == "elapsed"
    clock.advance(1)
    clock.on_wait = Wake.retry_now
    assert clock.wait(50, Wake()) == "retry"
    assert (clock.now(), clock.waits) == (106, [5, 50])


def test_retry_now_makes_the_next_attempt_at_once(store, clock, runs):
    """*Retry now* in a backoff skips the rest of the wait."""
    clock.on_wait = Wake.retry_now
    began = clock.now()

    @step(retries_allowed=True, max_attempts=3)
    def flaky():
        runs(clock.now())
        raise ValueError("fail")

    with pytest.raises(MaxStepRetriesExceeded):
        flaky()
    assert runs == [began, began, began]


def test_stop_ends_the_step_with_its_last_error(reopen, clock, runs):
    """*Stop* in a backoff raises the last attempt's own error; the next run has a fresh budget."""
    clock.on_wait = Wake.stop

    @step(retries_allowed=True, max_attempts=3)
    def flaky():
        runs("ran")
        raise ValueError(f"fail {len(runs)}")

    for n in (1, 2):
        try:
            with reopen():
                flaky()
        except ValueError as error:
            assert str(error) == f"fail {n}"
    assert runs == ["ran", "ran"]
    clock.on_wait = None
    clock.waits.clear()
    with pytest.raises(MaxStepRetriesExceeded), reopen():
        flaky()
    assert clock.waits == [1.0, 2.0]


STOPPED = """
import os, signal, sys, warnings
from durable_nb import open_store, step
from durable_nb.core.clock import Wake
from durable_nb.testing import FakeClock

clock = FakeClock(1000)
clock.on_wait = Wake.stop if sys.argv[1] == "stop" else lambda _: os.kill(os.getpid(), signal.SIGKILL)

@step(retries_allowed=True, max_attempts=3)
def flaky():
    print("ran")
    raise ValueError("fail")

with warnings.catch_warnings(record=True) as told, open_store("s.duckdb", clock=clock):
    try:
        flaky()
    except ValueError as error:
        print(error, *(each.message for each in told), sep=": ")
"""


def test_stop_before_an_attempt_of_this_process(run_script):
    """A call that a killed process left in its backoff is stopped there: nothing of it runs, and the user is told."""
    assert run_script(STOPPED, "die", env={"PYTHONUNBUFFERED": "1"}) == (-9, ["ran"])
    told = "fail: step flaky was not recorded: it was stopped before an attempt of it began"
    assert run_script(STOPPED, "stop") == (0, [told])
