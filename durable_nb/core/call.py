"""A call of a ``@step`` function, from the engine's side."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core import streams
from durable_nb.core.attempts import NoAttemptLog, StoredAttemptLog
from durable_nb.core.clock import SystemClock
from durable_nb.core.conditions import Conditions, Surroundings, files_read, stale
from durable_nb.core.connections import DatabaseFiles, changed_session, databases_among, module_database
from durable_nb.core.effects import restore_effects
from durable_nb.core.engine import Outcome
from durable_nb.core.events import StepEvent
from durable_nb.core.failure import record_error, restore_error
from durable_nb.core.module_attributes import ModuleWatch, reaches_module, values_of
from durable_nb.core.mutations import NO_MUTATIONS, find_mutations
from durable_nb.core.passes import OwnStep
from durable_nb.core.reasons import LiveFunction
from durable_nb.core.rebinding import Globals, bind_again
from durable_nb.core.recording import Unrecordable, encode_connected, texts_in
from durable_nb.core.scope import Place, StepStatus, at, current_place
from durable_nb.core.session import active_session
from durable_nb.core.transaction import Transaction
from durable_nb.core.watch import CallWatch
from durable_nb.core.written import written_by
from durable_nb.errors import CheckpointUntrusted, DecodeError
from durable_nb.store.records import Payload, StepRecord
from durable_nb.values.callkey import ARGS, FUNCTION, KWARGS
from durable_nb.values.dependencies import named_files
from durable_nb.values.files import watched_by, watches_here
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.graph import Graph
from durable_nb.values.pickling import decode, environment
from durable_nb.values.states import States

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import CodeType

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.events import EventKind
    from durable_nb.core.module_attributes import ModuleChanges
    from durable_nb.core.mutations import Mutations
    from durable_nb.core.passes import ScopePass
    from durable_nb.core.session import Session
    from durable_nb.core.step import Step
    from durable_nb.core.watch import NamedFiles
    from durable_nb.store.records import CodeRecord, InputRecord
    from durable_nb.values.callkey import CallFingerprint
    from durable_nb.values.fingerprint import Fingerprints


class StepCall:
    """One call of a step: knows its key, how to replay and how to record it."""

    def __init__(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, fresh: bool) -> None:
        place = current_place()
        session = active_session()
        self.step = step
        self.name = step.name
        self.policy = step.policy
        self.args = args
        self.kwargs = kwargs
        self.fresh = fresh
        self.outer = place if place is not None and place.step is not None else None
        self.scope_pass: ScopePass | None = session.pass_here() if session is not None and self.outer is None else None
        self.clock = session.clock if session is not None else SystemClock()
        self.key = b""
        self.reason = self.reach = ""
        self.unrecordable = ""
        self.sequence = 0
        self.started_at = 0.0
        self._before: CallFingerprint | None = None
        self._sources: tuple[CodeRecord, ...] = ()
        self._described: tuple[InputRecord, ...] = ()

    # -- source → analysis → key → ledger lookup

    def candidates(self) -> Iterator[StepRecord]:
        """Yield the recorded calls that equal this one and still hold, newest first."""
        scope_pass = self.scope_pass
        if scope_pass is None:
            return
        base = self._base_key(scope_pass)
        self.occurrence, self.sequence, self.task = scope_pass.start_call(base)
        self.base_key = base
        self.key = step_key(scope_pass.index.record.id, base, self.occurrence)
        if not self.fresh and not self.unrecordable:
            for row in scope_pass.index.answers(base, self.occurrence, scope_pass.floor):
                try:
                    record = row.load()
                except CheckpointUntrusted as error:
                    self.reason = str(error)
                    continue
                self.reason = self._stale(record, scope_pass) or ""
                if not self.reason:
                    yield record
        self.reach = self._before.reach.hex() if self._before is not None else ""
        with watched_by(()):  # sources are read to tell what changed
            self.reason = self.reason or scope_pass.session.reasons.of(self.name, self.reach, self.step.func)
            self._described = self._describe(scope_pass.session)
        scope_pass.executed += 1
        self.started_at = self.clock.now()
        self._globals = Globals(self._functions(), self.step.func.__globals__)
        if self._full is not None:
            self._states = States(self._full.graph, scope_pass.session.namespace)

    def _base_key(self, scope_pass: ScopePass) -> bytes:
        key = self.step.call_key(scope_pass.session.namespace)
        found = key.fingerprint(self.args, self.kwargs)
        if found.full is not None and found.full.opaque and scope_pass.session.meet(found.full.clients):
            found = key.fingerprint(self.args, self.kwargs)
        if found.full is not None and found.full.opaque:
            name, opaque = next(iter(found.full.opaque.items()))
            self.unrecordable = f"{name} cannot be compared ({opaque})"
        self._before = found
        self.unrecordable = self.unrecordable or self._changed_session(found) or ""
        dynamic = {name for facts in key.facts() for name in facts.dynamic}
        if dynamic:
            self.unrecordable = f"it calls {min(dynamic)}(), so what it reads cannot be known"
        return found.digest

    @property
    def _full(self) -> Fingerprints | None:
        """The fingerprints of what went in; None where all of it is immutable."""
        return self._before.full if self._before is not None else None

    def _clients(self) -> tuple[object, ...]:
        return self._full.clients if self._full is not None else ()

    def _changed_session(self, found: CallFingerprint) -> str | None:
        """Say how the call depends on, or changes, a database's state in this process, which a replay would not."""
        if found.full is None:
            return module_database(self.step.call_key(self._namespace()).reads())
        why = None
        values = [self.args, *self.args, self.kwargs, *self.kwargs.values(), *found.full.reached.values()]
        if databases_among(found.full.clients):
            why = changed_session(self._codes(), values, found.full.clients)
        return why or module_database(values)

    def _stale(self, row: StepRecord, scope_pass: ScopePass) -> str | None:
        """Say why a row must not be replayed, or None when it holds."""
        session = scope_pass.session
        expires = self.step.expires_seconds
        if expires is not None and self.clock.now() - row.ended_at > expires:
            return f"its checkpoint is older than {expires:g} s"
        return stale(row, session.written, self.step.func.__globals__, seeded=self._seeded)

    def _seeded(self) -> bool:
        seeds = streams.code_seeds(self.step.func.__code__)
        return seeds or (self.scope_pass is not None and self.scope_pass.session.seeded())

    # -- replay

    def replay(self, checkpoint: StepRecord) -> Outcome | None:
        """Return what the recorded call returned or raised."""
        assert self.scope_pass is not None  # noqa: S101 - candidates() yields nothing without a pass
        outcome = Outcome(attempts=checkpoint.attempts)
        if not self._put_files_back(checkpoint, self.scope_pass.session):
            return None
        if checkpoint.payload is not None and not self._load(checkpoint, outcome):
            return None
        if checkpoint.error is not None:
            outcome.error = restore_error(checkpoint.error, self.name)
        for watch in watches_here():
            watch.note_replayed(files_read(checkpoint), written_by(checkpoint))
        self.scope_pass.note_replay(checkpoint)
        return outcome

    def _load(self, checkpoint: StepRecord, outcome: Outcome) -> bool:
        scope_pass, payload = self.scope_pass, checkpoint.payload
        assert scope_pass is not None  # noqa: S101
        assert payload is not None  # noqa: S101 - a success has a payload
        ledger = scope_pass.session.ledger
        try:
            buffers = [ledger.get_buffer(each) for each in payload.buffers]
            value = decode(payload.stream, buffers, namespace=scope_pass.session.namespace, roots=self._root)
        except (DecodeError, CheckpointUntrusted, OSError) as error:
            self.reason = f"its checkpoint cannot be loaded: {error}"
            return False
        extra = checkpoint.extra or {}
        if not extra.get("effects"):
            outcome.value = value
            return True
        wrong = restore_effects(value, extra["after"], self._full, self._inputs_now)
        if wrong is not None:
            self.reason = wrong
            return False
        bind_again(self.step.func.__globals__, value.get("globals", {}))
        outcome.value = value["result"]
        return True

    def _inputs_now(self) -> Fingerprints:
        """Fingerprint what went in once more: the same objects, whatever its globals are bound to by now."""
        assert self._full is not None  # noqa: S101 - asked for only where something can change
        roots = {name: self._root(name) for name in self._full.graph.walks}
        return fingerprint_roots(roots, namespace=self._namespace())

    def _put_files_back(self, checkpoint: StepRecord, session: Session) -> bool:
        try:
            session.written.put_back(checkpoint)
        except OSError as error:
            self.reason = f"a file that it wrote cannot be put back: {error}"
            return False
        return True

    def _root(self, name: str) -> object:
        """Return what an address in a payload begins at: the arguments, or a global the function reads."""
        own = {ARGS: self.args, KWARGS: self.kwargs, FUNCTION: self.step.func}
        if name in own:
            return own[name]
        return self._full.reached[name] if self._full is not None else own[name]

    # -- attempts

    def attempt_log(self) -> AttemptLog:
        """Attempts are written under the call's key."""
        if self.scope_pass is None or self.unrecordable:
            return NoAttemptLog()
        return StoredAttemptLog(self.scope_pass.session, self.key, self.name, self.scope_pass.id)

    def body(self, attempt: int) -> Any:
        """Call the function."""
        place = self.outer or Place(self.scope_pass, self._status(attempt))
        if self.step.is_async:
            return self._body_async(place)
        with at(place), self._watching():
            return self.step.func(*self.args, **self.kwargs)

    async def _body_async(self, place: Place) -> Any:
        with at(place), self._watching():
            return await self.step.func(*self.args, **self.kwargs)

    def _watching(self) -> AbstractContextManager[None]:
        if self.scope_pass is None:
            return nullcontext()
        session = self.scope_pass.session
        codes, names = self._codes(), self.step.func.__globals__
        self._surroundings = Surroundings.now(codes, names, session.root)
        self._modules = ModuleWatch(codes, names, self._globals_read())
        self._watch = CallWatch(session, session.overlap, partial(self._files_named, session))
        self._databases = DatabaseFiles(self._clients(), session.root)
        return self._watch

    def _files_named(self, session: Session) -> NamedFiles:
        """Return the files that the arguments and the literals of reached code name."""
        literals = [path for each in self.step.call_key(session.namespace).facts() for path in each.paths]
        texts = texts_in([self.args, *self.args, self.kwargs, *self.kwargs.values()])
        return named_files([*literals, *texts], session.root) if literals or texts else ()

    def _status(self, attempt: int) -> StepStatus:
        if not self.policy.retries_allowed:
            return StepStatus(self.sequence, None, None)
        return StepStatus(self.sequence, attempt - 1, self.policy.max_attempts)

    def rolled_back(self, error: BaseException) -> None:
        """Nothing is rolled back: a call's effects outside of its result are its own."""

    # -- capture → encode → one transaction

    def commit(self, outcome: Outcome) -> Transaction | None:
        """Record what the call returned or raised."""
        if self.scope_pass is None:
            return None
        with watched_by(()):
            record = self._capture(outcome, self.scope_pass)
        if outcome.error is not None:
            self.scope_pass.note_error(record.id, outcome.error)
        records = (*self.scope_pass.begin_records(), *self._sources, record)
        return Transaction(self.scope_pass.session, records, partial(self._committed, record))

    def _capture(self, outcome: Outcome, scope_pass: ScopePass) -> StepRecord:
        modules = self._modules.changes()
        mutations = self._mutations(modules)
        rebound = self._globals.rebound()
        self._check_recordable(mutations, [*rebound, *values_of(modules)])
        conditions = Conditions(self._watch, self._surroundings, ())
        advanced = self._advanced()
        session = scope_pass.session
        effects: dict[str, Any] = {"streams": {name: state for name, (_, state) in advanced.items()}}
        effects |= {"changes": list(mutations.states), "globals": rebound, "modules": modules}
        effects["settings"] = self._watch.process_changes
        effects = {name: each for name, each in effects.items() if each}
        error = record_error(outcome.error) if outcome.error is not None else None
        payload = None
        if effects or error is None:
            made = {"result": outcome.value, "changes": mutations.objects, "globals": rebound} | values_of(modules)
            payload = self._encode({"result": outcome.value, **effects} if effects else outcome.value, made, session)
        extra = conditions.extra(drawn=advanced.keys(), seeded=self._seeded)
        if effects:
            extra |= {"effects": True, "after": dict(mutations.after)}
        return StepRecord(
            id=session.ledger.new_id(),
            scope_id=scope_pass.index.record.id,
            pass_id=scope_pass.id,
            kind="call",
            name=self.name,
            key=self.key,
            base_key=self.base_key,
            occurrence=self.occurrence,
            status="success" if error is None else "error",
            sequence=self.sequence,
            task=self.task,
            attempts=outcome.attempts,
            started_at=self.started_at,
            ended_at=self.clock.now(),
            code_digest=self.reach,
            reason=self.reason,
            environment=environment(),
            payload=payload,
            error=error,
            inputs=self._described,
            files=conditions.files(self._databases.read()),
            extra=extra or None,
        )

    def _describe(self, session: Session) -> tuple[InputRecord, ...]:
        """Return the rows of what the function reaches, where no call of this code has them yet."""
        if not session.reasons.is_new(self.reach):
            return ()
        live = LiveFunction(self.step.func, session.namespace)
        if live.digest != self.reach:  # another thread changed something meanwhile
            return ()
        self._sources = tuple(live.sources())
        return tuple(live.records.values())

    def _globals_read(self) -> list[Any]:
        """Return the values of the globals that the function and those it reaches read."""
        return list(self._full.reached.values()) if self._full is not None else []

    def _mutations(self, modules: ModuleChanges) -> Mutations:
        """Return what the call changed in its arguments, its object and the globals that it reads."""
        if self.unrecordable:
            raise Unrecordable(self.unrecordable)
        if self._full is None:
            return NO_MUTATIONS  # only atoms and code went in: nothing that could have been changed
        apart = {name for name, value in self._full.reached.items() if reaches_module(value, modules)}
        return find_mutations(self._full, self._inputs_now(), self._states, apart)

    def _check_recordable(self, mutations: Mutations, rebound: Iterable[str]) -> None:
        left = self._databases.left_behind(()) or (self._before and self._changed_session(self._before))
        if left:
            raise Unrecordable(left)
        changed = [*(name for name in mutations.after if name), *rebound, *self._watch.process_changes]
        if changed and self._watch.overlapped:
            raise Unrecordable(f"{changed[0]} changed while other calls ran too: whose change it is cannot be known")

    def _advanced(self) -> dict[str, tuple[str, Any]]:
        advanced = self._watch.advanced
        if not advanced or not self._watch.overlapped:
            return advanced
        if self._seeded():
            raise Unrecordable(f"the seeded random stream {next(iter(advanced))} advanced while other calls ran too")
        return {}  # of an unseeded stream no state is promised

    def _encode(self, value: object, made: dict[str, Any], session: Session) -> Payload:
        inputs = self._full.graph if self._full is not None else Graph({})
        encoded = encode_connected(value, made, inputs, session.namespace, label="result")
        return Payload(encoded.stream, tuple(session.ledger.put_buffer(each) for each in encoded.buffers))

    def _codes(self) -> list[CodeType]:
        return [each.__code__ for each in self._functions()]

    def _functions(self) -> list[FunctionType]:
        """Return the function and those it reaches."""
        walks = self._full.graph.walks.values() if self._full is not None else ()
        reached = [each for walk in walks for each in walk.objects if type(each) is FunctionType]
        return [*reached, *self.step.call_key(self._namespace()).functions()]

    def _namespace(self) -> dict[str, Any] | None:
        return self.scope_pass.session.namespace if self.scope_pass is not None else None

    def _committed(self, record: StepRecord) -> None:
        if self.scope_pass is not None:
            self.scope_pass.index.add(OwnStep(record))
            self.scope_pass.note_run(record)
            self.scope_pass.session.committed(record)

    def give_up(self, why: str) -> None:
        """Warn once for each step that its calls are not recorded."""
        self.attempt_log().close()  # no row tells that the step ended: its attempts must not count for the next run
        self.unrecordable = why
        self.announce("unrecorded", reason=why)
        if self.scope_pass is not None:
            if self._described:
                self.scope_pass.session.reasons.not_described(self.reach)
            self.scope_pass.session.warn_once(f"call {self.name}", f"step {self.name} was not recorded: {why}")

    # -- event

    def announce(self, kind: EventKind, **details: Any) -> None:
        """Tell the listeners of the store."""
        if self.scope_pass is not None and self.scope_pass.session.bus.heard:
            self.scope_pass.session.bus.emit(
                StepEvent(
                    kind,
                    self.name,
                    "call",
                    id(self),
                    self.scope_pass.id,
                    self.sequence,
                    max_attempts=self.policy.attempts,
                    at=self.clock.now(),
                    **{"reason": self.reason, **details},
                )
            )


def step_key(scope_id: int, base_key: bytes, occurrence: int) -> bytes:
    """Return the key of a call: its scope, what it is, and the how-manieth of its like it is."""
    place = scope_id.to_bytes(8, "little") + occurrence.to_bytes(8, "little")
    return xxhash.xxh3_128_digest(place + base_key)
