"""A time axis on which the hours between two sessions take no more room than they deserve."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.spans import moment, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_GAP: Final = 1 / 8
"""Share of the time in which anything happened; a pause that is longer is cut out."""
MAX_BREAKS_SHARE: Final = 0.25
BREAK_SHARE: Final = 0.025
"""Width of a cut, and of all of them, as shares of the axis."""
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MIN_TICK_SHARE: Final = 0.11
_LABEL_SHARE: Final = 0.009
"""About the width of a letter."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Uncut time: from ``start`` to ``end`` in Unix seconds, at ``left`` to ``right`` as shares of the axis.

    The first thing in it happens at ``first``.
    """

    first: float
    start: float
    end: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line at a place of the axis, and its label: "" where there is no room for one."""

    at: float
    label: str
    begins: bool = False

    @property
    def end(self) -> float:
        """Where its label ends, with a gap behind it."""
        return self.at + _LABEL_SHARE * (len(self.label) + 1)


@dataclass(frozen=True, slots=True)
class Cut:
    """Time that is left out: the place of its mark, and how long it is in seconds."""

    left: float
    right: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps Unix seconds to shares of the width, 0 to 1."""

    segments: tuple[Segment, ...]

    def at(self, time: float) -> float:
        """Return where a time is; inside a cut, at its end."""
        index = max(bisect_right([each.start for each in self.segments], time) - 1, 0)
        segment = self.segments[index]
        share = (min(max(time, segment.start), segment.end) - segment.start) / (segment.end - segment.start)
        return segment.left + share * (segment.right - segment.left)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """What is left out."""
        pairs = zip(self.segments, self.segments[1:], strict=False)
        return tuple(Cut(one.right, two.left, two.start - one.end) for one, two in pairs)

    def ticks(self) -> tuple[Tick, ...]:
        """Return when each segment begins and round times since then, with labels that do not overlap."""
        begins: list[Tick] = []
        day = ""
        for segment in self.segments:
            text = moment(segment.first)
            begins.append(Tick(segment.left, text if text[:10] != day else text[11:], begins=True))
            day = text[:10]
        shown: list[Tick] = []
        for tick in (*begins, *(each for segment in self.segments for each in _within(segment))):
            room = tick.end <= 1 and all(tick.end <= each.at or each.end <= tick.at for each in shown if each.label)
            shown.append(tick if room else replace(tick, label=""))
        return tuple(sorted(shown, key=lambda tick: tick.at))


def _within(segment: Segment) -> Iterator[Tick]:
    """Yield ticks in a segment at round times since its start."""
    seconds, width = segment.end - segment.start, segment.right - segment.left
    least = seconds * _MIN_TICK_SHARE / width
    unit = next((each for each in _STEPS if each >= least), None) if least > 1 else _decimal(least)
    if unit is None:
        return
    for number in range(1, math.floor(seconds / unit) + 1):
        yield Tick(segment.left + width * number * unit / seconds, f"+{round_span(number * unit)}")


def _decimal(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= least)


def axis_of(spans: Iterable[tuple[float, float]]) -> Axis:
    """Return the axis on which these spans of time fit."""
    blocks = _blocks(sorted(spans)) or [(0.0, 1.0)]
    active = sum(end - start for start, end in blocks)
    blocks = _joined(blocks, max(active * LONGEST_GAP, 0.05))
    return Axis(tuple(_placed(blocks, max(sum(end - start for start, end in blocks) * 0.004, 0.001))))


def _placed(blocks: list[tuple[float, float]], pad: float) -> Iterator[Segment]:
    """Yield the segments side by side: as wide as they are long, but none is invisible."""
    cuts = len(blocks) - 1
    cut = min(BREAK_SHARE, MAX_BREAKS_SHARE / cuts) if cuts else 0.0
    room = 1 - cut * cuts
    least = min(0.02, room * 0.3 / len(blocks))
    total = sum(end - start + 2 * pad for start, end in blocks)
    left = 0.0
    for start, end in blocks:
        right = left + least + (room - least * len(blocks)) * (end - start + 2 * pad) / total
        yield Segment(start, start - pad, end + pad, left, right)
        left = right + cut


def _blocks(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the spans of time in which anything happened, joined where they touch."""
    return _joined(spans, 0.0)


def _joined(spans: list[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, end in spans:
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def round_span(seconds: float) -> str:
    """Return a duration without a zero at its end: ``2 m``, not ``2 m 0 s``."""
    return span(seconds).removesuffix(" 0 s").removesuffix(" 0 m").replace(".0 s", " s")


def clock(time: float) -> str:
    """Return a local time of day to the second."""
    return datetime.fromtimestamp(time).strftime("%H:%M:%S")  # noqa: DTZ006 - for a person
