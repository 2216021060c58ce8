"""What ``%durable`` shows of steps: a row for the table, and a page for one step."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from durable_nb.notebook.checkpoints import COMPLETED
from durable_nb.notebook.display import moment, size, span
from durable_nb.notebook.partial import output_note, partial_text

if TYPE_CHECKING:
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import OutputRecord, StepRecord

_CLASSES = frozenset({"type", "abc.ABCMeta", "enum.EnumType"})
_HEADING = "margin-top:.6em;color:var(--jp-ui-font-color2, gray)"
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


@dataclass(frozen=True, slots=True)
class StepReport:
    """A page about one step: a title and sections of lines, as plain text and as HTML."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def why(cls, notebook: Notebook, name: str, rows: list[StepRecord]) -> StepReport:
        """Tell why the step last ran or replayed, and on what its checkpoint depends."""
        newest = notebook.checkpoints.load(rows[-1])
        state = notebook.decisions.get(name, "was not run in this kernel yet")
        reason = newest.reason or "it had no checkpoint"
        last = f"last ran {moment(newest.ended_at)} because {reason}"
        return cls(
            f"{name} {state}",
            (
                ("", tuple(filter(None, (last, partial_text(newest))))),
                ("What changed since", tuple(notebook.checkpoints.changed_now(newest, notebook))),
                ("It runs again when its code or one of these changes", _inputs(newest) + _files(newest)),
            ),
        )

    @classmethod
    def show(cls, notebook: Notebook, name: str, rows: list[StepRecord]) -> StepReport:
        """Tell what the newest checkpoint holds and how it came to be."""
        ledger = notebook.session.ledger
        newest = notebook.checkpoints.load(rows[-1])
        code = ledger.sources([newest.code_digest]).get(newest.code_digest, "(not recorded)")
        took = span(newest.ended_at - newest.started_at)
        error = (f"{newest.error.type}: {newest.error.message}",) if newest.error is not None else ()
        outputs = tuple(
            _output(newest, each) if not each.deleted else f"{each.name}: deleted" for each in newest.outputs
        )
        part = (partial_text(newest),) if partial_text(newest) else ()
        return cls(
            f"{name} · {newest.status} · ended {moment(newest.ended_at)} · took {took} · attempts {newest.attempts}",
            (
                ("", part),
                ("Error", error),
                ("Code", tuple(code.rstrip().split("\n"))),
                ("Inputs", _inputs(newest)),
                ("Outputs", outputs),
                ("Files", _files(newest)),
            ),
        )

    def __repr__(self) -> str:
        """Return the page as plain text."""
        lines = [self.title]
        for heading, body in self.sections:
            if body:
                lines += ([heading + ":"] if heading else []) + [f"  {line}" for line in body]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<strong>{escape(self.title)}</strong>"]
        for heading, body in self.sections:
            if body:
                head = f"<div style='{_HEADING}'>{escape(heading)}</div>" if heading else ""
                parts.append(head + f"<pre style='{_BODY}'>{escape(chr(10).join(body))}</pre>")
        return f"{parts[0]}<div style='padding-left:1em'>{''.join(parts[1:])}</div>"


def _inputs(record: StepRecord) -> tuple[str, ...]:
    return tuple(_value(each.name, each.type, each.summary) for each in record.inputs)


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


def _files(record: StepRecord) -> tuple[str, ...]:
    return tuple(f"{each.path} ({each.kind})" for each in record.files)
