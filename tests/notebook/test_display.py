"""The extension's lines: what they say of what happens to steps."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from durable_nb.core.events import StepEvent
from durable_nb.notebook.clicks import Clicks
from durable_nb.notebook.display import Display
from durable_nb.notebook.live_line import Screen
from durable_nb.notebook.monitor import Stage
from durable_nb.notebook.spans import moment, size, span
from durable_nb.testing import FakeClock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0034, "3 ms"),
        (0.0994, "99 ms"),
        (0.1, "0.1 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (42.4, "42 s"),
        (60, "1 m 0 s"),
        (252, "4 m 12 s"),
        (3599, "59 m 59 s"),
        (3600, "1 h 0 m"),
        (7500, "2 h 5 m"),
        (90_000, "25 h 0 m"),
    ],
)
def test_spans(seconds, text):
    """Durations as people say them."""
    assert span(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(9.96, "10 s"), (59.6, "1 m 0 s"), (0.0996, "0.1 s")])
def test_spans_at_the_bounds(seconds, text):
    """Rounding never shows ``10.0 s``, ``60 s`` or ``100 ms``."""
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (3500, "3.4 KB"),
        (2**20, "1.0 MB"),
        (2 * 2**30, "2.0 GB"),
        (2**41, "2.0 TB"),
    ],
)
def test_sizes(count, text):
    """Bytes as people say them."""
    assert size(count) == text


def test_moments_are_absolute():
    """A local date and time to the minute, so that a saved notebook does not change."""
    assert moment(datetime(2026, 11, 22, 16, 40, 59).timestamp()) == "2026-11-22 16:40"


@pytest.fixture
def told(make_shell, capfd):
    """Tell a display of events and return the lines that came of them."""
    shell = make_shell(load=False)
    display = Display(Stage(shell, FakeClock(), Screen(), None, Clicks(shell)))

    def tell(*events):
        for event in events:
            display.on_event(event)
        display.cell_ended(None)
        return capfd.readouterr().err.splitlines()

    return tell


def event(kind, step_kind="cell", **details):
    return StepEvent(kind, "load", step_kind, **details)


def test_a_first_run_says_nothing(told):
    """A step that has no checkpoint runs without a word."""
    assert told(event("attempt_started"), event("body_finished", at=1.0), event("completed", at=1.5)) == []


def test_a_replay(told):
    """When it ran, and how long that took."""
    line = told(event("replayed", recorded_at=0, took_seconds=252))[0]
    assert re.fullmatch(r"↻ replayed load · ran \d{4}-\d\d-\d\d \d\d:\d\d in 4 m 12 s", line)


def test_a_run_again_says_why(told):
    """The reason is said once, at the first attempt."""
    lines = told(event("attempt_started", reason="k changed"), event("attempt_started", attempt=2, reason="k changed"))
    assert lines[0] == "↻ running load again: k changed"
    assert sum("k changed" in line for line in lines) == 1


def test_a_long_save(told):
    """Saving that takes over a second is said with size and time; a short one is not."""
    slow = told(event("body_finished", at=10.0), event("completed", at=12.0, size_bytes=2 * 2**30))
    assert slow == ["↻ saved 2.0 GB in 2.0 s"]
    assert told(event("body_finished", at=10.0), event("completed", at=10.9, size_bytes=2 * 2**30)) == []


def test_what_was_not_recorded(told):
    """The reason is said."""
    assert told(event("unrecorded", reason="it changed df in place")) == [
        "↻ load was not checkpointed and will run again: it changed df in place"
    ]


def test_what_was_recorded_in_part(told):
    """What is missing is said, and what a replay goes without."""
    assert told(event("partial", reason="partial: g cannot be saved (g: generator)")) == [
        "↻ load will run again, its checkpoint is partial: g cannot be saved (g: generator)"
    ]
    assert told(event("replayed", recorded_at=0, took_seconds=3, reason="without g"))[0].endswith(
        " in 3.0 s · without g"
    )


def test_retries(told):
    """A failed attempt tells its error in one line and when the next is due; in the end one line says how it went."""
    error = ValueError("bad\nsecond line")
    assert told(
        event("attempt_started", max_attempts=3, at=4.0),
        event("attempt_failed", max_attempts=3, wait_seconds=2, error=error, at=5.0),
        event("attempt_started", attempt=2, max_attempts=3, at=7.0),
        event("body_finished", attempt=2, max_attempts=3, at=7.4),
        event("completed", attempt=2, max_attempts=3, at=7.5),
    ) == [
        "↻ load: attempt 1 of 3 failed (ValueError: bad); next in 2.0 s",
        "↻ load: succeeded at attempt 2 of 3 after 1 failed (ValueError) · waited 2.0 s",
    ]


def test_many_retries_are_not_many_lines(told):
    """Progress changes at most ten times a second."""
    burst = [event("attempt_started", max_attempts=500)]
    for n in range(1, 301):
        about = {"max_attempts": 500, "at": 5.0 + n / 1000}
        burst.append(event("attempt_failed", attempt=n, error=OSError("no"), **about))
        burst.append(event("attempt_started", attempt=n + 1, **about))
    lines = told(*burst, event("completed", attempt=301, at=6.0))
    assert len(lines) <= 6
    assert lines[-1] == "↻ load: succeeded at attempt 301 of 500 after 300 failed (OSError ×300)"


def test_going_on_after_a_death(told):
    """A step that does not begin at its first attempt says where it goes on."""
    assert told(event("attempt_started", attempt=4, max_attempts=5), event("completed", attempt=4)) == [
        "↻ load goes on at attempt 4 of 5",
        "↻ load: succeeded at attempt 4 of 5 · went on at attempt 4 after a restart",
    ]


def test_going_on_in_a_backoff(told):
    """One that died in its backoff says how much of it is left, and where it goes on."""
    failed = event("attempt_failed", attempt=2, max_attempts=5, error=OSError("no"), wait_seconds=30.0)
    assert told(failed)[0] == "↻ load: attempt 2 of 5 failed (OSError: no); next in 30 s, goes on at attempt 3"


def test_calls_are_quiet(told):
    """Calls of steps have no lines of their own, the cell's end counts them; but why they run again is said once."""
    assert told(event("replayed", "call"), event("attempt_started", "call"), event("completed", "call")) == []
    again = [event("attempt_started", "call", reason=f"{n}.txt changed") for n in range(1000)]
    assert told(*again) == ["↻ running load again: 0.txt changed"]
    assert told(*again) == ["↻ running load again: 0.txt changed"]
