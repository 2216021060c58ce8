"""Which cell is it? Finds a cell's scope and its occurrence among equal cells, over kernels and front ends."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durable_nb.core.session import Session
    from durable_nb.store.records import ScopeRecord


@dataclass(frozen=True, slots=True)
class Cell:
    """The cell that runs.

    Attributes:
        source: as the user wrote it.
        cell_id: the front end's id; "" where it sends none (headless runners, a terminal).
        number: the execution count.
        interactive: whether a person runs cells one by one and may run the same one twice.
        tags: the cell's tags, where the front end tells them.
    """

    source: str
    cell_id: str
    number: int
    interactive: bool
    tags: frozenset[str] = frozenset()

    @property
    def is_step(self) -> bool:
        """Whether it begins with ``%%step``."""
        return self.source.lstrip().startswith("%%step")


class CellScopes:
    """Finds the scope of a cell: by explicit name, else cell id, else equal code in order (DESIGN §4)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: defaultdict[str, int] = defaultdict(int)

    def find(self, cell: Cell, name: str, code_digest: str) -> ScopeRecord:
        """Return the cell's scope, a new one if the cell was never seen."""
        known = [record for record in self._session.scopes() if record.kind == "cell"]
        found = self._by_name(known, name) or self._by_id(known, cell) or self._by_code(known, cell, name, code_digest)
        if found is None:
            return self._session.new_scope("cell", name, cell.cell_id, code_digest, self._ordinal(known, code_digest))
        described = replace(
            found, name=name or found.name, cell_id=cell.cell_id or found.cell_id, code_digest=code_digest
        )
        return self._session.update_scope(described).record

    @staticmethod
    def _by_name(known: list[ScopeRecord], name: str) -> ScopeRecord | None:
        return next((record for record in reversed(known) if name and record.name == name), None)

    @staticmethod
    def _by_id(known: list[ScopeRecord], cell: Cell) -> ScopeRecord | None:
        return next((record for record in reversed(known) if cell.cell_id and record.cell_id == cell.cell_id), None)

    def _by_code(self, known: list[ScopeRecord], cell: Cell, name: str, code_digest: str) -> ScopeRecord | None:
        """Find by equal code: any scope where no id is known, but only one without an id where there is one.

        A scope that has another cell's id belongs to that cell, even if this one is a copy of it.
        """
        equal = [record for record in known if record.code_digest == code_digest and (not name or not record.name)]
        if cell.cell_id:
            return next((record for record in equal if not record.cell_id), None)
        ordinal = 0 if cell.interactive else self._seen[code_digest]
        self._seen[code_digest] += 1
        return equal[ordinal] if ordinal < len(equal) else None

    @staticmethod
    def _ordinal(known: list[ScopeRecord], code_digest: str) -> int:
        return sum(record.code_digest == code_digest for record in known)


class Occurrences:
    """Counts cells of equal code and inputs: a known cell id keeps its occurrence (DESIGN §4)."""

    def __init__(self, session: Session) -> None:
        self._ids: defaultdict[bytes, dict[str, int]] = defaultdict(dict)
        self._next: defaultdict[bytes, int] = defaultdict(int)
        for head in session.heads:
            if head.kind == "cell" and head.cell_id:
                self._ids[head.base_key][head.cell_id] = head.occurrence

    def of(self, cell: Cell, base_key: bytes) -> int:
        """Return the 0-based occurrence of this run of a cell."""
        if not cell.cell_id:
            if cell.interactive:
                return 0
            occurrence = self._next[base_key]
            self._next[base_key] = occurrence + 1
            return occurrence
        ids = self._ids[base_key]
        if cell.cell_id not in ids:
            taken = set(ids.values())
            ids[cell.cell_id] = next(number for number in range(len(taken) + 1) if number not in taken)
        return ids[cell.cell_id]
