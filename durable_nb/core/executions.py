"""Executions of a notebook: from its start to its completion, over any number of kernels (DESIGN §4, freshness)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from durable_nb.store.records import ExecutionRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.store.records import StepRecord

NO_SCOPE: Final = 0
"""Scope of a notebook's execution: it has none of its own, its cells do."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Which recorded steps count here: a notebook that a person runs is one long execution, and all of them do.

    Attributes:
        id: "" where nobody names executions.
        started_at: Unix seconds; what was recorded before is none of it.
        reuse: whether checkpoints of other executions count as well.
        completed: whether it had completed before this process went on with it.
    """

    id: str = ""
    started_at: float = 0.0
    reuse: bool = False
    completed: bool = False

    def counts(self, step: StepRecord) -> bool:
        """Say whether a recorded step may be replayed."""
        return not self.id or self.reuse or step.execution == self.id


def begin(known: Iterable[ExecutionRecord], execution_id: str, now: float, *, reuse: bool) -> Execution:
    """Return the execution of an id: the one that the ledger has, else a new one.

    Args:
        known: the executions of the ledger, of workflows too.
        execution_id: its id; "" for none.
        now: Unix seconds.
        reuse: as in :class:`Execution`.
    """
    if not execution_id:
        return Execution()
    found = next((each for each in notebook_executions(known) if each.workflow_id == key_of(execution_id)), None)
    if found is None:
        return Execution(execution_id, now, reuse)
    return Execution(execution_id, found.started_at, reuse, found.status == "success")


def notebook_executions(known: Iterable[ExecutionRecord]) -> list[ExecutionRecord]:
    """Return those that are of the notebook rather than of a workflow, in their order."""
    return [each for each in known if each.scope_id == NO_SCOPE]


def key_of(execution_id: str) -> str:
    """Return what an execution's row is found by; no workflow id can be the same by chance."""
    return f"notebook execution {execution_id}"


def running(execution: Execution, arguments_key: bytes = b"") -> ExecutionRecord:
    """Return the row of an execution that goes on."""
    return ExecutionRecord(
        key_of(execution.id), "", arguments_key, "", "running", NO_SCOPE, started_at=execution.started_at
    )


def completed(record: ExecutionRecord, now: float) -> ExecutionRecord:
    """Return the row of an execution that came to its end."""
    return replace(record, status="success", ended_at=now)
