"""Retries over kernel deaths (DESIGN §5 row 19)."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

FLAKY = """
now = float(sys.argv[2]) if len(sys.argv) > 2 else 1000.0
clock = FakeClock(now)


@step(retries_allowed=True, max_attempts=5, interval_seconds=10)
def flaky():
    attempt = step_status().current_attempt + 1
    runs(f"attempt {attempt}")
    die(f"attempt {attempt}")
    interrupt(f"interrupt {attempt}")
    raise ValueError(attempt)


def on_wait(wake):
    die(f"backoff {len(clock.waits)}")


clock.on_wait = on_wait
with open_store("s.duckdb", clock=clock):
    try:
        flaky()
    except MaxStepRetriesExceeded as error:
        print(clock.waits, [str(each) for each in error.errors])
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_death_in_attempt_3_goes_on_at_4(script):
    """Killed in attempt 3 of 5, a step goes on at attempt 4, at once, with the waits of attempts 4 and on."""
    here = script(FLAKY)
    assert here.run("attempt 3") == (-9, [])
    assert here.ran() == ["attempt 1", "attempt 2", "attempt 3"]
    assert here.run("live") == (0, ["[80.0] ['4', '5']"])
    assert here.ran() == ["attempt 4", "attempt 5"]


def test_death_in_the_backoff_keeps_the_deadline(script):
    """Killed in the backoff after attempt 2, a step waits only for what is left of it."""
    here = script(FLAKY)
    assert here.run("backoff 2") == (-9, [])
    assert here.ran() == ["attempt 1", "attempt 2"]
    # Attempt 2 failed at 1010 (10 s after attempt 1): attempt 3 is due at 1030.
    assert here.run("live", 1024.0) == (0, ["[6.0, 40.0, 80.0] ['3', '4', '5']"])
    assert here.ran() == ["attempt 3", "attempt 4", "attempt 5"]


@pytest.mark.parametrize(
    ("now", "wait"),
    [(1030.0, []), (5000.0, []), (1010.0, [20.0]), (500.0, [20.0])],
    ids=["due", "late", "at once", "clock back"],
)
def test_deadline_is_never_longer_than_planned(script, now, wait):
    """A deadline that has passed is no wait; a clock put back makes it no longer than was planned."""
    here = script(FLAKY)
    assert here.run("backoff 2") == (-9, [])
    here.ran()
    assert here.run("live", now) == (0, [f"{[*wait, 40.0, 80.0]} ['3', '4', '5']"])


def test_at_least_one_attempt_remains(script):
    """Killed in its last attempt, again and again, a step has one more each time."""
    here = script(FLAKY)
    assert here.run("attempt 5") == (-9, [])
    for _ in range(2):
        assert here.run("attempt 5") == (-9, [])
    here.ran()
    assert here.run("live") == (0, ["[] ['5']"])
    assert here.ran() == ["attempt 5"]


@pytest.mark.parametrize("end", ["interrupt 3", "exhausted"])
def test_an_end_that_was_seen_gives_a_fresh_budget(script, end):
    """After an interrupt, or after exhaustion, the next run begins at attempt 1."""
    here = script(FLAKY)
    assert here.run(end)[0] == 0
    here.ran()
    replays = end == "exhausted"  # the script handled it: the recorded error is the result
    assert here.run("live", 2000.0)[0] == 0
    assert here.ran() == ([] if replays else [f"attempt {i}" for i in range(1, 6)])


def test_interrupt_after_a_death_gives_a_fresh_budget(script):
    """The attempts of the process that died count until somebody interrupts; then none does."""
    here = script(FLAKY)
    assert here.run("attempt 3") == (-9, [])
    assert here.run("interrupt 4", 1100.0) == (0, ["interrupted"])
    assert here.ran() == ["attempt 1", "attempt 2", "attempt 3", "attempt 4"]
    assert here.run("live", 1200.0)[0] == 0
    assert here.ran() == [f"attempt {i}" for i in range(1, 6)]


def test_long_first_attempt_that_dies_is_known(script):
    """A first attempt that has run for a while leaves a row: when it is killed, attempt 2 is next."""
    here = script(
        """
        import time
        import durable_nb.core.attempts as attempts
        attempts.LONG_ATTEMPT_SECONDS = 0.0

        @step(retries_allowed=True, max_attempts=3)
        def long():
            runs(step_status().current_attempt + 1)
            until = time.monotonic() + 20
            while die.wanted and time.monotonic() < until:
                if active_session().ledger.attempts():
                    die("die")
            return "done"

        with open_store("s.duckdb"):
            print(long(), active_session().heads[-1].attempts)
        """
    )
    assert here.run("die") == (-9, [])
    assert here.run("live") == (0, ["done 2"])
    assert here.ran() == ["1", "2"]


def test_edit_after_a_death_gives_a_fresh_budget(script):
    """A step that was edited after its process died begins at attempt 1."""
    here = script(FLAKY)
    assert here.run("attempt 3") == (-9, [])
    here.ran()
    file = here.folder / "script.py"
    file.write_text(file.read_text().replace("raise ValueError(attempt)", "return attempt"))
    assert here.run("live")[0] == 0
    assert here.ran() == ["attempt 1"]


STOPPED = FLAKY.replace(
    '    die(f"backoff {len(clock.waits)}")\n', '    die(f"backoff {len(clock.waits)}")\n    stop(wake)\n'
)


def test_stop_in_a_backoff_that_was_resumed(script):
    """*Stop* ends a backoff that a fresh process resumed, with the error of the attempt that an earlier one made."""
    source = STOPPED.replace(
        "    except KeyboardInterrupt",
        "    except ValueError as error:\n        print('stopped', error)\n    except KeyboardInterrupt",
    )
    source = "def stop(wake):\n    if sys.argv[1] == 'stop':\n        wake.stop()\n\n" + source
    here = script(source)
    assert here.run("backoff 2") == (-9, [])
    assert here.ran() == ["attempt 1", "attempt 2"]
    assert here.run("stop", 1011.0) == (0, ["stopped 2"])
    assert here.ran() == []
