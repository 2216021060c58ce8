"""A kill at every point of a call's life: the store opens, what was completed replays, and nothing else does."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

POINTS = {
    # point: (whether the step's body had run, whether it was recorded)
    "before_body": (False, False),
    "in_body": (True, False),
    "after_body": (True, False),
    "in_commit": (True, False),
    "after_commit": (True, True),
}

LOOP = """
@step
def work(i):
    runs(f"work {i}")
    if i == 3:
        die("in_body")
    return i * i

@step
def target(i):
    runs(f"target {i}")
    die("in_body")
    return {"i": i, "data": bytes(100_000)}

def main():
    total = [work(i) for i in range(3)]
    if mode in ("before_body", "after_body", "in_commit", "after_commit"):
        crash_at(mode, "target")
    total.append(target(7)["i"])
    total += [work(i) for i in range(4, 6)]
    print(total, len(active_session().heads))

with open_store("s.duckdb"):
    main()
"""

WORKFLOW = LOOP.replace("def main():", "@workflow\ndef main():")


@pytest.mark.parametrize("source", [LOOP, WORKFLOW], ids=["background", "workflow"])
@pytest.mark.parametrize("point", POINTS)
def test_kill_at_a_point(script, point, source):
    """Killed at a point of the fourth call, the first three replay, the fourth only if it was committed."""
    body_ran, recorded = POINTS[point]
    here = script(source)
    before = ["work 0", "work 1", "work 2"]
    assert here.run(point) == (-9, [])
    assert here.ran() == before + ["target 7"] * body_ran
    assert here.run("live") == (0, ["[0, 1, 4, 7, 16, 25] 6"])
    assert here.ran() == ["target 7"] * (not recorded) + ["work 4", "work 5"]
    if source is LOOP:
        assert here.run("live") == (0, ["[0, 1, 4, 7, 16, 25] 6"])
        assert here.ran() == []


@pytest.mark.parametrize("point", POINTS)
def test_kill_of_an_async_step(script, point):
    """The same among concurrent async steps: those that were committed replay, the one that was not runs again."""
    body_ran, recorded = POINTS[point]
    here = script(
        """
        @step
        async def work(i):
            runs(f"work {i}")
            return i

        @step
        async def target(i):
            runs(f"target {i}")
            die("in_body")
            return i

        @workflow
        async def main():
            first = await asyncio.gather(*map(work, range(20)))
            if mode != "in_body" and mode != "live":
                crash_at(mode, "target")
            return first, await target(1), await asyncio.gather(*map(work, range(20, 25)))

        with open_store("s.duckdb"):
            first, one, last = asyncio.run(main())
            print(first == list(range(20)), one, last)
        """
    )
    assert here.run(point) == (-9, [])
    assert sorted(here.ran()) == sorted([f"work {i}" for i in range(20)] + ["target 1"] * body_ran)
    assert here.run("live") == (0, ["True 1 [20, 21, 22, 23, 24]"])
    assert here.ran() == ["target 1"] * (not recorded) + [f"work {i}" for i in range(20, 25)]


@pytest.mark.parametrize("point", ["after_body", "in_commit", "after_commit"])
def test_kill_while_an_error_is_recorded(script, point):
    """A handled error replays only once a committed call after it shows that it was handled."""
    here = script(
        """
        @step
        def target():
            runs("target")
            raise ValueError("expected")

        @step
        def after():
            runs("after")

        with open_store("s.duckdb"):
            if mode != "live":
                crash_at(mode, "target")
            try:
                target()
            except ValueError as error:
                print(error)
            after()
        """
    )
    assert here.run(point)[0] == -9
    assert here.ran() == ["target"]
    assert here.run("live") == (0, ["expected"])
    # No later call left a row: nothing on disk shows that the error was handled.
    assert here.ran() == ["target", "after"]
    assert here.run("live") == (0, ["expected"])
    assert here.ran() == []


@pytest.mark.parametrize("point", ["before_body", "in_commit", "after_commit"])
def test_kill_of_a_workflow_end(script, point):
    """Killed around the commit of its result, a workflow replays its steps, and a committed result."""
    here = script(
        """
        @step
        def work():
            runs("work")
            return 1

        @workflow
        def main():
            runs("main")
            return work() + 1

        with open_store("s.duckdb"), workflow_id("w"):
            if mode != "live":
                crash_at(mode, "main")
            print(main(), [(each.workflow_id, each.status) for each in list_workflows()])
        """
    )
    assert here.run(point) == (-9, [])
    assert here.ran() == ([] if point == "before_body" else ["main", "work"])
    assert here.run("live") == (0, ["2 [('w', 'success')]"])
    assert here.ran() == {"before_body": ["main", "work"], "in_commit": ["main"], "after_commit": []}[point]


def test_kill_again_and_again(script):
    """A loop killed in each of its calls, one after the other, gets through with each call completed once."""
    here = script(
        """
        @step
        def work(i):
            runs(i)
            die(str(i))
            return i

        with open_store("s.duckdb"):
            print(sum(work(i) for i in range(3)))
        """
    )
    for i in range(3):
        assert here.run(i) == (-9, [])
        assert here.ran() == ([str(i)] if i == 0 else [str(i - 1), str(i)])
    assert here.run("live") == (0, ["3"])
    assert here.ran() == ["2"]


def test_durable_sleep_over_a_kill(script):
    """A sleep that was killed after 4 of its 10 seconds sleeps the 6 that are left."""
    here = script(
        """
        clock = FakeClock(1000.0 if mode == "die" else 1004.0)
        clock.on_wait = lambda wake: die("die")
        with open_store("s.duckdb", clock=clock):
            sleep(10)
            print(clock.waits)
        """
    )
    assert here.run("die") == (-9, [])
    assert here.run("live") == (0, ["[6.0]"])
