"""What ``%durable`` shows of steps: a row for the table, and a page for one step."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from durable_nb.core.changes import ARROW
from durable_nb.notebook.partial import output_note, partial_text
from durable_nb.notebook.spans import moment, size, span
from durable_nb.store.records import COMPLETED
from durable_nb.values.callkey import FUNCTION

if TYPE_CHECKING:
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import InputRecord, OutputRecord, StepRecord

_CLASSES = frozenset({"type", "abc.ABCMeta", "enum.EnumType"})
_HEADING = "margin-top:.6em;color:var(--jp-ui-font-color2, gray)"
_ADDED = "color:var(--jp-success-color1, inherit)"
_REMOVED = "color:var(--jp-error-color1, inherit)"
_PLACE = "color:var(--jp-ui-font-color2, gray)"
MAX_CHECKPOINTS = 5
_BODY = "margin:.2em 0 0 0;white-space:pre;overflow-x:auto"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the notebook.

    Attributes:
        step: its name.
        state: ``replayed`` or ``ran`` in this kernel, ``saved`` by an earlier one, ``partial`` when some of its
            outputs cannot be saved, ``failed`` the last time it ran.
        when: when its newest run ended.
        took: how long that took.
        size: of its checkpoint, "" when it failed.
        attempts: how many it took.
        why: what a partial checkpoint lacks; else why the step ran, where an earlier checkpoint did not hold.
    """

    step: str
    state: str
    when: str
    took: str
    size: str
    attempts: int
    why: str


def step_row(name: str, rows: list[StepRecord], notebook: Notebook) -> StepRow:
    """Return the row of a step from its ledger rows, oldest first."""
    newest = rows[-1]
    completed = newest.status in COMPLETED
    saved = notebook.checkpoints.load(newest) if completed else newest
    state = notebook.decisions.get(name, "saved").removesuffix(" in this kernel").removeprefix("was ")
    if newest.status != "success" and not (completed and state == "replayed"):
        state = "partial" if completed else "failed"
    return StepRow(
        name,
        state,
        moment(newest.ended_at),
        span(newest.ended_at - newest.started_at),
        size((saved.extra or {}).get("bytes", 0)) if completed else "",
        newest.attempts,
        partial_text(saved) or newest.reason,
    )


class Section(NamedTuple):
    """Lines under a heading; in a diff, those that begin with ``+`` or ``-`` are marked."""

    heading: str
    lines: tuple[str, ...]
    diff: bool = False


@dataclass(frozen=True, slots=True)
class StepReport:
    """A page about one step: a title and sections of lines, as plain text and as HTML."""

    title: str
    sections: tuple[Section, ...]

    def __repr__(self) -> str:
        """Return the page as plain text."""
        lines = [self.title]
        for heading, body, _ in self.sections:
            if body:
                lines += ([heading + ":"] if heading else []) + [f"  {line}" for line in body]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<strong>{escape(self.title)}</strong>"]
        for heading, body, diff in self.sections:
            if body:
                head = f"<div style='{_HEADING}'>{escape(heading)}</div>" if heading else ""
                lines = "\n".join(map(_marked if diff else escape, body))
                parts.append(head + f"<pre style='{_BODY}'>{lines}</pre>")
        return f"{parts[0]}<div style='padding-left:1em'>{''.join(parts[1:])}</div>"


def show(notebook: Notebook, name: str, rows: list[StepRecord]) -> StepReport:
    """Tell what the newest checkpoint holds and how it came to be, and which checkpoints there are."""
    newest = notebook.checkpoints.load(rows[-1])
    code = notebook.checkpoints.source(newest.code_digest) or "(not recorded)"
    took = span(newest.ended_at - newest.started_at)
    error = (f"{newest.error.type}: {newest.error.message}",) if newest.error is not None else ()
    outputs = tuple(_output(newest, each) if not each.deleted else f"{each.name}: deleted" for each in newest.outputs)
    part = (partial_text(newest),) if partial_text(newest) else ()
    title = f"{name} · {newest.status} · ended {moment(newest.ended_at)} · took {took} · attempts {newest.attempts}"
    sections = (
        Section("", part),
        Section("Error", error),
        Section("Code", tuple(code.rstrip().split("\n"))),
        Section("Inputs", inputs_of(newest)),
        Section("Outputs", outputs),
        Section("Files", files_of(newest)),
        Section("Checkpoints", _checkpoints(notebook, rows)),
    )
    return StepReport(title, sections)


def numbered(rows: list[StepRecord]) -> dict[int, StepRecord]:
    """Return the checkpoints of a step by their numbers, the oldest is 1."""
    return dict(enumerate((row for row in rows if row.status in COMPLETED), 1))


def checkpoint_line(notebook: Notebook, number: int, row: StepRecord) -> str:
    """Return a line about one checkpoint."""
    held = size((notebook.checkpoints.load(row).extra or {}).get("bytes", 0))
    why = f" · {row.reason}" if row.reason else ""
    return f"{number} · ran {moment(row.ended_at)} in {span(row.ended_at - row.started_at)} · {held}{why}"


def _checkpoints(notebook: Notebook, rows: list[StepRecord]) -> tuple[str, ...]:
    found = list(numbered(rows).items())
    lines = [checkpoint_line(notebook, *each) for each in found[: -MAX_CHECKPOINTS - 1 : -1]]
    older = len(found) - len(lines)
    return (*lines, *([f"… {older} older ones"] if older else []))


def inputs_of(record: StepRecord) -> tuple[str, ...]:
    """Return a line for each input."""
    return tuple(map(value_line, record.inputs))


def value_line(each: InputRecord) -> str:
    """Return a line about an input, with the function that reads it where the step's own code does not."""
    reader = each.via.split(ARROW)[-1]
    return _value(each.name, each.type, each.summary) + (f" (read by {reader})" if reader not in ("", FUNCTION) else "")


def _output(record: StepRecord, output: OutputRecord) -> str:
    note = output_note(record, output.name)
    return _value(output.name, output.type, output.summary) + (f" · {note}" if note else "")


def _value(name: str, kind: str, summary: str) -> str:
    """Return a line about a value; of a class deep in a package only the package and its own name are shown."""
    package, _, rest = kind.partition(".")
    if kind in _CLASSES:
        kind = "class"
    elif "." in rest:
        kind = f"{package}…{rest.rpartition('.')[2]}"
    return f"{name}: {kind} {summary}".rstrip()


def files_of(record: StepRecord) -> tuple[str, ...]:
    """Return a line for each file."""
    return tuple(f"{each.path} ({each.kind})" for each in record.files)


def _marked(line: str) -> str:
    """Return a line of a diff as HTML; its colours are the theme's, and those of the text where it has none."""
    mark = line.lstrip()[:2]
    style = {"+ ": _ADDED, "- ": _REMOVED, "@@": _PLACE}.get(mark)
    return f"<span style='{style}'>{escape(line)}</span>" if style else escape(line)
