"""The retry monitor's texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from durable_nb.notebook.activity import Calls, Picture
from durable_nb.notebook.monitor_text import end_text, final_text, progress_text, run_text, status_text
from durable_nb.notebook.retrying import Attempt, Failure, Retrying

BUSY, HTTP = Failure("ConnectionError", "busy"), Failure("HTTPError", "503 Server Error: x")
RUN = Retrying(
    1,
    "fetch",
    "call",
    1,
    5,
    0.0,
    (Attempt(1, 0.0, 1.0, BUSY), Attempt(2, 2.0, 3.0, HTTP)),
    "waiting",
    wait_seconds=8.0,
    deadline=11.0,
    changed_at=3.0,
)
DONE = replace(RUN, state="succeeded", attempts=(*RUN.attempts, Attempt(3, 11.0, 12.0)), waited_seconds=3.04)
KINDS = "ConnectionError, HTTPError 503"
CALLS = Calls(replayed=536, done=462, failed=2, retried=12, seconds=62.0, run_seconds=57.7)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (RUN, "fetch: attempt 2 of 5 failed (HTTPError: 503 Server Error: x); next in 7.0 s"),
        (
            replace(RUN, attempts=RUN.attempts[1:], goes_on_at=3),
            "fetch: attempt 2 of 5 failed (HTTPError: 503 Server Error: x); next in 7.0 s, goes on at attempt 3",
        ),
        (
            replace(RUN, state="running", attempts=(*RUN.attempts, Attempt(3, 4.0))),
            "fetch: attempt 3 of 5 runs, 2 failed",
        ),
        (replace(RUN, state="running", attempts=(Attempt(4, 4.0),), goes_on_at=4), "fetch goes on at attempt 4 of 5"),
        (replace(RUN, state="running", attempts=(Attempt(1, 4.0),)), "fetch: attempt 1 of 5 runs"),
    ],
)
def test_what_a_run_does(run, text):
    """One line: which attempt, what it failed with, when the next one is due."""
    assert run_text(run, 4.0) == text


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (DONE, f"fetch: succeeded at attempt 3 of 5 after 2 failed ({KINDS}) · waited 3.0 s"),
        (replace(DONE, waited_seconds=0.01), f"fetch: succeeded at attempt 3 of 5 after 2 failed ({KINDS})"),
        (replace(RUN, state="failed"), f"fetch: failed at attempt 2 of 5 ({KINDS})"),
        (replace(RUN, state="stopped"), f"fetch: stopped after attempt 2 of 5 ({KINDS})"),
        (replace(RUN, state="interrupted"), f"fetch: interrupted after attempt 2 of 5 ({KINDS})"),
        (replace(DONE, state="interrupted", waited_seconds=0), f"fetch: interrupted in attempt 3 of 5 ({KINDS})"),
        (replace(DONE, attempts=(Attempt(1, 0.0, 4.0),), waited_seconds=0), "fetch: succeeded at attempt 1 of 5"),
        (
            replace(DONE, attempts=(Attempt(4, 0.0, 4.0),), goes_on_at=4, waited_seconds=0),
            "fetch: succeeded at attempt 4 of 5 · went on at attempt 4 after a restart",
        ),
    ],
)  # fmt: skip
def test_how_a_run_ended(run, text):
    """One line: how, at which attempt, after which errors, and how long it waited in all."""
    assert end_text(run) == text


def test_kinds_of_errors():
    """Each is named once, and of many only some."""
    kinds = [Failure(f"E{n}", "") for n in range(5)]
    run = replace(
        RUN, state="failed", attempts=tuple(Attempt(n, 0, 1, each) for n, each in enumerate([kinds[0], *kinds]))
    )
    assert end_text(run).endswith("(E0 ×2, E1, E2, …)")


def test_progress():
    """Counts that are not 0, the rate of those that run, and the time left where the total is known."""
    calls = replace(CALLS, done=100, total=1000, running=1)
    assert progress_text(calls) == (
        "638 of 1,000 calls: 536 replayed, 100 done, 2 failed, 1 running · 1.8 per second · 3 m 25 s left"
    )
    assert progress_text(Calls(done=1, run_seconds=4.0)) == "1 call: 1 done · 15.0 per minute"
    assert progress_text(Calls(replayed=1000, seconds=2.0)) == "1,000 calls: 1,000 replayed · 500 per second"


def test_the_last_line():
    """One run is told by itself, several by number; nothing is said twice."""
    one = Picture(0.0, (DONE,), 0, replace(CALLS, retried=1))
    assert final_text(one, "completed", counting=False) == end_text(DONE)
    assert final_text(one, "completed", counting=True).startswith("1,000 calls: ")
    many = Picture(0.0, (DONE, replace(DONE, run=2)), 0, CALLS)
    assert final_text(many, "completed", counting=False) == (
        "1,000 calls: 536 replayed, 462 done, 2 failed · 12 retried · 1 m 2 s"
    )
    assert final_text(many, "interrupted", counting=False, replayed_note=" (fetch.fresh(…) to call again)") == (
        "1,000 calls: 536 replayed (fetch.fresh(…) to call again), 462 done, 2 failed"
        " · 12 retried · interrupted · 1 m 2 s"
    )


def test_the_last_line_of_a_cell_that_was_retried():
    """The cell first, then its calls."""
    cell = replace(DONE, kind="cell", name="load")
    picture = Picture(0.0, (cell,), 0, replace(CALLS, retried=0))
    assert final_text(picture, "completed", counting=False) == end_text(cell)
    assert final_text(picture, "completed", counting=True).startswith(f"{end_text(cell)} · 1,000 calls: ")


def test_what_goes_on():
    """The newest failure, how many others there are, and the calls."""
    running = replace(RUN, run=2, state="running", attempts=(*RUN.attempts, Attempt(3, 9.0)), changed_at=9.0)
    text = status_text(Picture(4.0, (running, RUN), 10, CALLS), counting=True)
    assert text.startswith("fetch: attempt 2 of 5 failed")
    assert " · 11 more retrying · 1,000 calls: " in text
