"""The time axis: proportional where something happens, short where nothing does."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest

from durable_nb.notebook.pictures.axis import axis_of, round_span

START = datetime(2026, 11, 22, 16, 40).timestamp()
HOUR = 3600.0


def test_hours_between_sessions_are_cut_out():
    """Two sessions of ten seconds, five hours apart, take the same room; what is cut says how long it was."""
    later = START + 5 * HOUR
    axis = axis_of([(START, START + 10), (later, later + 10)])
    first, second = axis.segments
    assert second.right - second.left == pytest.approx(first.right - first.left)
    assert first.right - first.left > 0.45
    (cut,) = axis.cuts
    assert cut.seconds == pytest.approx(5 * HOUR - 10, abs=0.2)
    assert cut.right - cut.left < 0.03


def test_time_is_proportional_where_something_happens():
    """Within a session the middle is in the middle, and a short pause is no cut."""
    axis = axis_of([(START, START + 50), (START + 52, START + 100)])
    assert len(axis.segments) == 1
    assert axis.at(START + 50) == pytest.approx(0.5, abs=0.01)
    assert axis.at(START + 25) == pytest.approx(0.25, abs=0.01)


def test_a_moment_has_room():
    """Replays take no time, and yet their session is visible and in order."""
    spans = [(START, START + 600), (START + 2 * HOUR, START + 2 * HOUR), (START + 4 * HOUR, START + 4 * HOUR)]
    axis = axis_of(spans)
    places = [axis.at(begin) for begin, _ in spans]
    assert places == sorted(places)
    assert all(each.right - each.left >= 0.019 for each in axis.segments)
    assert axis.segments[-1].right == pytest.approx(1.0)


def test_two_hundred_pauses_leave_room_for_the_work():
    """A person who pauses after each cell still sees the cells."""
    spans = [(START + n * 100, START + n * 100 + 1) for n in range(200)]
    axis = axis_of(spans)
    assert sum(each.right - each.left for each in axis.segments) >= 0.75
    assert axis.at(spans[-1][1]) <= 1.0


def test_nothing_to_show():
    """An empty axis is one all the same."""
    assert axis_of([]).at(START) == pytest.approx(1.0, abs=0.01)


def test_ticks_tell_day_time_and_time_since():
    """The first says the day, the next session of that day only the time, round times lie between."""
    later = START + 5 * HOUR
    labels = [tick.label for tick in axis_of([(START, START + 600), (later, later + 300)]).ticks() if tick.label]
    assert labels[0] == "2026-11-22 16:40"
    assert "21:40" in labels
    assert {"+2 m", "+4 m"} <= set(labels)


def test_labels_do_not_overlap():
    """However many sessions there are, a label ends before the next begins."""
    spans = [(START + n * HOUR, START + n * HOUR + 60 + n) for n in range(30)]
    labels = [(tick.at, tick.at + 0.009 * len(tick.label)) for tick in axis_of(spans).ticks() if tick.label]
    assert len(labels) > 3
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(labels))
    assert labels[-1][1] <= 1


@pytest.mark.parametrize(("seconds", "said"), [(120, "2 m"), (7200, "2 h"), (90, "1 m 30 s"), (0.5, "0.5 s")])
def test_round_spans_have_no_zeros(seconds, said):
    """A tick says ``2 m``."""
    assert round_span(seconds) == said
