"""``%durable why NAME`` for a function with ``@step``: why its calls ran, and what the next ones will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.core.changes import in_a_line
from durable_nb.core.reasons import UNKNOWN, LiveFunction, calls_of, changes_since, reached_by, seen_by
from durable_nb.core.step import Step
from durable_nb.notebook.report import Section, StepReport, value_line
from durable_nb.notebook.spans import moment, span
from durable_nb.notebook.why import MAX_CHANGES, MAX_DEPENDS, cut, page
from durable_nb.values.callkey import FUNCTION

if TYPE_CHECKING:
    from durable_nb.core.changes import Change
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord


def call_names(notebook: Notebook) -> dict[str, None]:
    """Return the names of the steps that have recorded calls."""
    return dict.fromkeys(head.name for head in notebook.session.heads if head.kind == "call")


def why_called(notebook: Notebook, name: str) -> StepReport:
    """Explain the calls of a step."""
    session = notebook.session
    calls = calls_of(session, name)
    newest = calls[-1]
    many = f"{len(calls):,} call{'s are' if len(calls) > 1 else ' is'} recorded"
    took = span(newest.ended_at - newest.started_at)
    reason = newest.reason or "no call with its arguments was recorded"
    changes, verdict = _now(notebook, name, calls)
    depends = [value_line(each) for each in reached_by(session, newest).values() if each.name != FUNCTION]
    return StepReport(
        f"{name}: {many}",
        (
            Section("", (f"the newest ran {moment(newest.ended_at)} in {took} because {reason}",)),
            Section("What had changed then", cut(page(_then(notebook, calls)), MAX_CHANGES), diff=True),
            Section("What changed since", cut(page(changes), MAX_CHANGES), diff=True),
            Section("The next time it is called, it", (verdict,)),
            Section("Its calls depend on its code, their arguments and", cut(tuple(depends), MAX_DEPENDS)),
        ),
    )


def _then(notebook: Notebook, calls: list[StepRecord]) -> tuple[Change, ...]:
    """Return what differed between the code of the newest calls and the code of those before."""
    newest = calls[-1]
    before = next((each for each in reversed(calls) if each.code_digest != newest.code_digest), None)
    now = seen_by(notebook.session, newest)
    return changes_since(notebook.session, before, now) if before is not None and now is not None else ()


def _now(notebook: Notebook, name: str, calls: list[StepRecord]) -> tuple[tuple[Change, ...], str]:
    values = list(notebook.namespace.names.values())
    step = next((value for value in values if type(value) is Step and value.name == name), None)
    if step is None:
        return (), "cannot be told: the function is not defined in this kernel yet"
    live = LiveFunction(step.func, notebook.session.namespace)
    if any(each.code_digest == live.digest for each in calls):
        return (
            (),
            "replays with arguments that are recorded, as long as the files it read and the like are as they were",
        )
    changes = changes_since(notebook.session, calls[-1], live.seen())
    return changes, f"runs: {in_a_line(changes) or UNKNOWN}"
