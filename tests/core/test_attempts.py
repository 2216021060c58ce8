"""Where a step goes on after its process died (DESIGN §5 row 19)."""

from __future__ import annotations

import threading

import pytest

from durable_nb import MaxStepRetriesExceeded, step, step_status
from durable_nb.core.attempts import NoAttemptLog, ResumePoint, resume_point
from durable_nb.errors import DurableWarning
from durable_nb.store.open_attempts import OpenAttempts
from durable_nb.store.records import AttemptRecord

KEY = b"k" * 16


def row(number, state, at=1.0, wait=0.0):
    return AttemptRecord(KEY, "f", 1, number, state, at, wait, at + wait if wait else 0.0)


def point(*rows, max_attempts=5, now=0.0):
    return resume_point(OpenAttempts(rows, ()), KEY, max_attempts, now)


def test_nothing_recorded_begins_at_one():
    """Without rows a step begins at attempt 1 at once."""
    assert point() == ResumePoint(1, 0.0)
    assert NoAttemptLog().resume(5) == ResumePoint(1, 0.0)


def test_death_in_an_attempt_goes_on_at_the_next():
    """An attempt that started and never ended is spent."""
    rows = [row(1, "failed", 1, 1), row(2, "started", 2), row(2, "failed", 3, 2), row(3, "started", 5)]
    assert point(*rows, now=6.0) == ResumePoint(4, 0.0)


@pytest.mark.parametrize(("now", "wait"), [(10.0, 8.0), (13.0, 5.0), (18.0, 0.0), (99.0, 0.0), (2.0, 8.0), (-1e9, 8.0)])
def test_deadline_is_kept_but_never_longer_than_planned(now, wait):
    """The rest of a backoff is waited out; a clock that was put back makes it no longer than planned."""
    rows = [row(1, "started", 9), row(1, "failed", 10, 8)]
    assert point(*rows, now=now) == ResumePoint(2, wait)


def test_start_and_failure_at_one_moment():
    """With a coarse clock the failure, written later, still counts after the start."""
    assert point(row(2, "started", 10), row(2, "failed", 10, 8), now=11.0) == ResumePoint(3, 7.0)


def test_at_least_one_attempt_remains():
    """A step that died in its last attempt, or whose budget was cut by then, has one more."""
    assert point(row(5, "started"), max_attempts=5) == ResumePoint(5, 0.0)
    assert point(row(7, "failed", 1, 1), max_attempts=3, now=9.0) == ResumePoint(3, 0.0)
    assert point(row(1, "started"), max_attempts=1) == ResumePoint(1, 0.0)


def test_closed_budget_is_fresh():
    """An end that the user saw closes what came before, and only that."""
    assert point(row(1, "failed", 1, 1), row(2, "started", 2), row(1, "closed", 3)) == ResumePoint(1, 0.0)
    assert point(row(2, "started", 2), row(1, "closed", 3), row(1, "failed", 4, 1), now=9.0) == ResumePoint(2, 0.0)


def test_attempts_before_a_recorded_end_do_not_count(reopen, clock, runs):
    """Attempts of a step that ended in an earlier process are over, in that process and in the next."""

    @step(retries_allowed=True, max_attempts=3)
    def flaky():
        runs(step_status().current_attempt)
        if len(runs) != 3:
            raise ValueError("fail")

    with reopen() as session:
        flaky()
        assert [(each.number, each.state) for each in session.ledger.attempts()] == [
            (1, "failed"),
            (2, "started"),
            (2, "failed"),
            (3, "started"),
        ]
        clock.advance(1)
        with pytest.raises(MaxStepRetriesExceeded):
            flaky.fresh()
    clock.advance(1)
    with pytest.raises(MaxStepRetriesExceeded), reopen():
        flaky.fresh()
    assert runs == [0, 1, 2, 0, 1, 2, 0, 1, 2]


def test_short_call_writes_one_row(store):
    """A call that succeeds at once writes no attempt row."""

    @step(retries_allowed=True)
    def f():
        return 1

    f()
    assert store.ledger.attempts() == []
    assert len(store.heads) == 1


def test_interrupt_gives_a_fresh_budget(reopen, clock, runs):
    """An interrupt in attempt 3, or in the backoff after it, makes the next run begin at attempt 1."""

    @step(retries_allowed=True, max_attempts=5)
    def flaky(where):
        runs(step_status().current_attempt)
        if len(runs) == 3 and where == "body":
            raise KeyboardInterrupt
        if len(runs) == 5:
            return "ok"
        raise ValueError("fail")

    def interrupt(wake):
        if len(runs) == 3:
            raise KeyboardInterrupt

    for where in ("body", "backoff"):
        clock.on_wait = interrupt
        for _ in range(2):
            try:
                with reopen(where):
                    flaky(where)
            except KeyboardInterrupt:
                pass
        assert runs.take() == [0, 1, 2, 0, 1]


def test_unrecorded_end_gives_a_fresh_budget(reopen, clock, runs):
    """A retried step whose result cannot be recorded leaves no spent attempts behind."""

    @step(retries_allowed=True, max_attempts=3)
    def flaky():
        runs(step_status().current_attempt)
        if step_status().current_attempt < 2:
            raise ValueError("fail")
        return threading.Lock()

    for _ in range(2):
        with reopen(), pytest.warns(DurableWarning, match="flaky was not recorded"):
            flaky()
    assert runs == [0, 1, 2, 0, 1, 2]


def test_errors_of_attempts_are_in_the_ledger(store):
    """Every failed attempt's error is kept, with type and message."""

    @step(retries_allowed=True, max_attempts=3)
    def failing():
        raise ValueError(step_status().current_attempt)

    with pytest.raises(MaxStepRetriesExceeded):
        failing()
    failed = [each for each in store.ledger.attempts() if each.state == "failed"]
    assert [(each.number, each.error.type, each.error.message) for each in failed] == [
        (1, "ValueError", "0"),
        (2, "ValueError", "1"),
    ]
    assert [each.wait_seconds for each in failed] == [1.0, 2.0]
    assert [each.retry_at - each.at for each in failed] == [1.0, 2.0]


def test_a_failed_attempt_says_when_it_began(reopen, clock):
    """The first one has no row of its start, and yet it is known how long each took."""

    @step(retries_allowed=True, max_attempts=3, interval_seconds=2.0)
    def flaky():
        clock.advance(5.0)
        if step_status().current_attempt < 2:
            raise OSError("busy")

    with reopen() as store:
        began = clock.now()
        flaky()
        assert [each.number for each in store.attempts.history if each.state == "started"] == [2, 3]
    with reopen() as store:
        failed = [each for each in store.attempts.history if each.state == "failed"]
        assert [(each.started_at - began, each.at - began) for each in failed] == [(0.0, 5.0), (7.0, 12.0)]


def test_the_history_holds_no_pickles(reopen):
    """It is kept as long as the store is open, and an error may hold much: type and message are enough."""

    @step(retries_allowed=True, max_attempts=2)
    def flaky():
        if step_status().current_attempt < 1:
            raise OSError("busy")

    with reopen():
        flaky()
    with reopen() as store:
        (failed,) = [each for each in store.attempts.history if each.state == "failed"]
        assert (failed.error.type, failed.error.message) == ("OSError", "busy")
        assert (failed.error.payload, failed.error.traceback) == (None, "")
