"""``%durable diff NAME``: what two checkpoints of a step hold, compared name by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.recorded import NotShown, RecordedValues
from durable_nb.notebook.report import Section, StepReport, checkpoint_line
from durable_nb.notebook.spans import size, span
from durable_nb.values.difference import first_difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import OutputRecord, StepRecord

MAX_LINES: Final = 30


def diff(notebook: Notebook, name: str, checkpoints: Mapping[int, StepRecord]) -> StepReport:
    """Compare two checkpoints of a step.

    Args:
        notebook: what the cells share.
        name: the step's name.
        checkpoints: the two, by number.
    """
    (first, old_head), (second, new_head) = checkpoints.items()
    old, new = notebook.checkpoints.load(old_head), notebook.checkpoints.load(new_head)
    lines, note = _names(notebook, old, new)
    more = [f"… {len(lines) - MAX_LINES} more names"] if len(lines) > MAX_LINES else []
    return StepReport(
        f"{name}: checkpoint {first} and checkpoint {second}",
        (
            Section("", tuple(checkpoint_line(notebook, *each) for each in checkpoints.items())),
            Section("Names", (*lines[:MAX_LINES], *more)),
            Section("", note),
            Section("And", tuple(_rest(old, new))),
        ),
    )


def _names(notebook: Notebook, old: StepRecord, new: StepRecord) -> tuple[list[str], tuple[str, ...]]:
    """Return a line for each name, and a note where values could not be compared."""
    values = RecordedValues(notebook)
    note: tuple[str, ...] = ()
    was, now = _outputs(old), _outputs(new)
    try:
        before, after = values.state(old)["names"], values.state(new)["names"]
    except NotShown as error:
        before, after, note = {}, {}, (f"values were not compared: {error}",)
    return [_name(each, was.get(each), now.get(each), before, after) for each in sorted(was.keys() | now.keys())], note


def _name(
    name: str, was: OutputRecord | None, now: OutputRecord | None, before: dict[str, Any], after: dict[str, Any]
) -> str:
    if was is None or now is None:
        known = now or was
        assert known is not None  # noqa: S101 - the name is of one of them
        what = f"{known.type} {known.summary}".rstrip()
        return f"{name}: {'added' if was is None else 'removed'} ({what})"
    if was.deleted or now.deleted:
        ends = "deleted" if now.deleted else "bound"
        return f"{name}: {ends} now" if was.deleted != now.deleted else f"{name}: deleted"
    if name in before and name in after:
        return first_difference(before[name], after[name], name) or f"{name}: equal"
    summaries = [f"{each.type} {each.summary}".rstrip() for each in (was, now)]
    return f"{name}: {summaries[0]}" if summaries[0] == summaries[1] else f"{name}: {' → '.join(summaries)}"


def _rest(old: StepRecord, new: StepRecord) -> Iterator[str]:
    held = [(each.extra or {}).get("bytes", 0) for each in (old, new)]
    took = [each.ended_at - each.started_at for each in (old, new)]
    yield f"bytes: {size(held[0])} → {size(held[1])}"
    yield f"took: {span(took[0])} → {span(took[1])}"
    yield f"shown: {'equal' if old.displays == new.displays else 'other outputs'}"


def _outputs(record: StepRecord) -> dict[str, OutputRecord]:
    return {each.name: each for each in record.outputs}
