"""One call of a ``@workflow`` function, from the engine's side."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.attempts import NoAttemptLog
from durable_nb.core.engine import Outcome
from durable_nb.core.events import StepEvent
from durable_nb.core.failure import record_error
from durable_nb.core.passes import OwnStep
from durable_nb.core.retry import RetryPolicy
from durable_nb.core.scope import Place, at, current_place
from durable_nb.core.session import active_session, clock_without_store
from durable_nb.core.transaction import Transaction
from durable_nb.errors import CheckpointUntrusted, DecodeError, WorkflowConflict
from durable_nb.store.records import ExecutionRecord, Payload, StepRecord
from durable_nb.values.callkey import ARGS, KWARGS
from durable_nb.values.code import code_digest
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.pickling import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.events import EventKind
    from durable_nb.core.passes import ScopePass
    from durable_nb.core.session import Session
    from durable_nb.core.workflow import Workflow

ONCE = RetryPolicy()


class WorkflowRun:
    """Finds the execution that a call belongs to, replays its result, or runs it in its scope."""

    policy = ONCE

    def __init__(
        self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], asked_id: str
    ) -> None:
        place = current_place()
        self.session: Session | None = active_session()
        self.inside_step = place is not None and place.step is not None
        if self.inside_step:
            self.session = None  # a workflow inside a step is part of that step
        self.workflow = workflow
        self.name = workflow.name
        self.args = args
        self.kwargs = kwargs
        self.id = asked_id
        self.parent = self._parent(place) if self.session is not None else None
        self.clock = self.session.clock if self.session is not None else clock_without_store()
        self.reason = ""
        self.scope_pass: ScopePass | None = None
        self.execution: ExecutionRecord | None = None

    @staticmethod
    def _parent(place: Place | None) -> ScopePass | None:
        scope_pass = place.scope_pass if place is not None else None
        return scope_pass if scope_pass is not None and scope_pass.index.record.kind == "workflow" else None

    # -- which execution

    def candidates(self) -> Iterator[StepRecord]:
        """Settle which execution this is; yield its record when it is complete."""
        session = self.session
        if session is None:
            return
        arguments = self._arguments_key(session)
        self._code = code_digest(self.workflow.func.__code__).hex()
        if self.parent is not None:
            base = xxhash.xxh3_128_digest(b"workflow" + self.name.encode() + arguments)
            self._occurrence, self._sequence, self._task = self.parent.start_call(base)
            self._base = base
            self.id = self.id or f"{self.parent.index.record.cell_id}-{self.name}-{base.hex()[:6]}-{self._occurrence}"
        found = self._enter(session, arguments)
        if found is not None:
            self._warn_if_changed(session, found)
            yield _as_step(found)
            self._enter(session, arguments, anew=True)

    def _enter(self, session: Session, arguments: bytes, *, anew: bool = False) -> ExecutionRecord | None:
        """Return the execution when it is complete, else enter it; ``anew`` enters it in any case."""
        with session.claiming:
            found = self._find(session, arguments)
            if found is not None and found.status == "success" and not anew:
                return found
            self._begin(session, found, arguments)
        return None

    def _arguments_key(self, session: Session) -> bytes:
        """Return the fingerprint of the arguments alone: an execution whose code was edited is still the same one."""
        named = {name: self.kwargs[name] for name in sorted(self.kwargs)}
        found = fingerprint_roots({ARGS: self.args, KWARGS: named}, namespace=session.namespace)
        return uuid.uuid4().bytes if found.opaque else found.digest  # what is unknown equals nothing

    def _find(self, session: Session, arguments: bytes) -> ExecutionRecord | None:
        known = session.executions
        if self.id:
            found = known.get(self.id)
            if found is not None and found.name != self.name:
                raise WorkflowConflict(
                    f"workflow id {self.id!r} belongs to workflow {found.name}, not {self.name}: choose another id"
                )
        else:
            open_ones = [
                each
                for each in known.values()
                if (each.name, each.arguments_key, each.status) == (self.name, arguments, "running")
                and not each.parent_id
                and each.workflow_id not in session.running
            ]
            found = max(open_ones, key=lambda each: each.started_at, default=None)
        self.id = found.workflow_id if found is not None else self.id or str(uuid.uuid4())
        if self.id in session.running:
            raise WorkflowConflict(
                f"workflow {self.name} with id {self.id!r} is running: wait for it, or use another id"
            )
        return found

    def _begin(self, session: Session, found: ExecutionRecord | None, arguments: bytes) -> None:
        """Enter the execution's scope, making both where they are new."""
        if found is None:
            scope = session.new_scope("workflow", self.name, cell_id=self.id, code_digest=self._code)
            parent_id = self.parent.index.record.cell_id if self.parent is not None else ""
            now = self.clock.now()
            found = ExecutionRecord(
                self.id, self.name, arguments, self._code, "running", scope.id, now, parent_id=parent_id
            )
        else:
            scope = session.scope(found.scope_id)
        self.execution = replace(
            found, status="running", code_digest=self._code, payload=None, error=None, ended_at=0.0
        )
        self.scope_pass = session.begin_pass(scope)
        session.running.add(self.id)
        session.write(*self._save(self.execution, session, *self.scope_pass.begin_records()).records)

    def _warn_if_changed(self, session: Session, found: ExecutionRecord) -> None:
        if found.code_digest != self._code:
            session.warn(
                f"workflow {self.name} ({self.id}) completed with other code than it has now; its recorded result is "
                "returned: use another workflow id to run the new code"
            )

    @staticmethod
    def _save(execution: ExecutionRecord, session: Session, *before: Any) -> Transaction:
        session.executions[execution.workflow_id] = execution
        return Transaction(session, (*before, execution))

    # -- replay

    def replay(self, checkpoint: StepRecord) -> Outcome | None:
        """Return the recorded result."""
        session = self.session
        assert session is not None  # noqa: S101 - candidates() yields nothing without a store
        try:
            # One that ended in this process carries its result, which may not be on disk yet.
            payload = checkpoint.payload or session.ledger.load_execution(self.id).payload or Payload(b"")
            buffers = [session.ledger.get_buffer(each) for each in payload.buffers]
            value = decode(payload.stream, buffers, namespace=session.namespace, roots=_no_root)
        except (DecodeError, CheckpointUntrusted, OSError) as error:
            self.reason = f"its result cannot be loaded: {error}"
            return None
        return Outcome(value)

    # -- attempt

    def attempt_log(self) -> AttemptLog:
        """A workflow has one attempt; when it is interrupted its execution stays unfinished."""
        return _EndsPass(self)

    def body(self, attempt: int) -> Any:  # noqa: ARG002 - a workflow is never retried as a whole
        """Call the function in the execution's scope."""
        place = Place(self.scope_pass) if self.session is not None else current_place()
        if self.workflow.is_async:
            return self._body_async(place)
        with at(place):
            return self.workflow.func(*self.args, **self.kwargs)

    async def _body_async(self, place: Place | None) -> Any:
        with at(place):
            return await self.workflow.func(*self.args, **self.kwargs)

    def rolled_back(self, error: BaseException) -> None:
        """Nothing to put back."""

    def end_pass(self, error: BaseException | None, *, interrupted: bool = False) -> None:
        """Leave the execution's scope."""
        if self.session is None or self.scope_pass is None:
            return
        self.session.running.discard(self.id)
        self.scope_pass.end("interrupted" if interrupted else "failed" if error else "completed", error)

    # -- capture → encode → one transaction

    def commit(self, outcome: Outcome) -> Transaction | None:
        """Record how the execution ended; a child is also one row of its parent."""
        session, execution = self.session, self.execution
        if session is None or execution is None:
            return None
        try:
            return self._ended(session, execution, outcome)
        finally:
            self.end_pass(outcome.error)  # last: until the end is known here, a call with this id is refused

    def _ended(self, session: Session, execution: ExecutionRecord, outcome: Outcome) -> Transaction:
        payload, error = None, None
        if outcome.error is not None:
            error = record_error(outcome.error)
        else:
            # If it cannot be encoded the execution stays unfinished: called again, it replays its steps.
            encoded = encode(outcome.value, namespace=session.namespace, label="result")
            payload = Payload(encoded.stream, tuple(session.ledger.put_buffer(each) for each in encoded.buffers))
        ended = replace(
            execution,
            status="success" if error is None else "error",
            ended_at=self.clock.now(),
            payload=payload,
            error=error,
        )
        return self._save(ended, session, *self._row_in_parent(ended, outcome))

    def _row_in_parent(self, ended: ExecutionRecord, outcome: Outcome) -> tuple[Any, ...]:
        if self.parent is None or self.session is None:
            return ()
        row = replace(
            _as_step(ended),
            id=self.session.ledger.new_id(),
            scope_id=self.parent.index.record.id,
            pass_id=self.parent.id,
            key=self._base,
            base_key=self._base,
            occurrence=self._occurrence,
            sequence=self._sequence,
            task=self._task,
            payload=None,
            extra={"workflow_id": self.id},
        )
        if outcome.error is not None:
            self.parent.note_error(row.id, outcome.error)
        self.parent.index.add(OwnStep(row))
        return (*self.parent.begin_records(), row)

    def give_up(self, why: str) -> None:
        """Warn that the result is not recorded."""
        if self.session is not None:
            self.session.warn_once(
                f"workflow {self.name}", f"the result of workflow {self.name} was not recorded: {why}"
            )

    # -- event

    def announce(self, kind: EventKind, **details: Any) -> None:
        """Tell the listeners of the store."""
        if self.session is not None:
            at_time = self.clock.now()
            event = StepEvent(kind, self.name, "workflow", id(self), at=at_time, **{"reason": self.reason, **details})
            self.session.bus.emit(event)


class _EndsPass(NoAttemptLog):
    def __init__(self, run: WorkflowRun) -> None:
        self._run = run

    def close(self) -> None:
        self._run.end_pass(None, interrupted=True)


def _as_step(execution: ExecutionRecord) -> StepRecord:
    """Show an execution as the step it is to its parent and to the engine."""
    return StepRecord(
        id=0,
        scope_id=execution.scope_id,
        pass_id=0,
        kind="workflow",
        name=execution.name,
        key=b"",
        base_key=b"",
        occurrence=0,
        status="success" if execution.status == "success" else "error",
        sequence=0,
        task="",
        attempts=1,
        started_at=execution.started_at,
        ended_at=execution.ended_at,
        code_digest=execution.code_digest,
        payload=execution.payload,
        error=execution.error,
    )


def _no_root(name: str) -> object:
    raise DecodeError(f"a workflow's result cannot refer to {name}")
