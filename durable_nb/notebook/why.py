"""``%durable why NAME``: why a step ran or replayed, what has changed since, and what will happen at its next run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from durable_nb.core.explain import compare
from durable_nb.errors import CheckpointUntrusted
from durable_nb.notebook.outlook import Outlook, outlook
from durable_nb.notebook.partial import partial_text
from durable_nb.notebook.recorded import RecordedValues
from durable_nb.notebook.report import Section, StepReport, files_of, inputs_of
from durable_nb.notebook.spans import moment, span
from durable_nb.store.records import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.core.changes import Change
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import AttemptRecord, StepRecord

MAX_CHANGES: Final = 24
MAX_DEPENDS: Final = 12
"""Lines of a section; the page fits on a screen."""


def why(notebook: Notebook, name: str, rows: list[StepRecord]) -> StepReport:
    """Explain a step that has rows."""
    newest = notebook.used.get(name, rows[-1])
    state = notebook.decisions.get(name, "was not run in this kernel yet")
    ahead = ahead_of(notebook, name, rows)
    if name in notebook.unrecorded:
        state = "ran in this kernel, and was not checkpointed"
    return StepReport(
        f"{name} {state}",
        (
            Section("", tuple(filter(None, (_last_run(notebook, newest), _lacking(notebook, newest))))),
            Section("What had changed then", cut(page(_changed_then(notebook, newest)), MAX_CHANGES), diff=True),
            Section("What changed since", cut(page((*ahead.changes, *ahead.notes)), MAX_CHANGES), diff=True),
            Section("The next time its cell runs, it", (ahead.verdict,)),
            Section("Its checkpoint depends on its code and", cut(_depends(notebook, newest), MAX_DEPENDS)),
        ),
    )


def ahead_of(notebook: Notebook, name: str, rows: list[StepRecord]) -> Outlook:
    """Return what will happen when the cell of a step runs next, and why."""
    ahead = outlook(notebook, name, rows)
    unrecorded = notebook.unrecorded.get(name)
    return Outlook(f"runs: it is not checkpointed, since {unrecorded}", (), ahead.notes) if unrecorded else ahead


def why_unrecorded(name: str, reason: str) -> StepReport:
    """Explain a step that ran here but has no row at all."""
    return StepReport(
        f"{name} ran in this kernel, and was not checkpointed",
        (Section("", (reason,)), Section("The next time its cell runs, it", ("runs",))),
    )


def why_unfinished(name: str, last: AttemptRecord) -> StepReport:
    """Explain a step that has no row because its kernel died between its attempts."""
    error = last.error
    failed = (f"attempt {last.number} failed: {error.type}: {error.message}",) if error is not None else ()
    return StepReport(
        f"{name} has not ended: its kernel died {'after' if error is not None else 'in'} attempt {last.number}",
        (Section("", failed), Section("The next time its cell runs, it", (f"goes on at attempt {last.number + 1}",))),
    )


def _last_run(notebook: Notebook, newest: StepRecord) -> str:
    took = span(newest.ended_at - newest.started_at)
    if newest.status not in COMPLETED:
        error = notebook.checkpoints.load(newest).error
        # an error of our own says it all, attempts included
        own = error is not None and error.type.startswith("durable_nb.")
        what = error.message if error is not None else "it was stopped"
        kind = f"{error.type}: " if error is not None and not own else ""
        return f"last run failed {moment(newest.ended_at)}: {kind}{what}"
    reason = newest.reason or "it had no checkpoint"
    return f"last ran {moment(newest.ended_at)} in {took} because {reason}"


def _lacking(notebook: Notebook, newest: StepRecord) -> str:
    return partial_text(notebook.checkpoints.load(newest))


def _changed_then(notebook: Notebook, newest: StepRecord) -> tuple[Change, ...]:
    """Return what differed between the newest run and the checkpoint before it."""
    earlier = notebook.checkpoints.before(newest)
    if earlier is None or earlier.base_key == newest.base_key or not newest.reason:
        return ()
    try:
        old, new = notebook.checkpoints.seen(earlier), notebook.checkpoints.seen(newest)
    except CheckpointUntrusted:
        return ()
    between = RecordedValues(notebook).difference_between(earlier.id, newest.id, dict(new.inputs))
    return compare(old, new, between)


def page(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return changes as lines, their details below them."""
    lines: list[str] = []
    for each in changes:
        lines += [each.line, *(f"    {line}" for line in each.details)]
    return tuple(lines)


def _depends(notebook: Notebook, newest: StepRecord) -> tuple[str, ...]:
    record = notebook.checkpoints.load(newest)
    return inputs_of(record) + files_of(record)


def cut(lines: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return so many lines at most, the last of which tells of the rest."""
    return lines if len(lines) <= most else (*lines[: most - 1], f"… {len(lines) - most + 1} more lines")
