"""What listeners are told."""

from __future__ import annotations

import logging
import threading

import pytest

from durable_nb import MaxStepRetriesExceeded, step, workflow
from durable_nb.core.events import EventBus, StepEvent
from durable_nb.errors import DurableWarning


def kinds(events):
    return [(each.kind, each.attempt) for each in events]


@pytest.fixture
def heard(reopen):
    """The store, opened again; a context manager that gives its events."""

    class Heard:
        def __enter__(self):
            self.session = reopen().__enter__()
            events = []
            self.session.bus.subscribe(events.append)
            return events

        def __exit__(self, *info):
            self.session.__exit__(*info)

    return Heard


def test_life_of_a_step(heard, clock):
    """A step that runs tells of its start, its body's end and its commit; a replay of nothing but itself."""

    @step
    def f():
        clock.advance(3)
        return 1

    with heard() as events:
        f()
    assert kinds(events) == [("attempt_started", 1), ("body_finished", 1), ("completed", 1)]
    assert {(each.name, each.step_kind, each.sequence, each.max_attempts) for each in events} == {("f", "call", 1, 1)}
    ended = clock.now()
    clock.advance(10)
    with heard() as events:
        f()
    (event,) = events
    assert (event.kind, event.took_seconds, event.recorded_at, event.at) == ("replayed", 3, ended, ended + 10)


def test_life_of_a_retried_step(heard):
    """Each failed attempt is told with its error, its wait and a wake; the end with the error raised."""

    @step(retries_allowed=True, max_attempts=3)
    def f():
        raise ValueError("fail")

    with pytest.raises(MaxStepRetriesExceeded) as caught, heard() as events:
        f()
    assert kinds(events) == [
        ("attempt_started", 1),
        ("attempt_failed", 1),
        ("attempt_started", 2),
        ("attempt_failed", 2),
        ("attempt_started", 3),
        ("body_finished", 3),
        ("failed", 3),
    ]
    assert [each.wait_seconds for each in events if each.kind == "attempt_failed"] == [1.0, 2.0]
    assert [str(each.error) for each in events if each.kind == "attempt_failed"] == ["fail", "fail"]
    assert all((each.wake is not None) == (each.kind == "attempt_failed") for each in events)
    assert events[-1].error is caught.value
    assert {each.max_attempts for each in events} == {3}


def test_interrupt_is_told(heard):
    """An interrupt is an event of its own."""

    @step
    def f():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), heard() as events:
        f()
    assert kinds(events) == [("attempt_started", 1), ("interrupted", 1)]
    assert type(events[-1].error) is KeyboardInterrupt


def test_unrecorded_is_told(heard):
    """A step that cannot be recorded says why."""

    @step
    def f():
        return threading.Lock()

    with heard() as events, pytest.warns(DurableWarning):
        f()
    (unrecorded,) = [each for each in events if each.kind == "unrecorded"]
    assert "lock" in unrecorded.reason


def test_workflow_events(heard):
    """A workflow and its steps tell of themselves; a replayed one is one event."""

    @step
    def f():
        return 1

    @workflow
    def w():
        return f()

    from durable_nb import workflow_id

    with heard() as events, workflow_id("w"):
        w()
    assert [(each.name, each.step_kind, each.kind) for each in events] == [
        ("w", "workflow", "attempt_started"),
        ("f", "call", "attempt_started"),
        ("f", "call", "body_finished"),
        ("f", "call", "completed"),
        ("w", "workflow", "body_finished"),
        ("w", "workflow", "completed"),
    ]
    with heard() as events, workflow_id("w"):
        w()
    assert [(each.name, each.kind) for each in events] == [("w", "replayed")]


def test_failing_listener_harms_nobody(caplog):
    """A listener that raises is logged; the others still hear, until they unsubscribe."""
    bus, heard = EventBus(), []

    def fails(event):
        raise RuntimeError("bad listener")

    bus.subscribe(fails)
    unsubscribe = bus.subscribe(heard.append)
    event = StepEvent("completed", "f", "call")
    with caplog.at_level(logging.ERROR, "durable_nb"):
        bus.emit(event)
    assert heard == [event]
    assert "a listener failed on completed of step f" in caplog.text
    unsubscribe()
    unsubscribe()
    bus.emit(event)
    assert heard == [event]
