"""The recorded cell steps of a notebook, by key and by name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from durable_nb.core.changes import in_a_line
from durable_nb.core.conditions import stale
from durable_nb.notebook.explain import Seen, compare
from durable_nb.notebook.summary import summarise
from durable_nb.values.fingerprint import fingerprint_roots

if TYPE_CHECKING:
    from durable_nb.core.passes import StoredStep
    from durable_nb.core.session import Session
    from durable_nb.notebook.cell_step import CellStep
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord

LABEL_LENGTH = 8
"""A step without a name is shown by this many hex digits of its code's digest."""
NO_SCOPE = 0
"""Cell steps are found by key alone; only calls belong to a scope."""

COMPLETED = frozenset({"success", "partial"})
"""Status of a row that has a checkpoint."""


class Checkpoints:
    """An index of the cell steps in the ledger: read once, so that a replay needs no query."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_key: defaultdict[bytes, list[StepRecord]] = defaultdict(list)
        self._rows: list[StepRecord] = []
        self._stored: dict[int, StoredStep] = {}
        for stored in session.ledger.steps_of_scope(NO_SCOPE):
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
        self._rows = [row for row in self._rows if row.id not in ids]
        self._by_key.clear()
        rows, self._rows = self._rows, []
        for row in rows:
            self.add(self._stored[row.id])

    def earlier(self, step: CellStep) -> StepRecord | None:
        """Return the newest checkpoint of what is the same step to a person: same name, cell id or code."""
        name, cell_id, digest = step.options.name, step.cell.cell_id, step.code.digest.hex()
        for row in reversed(self._rows):
            same = row.name == name if name else (cell_id and row.cell_id == cell_id) or row.code_digest == digest
            if same and row.status in COMPLETED:
                return row
        return None

    def what_changed(self, step: CellStep) -> str:
        """Say in a line why no checkpoint answers a step that has one; "" when it never had one."""
        earlier = self.earlier(step)
        if earlier is None:
            return ""
        if earlier.key == step.key:
            return step.reason
        found = compare(self.seen(earlier), step.seen())
        return in_a_line(found) or "the same cell ran before with these inputs"

    def seen(self, head: StepRecord) -> Seen:
        """Return what a recorded run was made of."""
        record = self.load(head)
        return Seen(record.code_digest, {each.name: each for each in record.inputs}, self.source)

    def source(self, digest: str) -> str:
        """Return the recorded source text of a digest, or ""."""
        ledger = self._session.ledger
        return ledger.sources([digest]).get(digest, "") if ledger.knows_source(digest) else ""

    def changed_now(self, record: StepRecord, notebook: Notebook) -> list[str]:
        """Return what a checkpoint depends on that is another value, or gone, in the notebook as it is now."""
        values = notebook.namespace.pick(each.name for each in record.inputs)
        found = fingerprint_roots(values, namespace=notebook.namespace.names)
        lines = []
        for each in record.inputs:
            now = found.each.get(each.name)
            if now is None:
                lines.append(
                    f"{each.name} is not bound" if each.name not in values else f"{each.name} cannot be compared"
                )
            elif now.hex() != each.fingerprint:
                shown = summarise(values[each.name])
                was, now_is = f"{each.type} {each.summary}".rstrip(), f"{shown.type} {shown.text}".rstrip()
                other = f"other contents, still {was}" if was == now_is else f"was {was}, is {now_is}"
                lines.append(f"{each.name}: {other}")
        why = stale(record, self._session.root, notebook.namespace.names, seeded=self._session.seeded)
        return [*lines, why] if why else lines


def label(row: StepRecord) -> str:
    """Return what a step is shown as: its name, else the start of its code's digest."""
    return row.name or row.code_digest[:LABEL_LENGTH]
