"""What the journal of a kernel remembers of the events that it hears."""

from __future__ import annotations

import pytest

from durable_nb.core.events import StepEvent
from durable_nb.notebook import journal as module
from durable_nb.notebook.journal import CallReplays, CellReplay, Journal, UnrecordedRun


@pytest.fixture
def journal():
    return Journal(100.0)


def test_replays_of_cells_are_kept_one_by_one(journal):
    """Each has its time, and that of the run which it replays."""
    journal.on_event(StepEvent("replayed", "load", "cell", 1, at=120.0, recorded_at=50.0, took_seconds=4.0))
    assert list(journal.replays) == [CellReplay("load", 120.0, 50.0, 4.0)]


def test_replays_of_calls_are_counted_by_pass(journal):
    """A loop of a thousand costs one entry."""
    for number in range(1000):
        journal.on_event(StepEvent("replayed", "fetch", "call", number, pass_id=7, scope_id=3, at=100.0 + number))
    journal.on_event(StepEvent("replayed", "fetch", "call", 1, pass_id=8, scope_id=3, at=2000.0))
    assert journal.call_replays == {
        7: CallReplays(3, "fetch", 1000, 100.0, 1099.0),
        8: CallReplays(3, "fetch", 1, 2000.0, 2000.0),
    }


def test_what_is_under_way(journal):
    """An attempt runs, a wait follows it, the next attempt runs; at its end nothing is under way."""
    events = [
        StepEvent("attempt_started", "load", "cell", 5, attempt=1, max_attempts=3, at=101.0),
        StepEvent("attempt_failed", "load", "cell", 5, attempt=1, max_attempts=3, at=104.0, wait_seconds=2.0),
        StepEvent("attempt_started", "load", "cell", 5, attempt=2, max_attempts=3, at=106.0),
    ]
    seen = []
    for event in events:
        journal.on_event(event)
        (run,) = journal.underway.values()
        seen.append((run.attempt, run.began_at, run.since, run.wait_seconds))
    assert seen == [(1, 101.0, 101.0, 0.0), (1, 101.0, 104.0, 2.0), (2, 101.0, 106.0, 0.0)]
    journal.on_event(StepEvent("completed", "load", "cell", 5, at=108.0))
    assert journal.underway == {}


@pytest.mark.parametrize("end", ["completed", "failed", "interrupted"])
def test_every_end_is_one(journal, end):
    """Nothing stays under way after an error or an interrupt."""
    journal.on_event(StepEvent("attempt_started", "load", "cell", 5, at=101.0))
    journal.on_event(StepEvent(end, "load", "cell", 5, at=108.0))
    assert journal.underway == {}


def test_a_cell_that_was_not_recorded(journal):
    """It has no row, so its run is kept here, with the reason."""
    journal.on_event(StepEvent("attempt_started", "load", "cell", 5, at=101.0))
    journal.on_event(StepEvent("unrecorded", "load", "cell", 5, at=103.0, reason="it opens a socket"))
    journal.on_event(StepEvent("completed", "load", "cell", 5, at=104.0))
    assert list(journal.unrecorded) == [UnrecordedRun("load", 101.0, 104.0, "it opens a socket")]


def test_it_is_bounded(journal, monkeypatch):
    """Of many passes the newest are remembered."""
    monkeypatch.setattr(module, "MAX_KEPT", 10)
    for number in range(30):
        journal.on_event(StepEvent("replayed", "fetch", "call", 1, pass_id=number, at=200.0))
    assert list(journal.call_replays) == list(range(20, 30))
