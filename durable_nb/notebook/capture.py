"""What a cell did, as a row of the ledger: names, mutations, result, outputs shown, files read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.core import loggers
from durable_nb.core.conditions import Conditions
from durable_nb.core.failure import record_error
from durable_nb.core.module_attributes import reaches_module, values_of
from durable_nb.core.mutations import find_mutations
from durable_nb.core.options import Use, options_used
from durable_nb.core.recording import Unrecordable, encode_connected
from durable_nb.core.settings import LOGGERS
from durable_nb.errors import EncodeError
from durable_nb.notebook.body import last_result
from durable_nb.notebook.partial import RESULT, encode_part, path_of_output
from durable_nb.store.records import OutputRecord, Payload, StepRecord
from durable_nb.values.address import ATOMS
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.pickling import environment
from durable_nb.values.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_nb.core.engine import Outcome
    from durable_nb.core.module_attributes import ModuleChanges
    from durable_nb.core.mutations import Mutations
    from durable_nb.notebook.cell_step import CellStep
    from durable_nb.values.pickling import Encoded


class Capture:
    """Looks at the namespace after a cell ran and makes the row."""

    def __init__(self, step: CellStep, outcome: Outcome) -> None:
        self._step = step
        self._outcome = outcome
        self._namespace = step.notebook.namespace
        self._modules: frozenset[str] = frozenset()
        self._held: frozenset[str] = frozenset()

    def record(self) -> StepRecord:
        """Return the row.

        Raises:
            Unrecordable: the cell did something that a replay could not do again.
            EncodeError: something it made cannot be saved.
        """
        return self._failed() if self._outcome.error is not None else self._succeeded()

    def _failed(self) -> StepRecord:
        """A failed cell is never replayed; the row tells people, and gives the next run a fresh budget."""
        assert self._outcome.error is not None  # noqa: S101
        return self._row("ended", error=record_error(self._outcome.error))

    def _succeeded(self) -> StepRecord:
        step = self._step
        modules = step.modules.changes()
        mutations = self._mutations(modules)
        kept, bound, deleted = self._names()
        outputs = {name: self._namespace.names[name] for name in sorted(bound)}
        saved, left_out = step.options.selection.split(outputs)
        state: dict[str, Any] = {"names": saved, "deleted": sorted(deleted)}
        if any(shown.msg_type == "execute_result" for shown in step.tee.displays):
            state |= self._result([outputs[name] for name in left_out])
        settings = self._settings()
        if settings:
            state["settings"] = settings
        if modules:
            state["modules"] = modules
        advanced = step.watch.advanced
        if advanced:
            state["streams"] = {name: after for name, (_, after) in advanced.items()}
        if mutations.states:
            state["changes"] = list(mutations.states)
        payload, unsaved = self._encode(state, mutations)
        extra: dict[str, Any] = {"bytes": step.saved_bytes, "options": self._options()}
        if mutations.states:
            extra["after"] = dict(mutations.after)
        if RESULT in unsaved and step.options.selection.may_lack(RESULT):
            del unsaved[RESULT]
            left_out.append(RESULT)
        extra |= {key: value for key, value in (("unsaved", unsaved), ("left_out", left_out)) if value}
        if step.compared_with:
            extra["compared_with"] = step.compared_with
        extra |= self._unread(kept)
        conditions = Conditions(step.watch, step.surroundings, step.replayed_rows)
        drawn = advanced.keys() - step.seeds_first()
        extra |= conditions.extra(drawn=drawn, seeded=step.session.seeded)
        rows = [self._output(name, value) for name, value in outputs.items()]
        rows += [OutputRecord(name, "", "deleted", 0, deleted=True) for name in state["deleted"]]
        files = conditions.files(step.read_unseen())
        status = "partial" if unsaved else "success"
        return self._row(status, payload=payload, outputs=tuple(rows), files=files, extra=extra)

    def _settings(self) -> dict[str, dict[str, Any]]:
        settings = self._step.settings.changes()
        if why := loggers.not_made_again(settings.get(LOGGERS, {})):
            raise Unrecordable(why)
        return settings

    def _options(self) -> dict[str, list[Any]]:
        """Return the options of libraries that may have mattered; ask once what the cell made is encoded."""
        step = self._step
        use = Use.of(step.inputs.fingerprints.graph, self._modules, step.codes, step.tee.displays)
        return options_used(step.settings.before, use, step.settings.after)

    def _result(self, left_out: list[Any]) -> dict[str, Any]:
        """Return what the last line yielded, unless it is an object that is not to be saved."""
        result = last_result(self._step.shell)
        is_left_out = type(result) not in ATOMS and any(result is each for each in left_out)
        return {} if is_left_out or self._step.options.selection.leaves_out(RESULT) else {"result": result}

    # -- what changed

    def _mutations(self, modules: ModuleChanges) -> Mutations:
        """Return what the cell changed in place in its inputs; attributes of modules are recorded by themselves."""
        inputs = self._step.inputs
        after = self._step.inputs_now()
        apart = {name for name, value in inputs.values.items() if reaches_module(value, modules)}
        return find_mutations(inputs.fingerprints, after, self._step.states, apart)

    def _names(self) -> tuple[frozenset[str], set[str], frozenset[str]]:
        """Return the names that were left as they were though the cell may bind them, those bound, those deleted."""
        step, namespace = self._step, self._namespace
        before = step.before.values
        changes = step.changes
        may_bind = {name for name in step.inputs.may_bind(step.code) if namespace.is_user(name)}
        untouched = (may_bind - step.code.surely_binds - changes.bound - changes.deleted) & before.keys()
        bound = changes.bound | {name for name in may_bind - untouched if name in namespace.names}
        return frozenset(untouched), set(bound), changes.deleted

    def _unread(self, kept: frozenset[str]) -> dict[str, dict[str, str]]:
        """Return the digests of variables that are no inputs but count all the same: those kept, and those held."""
        found = {}
        if kept:
            found["kept"] = self._digests(kept, "it may bind {} but left it")
        if self._held:
            found["held"] = self._digests(self._held, "what it made holds {}")
        return found

    def _digests(self, names: frozenset[str], because: str) -> dict[str, str]:
        found = fingerprint_roots(self._namespace.pick(names), namespace=self._namespace.names)
        for name, opaque in found.opaque.items():
            raise Unrecordable(f"{because.format(name)}, and {opaque.path} ({opaque.type}) cannot be compared")
        return {name: found.each[name].hex() for name in names}

    # -- encode

    def _encode(self, state: dict[str, Any], mutations: Mutations) -> tuple[Payload, dict[str, str]]:
        """Return the payload, and which outputs are not in it because they cannot be saved."""
        ledger, graph = self._step.session.ledger, self._step.inputs.fingerprints.graph
        unread = self._step.before.held_beside(self._step.inputs.values)

        def encode(state: Mapping[str, Any]) -> Encoded:
            made = {**state["names"], "Out": state.get("result"), **values_of(state.get("modules", {}))}
            if mutations.objects:
                made["changes"] = mutations.objects
            known = self._step.made
            return encode_connected(state, made, graph, self._namespace.names, unread=unread, known=known)

        try:
            part = encode_part(state, encode)
        except EncodeError as error:
            raise EncodeError(path_of_output(error.path), error.type_name, error.reason) from error
        encoded = part.encoded
        if RESULT in state["names"] and "result" not in state:
            part.unsaved.pop(RESULT, None)  # `_ = cursor.execute(…)`: what is bound to be thrown away is not missed
        self._modules = frozenset(encoded.modules)
        self._held = encoded.roots & unread.keys()
        self._step.saved_bytes = len(encoded.stream) + sum(each.nbytes for each in encoded.buffers)
        return Payload(encoded.stream, tuple(ledger.put_buffer(each) for each in encoded.buffers)), part.unsaved

    @staticmethod
    def _output(name: str, value: object) -> OutputRecord:
        shown = summarise(value)
        return OutputRecord(name, shown.type, shown.text, shown.size)

    def _row(self, status: str, **details: Any) -> StepRecord:
        step = self._step
        return StepRecord(
            id=step.session.ledger.new_id(),
            scope_id=0,
            pass_id=step.pass_id,
            kind="cell",
            name=step.options.name,
            key=step.key,
            base_key=step.base_key,
            occurrence=step.occurrence,
            status=status,  # type: ignore[arg-type]
            sequence=step.cell.number,
            task="",
            attempts=self._outcome.attempts,
            started_at=step.started_at,
            ended_at=step.clock.now(),
            code_digest=step.code.digest.hex(),
            cell_id=step.cell.cell_id,
            reason=step.reason,
            environment=environment(),
            execution=step.session.execution.id,
            inputs=tuple(step.input_records.values()),
            displays=step.tee.displays,
            **details,
        )
