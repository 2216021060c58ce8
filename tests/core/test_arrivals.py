"""How an event loop hears of what is on disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from durable_nb.core.arrivals import Arrivals


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often another thread woke it."""

    woken = 0

    def call_soon_threadsafe(self, *args, **kwargs):
        self.woken += 1
        return super().call_soon_threadsafe(*args, **kwargs)


@pytest.fixture
def loop():
    """An event loop that is closed afterwards."""
    loop = CountingLoop()
    yield loop
    loop.close()


def finish(futures):
    """Let futures be done, as the writer's thread does after a commit."""
    for future in futures:
        future.set_result(None)


def test_a_commit_wakes_the_loop_once(loop):
    """A hundred waiters of one commit are told by one call into their loop; those of the next by another."""

    async def main():
        arrivals, ended = Arrivals(loop), []
        for _ in range(2):
            futures = [Future() for _ in range(100)]
            waiters = [asyncio.ensure_future(arrivals.wait(future)) for future in futures]
            await asyncio.sleep(0)
            finish(futures)
            await asyncio.gather(*waiters)
            ended.append(loop.woken)
        return ended

    assert loop.run_until_complete(main()) == [1, 2]


def test_one_that_is_done_already_is_no_wait(loop):
    """A future that was done before anybody waited for it is told of as well."""
    future = Future()
    finish([future])
    loop.run_until_complete(asyncio.wait_for(Arrivals(loop).wait(future), 60))


def test_a_cancelled_waiter_leaves_the_rest_alone(loop):
    """Its future is not cancelled, and the others that arrive with it are told."""

    async def main():
        arrivals, futures = Arrivals(loop), [Future(), Future()]
        waiters = [asyncio.ensure_future(arrivals.wait(future)) for future in futures]
        await asyncio.sleep(0)
        waiters[0].cancel()
        await asyncio.sleep(0)
        cancelled = futures[0].cancelled()
        finish(futures)
        await waiters[1]
        return cancelled, waiters[0].cancelled()

    assert loop.run_until_complete(main()) == (False, True)


def test_a_loop_that_is_closed_is_not_told(loop, caplog):
    """What arrives after its end harms nobody: the thread that commits goes on."""
    future = Future()

    async def main():
        waiter = asyncio.ensure_future(Arrivals(loop).wait(future))
        await asyncio.sleep(0)
        waiter.cancel()

    loop.run_until_complete(main())
    loop.close()
    finish([future])
    assert caplog.records == []
