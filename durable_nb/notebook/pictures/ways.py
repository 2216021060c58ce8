"""The ways of edges between placed nodes, and where along them there is room for their labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from durable_nb.notebook.pictures.layers import Placed
    from durable_nb.notebook.pictures.nodes import Edge

MAX_APART: Final = 22.0
_LETTER: Final = 5.3
_LINE: Final = 11.0
_TRIES: Final = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)


class Point(NamedTuple):
    """A place in pixels."""

    x: float
    y: float


class Box(NamedTuple):
    """What is as large for all nodes, in pixels."""

    width: float
    height: float
    row: float
    margin: float


@dataclass(frozen=True, slots=True)
class Way:
    """The points of an edge from its upper end to its lower one; ``down`` when it leads there."""

    points: tuple[Point, ...]
    down: bool

    @property
    def tip(self) -> Point:
        """Where its arrow is."""
        return self.points[-1]

    @property
    def path(self) -> str:
        """Return it as SVG: straight past the nodes of a row, a curve between two rows."""
        x, y = self.points[0]
        parts = [f"M{x:.1f} {y:.1f}"]
        for number, (right, below) in enumerate(self.points[1:]):
            middle = (y + below) / 2
            curve = f"C{x:.1f} {middle:.1f} {right:.1f} {middle:.1f} {right:.1f} {below:.1f}"
            parts.append(f"V{below:.1f}" if number % 2 else curve)
            x, y = right, below
        return "".join(parts)

    def at(self, share: float) -> Point:
        """Return a point on its last curve."""
        (x, y), (right, below) = self.points[-2:]
        rest = 1 - share
        begin, middle = rest**3, 3 * rest * share
        left_weight = begin + middle * rest
        return Point(
            x * left_weight + right * (1 - left_weight),
            y * begin + (y + below) / 2 * middle + below * share**3,
        )


class Labels:
    """Gives labels places that no other label has; one that finds none is left out, and told on pointing."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, float, float]] = []

    def find(self, way: Way, letters: int) -> Point | None:
        """Return the middle of the base line of a label with so many letters."""
        half = letters * _LETTER / 2 + 2
        for share in _TRIES:
            x, y = way.at(share)
            if all(abs(x - other) > half + more or abs(y - line) > _LINE for other, line, more in self._taken):
                self._taken.append((x, y, half))
                return Point(x, y + 3)
        return None


def ways_of(edges: Sequence[Edge], placed: Placed, box: Box) -> list[Way]:
    """Return the ways of edges; those that meet at a node do so side by side, in the order of where they come from."""
    ends = [tuple(sorted((each.source, each.target), key=lambda name: placed.rows[name])) for each in edges]
    stops = [
        [placed.x[upper], *(x for _, x in placed.bends[number]), placed.x[lower]]
        for number, (upper, lower) in enumerate(ends)
    ]
    leaves = _apart([upper for upper, _ in ends], [each[1] for each in stops], box)
    arrives = _apart([lower for _, lower in ends], [each[-2] for each in stops], box)
    ways = []
    for number, (upper, lower) in enumerate(ends):
        top = box.margin + placed.rows[upper] * box.row + box.height
        points = [Point(box.margin + placed.x[upper] + leaves[number], top)]
        for row, x in placed.bends[number]:
            top = box.margin + row * box.row
            points += [Point(box.margin + x, top), Point(box.margin + x, top + box.height)]
        bottom = box.margin + placed.rows[lower] * box.row - 5
        points.append(Point(box.margin + placed.x[lower] + arrives[number], bottom))
        ways.append(Way(tuple(points), upper == edges[number].source))
    return ways


def _apart(names: Sequence[str], other_ends: Sequence[float], box: Box) -> list[float]:
    """Return how far from the middle of its node each edge leaves or arrives."""
    at_node: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        at_node[name].append(number)
    found = [0.0] * len(names)
    for numbers in at_node.values():
        step = min(MAX_APART, (box.width - 24) / len(numbers))
        for place, number in enumerate(sorted(numbers, key=lambda each: other_ends[each])):
            found[number] = (place - (len(numbers) - 1) / 2) * step
    return found
