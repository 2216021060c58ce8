"""The recorded cell steps of a notebook, by key and by name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from durable_nb.core.changes import in_a_line
from durable_nb.core.explain import Seen, compare
from durable_nb.errors import StoreError
from durable_nb.store.records import COMPLETED, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.core.passes import StoredStep
    from durable_nb.core.session import Session
    from durable_nb.notebook.cell_step import CellStep
    from durable_nb.store.records import StepRecord

NO_SCOPE = 0
"""Cell steps are found by key alone; only calls belong to a scope."""


class Checkpoints:
    """An index of the cell steps in the ledger: read once, so that a replay needs no query."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_key: defaultdict[bytes, list[StepRecord]] = defaultdict(list)
        self._rows: list[StepRecord] = []
        self._stored: dict[int, StoredStep] = {}
        for stored in session.ledger.steps_of_scope(NO_SCOPE):
            if session.execution.counts(stored.head):
                self.add(stored)

    def add(self, stored: StoredStep) -> None:
        """Take in a row that is committed."""
        head = stored.head
        self._stored[head.id] = stored
        self._rows.append(head)
        if head.status in COMPLETED:
            self._by_key[head.key].append(head)

    def load(self, head: StepRecord) -> StepRecord:
        """Return the whole row.

        Raises:
            CheckpointUntrusted: it is not what was signed.
        """
        return self._stored[head.id].load()

    def of(self, key: bytes) -> list[StepRecord]:
        """Return the checkpoints of a key, newest first."""
        return self._by_key.get(key, [])[::-1]

    def steps(self) -> dict[str, list[StepRecord]]:
        """Return the rows of each step by its label, steps in the order of their first run, rows oldest first."""
        found: dict[str, list[StepRecord]] = {}
        for row in self._rows:
            found.setdefault(label(row), []).append(row)
        return found

    def forget(self, ids: set[int]) -> None:
        """Drop rows."""
        kept = [self._stored[row.id] for row in self._rows if row.id not in ids]
        for index in (self._by_key, self._rows, self._stored):
            index.clear()
        for stored in kept:
            self.add(stored)

    def completed(self) -> Iterator[StepRecord]:
        """Yield the checkpoints of all steps, newest first, partial ones among them."""
        return (row for row in reversed(self._rows) if row.status in COMPLETED)

    def earlier(self, step: CellStep) -> StepRecord | None:
        """Return the checkpoint that a run of a step is compared with.

        Of what is the same step to a person (same name, cell id or code) the one used last in this kernel, else
        the newest; those of equal code before others.
        """
        digest = step.code.digest.hex()
        of = (step.options.name, step.cell.cell_id, digest)
        used = step.notebook.used.get(step.name)
        last = [used] if used is not None and used.status in COMPLETED and used.id in self._stored else []
        found = [*last, *(row for row in self.completed() if _is_of(row, *of))]
        return next((row for row in found if row.code_digest == digest), found[0] if found else None)

    def knows(self, step: CellStep) -> bool:
        """Say whether a run of what is the same step to a person is recorded, failed ones included."""
        of = (step.options.name, step.cell.cell_id, step.code.digest.hex())
        return any(_is_of(row, *of) for row in self._rows)

    def before(self, row: StepRecord) -> StepRecord | None:
        """Return the checkpoint that a recorded run was compared with, if it is still there."""
        stored = self._stored.get((self.load(row).extra or {}).get("compared_with", 0))
        return stored.head if stored is not None else None

    def what_changed(self, step: CellStep) -> str:
        """Say in a line why no checkpoint answers a step that has one; "" when it never had one."""
        earlier = self.earlier(step)
        if earlier is None:
            return ""
        step.compared_with = earlier.id
        if earlier.key == step.key:
            return step.reason
        try:
            found = compare(self.seen(earlier), step.seen())
        except StoreError as error:
            return str(error)
        if not found and earlier.base_key != step.base_key:
            return "which objects its inputs share changed"
        return in_a_line(found) or "the same cell ran before with these inputs"

    def seen(self, head: StepRecord) -> Seen:
        """Return what a recorded run was made of."""
        record = self.load(head)
        return Seen(record.code_digest, {each.name: each for each in record.inputs}, self.source)

    def source(self, digest: str) -> str:
        """Return the recorded source text of a digest, or ""."""
        ledger = self._session.ledger
        return ledger.sources([digest]).get(digest, "") if ledger.knows_source(digest) else ""


def _is_of(row: StepRecord, name: str, cell_id: str, digest: str) -> bool:
    if name:
        return row.name == name
    return bool(cell_id and row.cell_id == cell_id) or row.code_digest == digest
