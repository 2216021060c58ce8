"""A notebook with an open store: what its cells share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.notebook.cells import CellScopes, Occurrences
from durable_nb.notebook.checkpoints import Checkpoints
from durable_nb.notebook.journal import Journal
from durable_nb.notebook.namespace import Namespace
from durable_nb.notebook.partial import LeftOut
from durable_nb.notebook.provenance import Origins
from durable_nb.store.records import ForgetRecord

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.passes import ScopePass
    from durable_nb.core.session import Session
    from durable_nb.store.records import StepRecord


class Notebook:
    """What the steps of one notebook in one kernel share.

    Attributes:
        shell: the IPython shell.
        session: the open store.
        namespace: the user's names.
        scopes: finds the scope of a cell.
        occurrences: counts equal cells.
        checkpoints: the recorded cell steps.
        rerun: labels of steps that ``%durable rerun`` asked to run again.
        origins: where clients come from.
        step_pass: the newest pass through a ``%%step`` cell, while that cell runs.
        decisions: label -> what the step did last in this kernel.
        file: path of the notebook, "" where it is not known.
        snapshot_bytes: how much of its inputs a step that is retried copies, to start each attempt from.
        left_out: the names that replays went without.
        used: label -> the row that its last run or replay in this kernel made or used.
        unrecorded: label -> why its last run in this kernel was not checkpointed.
        journal: what happens in this kernel that no row tells.
    """

    def __init__(self, shell: InteractiveShell, session: Session, snapshot_bytes: int, file: str = "") -> None:
        self.shell = shell
        self.session = session
        self.namespace = Namespace(shell)
        self.scopes = CellScopes(session)
        self.occurrences = Occurrences(session)
        self.checkpoints = Checkpoints(session)
        self.origins = Origins(session, self.namespace)
        self.rerun: set[str] = set()
        self.decisions: dict[str, str] = {}
        self.left_out = LeftOut()
        self.unrecorded: dict[str, str] = {}
        self.used: dict[str, StepRecord] = {}
        self.step_pass: ScopePass | None = None
        self.snapshot_bytes = snapshot_bytes
        self.file = file
        self.journal = Journal(session.clock.now())
        session.bus.subscribe(self.journal.on_event)

    def close(self) -> None:
        """Close the store."""
        self.origins.close()
        self.session.close()

    def forget(self, ids: set[int]) -> Any:
        """Remove rows from the ledger and from what is looked up; returns the future of the commit."""
        self.session.forget(ids)
        self.checkpoints.forget(ids)
        return self.session.write(ForgetRecord(tuple(sorted(ids))))
