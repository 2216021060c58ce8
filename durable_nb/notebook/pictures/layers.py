"""Places the steps of a graph in rows from top to bottom, edges going down, rows no wider than a page.

Layers as K. Sugiyama, S. Tagawa and M. Toda have them ("Methods for visual understanding of hierarchical system
structures", 1981): rows by the longest path, filled to a width as E. G. Coffman and R. L. Graham do (1972); an edge
that passes a row has a place of its own in it; the order within a row by the mean place of neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_IN_ROW: Final = 4
SWEEPS: Final = 8
NODE_WIDTH: Final = 168.0
BEND_WIDTH: Final = 22.0
GAP: Final = 16.0

Bend = tuple[int, int]
"""Where an edge passes a row: the edge's number, and the row."""
Item = str | Bend


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything is.

    Attributes:
        rows: the row of each node.
        x: the middle of each node, in pixels.
        bends: for each edge the (row, x) that it passes on its way, from its upper end to its lower one.
        width: of all, in pixels. height: the number of rows.
    """

    rows: dict[str, int]
    x: dict[str, float]
    bends: tuple[tuple[tuple[int, float], ...], ...]
    width: float
    height: int


def place(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> Placed:
    """Place nodes, given in the order of their first run, and the edges between them."""
    rows = _rows(names, edges)
    items, links = _items(names, edges, rows)
    _order(items, links)
    x = _coordinates(items, links)
    bends = tuple(
        tuple((row, x[number, row]) for row in range(*_between(rows, edge)) if (number, row) in x)
        for number, edge in enumerate(edges)
    )
    width = max((x[each] + _width(each) / 2 for row in items for each in row), default=0.0)
    return Placed(rows, {name: x[name] for name in names}, bends, width, len(items))


def _rows(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the row of each node: below all that it reads from; where they go in circles, the first one is on top."""
    above: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in edges:
        above[target].add(source)
    rows: dict[str, int] = {}
    filled: defaultdict[int, int] = defaultdict(int)
    left = list(names)
    while left:
        name = next((each for each in left if above[each] <= rows.keys()), left[0])
        left.remove(name)
        row = max((rows[each] + 1 for each in above[name] if each in rows), default=0)
        while filled[row] >= MAX_IN_ROW:
            row += 1
        rows[name] = row
        filled[row] += 1
    return rows


def _between(rows: dict[str, int], edge: tuple[str, str]) -> tuple[int, int]:
    first, last = sorted((rows[edge[0]], rows[edge[1]]))
    return first + 1, last


def _items(
    names: Sequence[str], edges: Sequence[tuple[str, str]], rows: dict[str, int]
) -> tuple[list[list[Item]], dict[Item, list[Item]]]:
    """Return what is in each row, and what each item is linked to in the rows beside its own."""
    items: list[list[Item]] = [[] for _ in range(max(rows.values(), default=-1) + 1)]
    links: defaultdict[Item, list[Item]] = defaultdict(list)
    for name in names:
        items[rows[name]].append(name)
    for number, (source, target) in enumerate(edges):
        upper, lower = (source, target) if rows[source] <= rows[target] else (target, source)
        before: Item = upper
        for row in range(rows[upper] + 1, rows[lower]):
            bend = (number, row)
            items[row].append(bend)
            _link(links, before, bend)
            before = bend
        _link(links, before, lower)
    return items, links


def _link(links: defaultdict[Item, list[Item]], one: Item, two: Item) -> None:
    links[one].append(two)
    links[two].append(one)


def _order(items: list[list[Item]], links: dict[Item, list[Item]]) -> None:
    """Sort each row by the mean place of what its items are linked to, downwards and upwards in turn."""
    places = {each: float(place) for row in items for place, each in enumerate(row)}
    row_of = {each: number for number, row in enumerate(items) for each in row}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for number in range(len(items)) if down else reversed(range(len(items))):
            row, beside = items[number], number + (-1 if down else 1)
            linked = {each: [places[one] for one in links.get(each, ()) if row_of[one] == beside] for each in row}
            means = {each: _mean(found, places[each]) for each, found in linked.items()}
            row.sort(key=means.__getitem__)
            for place, each in enumerate(row):
                places[each] = place - (len(row) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _width(item: Item) -> float:
    return NODE_WIDTH if isinstance(item, str) else BEND_WIDTH


def _coordinates(items: list[list[Item]], links: dict[Item, list[Item]]) -> dict[Item, float]:
    """Return the middle of each item: near those of its links, but in order and apart from its neighbours."""
    x: dict[Item, float] = {}
    for row in items:
        x.update(_packed(row, dict.fromkeys(row, 0.0)))
    for sweep in range(SWEEPS):
        for row in items if sweep % 2 == 0 else reversed(items):
            x.update(_packed(row, {each: _mean([x[one] for one in links.get(each, ())], x[each]) for each in row}))
    least = min((x[each] - _width(each) / 2 for row in items for each in row), default=0.0)
    return {each: at - least for each, at in x.items()}


def _packed(row: list[Item], wanted: dict[Item, float]) -> dict[Item, float]:
    """Return places as near to the wanted ones as can be without overlap: blocks that touch share the mean of both."""
    blocks: list[
        tuple[list[Item], list[float], float]
    ] = []  # items, offsets from the first, where the first wants to be
    for each in row:
        block: tuple[list[Item], list[float], float] = ([each], [0.0], wanted[each])
        while blocks and _end(blocks[-1]) + GAP + _width(block[0][0]) / 2 > block[2]:
            block = _merged(blocks.pop(), block, wanted)
        blocks.append(block)
    return {each: at + offset for items, offsets, at in blocks for each, offset in zip(items, offsets, strict=True)}


def _end(block: tuple[list[Item], list[float], float]) -> float:
    items, offsets, at = block
    return at + offsets[-1] + _width(items[-1]) / 2


def _merged(
    one: tuple[list[Item], list[float], float],
    two: tuple[list[Item], list[float], float],
    wanted: dict[Item, float],
) -> tuple[list[Item], list[float], float]:
    shift = one[1][-1] + _width(one[0][-1]) / 2 + GAP + _width(two[0][0]) / 2
    items, offsets = one[0] + two[0], one[1] + [shift + each for each in two[1]]
    mean = sum(wanted[each] - offset for each, offset in zip(items, offsets, strict=True)) / len(items)
    return items, offsets, mean
