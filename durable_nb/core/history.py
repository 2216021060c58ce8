"""What happened: executions and steps listed, and executions forked."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from durable_nb.core.call import step_key
from durable_nb.core.executions import NO_SCOPE
from durable_nb.core.passes import OwnStep
from durable_nb.core.session import active_session
from durable_nb.core.table import html_table, plain_table
from durable_nb.errors import CheckpointUntrusted, NoSuchWorkflow, OptionError, StoreError
from durable_nb.store.records import ExecutionRecord, PassEndRecord, PassRecord

if TYPE_CHECKING:
    from durable_nb.core.session import Session
    from durable_nb.store.records import Record, StepRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """One execution of a workflow.

    Attributes:
        workflow_id: its id.
        name: the workflow's name.
        status: ``running`` (also: interrupted), ``success`` or ``error``.
        started_at, ended_at: local times; ``ended_at`` is None while it runs.
        error: type and message of what it failed with, or "".
    """

    workflow_id: str
    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class StepInfo:
    """One recorded step.

    Attributes:
        step_id: 1-based in start order.
        name: the step's name.
        kind: ``call``, ``workflow`` or ``sleep``.
        status: ``success`` or ``error``.
        attempts: how many it took.
        started_at, ended_at: local times.
        error: type and message of what it failed with, or "".
    """

    step_id: int
    name: str
    kind: str
    status: str
    attempts: int
    started_at: datetime
    ended_at: datetime
    error: str


class Table(list[T], Generic[T]):
    """A list of rows that shows itself as a table."""

    def __repr__(self) -> str:
        """Return a plain-text table."""
        return plain_table(self)

    def _repr_html_(self) -> str:
        return html_table(self)


def list_workflows() -> Table[WorkflowInfo]:
    """Return the executions of the open store, oldest first.

    Raises:
        StoreError: no store is open.
    """
    known = (each for each in _session().executions.values() if each.scope_id != NO_SCOPE)
    found = sorted(known, key=lambda each: each.started_at)
    return Table(
        WorkflowInfo(
            each.workflow_id,
            each.name,
            each.status,
            datetime.fromtimestamp(each.started_at),  # noqa: DTZ006 - shown to a person, in their time
            datetime.fromtimestamp(each.ended_at) if each.ended_at else None,  # noqa: DTZ006
            _error_text(each),
        )
        for each in found
    )


def list_steps(workflow_id: str) -> Table[StepInfo]:
    """Return the recorded steps of an execution in start order.

    Args:
        workflow_id: the execution's id.

    Raises:
        NoSuchWorkflow: no execution has this id.
        StoreError: no store is open.
    """
    session = _session()
    rows = _steps(session, _execution(session, workflow_id))
    return Table(
        StepInfo(
            number,
            row.name,
            row.kind,
            row.status,
            row.attempts,
            datetime.fromtimestamp(row.started_at),  # noqa: DTZ006
            datetime.fromtimestamp(row.ended_at),  # noqa: DTZ006
            _step_error(session, row),
        )
        for number, row in enumerate(rows, 1)
    )


def fork_workflow(workflow_id: str, from_step: int, new_id: str | None = None) -> str:
    """Copy the steps before ``from_step`` into a new execution.

    Called with the new id (or without id and with equal arguments), the workflow replays those steps and runs the
    others afresh.

    Args:
        workflow_id: the execution to copy from.
        from_step: 1-based ``step_id`` of the first step that is not copied.
        new_id: id of the new execution; made up when None.

    Returns:
        The new id.

    Raises:
        NoSuchWorkflow: no execution has this id.
        OptionError: ``from_step`` is no positive whole number, or ``new_id`` is in use.
        StoreError: no store is open.
    """
    session = _session()
    source = _execution(session, workflow_id)
    if not isinstance(from_step, int) or isinstance(from_step, bool) or from_step < 1:
        raise OptionError("from_step", f"must be a step_id of at least 1, not {from_step!r}")
    new_id = new_id or str(uuid.uuid4())
    if new_id in session.executions:
        raise OptionError("new_id", f"{new_id!r} is in use: choose another")
    scope = session.new_scope("workflow", source.name, cell_id=new_id, code_digest=source.code_digest)
    forked = replace(
        source,
        workflow_id=new_id,
        scope_id=scope.id,
        status="running",
        started_at=session.clock.now(),
        ended_at=0.0,
        payload=None,
        error=None,
        parent_id="",
    )
    source_index = session.index_of(session.scope(source.scope_id))
    rows = _steps(session, source)[: from_step - 1]
    # Errors that were fatal stay out; those that were handled replay, as in a pass that completed.
    copies = [_copy(session, row, scope.id) for row in rows if source_index.counts(row)]
    index = session.index_of(scope)
    index.saved = True
    first_pass = PassRecord(session.ledger.new_id(), scope.id, session.clock.now())
    copies = [replace(row, pass_id=first_pass.id) for row in copies]
    for row in copies:
        index.add(OwnStep(row))
    over = PassEndRecord(first_pass.id, "completed", first_pass.started_at)
    index.end_pass(over)
    records: list[Record] = [scope, first_pass, forked, *copies, over]
    session.ledger.commit(*records)
    session.executions[new_id] = forked
    return new_id


def _copy(session: Session, row: StepRecord, scope_id: int) -> StepRecord:
    complete = session.ledger.load(row.id)
    key = step_key(scope_id, row.base_key, row.occurrence)
    return replace(complete, id=session.ledger.new_id(), scope_id=scope_id, key=key)


def _steps(session: Session, execution: ExecutionRecord) -> list[StepRecord]:
    """Return the newest row of each step of an execution, in start order."""
    newest: dict[tuple[bytes, int], StepRecord] = {}
    for row in session.index_of(session.scope(execution.scope_id)).rows():
        newest[row.base_key, row.occurrence] = row
    return sorted(newest.values(), key=lambda row: (row.pass_id, row.sequence))


def _execution(session: Session, workflow_id: str) -> ExecutionRecord:
    found = session.executions.get(workflow_id)
    if found is None:
        raise NoSuchWorkflow(f"no execution has the id {workflow_id!r}: list_workflows() shows those there are")
    return found


def _session() -> Session:
    session = active_session()
    if session is None:
        raise StoreError("", "no store is open: call open_store(path), or %load_ext durable_nb in a notebook")
    return session


def _step_error(session: Session, row: StepRecord) -> str:
    """Return a step's error; rows of earlier processes are heads, whose error must be read and verified first."""
    if row.status != "error" or row.error is not None:
        return _error_text(row)
    try:
        return _error_text(session.ledger.load(row.id))
    except CheckpointUntrusted as why:
        return str(why)


def _error_text(row: Any) -> str:
    return f"{row.error.type}: {row.error.message}" if row.error is not None else ""
