"""A ``%%step`` cell, from the engine's side."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.attempts import NoAttemptLog, StoredAttemptLog
from durable_nb.core.changes import MAX_NAMED
from durable_nb.core.codes import Codes
from durable_nb.core.conditions import Surroundings
from durable_nb.core.connections import DatabaseFiles
from durable_nb.core.effects import restore_effects
from durable_nb.core.engine import Outcome
from durable_nb.core.explain import Seen
from durable_nb.core.module_attributes import ModuleWatch
from durable_nb.core.passes import OwnStep
from durable_nb.core.recording import Unrecordable
from durable_nb.core.registering import registers_with
from durable_nb.core.scope import Place, at
from durable_nb.core.settings import ALL, SettingsWatch
from durable_nb.core.transaction import Transaction
from durable_nb.core.watch import CallWatch
from durable_nb.errors import CheckpointUntrusted, DecodeError
from durable_nb.notebook.body import bind_result
from durable_nb.notebook.capture import Capture
from durable_nb.notebook.cell_run import CellRun
from durable_nb.notebook.client_changes import live_change
from durable_nb.notebook.edited import edited_modules
from durable_nb.notebook.inputs import NO_INPUTS, files_named, read_inputs
from durable_nb.notebook.outputs import replay as show_again
from durable_nb.notebook.outputs import tee_for
from durable_nb.notebook.partial import RESULT, lacks, partial_advice, partial_text
from durable_nb.notebook.plain import note_unrecorded
from durable_nb.notebook.process_state import ProcessState
from durable_nb.notebook.quick import Worth, untouched, worth
from durable_nb.notebook.running import Depended
from durable_nb.notebook.seeding import seeded_first
from durable_nb.notebook.shell_state import ShellState
from durable_nb.notebook.verify import held_names, why_stale
from durable_nb.store.records import LABEL_LENGTH, CodeRecord
from durable_nb.values.dependencies import FileDependency, observe
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.garbage import gc_paused
from durable_nb.values.pickling import decode
from durable_nb.values.registry import registry
from durable_nb.values.states import States

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.passes import ScopePass
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.body import CellBody
    from durable_nb.notebook.cell_run import StepOptions
    from durable_nb.notebook.cells import Cell
    from durable_nb.notebook.namespace import Changes, Snapshot
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import InputRecord, Record, StepRecord
    from durable_nb.values.fingerprint import Fingerprints
    from durable_nb.values.graph import Graph


class CellStep(CellRun):
    """One run of a ``%%step`` cell in a store: knows its key, how to replay and how to record it.

    Attributes:
        made: the graph of what it bound and showed, where somebody has looked at that.
    """

    def __init__(self, notebook: Notebook, options: StepOptions, cell: Cell, code: CellCode, body: CellBody) -> None:
        super().__init__(notebook.shell, options, body, notebook.session.bus, notebook.session.clock)
        self.notebook = notebook
        self.session = notebook.session
        self.cell = cell
        self.code = code
        self.name = options.name or code.digest.hex()[:LABEL_LENGTH]
        self.reason = "--rerun was given" if options.rerun else ""
        self.unrecordable = ""
        self.key = b""
        self.started_at = 0.0
        self.inputs = NO_INPUTS
        self.input_records: dict[str, InputRecord] = {}
        self.compared_with = 0
        self.made: Graph | None = None
        self._scope = notebook.scopes.find(cell, options.name, code.digest.hex())
        self._pass: ScopePass | None = None

    # -- source → analysis → key → ledger lookup

    def candidates(self) -> Iterator[StepRecord]:
        """Yield the checkpoints of equal code and inputs that still hold, newest first."""
        namespace = self.notebook.namespace
        self.inputs = read_inputs(self.code, namespace, self.options.inputs)
        self.unrecordable = (
            self.inputs.unknowable or live_change(self.code, self.inputs, self.codes, namespace.names) or ""
        )
        self.base_key = self.inputs.base_key(self.code)
        self.occurrence = self.notebook.occurrences.of(self.cell, self.base_key)
        self.key = xxhash.xxh3_128_digest(self.base_key + self.occurrence.to_bytes(8, "little"))
        self.notebook.origins.running.read_step(self.code, self.inputs, self.inputs.unknowable or self.key)
        if not self.options.rerun and not self.unrecordable:
            for head in self.notebook.checkpoints.of(self.key):
                try:
                    record = self.notebook.checkpoints.load(head)
                except CheckpointUntrusted as error:
                    self.reason = str(error)
                    continue
                self.reason = why_stale(record, self) or ""
                if not self.reason:
                    yield record
        self.input_records = self.inputs.records
        self.reason = self.reason or self.notebook.checkpoints.what_changed(self)
        self.started_at = self.clock.now()
        self._before = namespace.snapshot()
        keep_bytes = self.notebook.snapshot_bytes if self.policy.retries_allowed else None
        self.states = States(self.inputs.fingerprints.graph, namespace.names, keep_bytes=keep_bytes)
        for edited in edited_modules(self.inputs):
            self.session.warn(edited.line)

    # -- replay

    def replay(self, checkpoint: StepRecord) -> Outcome | None:
        """Bind all that the checkpoint holds, or none of it, and show what was shown."""
        state = self.bind(checkpoint)
        if state is None:
            return None
        if "result" in state and not self.options.selection.leaves_out(RESULT):
            bind_result(self.shell, state["result"])
        show_again(self.shell, checkpoint.displays)
        return Outcome(attempts=checkpoint.attempts)

    def bind(self, checkpoint: StepRecord) -> dict[str, Any] | None:
        """Bind all that the checkpoint holds and return it; None, with the reason noted, when it cannot be loaded."""
        payload, ledger, names = checkpoint.payload, self.session.ledger, self.notebook.namespace.names
        assert payload is not None  # noqa: S101 - a success has a payload
        try:
            buffers = [ledger.get_buffer(each) for each in payload.buffers]
            live = {**self.notebook.namespace.pick(held_names(checkpoint)), **self.inputs.values}
            state: dict[str, Any] = decode(payload.stream, buffers, namespace=names, roots=live.__getitem__)
            self.session.written.put_back(checkpoint)
        except (DecodeError, CheckpointUntrusted, OSError) as error:
            self.reason = f"its checkpoint cannot be loaded: {error}"
            return None
        after = (checkpoint.extra or {}).get("after", {})
        wrong = restore_effects(state, after, self.inputs.fingerprints, self.inputs_now)
        if wrong is not None:
            self.reason = wrong
            return None
        kept, left_out = self.options.selection.split(state["names"])
        missing = [*left_out, *lacks(checkpoint)]
        # Unbound, too: what such a name means now is not what the run that is replayed made of it.
        self.notebook.namespace.bind(kept, [*state["deleted"], *missing])
        without = self.notebook.left_out.note(self.name, missing, self.options.selection)
        self.reason = " · ".join(filter(None, (without, *(each.line for each in edited_modules(self.inputs)))))
        self._check_flags(checkpoint)
        files, drawn = checkpoint.files, (checkpoint.extra or {}).get("streams", {})
        self.notebook.origins.running.depended = Depended(frozenset((f.path, f.kind) for f in files), drawn)
        self._used(checkpoint, "was replayed in this kernel")
        return state

    def inputs_now(self) -> Fingerprints:
        """Return the fingerprints of its inputs as they are now."""
        return fingerprint_roots(self.inputs.values, namespace=self.notebook.namespace.names)

    # -- attempts

    def attempt_log(self) -> AttemptLog:
        """Attempts are written under the cell's key, where its key means anything."""
        if self.unrecordable:
            return NoAttemptLog()
        return StoredAttemptLog(self.session, self.key, self.name, 0)

    def rolled_back(self, error: BaseException) -> None:
        """Undo what the attempt bound, deleted and changed in place; say what could not be undone."""
        super().rolled_back(error)
        left = self.states.put_back()
        if left:
            too_large = [each for each in left if each in self.states.skipped]
            why = f"it is larger than DurableNB.snapshot_mb = {self.notebook.snapshot_bytes >> 20}" if too_large else ""
            self.session.warn(
                f"{self.name}: the next attempt starts from {', '.join((too_large or left)[:MAX_NAMED])} as this one "
                f"left it: {why or 'it cannot be changed back in place'}"
            )

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Watch an attempt: what it shows, reads and draws; its pass ends with it."""
        shell = self.shell
        self._state, self._shell_state = ProcessState.now(), ShellState.now(shell)
        codes, names = self.codes, self.notebook.namespace.names
        self.surroundings = Surroundings.now(codes, names)
        self.modules = ModuleWatch(codes, names, self.inputs.values.values())
        self._registrations = registry.version
        self.settings = SettingsWatch(ALL)
        named = partial(files_named, self.code, self.inputs, self.session.root)
        self.watch = CallWatch(self.session, self.session.cell_overlap, named)
        self._databases = DatabaseFiles(self.inputs.fingerprints.clients, self.session.root)
        running = self.notebook.origins.running
        with self._in_pass(), tee_for(shell) as self.tee, self.watch:
            running.watched_by(self.watch)
            yield
        files = frozenset((each.path, each.kind) for each in (*self.watch.files, *self.read_unseen()))
        first = self.seeds_first()
        drawn = {name: before for name, (before, _) in self.watch.advanced.items() if name not in first}
        running.depended = Depended(files, drawn)

    @contextmanager
    def _in_pass(self) -> Iterator[None]:
        scope_pass = self._pass = self.session.begin_pass(self._scope, forced=self.options.rerun)
        self.notebook.step_pass = self.notebook.origins.running.scope_pass = scope_pass
        with at(Place(scope_pass)):
            try:
                yield
            except BaseException as error:
                scope_pass.end("failed" if isinstance(error, Exception) else "interrupted", error)
                raise
        scope_pass.end("completed")

    # -- capture → encode → one transaction

    @gc_paused()
    def commit(self, outcome: Outcome) -> Transaction | None:
        """Record what the cell changed and showed."""
        value = self._worth(outcome)
        if value is Worth.NOTHING:
            return None
        if value is Worth.NOTE:
            note_unrecorded(self.notebook, self.cell, self.code.tree, outcome.error, untouched(self))
            return None
        if not outcome.error:
            self._check_recordable()
        record = Capture(self, outcome).record()
        if not outcome.error:
            self._check_flags(record)
        if record.status == "partial" and partial_text(record) not in self.reason:
            self.announce("partial", reason=partial_advice(record))
        records: tuple[Record, ...] = (CodeRecord(self.code.digest.hex(), self.code.source), *self._helpers(), record)
        return Transaction(self.session, records, partial(self._committed, record), awaited=value is Worth.NOW)

    def _worth(self, outcome: Outcome) -> Worth:
        took, least = self.clock.now() - self.started_at, self.options.only_slow_seconds
        if least is not None:
            return Worth.NOW if took >= least else Worth.NOTE
        return worth(self, took) if outcome.error is None else Worth.NOW

    def _check_flags(self, record: StepRecord) -> None:
        """Say of ``--keep`` and ``--ephemeral`` what the step does not bind, which nearly always is a slip."""
        bound = {*self.inputs.may_bind(self.code), *(output.name for output in record.outputs)}
        for flag in self.options.selection.unknown(bound):
            self.session.warn(f"{self.name} does not bind what {flag} names")

    def _check_recordable(self) -> None:
        if self.unrecordable:
            raise Unrecordable(self.unrecordable)
        calls = registers_with(self.codes, self.notebook.namespace.names)
        calls = calls or ("register" if registry.version != self._registrations else "")
        if calls:
            raise Unrecordable(f"it calls {calls}(), which a replay would not: do that in a plain cell")
        changed = self._state.what_changed(self.shell) or self._shell_state.what_changed(self.shell)
        changed = changed or self._databases.left_behind(self.inputs.values.values())
        if changed:
            raise Unrecordable(changed)

    def left_nothing(self) -> bool:
        """Say whether all is as before it ran: names, inputs, modules, settings, streams; and no run of it is known."""
        if self.changes.bound or self.changes.deleted or self.watch.advanced or self.watch.process_changes:
            return False
        if self.notebook.checkpoints.knows(self):  # an older run would be taken for the last one
            return False
        try:
            self._check_recordable()
        except Unrecordable:
            return False
        changed = self.modules.changes() or self.settings.changes() or self.states.relinked()
        return not changed and self.inputs_now().digest == self.inputs.fingerprints.digest

    def give_up(self, why: str) -> None:
        """Say that the cell is not checkpointed, and why."""
        self.attempt_log().close()  # no row tells that the step ended: its attempts must not count for the next run
        self.unrecordable = self.notebook.unrecorded[self.name] = why
        self.announce("unrecorded", reason=why)

    def _used(self, row: StepRecord, decision: str) -> None:
        notebook = self.notebook
        notebook.decisions[self.name], notebook.used[self.name] = decision, row
        notebook.unrecorded.pop(self.name, None)

    def _committed(self, record: StepRecord) -> None:
        self._used(record, "ran in this kernel")
        self.session.committed(record)
        self.notebook.checkpoints.add(OwnStep(record))

    def _helpers(self) -> Iterator[CodeRecord]:
        """Yield the sources of the functions, classes and modules among the inputs that the ledger does not have."""
        for each in self.input_records.values():
            if each.fingerprint and not self.session.ledger.knows_source(each.fingerprint):
                source = self.inputs.source(each.fingerprint)
                if source:
                    yield CodeRecord(each.fingerprint, source)

    # -- what the capture asks

    @cached_property
    def changes(self) -> Changes:
        """What it bound and deleted; ask once its body ran for the last time."""
        return self._before.changes()

    @property
    def before(self) -> Snapshot:
        """The namespace as it was before the cell ran."""
        return self._before

    @property
    def pass_id(self) -> int:
        """The pass through the cell's scope that ran it."""
        return self._pass.id if self._pass is not None else 0

    def depends(self) -> tuple[FileDependency, ...]:
        """Return the files named with ``--depends``, as they are now."""
        return tuple(observe(path, "file", self.session.root) for path in self.options.depends)

    def read_unseen(self) -> tuple[FileDependency, ...]:
        """Return the files that it read though no event told of it: declared ones, and databases it did not write."""
        return self.depends() + self._databases.read()

    def seen(self) -> Seen:
        """Return what this run is made of."""
        return Seen(self.code.digest.hex(), self.input_records, self._source)

    def _source(self, digest: str) -> str:
        return self.code.source if digest == self.code.digest.hex() else self.inputs.source(digest)

    @cached_property
    def codes(self) -> Codes:
        """The code of the cell and of every function it reaches, asked for once its inputs are known."""
        return Codes([*self.compiled.codes, *self.inputs.codes()])

    @property
    def replayed_rows(self) -> list[StepRecord]:
        """The recorded calls that replayed in its last attempt."""
        return self._pass.replayed_rows if self._pass is not None else []

    def seeds_first(self) -> frozenset[str]:
        """Return the streams that the cell seeds before it can have drawn from them."""
        return seeded_first(self.code.tree, self.notebook.namespace.names)

    @property
    def scope_id(self) -> int:
        """The cell's scope."""
        return self._scope.id
