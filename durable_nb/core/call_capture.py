"""What a call of a ``@step`` function did, as a row of the ledger: result, mutations, files, streams, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.core.conditions import Conditions, Surroundings
from durable_nb.core.connections import DatabaseFiles
from durable_nb.core.failure import record_error
from durable_nb.core.module_attributes import ModuleWatch, reaches_module, values_of
from durable_nb.core.mutations import NO_MUTATIONS, find_mutations
from durable_nb.core.rebinding import Globals
from durable_nb.core.recording import Unrecordable, encode_connected, texts_in
from durable_nb.core.watch import CallWatch
from durable_nb.store.records import Payload, StepRecord
from durable_nb.values.dependencies import named_files
from durable_nb.values.graph import Graph
from durable_nb.values.pickling import environment
from durable_nb.values.states import States

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.core.call import StepCall
    from durable_nb.core.engine import Outcome
    from durable_nb.core.module_attributes import ModuleChanges
    from durable_nb.core.mutations import Mutations
    from durable_nb.core.passes import ScopePass
    from durable_nb.core.watch import NamedFiles


class CallCapture:
    """Looks at what a call may change before its first attempt, around each attempt, and after the last.

    Args:
        call: the call, its key known.
        scope_pass: the pass that it belongs to.
    """

    def __init__(self, call: StepCall, scope_pass: ScopePass) -> None:
        self._call = call
        self._pass = scope_pass
        self._session = scope_pass.session
        self._full = call.full
        self._globals = Globals(call.code.writes, call.names)
        self._watch: CallWatch | None = None
        # Where only atoms went in, the texts among them stay what they are.
        self._texts = texts_in(call.given) if self._full is None else None
        if self._full is not None:
            self._states = States(self._full.graph, self._session.namespace)

    def watching(self) -> CallWatch:
        """Look around before an attempt; returns what watches it."""
        session, codes, names = self._session, self._call.code.codes, self._call.names
        reached, clients = (self._full.reached.values(), self._full.clients) if self._full is not None else ((), ())
        self._surroundings = Surroundings.now(codes, names)
        self._modules = ModuleWatch(codes, names, reached)
        self._databases = DatabaseFiles(clients, session.root)
        self._watch = CallWatch(session, session.overlap, self._files_named)
        return self._watch

    def _files_named(self) -> NamedFiles:
        """Return the files that the arguments and the literals of reached code name."""
        literals, texts = self._call.code.paths, self._texts
        if texts is None:
            texts = texts_in(self._call.given)
        return named_files([*literals, *texts], self._session.root) if literals or texts else ()

    def record(self, outcome: Outcome) -> StepRecord:
        """Return the row.

        Raises:
            Unrecordable: the call did something that a replay could not do again.
            EncodeError: something it made cannot be saved.
        """
        if self._call.unrecordable:
            raise Unrecordable(self._call.unrecordable)
        if self._watch is None:
            raise Unrecordable("it was stopped before an attempt of it began")
        return self._row(outcome, self._watch)

    def _row(self, outcome: Outcome, watch: CallWatch) -> StepRecord:
        call, session = self._call, self._session
        modules = self._modules.changes()
        mutations = self._mutations(modules)
        rebound = self._globals.rebound()
        assigned = values_of(modules)
        self._check_recordable(mutations, [*rebound, *assigned], watch)
        conditions = Conditions(watch, self._surroundings, ())
        advanced = self._advanced(watch)
        effects: dict[str, Any] = {"streams": {name: state for name, (_, state) in advanced.items()}}
        effects |= {"changes": list(mutations.states), "globals": rebound, "modules": modules}
        effects["settings"] = watch.process_changes
        effects = {name: each for name, each in effects.items() if each}
        error = record_error(outcome.error) if outcome.error is not None else None
        payload = None
        if effects or error is None:
            made = {"result": outcome.value, "changes": mutations.objects, "globals": rebound} | assigned
            payload = self._encode({"result": outcome.value, **effects} if effects else outcome.value, made)
        extra = conditions.extra(drawn=advanced.keys(), seeded=call.seeded)
        if effects:
            extra |= {"effects": True, "after": dict(mutations.after)}
        return StepRecord(
            id=session.ledger.new_id(),
            scope_id=self._pass.index.record.id,
            pass_id=self._pass.id,
            kind="call",
            name=call.name,
            key=call.key,
            base_key=call.base_key,
            occurrence=call.occurrence,
            status="success" if error is None else "error",
            sequence=call.sequence,
            task=call.task,
            attempts=outcome.attempts,
            started_at=call.started_at,
            ended_at=call.clock.now(),
            code_digest=call.reach,
            reason=call.reason,
            environment=environment(),
            execution=session.execution.id,
            payload=payload,
            error=error,
            inputs=call.described,
            files=conditions.files(self._databases.read()),
            extra=extra or None,
        )

    def _mutations(self, modules: ModuleChanges) -> Mutations:
        """Return what the call changed in its arguments, its object and the globals that it reads."""
        if self._full is None:
            return NO_MUTATIONS  # only atoms and code went in: nothing that could have been changed
        apart = {name for name, value in self._full.reached.items() if reaches_module(value, modules)}
        return find_mutations(self._full, self._call.inputs_now(), self._states, apart)

    def _check_recordable(self, mutations: Mutations, rebound: Iterable[str], watch: CallWatch) -> None:
        left = self._databases.left_behind(()) or self._call.changed_session()
        if left:
            raise Unrecordable(left)
        changed = [*(name for name in mutations.after if name), *rebound, *watch.process_changes]
        if changed and watch.overlapped:
            raise Unrecordable(f"{changed[0]} changed while other calls ran too: whose change it is cannot be known")

    def _advanced(self, watch: CallWatch) -> dict[str, tuple[str, Any]]:
        advanced = watch.advanced
        if not advanced or not watch.overlapped:
            return advanced
        if self._call.seeded():
            raise Unrecordable(f"the seeded random stream {next(iter(advanced))} advanced while other calls ran too")
        return {}  # of an unseeded stream no state is promised

    def _encode(self, value: object, made: dict[str, Any]) -> Payload:
        inputs = self._full.graph if self._full is not None else Graph({})
        encoded = encode_connected(value, made, inputs, self._session.namespace, label="result")
        return Payload(encoded.stream, tuple(self._session.ledger.put_buffer(each) for each in encoded.buffers))
