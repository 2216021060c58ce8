"""``%durable graph``: the steps, and the variables between them."""

from __future__ import annotations

import uuid
from html import escape
from typing import TYPE_CHECKING, ClassVar, Final

from durable_nb.notebook.pictures.graph_text import graph_text
from durable_nb.notebook.pictures.layers import NODE_WIDTH, place
from durable_nb.notebook.pictures.nodes import Steps, steps_of
from durable_nb.notebook.pictures.picture import Picture
from durable_nb.notebook.pictures.style import rules_in
from durable_nb.notebook.pictures.ways import Box, Labels, ways_of

if TYPE_CHECKING:
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.notebook.pictures.nodes import Edge, Node, NodeState
    from durable_nb.notebook.pictures.ways import Way

NODE_HEIGHT: Final = 42
ROW: Final = 94
MARGIN: Final = 14
HEAD: Final = 34
MAX_LABELS: Final = 80
"""With more edges than this they tell their names only when they are pointed at."""
WORDS: Final[dict[NodeState, str]] = {
    "holds": "replays",
    "stale": "stale, will run",
    "failed": "failed, will run",
    "after": "after one that will run",
    "open": "not known before what it reads is bound",
}
_MAX_NAME: Final = 21
_MAX_NAMES: Final = 3
_MAX_LABEL: Final = 22
_LETTER: Final = 6.2


def graph_of(notebook: Notebook) -> Graph:
    """Return the graph of a notebook as it is now."""
    return Graph(steps_of(notebook))


class Graph(Picture):
    """The steps of a notebook and the variables between them, as they were when it was made.

    Attributes:
        steps: the nodes and the edges.
    """

    kind: ClassVar[str] = "graph"
    rules: ClassVar[str] = rules_in("graph.css")

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self._id = f"d{uuid.uuid4().hex[:8]}"
        self._numbers = {node.name: number for number, node in enumerate(steps.nodes)}
        self._place = place([each.name for each in steps.nodes], [(each.source, each.target) for each in steps.edges])
        self._width = round(self._place.width) + 2 * MARGIN
        self._height = self._place.height * ROW - (ROW - NODE_HEIGHT) + 2 * MARGIN

    @property
    def title(self) -> str:
        """Say how many steps there are, and how many will run."""
        many = len(self.steps.nodes)
        if not many:
            return "Graph: no step has run yet"
        will_run = sum(each.state in {"stale", "failed"} for each in self.steps.nodes)
        verdict = f"{will_run} will run again" if will_run else "none will run again"
        return f"{many} step{'' if many == 1 else 's'} · {verdict}"

    def text(self, columns: int) -> str:
        """Return it for a terminal."""
        return graph_text(self.title, self.steps, self._place.rows, columns)

    # -- HTML: the drawing, and over each node a radio button that shows its page

    def body(self) -> str:
        """Return the drawing, the buttons and the pages."""
        if not self.steps.nodes:
            return f"<em>{self.title}</em>"
        legend = "".join(f"<span>{_swatch(state)}{WORDS[state]}</span>" for state in self._states())
        rules = "".join(
            f".durable-graph:has(#{self._id}-{number}:checked) #{self._id}-p{number}{{display:block}}"
            for number in self._numbers.values()
        )
        hits = "".join(map(self._hit, self.steps.nodes))
        pages = "".join(map(self._page_of, self.steps.nodes))
        size = f'width="{self._width}" height="{self._height}"'
        return (
            f'<style>{rules}</style><div class="d-head"><strong>{escape(self.title)}</strong>'
            f'<span class="d-legend">{legend}</span></div><div class="d-box"><div class="d-chart" role="radiogroup" '
            f'aria-label="Steps; choosing one shows its code, inputs, outputs and why it is stale" '
            f'style="width:{self._width}px;height:{self._height}px">'
            f'<svg {size} role="presentation">{self._drawn()}</svg>{hits}</div></div>'
            f'<div class="d-pages" aria-live="polite">{pages}</div>'
        )

    def _hit(self, node: Node) -> str:
        left, top = self._corner(node.name)
        name, number = escape(node.name), self._numbers[node.name]
        said = escape(f"{node.name}: {node.why}")
        return (
            f'<label class="d-hit" style="left:{left:.0f}px;top:{top:.0f}px;width:{NODE_WIDTH:.0f}px;'
            f'height:{NODE_HEIGHT}px" title="{said}"><input type="radio" name="{self._id}" '
            f'id="{self._id}-{number}" aria-label="{said}" value="{name}"></label>'
        )

    def _page_of(self, node: Node) -> str:
        page = node.report._repr_html_()
        return f'<div id="{self._id}-p{self._numbers[node.name]}">{page}</div>'

    def _states(self) -> list[NodeState]:
        present = {each.state for each in self.steps.nodes}
        return [state for state in WORDS if state in present]

    # -- SVG

    def drawing(self) -> tuple[int, int, str]:
        """Return nodes and edges, a title and the legend."""
        head = f'<text x="{MARGIN}" y="22" class="d-label">{escape(self.title)}</text>'
        legend, left = [], float(MARGIN)
        for state in self._states():
            top = HEAD + self._height + 4
            legend.append(
                f'<svg x="{left:g}" y="{top}" width="26" height="14">{_swatch(state)}</svg>'
                f'<text class="d-muted" x="{left + 32:g}" y="{top + 11}">{WORDS[state]}</text>'
            )
            left += 52 + _LETTER * len(WORDS[state])
        drawn = f'<svg y="{HEAD}" width="{self._width}" height="{self._height}">{self._drawn()}</svg>'
        return max(self._width, round(left), 320), HEAD + self._height + 30, head + drawn + "".join(legend)

    def _drawn(self) -> str:
        states = {each.name: each.state for each in self.steps.nodes}
        ways = ways_of(self.steps.edges, self._place, Box(NODE_WIDTH, NODE_HEIGHT, ROW, MARGIN))
        labels = Labels()
        edges = "".join(
            self._edge(each, way, labels, stale=states[each.source] in {"stale", "failed", "after"})
            for each, way in zip(self.steps.edges, ways, strict=True)
        )
        return f'<g class="d-edges">{edges}</g>{"".join(map(self._node, self.steps.nodes))}'

    def _corner(self, name: str) -> tuple[float, float]:
        return MARGIN + self._place.x[name] - NODE_WIDTH / 2, MARGIN + self._place.rows[name] * ROW

    def _node(self, node: Node) -> str:
        left, top = self._corner(node.name)
        note = node.note if node.state in {"holds", "open"} else WORDS[node.state]
        return (
            f'<g transform="translate({left:.1f} {top:.1f})"><title>{escape(f"{node.name}: {node.why}")}</title>'
            f'<rect class="d-node d-node-{node.state}" width="{NODE_WIDTH:g}" height="{NODE_HEIGHT}" rx="6"/>'
            f'<text class="d-label" x="10" y="17">{escape(_cut(node.name, _MAX_NAME))}</text>'
            f'<text class="d-muted d-is-{node.state}" x="10" y="33">{escape(note)}</text></g>'
        )

    def _edge(self, edge: Edge, way: Way, labels: Labels, *, stale: bool) -> str:
        x, y = way.tip
        tip = f'<path class="d-tip" d="M{x - 4:.1f} {y - 2:.1f}h8l-4 7z"/>' if way.down else ""
        label = ""
        if len(self.steps.edges) <= MAX_LABELS:
            more = len(edge.names) - _MAX_NAMES
            text = _cut(", ".join(edge.names[:_MAX_NAMES]), _MAX_LABEL) + (f" +{more}" if more > 0 else "")
            at = labels.find(way, len(text))
            if at is not None:
                place = f'x="{at[0]:.1f}" y="{at[1]:.1f}"'
                label = f'<text class="d-var" text-anchor="middle" {place}>{escape(text)}</text>'
        kind = "d-edge d-edge-stale" if stale else "d-edge"
        said = escape(f"{edge.source} → {edge.target}: {', '.join(edge.names)}")
        return f'<g><title>{said}</title><path class="{kind}" d="{way.path}"/>{tip}{label}</g>'


def _swatch(state: str) -> str:
    box = f'<rect class="d-node d-node-{state}" x="1.5" y="1.5" width="21" height="10" rx="3"/>'
    return f'<svg class="d-swatch" width="24" height="13" aria-hidden="true">{box}</svg>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
