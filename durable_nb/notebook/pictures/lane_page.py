"""What a lane of the timeline tells when it is opened: its attempts, and of its calls the sum and the worst."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.pictures.axis import clock
from durable_nb.notebook.pictures.strip import Mark, said
from durable_nb.notebook.report import Section, StepReport
from durable_nb.notebook.spans import span
from durable_nb.notebook.why import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from durable_nb.notebook.pictures.bars import Bar, Lane

MAX_LINES: Final = 30
WORST: Final = 5


def lane_page(lane: Lane) -> StepReport:
    """Return the page of a lane."""
    ended = [bar for bar in lane.calls if bar.kind == "ran"]
    sections = (
        Section("Attempts" if lane.bars else "", cut(tuple(map(_line, lane.bars)), MAX_LINES)),
        Section("Longest calls", tuple(map(_line, _longest(ended)))),
        Section("Failed attempts of calls, those of the worst call first", _failed(lane.calls)),
    )
    return StepReport(_sum(lane, ended), sections)


def _line(bar: Bar) -> str:
    return f"{clock(bar.start)}  {said(Mark(bar, 0, 0))}"


def _longest(ended: Sequence[Bar]) -> list[Bar]:
    return sorted(ended, key=lambda bar: -bar.seconds)[:WORST]


def _sum(lane: Lane, ended: Sequence[Bar]) -> str:
    """Return what happened in a line."""
    if not lane.calls:
        tried = sum(bar.kind not in {"waiting", "replayed"} for bar in lane.bars)
        return f"{lane.name} · {tried} attempt{'' if tried == 1 else 's'} · {span(lane.took)}"
    parts = [lane.name, f"{len(ended):,} call{'' if len(ended) == 1 else 's'}"]
    failed = sum(bar.kind == "failed" for bar in lane.calls)
    if failed:
        parts.append(f"{failed:,} failed attempt{'' if failed == 1 else 's'}")
    if lane.replayed_calls:
        parts.append(f"{lane.replayed_calls:,} replayed in this kernel")
    if ended:
        took = [bar.seconds for bar in ended]
        parts.append(f"{span(sum(took))} in all, {span(median(took))} the median, {span(max(took))} the longest")
        parts.append(f"{clock(ended[0].start)} to {clock(ended[-1].end)}")
    return " · ".join(parts)


def _failed(calls: Sequence[Bar]) -> tuple[str, ...]:
    failed = [bar for bar in calls if bar.kind in {"failed", "killed"}]
    often: dict[str, int] = {}
    for bar in failed:
        often[bar.who] = often.get(bar.who, 0) + 1
    worst = sorted(failed, key=lambda bar: (-often[bar.who], bar.start))
    return cut(tuple(map(_line, worst)), 2 * WORST)
