"""Draws one lane of a timeline as SVG; across it goes by shares of the width, so that it fits any page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.pictures.axis import clock
from durable_nb.notebook.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.notebook.pictures.axis import Axis
    from durable_nb.notebook.pictures.bars import Bar, Lane

LEAST_SHARE: Final = 0.0035
"""No bar is narrower: about two and a half pixels."""
MERGE_SHARE: Final = 0.002
"""Calls that are closer to each other are drawn as one."""
_NARROW_SHARE: Final = 0.016
_CROSS: Final = "M-3.2-3.2 3.2 3.2M3.2-3.2-3.2 3.2"


@dataclass(frozen=True, slots=True)
class Mark:
    """A bar as it is drawn: at ``left`` to ``right`` as shares of the width; of ``count`` bars, 0 in the legend."""

    bar: Bar
    left: float
    right: float
    count: int = 1


def marks_of(bars: Iterable[Bar], axis: Axis) -> list[Mark]:
    """Return where bars are drawn, those of one kind joined that no eye could tell apart."""
    last: dict[str, int] = {}
    found: list[Mark] = []
    for bar in bars:
        left = axis.at(bar.start)
        mark = Mark(bar, left, max(axis.at(bar.end), left + LEAST_SHARE))
        before = found[last[bar.kind]] if bar.kind in last else None
        if before is not None and mark.left - before.right < MERGE_SHARE:
            joined = replace(before, right=max(mark.right, before.right), count=before.count + 1)
            found[last[bar.kind]] = joined
        else:
            last[bar.kind] = len(found)
            found.append(mark)
    return found


def strip(lane: Lane, axis: Axis, height: int, patterns: str) -> str:
    """Return the marks of a lane as the inside of an ``svg``.

    Args:
        lane: the lane.
        axis: where a time is.
        height: in pixels.
        patterns: what the ids of the hatchings begin with.
    """
    both = bool(lane.bars and lane.calls)
    middle = height / 2
    own = [_one(bar, axis) for bar in lane.bars]
    rings = [each for each in own if each.bar.kind == "replayed"]
    others = [each for each in own if each.bar.kind != "replayed"]
    drawn = _layer(others, 3, (middle - 3) if both else height - 6, patterns) + _layer(rings, 3, height - 6, patterns)
    if lane.calls:
        top = middle + 1 if both else 3
        calls = _layer(marks_of(lane.calls, axis), top, height - 3 - top, patterns)
        drawn += f'<g class="d-inner">{calls}</g>' if both else calls
    return drawn


def hatchings(patterns: str) -> str:
    """Return the patterns that the marks are filled with."""
    return (
        f'<defs><pattern id="{patterns}-failed" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<rect class="d-wash-failed" width="5" height="5"/><path class="d-hatch-failed" fill="none" '
        'd="M0 0 5 5M5 0 0 5"/></pattern>'
        f'<pattern id="{patterns}-waiting" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<path class="d-hatch-waiting" fill="none" d="M-1 1 1-1M0 5 5 0M4 6 6 4"/></pattern></defs>'
    )


def swatch(kind: str, patterns: str) -> str:
    """Return a small drawing for the legend."""
    mark = Mark(_sample(kind), 0.08, 0.92, count=0)
    if kind == "replayed":
        mark = replace(mark, left=0.5, right=0.5)
    return f'<svg class="d-swatch" width="22" height="12" aria-hidden="true">{_layer([mark], 1.5, 9, patterns)}</svg>'


def _sample(kind: str) -> Bar:
    from durable_nb.notebook.pictures.bars import Bar

    return Bar(kind, 0.0, 0.0)  # type: ignore[arg-type]


def _one(bar: Bar, axis: Axis) -> Mark:
    left = axis.at(bar.start)
    return Mark(bar, left, max(axis.at(bar.end), left + LEAST_SHARE))


def _layer(marks: list[Mark], top: float, height: float, patterns: str) -> str:
    """Draw bars first, then what stands on them."""
    bars = [_rect(each, top, height, patterns) for each in marks if each.bar.kind != "replayed"]
    signs = [_sign(each, top + height / 2, min(height / 2, 4.5)) for each in marks]
    return "".join((*bars, *signs))


def _rect(mark: Mark, top: float, height: float, patterns: str) -> str:
    kind = mark.bar.kind
    fill = f' fill="url(#{patterns}-{kind})"' if kind in {"failed", "waiting"} else ""
    return (
        f'<rect class="d-{kind}" x="{mark.left:.2%}" width="{mark.right - mark.left:.2%}" y="{top:g}" '
        f'height="{height:g}" rx="2"{fill}>{_title(mark)}</rect>'
    )


def _sign(mark: Mark, middle: float, radius: float) -> str:
    """Draw a ring for a replay, a cross for what failed."""
    narrow = mark.right - mark.left < _NARROW_SHARE
    left = (mark.left + mark.right) / 2 if narrow and mark.bar.kind != "replayed" else mark.left
    at = f'<svg x="{left:.2%}" y="{middle:g}" width="1" height="1" overflow="visible">'
    if mark.bar.kind == "replayed":
        ring = f'<circle class="d-ring" r="{radius:g}"/><circle class="d-dot" r="1.2"/>'
        return f"{at}{_title(mark)}{ring}</svg>"
    if mark.bar.kind not in {"failed", "killed"}:
        return ""
    cross = f'<path class="d-halo" d="{_CROSS}"/><path class="d-cross" d="{_CROSS}"/>'
    place = f"translate({0 if narrow else radius + 1.5:g})scale({radius / 4.5:g})"
    return f'{at}<g transform="{place}" pointer-events="none">{cross}</g></svg>'


def _title(mark: Mark) -> str:
    """Return what is said when it is pointed at; in the legend nothing."""
    return "" if not mark.count else f"<title>{clock(mark.bar.start)} · {escape(said(mark))}</title>"


def said(mark: Mark) -> str:
    """Say in a line what a mark is, but for when."""
    bar, many = mark.bar, mark.count
    who = f"{bar.who}: " if bar.who and many == 1 else ""
    if many > 1:
        return f"{many:,} calls" + (f"; the first: {bar.note}" if bar.note else "")
    note = f" · {bar.note}" if bar.note else ""
    took = span(bar.seconds)
    words = {
        "ran": f"ran in {took}" + (f", attempt {bar.attempt}" if bar.attempt > 1 else ""),
        "failed": f"attempt {bar.attempt} failed after {took}",
        "waiting": f"waits {took} after attempt {bar.attempt}",
        "replayed": "replayed",
        "running": f"attempt {bar.attempt} runs since {clock(bar.start)}",
        "killed": f"attempt {bar.attempt} was killed",
        "unsaved": f"ran in {took}, not checkpointed",
    }
    return f"{who}{words[bar.kind]}{note}"
