"""``%durable timeline``: a bar for each step and attempt over time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from durable_nb.notebook.pictures.axis import axis_of, round_span
from durable_nb.notebook.pictures.lane_page import lane_page
from durable_nb.notebook.pictures.picture import Picture
from durable_nb.notebook.pictures.strip import hatchings, strip, swatch
from durable_nb.notebook.pictures.style import rules_in
from durable_nb.notebook.pictures.timeline_text import timeline_text
from durable_nb.notebook.spans import span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from durable_nb.notebook.pictures.axis import Axis, Cut
    from durable_nb.notebook.pictures.bars import BarKind, Lane

WIDTH: Final = 960
NAMES: Final = 170
TOOK: Final = 74
AXIS: Final = 26
MIN_GAP_HEIGHT: Final = 90
HEAD: Final = 34
HEIGHTS: Final = ((24, 24), (60, 20), (1_000_000, 17))
"""Of a lane, in pixels, with so many lanes at most; where there are many, they scroll."""
WORDS: Final[dict[BarKind, str]] = {
    "ran": "ran",
    "running": "running",
    "failed": "failed",
    "waiting": "waits",
    "killed": "killed with its kernel",
    "unsaved": "not checkpointed",
    "replayed": "replayed",
}
KEEP_OPEN: Final = Path(__file__).with_name("keep_open.js").read_text("utf-8")
_MAX_NAME: Final = 26


@dataclass(frozen=True, slots=True)
class Totals:
    """What a timeline is summed up in: steps, and cells that are none but call functions that are."""

    steps: int
    cells: int
    seconds: float
    failed: int
    replayed: int

    def __str__(self) -> str:
        """Say it in a line."""
        cells = f"{self.cells} cell{'' if self.cells == 1 else 's'} with calls" if self.cells else ""
        steps = f"{self.steps} step{'' if self.steps == 1 else 's'}" if self.steps or not cells else ""
        parts = [", ".join(filter(None, (steps, cells))), f"{span(self.seconds)} at work"]
        if self.failed:
            parts.append(f"{self.failed:,} failed attempt{'' if self.failed == 1 else 's'}")
        if self.replayed:
            parts.append(f"{self.replayed:,} replayed")
        return " · ".join(parts)


class Timeline(Picture):
    """The steps of a notebook over time, as they were when it was made.

    Attributes:
        lanes: what happened to each.
        axis: when.
    """

    kind: ClassVar[str] = "timeline"
    rules: ClassVar[str] = rules_in("timeline.css")

    def __init__(self, lanes: Sequence[Lane], show: Callable[[], bool] | None = None, live: str = "") -> None:
        super().__init__(show)
        self.lanes = tuple(lanes)
        self.axis: Axis = axis_of((bar.start, bar.end) for lane in self.lanes for bar in lane.all_bars)
        self._live = live
        self._patterns = (
            f"d{uuid.uuid4().hex[:8]}"  # two pictures on a page must not share hatchings: one may be hidden
        )

    @property
    def totals(self) -> Totals:
        """Sums: work is that of the lanes, calls are in that of their cells."""
        bars = [bar for lane in self.lanes for bar in lane.all_bars]
        work = [
            bar for lane in self.lanes for bar in lane.bars or lane.calls if bar.kind not in {"waiting", "replayed"}
        ]
        replays = sum(bar.kind == "replayed" for lane in self.lanes for bar in lane.bars)
        replayed = replays + sum(lane.replayed_calls for lane in self.lanes)
        failed = sum(bar.kind == "failed" for bar in bars)
        steps = sum(bool(lane.bars) for lane in self.lanes)
        return Totals(steps, len(self.lanes) - steps, sum(bar.seconds for bar in work), failed, replayed)

    @property
    def title(self) -> str:
        """Its totals."""
        return f"Timeline: {self.totals}" if self.lanes else "Timeline: no step has run yet"

    def text(self, columns: int) -> str:
        """Return it for a terminal."""
        return timeline_text(self, columns)

    # -- HTML

    def body(self) -> str:
        """Return the rows; each opens."""
        if not self.lanes:
            return f"<em>{self.title}</em>"
        patterns = self._patterns
        legend = "".join(f"<span>{swatch(kind, patterns)}{WORDS[kind]}</span>" for kind in self._kinds())
        rows = "".join(self._row(lane, patterns) for lane in self.lanes)
        axis = f'<div class="d-row d-axis" aria-hidden="true"><span></span>{self._svg(self._ticks(), AXIS)}</div>'
        return (
            f'<svg width="0" height="0" style="position:absolute" aria-hidden="true">{hatchings(patterns)}</svg>'
            f'<div class="d-head"><strong>{self.totals}</strong><span class="d-legend">{legend}</span></div>'
            f'<div class="d-lanes" role="group" aria-label="{escape(self.title)}"><div class="d-in">{axis}'
            f'<svg class="d-grid" aria-hidden="true">{self._grid(AXIS)}</svg>{rows}</div></div>'
        )

    def html(self) -> str:
        """Return it for a page; while it is live, with what keeps opened rows open."""
        html = super().html()
        if not self._live:
            return html
        named = html.replace("<div ", f'<div data-id="{self._live}" ', 1).removesuffix("</div>")
        return f"{named}<script>{KEEP_OPEN}</script></div>"

    def _row(self, lane: Lane, patterns: str) -> str:
        name = escape(lane.name)
        drawn = self._svg(strip(lane, self.axis, self._height, patterns), self._height)
        return (
            f'<details data-lane="{name}"><summary class="d-row"><span class="d-name" title="{name}">{name}</span>'
            f'{drawn}<span class="d-took">{_took(lane)}</span></summary>'
            f'<div class="d-more">{lane_page(lane)._repr_html_()}</div></details>'
        )

    @staticmethod
    def _svg(drawn: str, height: int) -> str:
        return f'<svg height="{height}" role="presentation">{drawn}</svg>'

    @property
    def _height(self) -> int:
        return next(height for most, height in HEIGHTS if len(self.lanes) <= most)

    def _kinds(self) -> list[BarKind]:
        present = {bar.kind for lane in self.lanes for bar in lane.all_bars}
        return [kind for kind in WORDS if kind in present]

    # -- SVG

    def drawing(self) -> tuple[int, int, str]:
        """Return all lanes as one drawing."""
        patterns, height, room = self._patterns, self._height, WIDTH - NAMES - TOOK
        rows = []
        for number, lane in enumerate(self.lanes):
            top = HEAD + AXIS + number * height
            base = top + height / 2 + 4
            drawn = strip(lane, self.axis, height, patterns)
            rows.append(
                f'<text x="12" y="{base:g}">{escape(_cut(lane.name))}</text>'
                f'<svg x="{NAMES}" y="{top}" width="{room}" height="{height}" overflow="visible">{drawn}</svg>'
                f'<text class="d-muted" x="{WIDTH - 12}" y="{base:g}" text-anchor="end">{_took(lane)}</text>'
            )
        bottom = HEAD + AXIS + len(self.lanes) * height
        grid = f'<svg x="{NAMES}" y="{HEAD}" width="{room}" height="{bottom - HEAD}">{self._grid(AXIS)}</svg>'
        ticks = f'<svg x="{NAMES}" y="{HEAD}" width="{room}" height="{AXIS}" overflow="visible">{self._ticks()}</svg>'
        head = f'<text x="12" y="22" class="d-label">{escape(self.title)}</text>'
        return (
            WIDTH,
            bottom + 34,
            hatchings(patterns) + head + grid + ticks + "".join(rows) + self._legend(bottom, patterns),
        )

    def _legend(self, top: int, patterns: str) -> str:
        drawn, left = [], NAMES
        for kind in self._kinds():
            drawn.append(
                f'<svg x="{left}" y="{top + 12}" overflow="visible">{swatch(kind, patterns)}</svg>'
                f'<text class="d-muted" x="{left + 27}" y="{top + 22}">{WORDS[kind]}</text>'
            )
            left += 50 + 7 * len(WORDS[kind])
        return "".join(drawn)

    def _ticks(self) -> str:
        return "".join(
            f'<text class="{"" if tick.begins else "d-muted"}" x="{tick.at:.2%}" y="17">{tick.label}</text>'
            for tick in self.axis.ticks()
            if tick.label
        )

    def _grid(self, top: int) -> str:
        lines = "".join(
            f'<line class="d-line" x1="{tick.at:.2%}" x2="{tick.at:.2%}" y1="{top}" y2="100%"/>'
            for tick in self.axis.ticks()
        )
        cuts = "".join(
            f'<rect class="d-cut" x="{cut.left:.2%}" width="{cut.right - cut.left:.2%}" y="{top}" height="100%"/>'
            f'<svg x="{(cut.left + cut.right) / 2:.2%}" y="{top + 8}" width="1" height="1" overflow="visible">'
            f'<text class="d-gap" transform="rotate(90)" y="4">{self._gap(cut)}</text></svg>'
            for cut in self.axis.cuts
        )
        return cuts + lines

    def _gap(self, cut: Cut) -> str:
        """Return how much is left out, where it is high enough to say so."""
        return f"{round_span(cut.seconds)} later" if len(self.lanes) * self._height >= MIN_GAP_HEIGHT else ""


def _took(lane: Lane) -> str:
    return span(lane.took) if lane.took else ""


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
