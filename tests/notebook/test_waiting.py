"""Waits of the notebook's clock; tests/kernel/test_clicks.py has real clicks."""

from __future__ import annotations

import asyncio
import threading

import pytest

from durable_nb.core.clock import Wake
from durable_nb.notebook.clicks import Clicks
from durable_nb.notebook.waiting import KernelClock


class CountedClicks:
    wait_for_async_cells = True

    def __init__(self, then=lambda: None):
        self.delivered, self.then = 0, then

    def deliver(self):
        self.delivered += 1
        self.then()


def test_a_terminal_has_no_clicks(shell):
    """Where no kernel is, buttons do not work, and handing clicks on does nothing."""
    clicks = Clicks(shell)
    clicks.deliver()
    assert (clicks.works, clicks.wait_for_async_cells) == (False, False)


def test_a_wait_runs_its_course():
    """A wait that nobody ends lasts its time, to the tick and not longer, and looks for clicks meanwhile."""
    clicks = CountedClicks()
    assert KernelClock(clicks).wait(0.12, Wake()) == "elapsed"
    seen = clicks.delivered
    assert 1 <= seen <= 2
    assert KernelClock(clicks).wait(0, Wake()) == "elapsed"
    assert clicks.delivered == seen


@pytest.mark.parametrize(("kind", "verdict"), [("retry_now", "retry"), ("stop", "stop")])
def test_what_is_delivered_ends_the_wait(kind, verdict):
    """A click that is handed on during an hour's wait ends it."""
    wake = Wake()
    assert KernelClock(CountedClicks(getattr(wake, kind))).wait(3600, wake) == verdict


async def test_async_waits_share_one_timer():
    """A thousand async waits look for clicks as often as one does, and nothing ticks when they are over."""
    often = asyncio.Event()
    clicks = CountedClicks(lambda: often.set() if clicks.delivered == 4 else None)
    clock = KernelClock(clicks)
    wakes = [Wake() for _ in range(1000)]
    waits = [asyncio.create_task(clock.wait_async(3600, wake)) for wake in wakes]
    await often.wait()
    for wake in wakes:
        wake.retry_now()
    assert set(await asyncio.gather(*waits)) == {"retry"}
    seen = clicks.delivered
    assert seen < 100
    await asyncio.sleep(0.12)
    assert clicks.delivered == seen
    wake = Wake()
    wake.stop()
    assert await clock.wait_async(3600, wake) == "stop"


def test_other_threads_only_wait():
    """Off the main thread a wait leaves the main shell's mail alone."""
    clicks, verdicts = CountedClicks(), []
    clock = KernelClock(clicks)
    thread = threading.Thread(target=lambda: verdicts.append(clock.wait(0.12, Wake())))
    thread.start()
    thread.join()
    assert (verdicts, clicks.delivered) == (["elapsed"], 0)
