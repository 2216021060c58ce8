"""Where the steps of a graph are placed: downwards, apart, no wider than a page."""

from __future__ import annotations

import itertools
import random

import pytest

from durable_nb.notebook.pictures.layers import GAP, MAX_IN_ROW, NODE_WIDTH, place
from durable_nb.notebook.pictures.nodes import Edge
from durable_nb.notebook.pictures.ways import Box, Labels, Way, ways_of

BOX = Box(NODE_WIDTH, 42, 94, 14)


def some_graph(size, seed=3):
    """Nodes in order, each of which reads from up to three of the six before it."""
    pick = random.Random(seed)
    names = [f"step_{number}" for number in range(size)]
    edges = {
        (names[pick.randrange(max(0, number - 6), number)], names[number])
        for number in range(1, size)
        for _ in range(pick.choice([1, 1, 2, 3]))
    }
    return names, sorted(edges)


def in_rows(placed):
    rows = {}
    for name, row in placed.rows.items():
        rows.setdefault(row, []).append(name)
    return rows


@pytest.mark.parametrize("size", [5, 36, 200])
def test_edges_go_down(size):
    """A step is below all that it reads from."""
    names, edges = some_graph(size)
    placed = place(names, edges)
    assert all(placed.rows[source] < placed.rows[target] for source, target in edges)


@pytest.mark.parametrize("size", [5, 36, 200])
def test_nodes_do_not_overlap(size):
    """Those of a row are apart, and the whole is about as wide as a page."""
    placed = place(*some_graph(size))
    for row in in_rows(placed).values():
        ordered = sorted(placed.x[name] for name in row)
        assert all(two - one >= NODE_WIDTH + GAP - 0.01 for one, two in itertools.pairwise(ordered))
        assert len(row) <= MAX_IN_ROW
    assert min(placed.x.values()) >= NODE_WIDTH / 2 - 0.01
    assert placed.width < 1300


def test_a_row_is_full():
    """Steps that depend on nothing fill rows instead of one line that nobody can see."""
    names = [f"step_{number}" for number in range(10)]
    assert sorted(map(len, in_rows(place(names, [])).values())) == [2, 4, 4]


def test_a_chain_is_straight():
    """Steps that follow each other are below each other."""
    names = list("abcd")
    placed = place(names, list(itertools.pairwise(names)))
    assert [placed.rows[name] for name in names] == [0, 1, 2, 3]
    assert len({round(placed.x[name]) for name in names}) == 1


def test_edges_do_not_cross_where_they_need_not():
    """Two steps are in the order of the two that they read from."""
    placed = place(["a", "b", "c", "d"], [("a", "d"), ("b", "c")])
    assert (placed.x["a"] < placed.x["b"]) == (placed.x["d"] < placed.x["c"])


def test_a_circle_is_drawn_all_the_same():
    """Steps that read from each other have places, the first to run on top."""
    placed = place(["a", "b"], [("a", "b"), ("b", "a")])
    assert placed.rows == {"a": 0, "b": 1}


def test_a_long_edge_goes_past_the_nodes_between():
    """It has a place of its own in each row that it passes, and is straight there."""
    names = list("abcd")
    edges = [*itertools.pairwise(names), ("a", "d")]
    placed = place(names, edges)
    (bends,) = [each for each in placed.bends if each]
    assert [row for row, _ in bends] == [1, 2]
    way = ways_of([Edge(source, target, ("x",)) for source, target in edges], placed, BOX)[-1]
    assert way.path.count("V") == 2
    for row, x in bends:
        (node,) = in_rows(placed)[row]
        assert abs(placed.x[node] - x) > NODE_WIDTH / 2


def test_edges_meet_a_node_side_by_side():
    """They arrive in the order of where they come from."""
    names = ["a", "b", "c", "end"]
    edges = [Edge(name, "end", (name,)) for name in "abc"]
    placed = place(names, [(each.source, each.target) for each in edges])
    tips = {way.tip.x: edge.source for way, edge in zip(ways_of(edges, placed, BOX), edges, strict=True)}
    assert len(tips) == 3
    assert [tips[x] for x in sorted(tips)] == sorted("abc", key=placed.x.__getitem__)


def test_labels_do_not_overlap():
    """A second label on the same way moves along it; where there is no room it is left out."""
    way = Way(((0.0, 0.0), (0.0, 60.0)), down=True)
    labels = Labels()
    found = [labels.find(way, 10) for _ in range(8)]
    shown = sorted(each.y for each in found if each is not None)
    assert found[0].y == pytest.approx(33.0)
    assert all(two - one > 11 for one, two in itertools.pairwise(shown))
    assert found[-1] is None
