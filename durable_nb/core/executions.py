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
_PREFIX: Final = "notebook execution "


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


def find(known: Iterable[ExecutionRecord], execution_id: str, *, reuse: bool = False) -> Execution | None:
    """Return the execution of the notebook that has an id; None when the ledger has none.

    Args:
        known: the executions of the ledger, of workflows too.
        execution_id: the id.
        reuse: as in :class:`Execution`.
    """
    found = record_of(known, execution_id)
    return None if found is None else _execution(found, reuse=reuse)


def record_of(known: Iterable[ExecutionRecord], execution_id: str) -> ExecutionRecord | None:
    """Return the row of an execution of the notebook; None when the ledger has none."""
    return next((each for each in notebook_executions(known) if each.workflow_id == _key(execution_id)), None)


def unfinished(known: Iterable[ExecutionRecord], arguments_key: bytes) -> Execution | None:
    """Return the newest execution with some parameters, unless it completed.

    Args:
        known: as for :func:`find`.
        arguments_key: tells the parameters.
    """
    same = [each for each in notebook_executions(known) if each.arguments_key == arguments_key]
    newest = max(same, key=lambda each: each.started_at, default=None)
    return _execution(newest) if newest is not None and newest.status != "success" else None


def last_completion(known: Iterable[ExecutionRecord], steps: Iterable[StepRecord]) -> float:
    """Return when the execution completed that made the newest steps, in Unix seconds; 0 where it has not.

    Args:
        known: as for :func:`find`.
        steps: the steps that count.
    """
    ended = max((each.ended_at for each in notebook_executions(known) if each.status == "success"), default=0.0)
    return ended if all(step.ended_at <= ended for step in steps) else 0.0


def notebook_executions(known: Iterable[ExecutionRecord]) -> list[ExecutionRecord]:
    """Return those that are of the notebook rather than of a workflow, in their order."""
    return [each for each in known if each.scope_id == NO_SCOPE]


def _execution(record: ExecutionRecord, *, reuse: bool = False) -> Execution:
    own_id = record.workflow_id.removeprefix(_PREFIX)
    return Execution(own_id, record.started_at, reuse, completed=record.status == "success")


def _key(execution_id: str) -> str:
    """Return what an execution's row is found by; no workflow id can be the same by chance."""
    return _PREFIX + execution_id


def begun(execution: Execution, arguments_key: bytes = b"") -> ExecutionRecord:
    """Return the row of an execution that begins.

    Args:
        execution: what begins.
        arguments_key: tells the notebook's parameters.
    """
    started_at = execution.started_at
    return ExecutionRecord(_key(execution.id), "", arguments_key, "", "running", NO_SCOPE, started_at=started_at)


def completed(record: ExecutionRecord, now: float) -> ExecutionRecord:
    """Return the row of an execution that came to its end."""
    return replace(record, status="success", ended_at=now)
