"""What will happen when the cell of a step runs next, found without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from durable_nb.core.changes import ConditionChange, InputChange, Unbound, Unloadable, in_a_line
from durable_nb.core.conditions import changes as changed_conditions
from durable_nb.core.explain import Seen, compare
from durable_nb.errors import CheckpointUntrusted
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.edited import edited_modules
from durable_nb.notebook.inputs import read_inputs
from durable_nb.notebook.partial import partial_text
from durable_nb.notebook.recorded import RecordedValues
from durable_nb.notebook.saved import saved_body
from durable_nb.notebook.spans import moment
from durable_nb.notebook.verify import changed_kept_name
from durable_nb.store.records import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.core.changes import Change
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord


@dataclass(frozen=True, slots=True)
class Outlook:
    """What will happen at the next run of a step's newest code, and why.

    Attributes:
        verdict: in one line.
        changes: what differs from the newest checkpoint in the notebook as it is now.
        notes: what is worth knowing though it changes nothing.
    """

    verdict: str
    changes: tuple[Change, ...] = ()
    notes: tuple[Change, ...] = ()


def outlook(notebook: Notebook, label: str, rows: list[StepRecord]) -> Outlook:
    """Return what will happen when the cell of a step runs next.

    Its code is the one that it ran with here, else that in the notebook's file, else that of its newest row.

    Args:
        notebook: what the cells share.
        label: the step's name.
        rows: its rows, oldest first.
    """
    last = notebook.used.get(label, rows[-1])
    source = notebook.checkpoints.source(last.code_digest)
    if label not in notebook.used:  # what ran here is newer than what was saved
        saved = saved_body(notebook.file, last.name, last.cell_id)
        source = source if saved is None else saved
    try:
        code = analyse_cell(source, transform=notebook.shell.transform_cell)
    except SyntaxError:
        return Outlook("cannot be told: its recorded source is no valid code for this Python")
    return _Forecast(notebook, label, rows, code, last).outlook()


class _Forecast:
    """The newest code of a step with the inputs as they are now."""

    def __init__(
        self, notebook: Notebook, label: str, rows: list[StepRecord], code: CellCode, last: StepRecord
    ) -> None:
        self._notebook = notebook
        self._label = label
        self._rows = rows
        self._checkpoints = notebook.checkpoints
        self._last = last
        self._newest = next((row for row in (last, *reversed(rows)) if row.status in COMPLETED), None)
        self._code = code
        declared = self._recorded_names() if code.dynamic else ()
        self._inputs = read_inputs(code, notebook.namespace, declared)

    def outlook(self) -> Outlook:
        notes = tuple(edited_modules(self._inputs))
        base = self._inputs.base_key(self._code)
        holding, broken = self._lookup(base)
        changes = self._changes(holding or broken)
        if self._label in self._notebook.rerun:
            return Outlook("runs: %durable rerun asked for it", changes, notes)
        if self._inputs.unknowable and not any(isinstance(each, Unbound) for each in changes):
            return Outlook(f"runs: {self._inputs.unknowable}", changes, notes)
        if holding is not None:
            return Outlook(f"replays the checkpoint of {moment(holding.ended_at)}", changes, notes)
        return Outlook(self._why_it_runs(changes) + self._attempts(base), changes, notes)

    def _why_it_runs(self, changes: tuple[Change, ...]) -> str:
        missing = [each.name for each in changes if isinstance(each, Unbound)]
        if missing and len(missing) == len(changes):
            are = "is" if len(missing) == 1 else "are"
            return f"replays if {', '.join(missing)} {are} bound again as before; nothing has bound it here yet"
        if changes:
            return f"runs: {in_a_line(changes)}"
        failed = self._last.status not in COMPLETED
        return "runs: its last run failed" if failed else "runs: no checkpoint has its code and inputs"

    def _attempts(self, base: bytes) -> str:
        """Say where the next run goes on, when the kernel died between attempts."""
        for occurrence in {row.occurrence for row in self._rows} | {0}:
            key = xxhash.xxh3_128_digest(base + occurrence.to_bytes(8, "little"))
            found = self._notebook.session.attempts.of(key)
            if found:
                return f"; it goes on at attempt {found[-1].number + 1}"
        return ""

    def _lookup(self, base: bytes) -> tuple[StepRecord | None, StepRecord | None]:
        """Return the checkpoint that would replay, and else the newest that has code and inputs but does not hold."""
        broken = None
        occurrences = {row.occurrence for row in self._rows}
        for head in self._checkpoints.completed():
            if head.base_key == base and head.occurrence in occurrences:
                if next(iter(self._conditions(head)), None) is None:
                    return head, None
                broken = broken or head
        return None, broken

    def _changes(self, nearest: StepRecord | None) -> tuple[Change, ...]:
        reference = nearest or self._newest
        if reference is None:
            return ()
        try:
            old = self._checkpoints.seen(reference)
        except CheckpointUntrusted as error:
            return (Unloadable(str(error)),)
        new = Seen(self._code.digest.hex(), self._inputs.records, self._source)
        found = compare(old, new, RecordedValues(self._notebook).difference(reference.id))
        return (*map(self._as_unbound, found), *self._conditions(reference))

    def _conditions(self, head: StepRecord) -> Iterator[Change]:
        session, namespace = self._notebook.session, self._notebook.namespace
        try:
            record = self._checkpoints.load(head)
            for each in record.payload.buffers if record.payload is not None else ():
                session.ledger.get_buffer(each)
        except (CheckpointUntrusted, OSError) as error:
            yield Unloadable(str(error))
            return
        if partial_text(record) and not self._replayed(record):
            yield ConditionChange("partial", "its checkpoint", f"its checkpoint is {partial_text(record)}")
        yield from changed_conditions(record, session.written, namespace.names, seeded=session.seeded)
        kept = changed_kept_name(record, namespace)
        if kept is not None:
            yield kept

    def _replayed(self, record: StepRecord) -> bool:
        """Say whether a checkpoint was replayed here: flags allow for what it lacks."""
        used = self._notebook.used.get(self._label)
        return used is not None and used.id == record.id and "replayed" in self._notebook.decisions[self._label]

    def _as_unbound(self, change: Change) -> Change:
        """Tell a name that is read but not bound from one that is not read any more."""
        if not isinstance(change, InputChange) or change.now or change.name in self._notebook.namespace.names:
            return change
        if change.name not in self._code.reads and not change.via:
            return change
        return Unbound(change.name, self._binder(change.name))

    def _binder(self, name: str) -> str:
        for label, rows in self._checkpoints.steps().items():
            if label == self._label or rows[-1].status not in COMPLETED:
                continue
            if any(each.name == name and not each.deleted for each in self._checkpoints.load(rows[-1]).outputs):
                return label
        return ""

    def _recorded_names(self) -> tuple[str, ...]:
        if self._newest is None:
            return ()
        return tuple(each.name for each in self._checkpoints.load(self._newest).inputs)

    def _source(self, digest: str) -> str:
        return self._code.source if digest == self._code.digest.hex() else self._inputs.source(digest)
