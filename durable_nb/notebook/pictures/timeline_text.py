"""The timeline as text: a line for each lane, a sign for each moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from durable_nb.notebook.spans import span

if TYPE_CHECKING:
    from durable_nb.notebook.pictures.bars import Bar, BarKind, Lane
    from durable_nb.notebook.pictures.timeline import Timeline

SIGNS: Final[dict[BarKind, str]] = {
    "waiting": "░",
    "ran": "█",
    "running": "▶",
    "unsaved": "▒",
    "killed": "†",
    "failed": "✕",
    "replayed": "↻",
}
"""In the order in which they cover each other."""
CUT: Final = "┊"
FAILED: Final = "▓"
"""Fills a failed attempt behind its cross."""
_WORDS: Final[dict[BarKind, str]] = {"waiting": "waits", "unsaved": "not checkpointed", "killed": "killed"}
_MAX_NAME: Final = 24
_TOOK: Final = 9


def timeline_text(timeline: Timeline, columns: int) -> str:
    """Return a timeline as text that is so wide at most."""
    if not timeline.lanes:
        return timeline.title
    names = min(max(len(lane.name) for lane in timeline.lanes), _MAX_NAME)
    room = columns - names - _TOOK - 3
    lines = [str(timeline.totals), " " * (names + 1) + _axis(timeline, room)]
    for lane in timeline.lanes:
        name = lane.name if len(lane.name) <= names else lane.name[: names - 1] + "…"
        took = span(lane.took) if lane.took else ""
        lines.append(f"{name:<{names}} {_bars(timeline, lane, room)} {took:>{_TOOK}}")
    present = {bar.kind for lane in timeline.lanes for bar in lane.all_bars}
    legend = [f"{sign} {_WORDS.get(kind, kind)}" for kind, sign in SIGNS.items() if kind in present]
    legend += [f"{CUT} time left out"] if timeline.axis.cuts else []
    return "\n".join(line.rstrip() for line in (*lines, "  ".join(legend)))


def _bars(timeline: Timeline, lane: Lane, room: int) -> str:
    cells = _cuts(timeline, room)
    for kind, sign in SIGNS.items():
        for bar in lane.all_bars:
            if bar.kind == kind:
                _fill(cells, bar, sign, timeline)
    return "".join(cells)


def _fill(cells: list[str], bar: Bar, sign: str, timeline: Timeline) -> None:
    room = len(cells)
    first = min(int(timeline.axis.at(bar.start) * room), room - 1)
    last = first if bar.kind in {"replayed", "killed"} else min(int(timeline.axis.at(bar.end) * room), room - 1)
    for column in range(first, last + 1):
        cells[column] = FAILED if bar.kind == "failed" else sign
    cells[first] = sign


def _cuts(timeline: Timeline, room: int) -> list[str]:
    cells = [" "] * room
    for each in timeline.axis.cuts:
        cells[min(int((each.left + each.right) / 2 * room), room - 1)] = CUT
    return cells


def _axis(timeline: Timeline, room: int) -> str:
    """Return the labels that have room."""
    line = ""
    for tick in timeline.axis.ticks():
        at = int(tick.at * room)
        if tick.label and at >= len(line) + bool(line) and at + len(tick.label) <= room:
            line = line.ljust(at) + tick.label
    return line
