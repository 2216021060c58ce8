"""Kills at random instants of a loop of calls: each call completes, and at most the one in flight runs twice."""

from __future__ import annotations

import random
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

KILLS = 20
CALLS = 4000


def run_until_killed(process, calls, dice):
    """Kill the script at some instant after it told of so many calls; return those, and whether it was killed."""
    assert process.stdout.readline() == "begun\n", process.stderr.read()
    told = [process.stdout.readline() for _ in range(calls)]
    until = time.monotonic() + dice.uniform(0.0, 0.005)
    while time.monotonic() < until:
        pass  # an instant, not a wait: it decides where in a call the kill falls
    process.kill()
    told += process.stdout  # not communicate(): it forgets what was read ahead
    err = process.stderr.read()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    assert process.returncode in (0, -9), err
    return {int(each) for each in told if each.endswith("\n")}, process.returncode == -9


def test_sequential_calls(script):
    """Killed 20 times: every call whose result was seen is never run again; each kill repeats at most one call."""
    here = script(
        f"""
        @step
        def work(i):
            runs(i)
            return i * i

        with open_store("s.duckdb"):
            print("begun", flush=True)
            for i in range({CALLS}):
                value = work(i)
                assert value == i * i
                print(i, flush=True)
        """
    )
    source, seen, kills, total = random.Random(22), -1, 0, []
    while kills < KILLS:
        told, killed = run_until_killed(here.start("live"), seen + 1 + source.randrange(60), source)
        ran = [int(each) for each in here.ran()]
        assert ran == list(range(ran[0], ran[0] + len(ran))) if ran else True
        assert not ran or ran[0] > seen  # nothing whose result was seen ran again
        assert not ran or ran[0] - seen <= 2  # at most one was committed unseen
        assert not total or not ran or ran[0] >= total[-1]  # at most the call in flight runs again
        total += ran
        seen = max([seen, *told])
        kills += killed
        if not killed:
            break
    assert kills >= KILLS or seen == CALLS - 1
    assert sorted(set(total)) == list(range(len(set(total))))
    assert len(total) - len(set(total)) <= kills
    assert len(set(total)) > KILLS


def test_concurrent_calls(script):
    """The same of 8 threads: a kill repeats at most the 8 calls in flight, and what was seen never runs again."""
    here = script(
        """
        @step
        def work(i):
            runs(i)
            return i * i

        def one(i):
            assert work(i) == i * i
            os.write(1, f"{i}\\n".encode())

        with open_store("s.duckdb"):
            print("begun", flush=True)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(one, range(3000)))
        """
    )
    source, seen, kills, total = random.Random(23), set(), 0, []
    for _ in range(6):
        told, killed = run_until_killed(here.start("live"), len(seen) + source.randrange(300), source)
        ran = [int(each) for each in here.ran()]
        assert not seen & set(ran)
        assert len(ran) == len(set(ran))
        assert len(set(ran) & set(total)) <= 8
        total += ran
        seen |= told
        kills += killed
        if not killed:
            break
    assert kills >= 1
    assert seen <= set(total)
    assert len(total) > 50
