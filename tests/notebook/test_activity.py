"""What the steps of a cell do, made of their events."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from durable_nb.core.clock import Wake
from durable_nb.core.events import StepEvent
from durable_nb.errors import MaxStepRetriesExceeded
from durable_nb.notebook.activity import MOST_ROWS, Activity
from durable_nb.notebook.retrying import Failure

MAX = 5


@pytest.fixture
def activity():
    return Activity(lambda error: Failure.of(error, "traceback"))


def event(kind, at, run=1, step_kind="call", **details):
    return StepEvent(kind, "fetch", step_kind, run, max_attempts=MAX, at=at, **details)


def fail(activity, at, run=1, attempt=1, wait=10.0, **details):
    """Let an attempt fail; returns what ends its backoff."""
    wake = Wake()
    error = OSError(f"busy {attempt}\nmore")
    activity.take(
        event("attempt_failed", at, run, attempt=attempt, error=error, wait_seconds=wait, wake=wake, **details)
    )
    return wake


def test_a_run_that_is_retried(activity):
    """Its attempts have times and errors, its waits are added up, its backoff has a deadline."""
    activity.take(event("attempt_started", 100.0))
    assert activity.picture(100.5).rows == ()
    fail(activity, 101.0)
    activity.take(event("attempt_started", 111.5, attempt=2))
    fail(activity, 114.0, attempt=2, wait=20.0)
    (row,) = activity.picture(115.0).rows
    assert (row.name, row.state, row.attempt, row.max_attempts) == ("fetch", "waiting", 2, MAX)
    assert [each.seconds for each in row.attempts] == [1.0, 2.5]
    assert [each.line for each in row.failures] == ["OSError: busy 1", "OSError: busy 2"]
    assert row.failures[0].traceback == "traceback"
    assert (row.wait_seconds, row.deadline, row.waited_seconds, row.began_at) == (20.0, 134.0, 10.5, 100.0)
    activity.take(event("attempt_started", 134.0, attempt=3))
    (row,) = activity.picture(135.0).rows
    assert (row.state, row.attempt, row.wait_seconds, row.attempts[-1].seconds) == ("running", 3, 0.0, None)
    activity.take(event("completed", 136.0, attempt=3))
    picture = activity.picture(137.0)
    assert picture.retrying == 0
    assert (picture.rows[0].state, picture.rows[0].waited_seconds) == ("succeeded", 30.5)
    assert (picture.calls.done, picture.calls.retried, picture.calls.failed_attempts) == (1, 1, 2)


@pytest.mark.parametrize(
    ("kind", "error", "state"),
    [
        ("failed", ValueError("no"), "failed"),
        ("failed", MaxStepRetriesExceeded("fetch", MAX, [OSError("1"), ValueError("no")]), "failed"),
        ("interrupted", KeyboardInterrupt(), "interrupted"),
    ],
)
def test_how_a_run_ends_in_an_attempt(activity, kind, error, state):
    """The error that ends it is the last attempt's own, whatever is raised in its place."""
    activity.take(event("attempt_started", 1.0))
    fail(activity, 2.0)
    activity.take(event("attempt_started", 3.0, attempt=2))
    activity.take(event(kind, 4.0, attempt=2, error=error))
    (row,) = activity.picture(5.0).rows
    assert (row.state, row.attempt, len(row.attempts)) == (state, 2, 2)
    expected = ["OSError: busy 1", "ValueError: no"] if kind == "failed" else ["OSError: busy 1"]
    assert [each.line for each in row.failures] == expected


@pytest.mark.parametrize(("kind", "state"), [("failed", "stopped"), ("interrupted", "interrupted")])
def test_how_a_run_ends_in_a_backoff(activity, kind, state):
    """Only Stop and an interrupt end it there; its last attempt is not told of twice."""
    activity.take(event("attempt_started", 1.0))
    fail(activity, 2.0)
    activity.take(event(kind, 5.0, error=OSError("busy 1")))
    (row,) = activity.picture(5.0).rows
    assert (row.state, len(row.failures), row.waited_seconds) == (state, 1, 3.0)


def test_going_on_after_a_restart(activity):
    """A run that does not begin at its first attempt says where it goes on."""
    activity.take(event("attempt_started", 1.0, attempt=4))
    (row,) = activity.picture(1.0).rows
    assert (row.goes_on_at, row.attempt, row.state) == (4, 4, "running")
    activity.take(event("completed", 2.0, attempt=4))
    fail(activity, 3.0, run=2, attempt=2, wait=7.0)
    (row,) = activity.picture(3.0).rows
    assert (row.goes_on_at, row.attempt, row.deadline) == (3, 2, 10.0)
    assert row.attempts[0].seconds is None
    activity.take(event("attempt_started", 10.0, run=2, attempt=3))
    assert activity.picture(11.0).rows[0].attempt == 3


def test_counts(activity):
    """Calls are counted by what became of them; a cell is none."""
    activity.take(event("attempt_started", 0.0, 99, "cell"))
    for n in range(5):
        activity.take(event("replayed", 1.0 + n / 10, run=n))
    for n, end in ((10, "completed"), (11, "completed"), (12, "failed"), (13, None), (14, None)):
        activity.take(event("attempt_started", 2.0, run=n))
        if end:
            activity.take(event(end, 4.0, run=n, error=OSError() if end == "failed" else None))
    fail(activity, 4.0, run=14)
    calls = activity.picture(5.0, total=20).calls
    assert (calls.replayed, calls.done, calls.failed, calls.retrying, calls.running) == (5, 2, 1, 1, 1)
    assert (calls.made, calls.ended, activity.calls_made) == (10, 8, 10)
    assert (calls.seconds, calls.run_seconds) == (4.0, 3.0)
    assert calls.rate == 1.0  # three ran in three seconds; replays say nothing about the rest
    assert calls.seconds_left == 12.0


def test_what_cannot_be_told(activity):
    """Without a total, or with one that turned out wrong, there is no time left."""
    activity.take(event("replayed", 1.0))
    calls = activity.picture(3.0).calls
    assert (calls.rate, calls.seconds_left) == (0.5, None)
    assert replace(calls, replayed=9, total=8).seconds_left is None


def test_a_cell_that_is_tried_again_counts_its_calls_anew(activity):
    """The calls of its failed attempt are made again: they replay."""
    activity.take(event("attempt_started", 0.0, 9, "cell"))
    activity.take(event("attempt_started", 1.0))
    activity.take(event("completed", 1.0))
    fail(activity, 2.0, 9, step_kind="cell")
    assert activity.picture(2.0).calls.made == 1
    activity.take(event("attempt_started", 12.0, 9, "cell", attempt=2))
    activity.take(event("replayed", 12.0))
    calls = activity.picture(12.0).calls
    assert (calls.replayed, calls.done, calls.made) == (1, 0, 1)


def test_very_many_runs(activity):
    """The runs that changed last are shown, in the order in which they first failed; the rest are counted."""
    for n in range(100):
        activity.take(event("attempt_started", 0.0, run=n))
    for n in range(100):
        fail(activity, 1.0 + n, run=n)
    activity.take(event("attempt_started", 500.0, run=3, attempt=2))
    picture = activity.picture(501.0)
    assert [each.run for each in picture.rows] == [3, 95, 96, 97, 98, 99]
    assert (picture.more, picture.retrying, picture.calls.retrying) == (100 - MOST_ROWS, 100, 100)


def test_no_error_is_kept(activity):
    """Errors hold frames, and frames the user's objects: only their text stays."""
    import gc
    import weakref

    class Busy(OSError):
        pass

    error = Busy("x")
    gone = weakref.ref(error)
    activity.take(event("attempt_started", 0.0))
    activity.take(event("attempt_failed", 1.0, error=error, wake=Wake()))
    del error
    gc.collect()
    assert gone() is None
    assert activity.picture(1.0).rows[0].failures[0].line == "Busy: x"


def test_what_buttons_do(activity):
    """They end the backoff of one run or of all; Stop holds also for a run that is in an attempt."""
    for n in range(3):
        activity.take(event("attempt_started", 0.0, run=n))
    wakes = [fail(activity, 1.0, run=n) for n in range(3)]
    activity.retry_now(1)
    assert [each.verdict for each in wakes] == ["elapsed", "retry", "elapsed"]
    activity.take(event("attempt_started", 2.0, run=1, attempt=2))
    activity.stop()
    assert [each.verdict for each in wakes] == ["stop", "retry", "stop"]
    assert fail(activity, 3.0, run=1, attempt=2).verdict == "stop"
    assert fail(activity, 3.0, run=8).verdict == "elapsed"
    activity.stop(77)  # the page may know of a run that is over


def test_threads(activity):
    """Events of many threads are all counted."""

    def work(first):
        for n in range(first, first + 500):
            activity.take(event("attempt_started", 1.0, run=n))
            activity.take(event("completed", 1.0, run=n))
            activity.take(event("replayed", 1.0, run=n))

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    calls = activity.picture(2.0).calls
    assert (calls.done, calls.replayed, calls.running) == (4000, 4000, 0)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad\nsecond"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ValueError("\n\n  \nthird"), "ValueError: third"),
        (KeyError("k"), "KeyError: 'k'"),
        (type("Says", (Exception,), {"__str__": lambda self: "Says(1)"})(), "Says(1)"),
        (type("Broken", (Exception,), {"__str__": lambda self: 1 / 0})(), "Broken"),
        (ValueError("x" * 500), "ValueError: " + "x" * 120),
    ],
)
def test_errors_in_a_line(error, line):
    """Type and first line, bounded; an error whose text fails is still named."""
    assert Failure.of(error).line == line
