"""What the graph shows, as data: the steps, the variables between them, and what each will do next and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from durable_nb.errors import CheckpointUntrusted
from durable_nb.notebook.report import Section, StepReport, show
from durable_nb.notebook.spans import size, span
from durable_nb.notebook.why import MAX_CHANGES, ahead_of, cut, page, why_unrecorded
from durable_nb.store.records import COMPLETED

if TYPE_CHECKING:
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord

NodeState = Literal["holds", "stale", "after", "open", "failed"]
MAX_CODE: Final = 60


@dataclass(frozen=True, slots=True)
class Node:
    """A step.

    Attributes:
        name: its label.
        state: its newest checkpoint ``holds``, is ``stale``, or holds but comes ``after`` a step that will run; it is
            ``open`` what will happen, since a name that it reads is not bound yet; or it ``failed``.
        why: what will happen when its cell runs next, in a line.
        note: how long it took, and what its checkpoint takes.
        report: code, inputs, outputs and why.
        makes: the names that it binds or changes.
    """

    name: str
    state: NodeState
    why: str
    note: str
    report: StepReport
    makes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """Variables that one step makes and another reads."""

    source: str
    target: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps in the order of their first run, and the edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def steps_of(notebook: Notebook) -> Steps:
    """Return the steps of a notebook, each by its newest checkpoint; of one that never completed, by its last run."""
    steps = notebook.checkpoints.steps()
    records = {name: _load(notebook, _newest(notebook, name, rows)) for name, rows in steps.items()}
    edges = _edges(records)
    nodes = [_node(notebook, name, rows, records[name]) for name, rows in steps.items()]
    nodes += [_unrecorded(name, why) for name, why in notebook.unrecorded.items() if name not in steps]
    return Steps(tuple(_followed(nodes, edges)), edges)


def _newest(notebook: Notebook, name: str, rows: list[StepRecord]) -> StepRecord:
    used = notebook.used.get(name)
    rows = [*rows, *([used] if used is not None else [])]
    return next((each for each in reversed(rows) if each.status in COMPLETED), rows[-1])


def _load(notebook: Notebook, head: StepRecord) -> StepRecord:
    try:
        return notebook.checkpoints.load(head)
    except CheckpointUntrusted:
        return head  # what it reads and makes is not known; its page says why


def makes(record: StepRecord) -> tuple[str, ...]:
    """Return the names that a run bound, or changed in place."""
    changed = [name for name in (record.extra or {}).get("after", {}) if name]
    bound = [each.name for each in record.outputs if not each.deleted]
    return tuple(dict.fromkeys((*bound, *changed)))


def _edges(records: dict[str, StepRecord]) -> tuple[Edge, ...]:
    """Return for each name that a step reads the edge from the step that had made it when it ran."""
    makers: dict[str, list[str]] = {}
    for label, record in records.items():
        for name in makes(record):
            makers.setdefault(name, []).append(label)
    between: dict[tuple[str, str], list[str]] = {}
    for label, record in records.items():
        for each in record.inputs:
            maker = _maker(records, [found for found in makers.get(each.name, ()) if found != label], record)
            if maker:
                between.setdefault((maker, label), []).append(each.name)
    return tuple(Edge(source, target, tuple(names)) for (source, target), names in between.items())


def _maker(records: dict[str, StepRecord], makers: list[str], reader: StepRecord) -> str:
    """Return the step that made a name last before it was read; else, when all ran again since, the first of them."""
    earlier = [each for each in makers if records[each].ended_at <= reader.started_at]
    return max(earlier, key=lambda each: records[each].ended_at) if earlier else next(iter(makers), "")


def _node(notebook: Notebook, name: str, rows: list[StepRecord], record: StepRecord) -> Node:
    took = span(record.ended_at - record.started_at)
    held = (record.extra or {}).get("bytes", 0)
    note = f"{took} · {size(held)}" if held else took
    try:
        ahead = ahead_of(notebook, name, rows)
        report = show(notebook, name, rows)
    except CheckpointUntrusted as error:
        return Node(name, "stale", str(error), note, StepReport(name, (Section("", (str(error),)),)))
    state = _state(ahead.verdict, rows[-1])
    sections = tuple(
        each._replace(lines=cut(each.lines, MAX_CODE)) if each.heading == "Code" else each for each in report.sections
    )
    next_time = Section("The next time its cell runs, it", (ahead.verdict,))
    changed = Section("What changed since", cut(page((*ahead.changes, *ahead.notes)), MAX_CHANGES), diff=True)
    report = StepReport(report.title, (next_time, changed, *sections))
    return Node(name, state, ahead.verdict, note, report, makes(record))


def _unrecorded(name: str, reason: str) -> Node:
    """Return the node of a step that ran and has no row: what it reads and makes is not known."""
    return Node(name, "stale", f"runs: it is not checkpointed, since {reason}", "", why_unrecorded(name, reason))


def _state(verdict: str, last: StepRecord) -> NodeState:
    if last.status not in COMPLETED and verdict.startswith("runs"):
        return "failed"
    if verdict.startswith("runs"):
        return "stale"
    return "holds" if verdict.startswith("replays the") else "open"


def _followed(nodes: list[Node], edges: tuple[Edge, ...]) -> list[Node]:
    """Mark the steps that read, directly or through others, what a step makes that will run."""
    will_run = {each.name: each.name for each in nodes if each.state in {"stale", "failed"}}
    found = True
    while found:
        found = False
        for edge in edges:
            if edge.source in will_run and edge.target not in will_run:
                will_run[edge.target] = edge.source
                found = True
    return [_after(each, will_run[each.name]) if each.name in will_run else each for each in nodes]


def _after(node: Node, source: str) -> Node:
    if node.state not in {"holds", "open"}:
        return node
    why = f"{node.why}, unless {source}, which will run, makes other values"
    return replace(node, state="after", why=why)
