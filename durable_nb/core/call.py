"""A call of a ``@step`` function, from the engine's side."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.attempts import NoAttemptLog, StoredAttemptLog
from durable_nb.core.call_capture import CallCapture
from durable_nb.core.conditions import files_read, stale
from durable_nb.core.connections import changed_session, module_database
from durable_nb.core.effects import restore_effects
from durable_nb.core.engine import Outcome
from durable_nb.core.events import StepEvent
from durable_nb.core.failure import restore_error
from durable_nb.core.passes import OwnStep
from durable_nb.core.reasons import LiveFunction
from durable_nb.core.rebinding import bind_again
from durable_nb.core.scope import Place, StepStatus, at, current_place
from durable_nb.core.session import active_session, bus_without_store, clock_without_store
from durable_nb.core.step_code import StepCode
from durable_nb.core.transaction import Transaction
from durable_nb.core.written import written_by
from durable_nb.errors import CheckpointUntrusted, DecodeError
from durable_nb.values.callkey import ARGS, FUNCTION, KWARGS
from durable_nb.values.files import watched_by, watches_here
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.pickling import decode
from durable_nb.values.tree import unknown_reads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from durable_nb.core.attempts import AttemptLog
    from durable_nb.core.events import EventKind
    from durable_nb.core.passes import ScopePass
    from durable_nb.core.session import Session
    from durable_nb.core.step import Step
    from durable_nb.store.records import CodeRecord, InputRecord, StepRecord
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
        self.clock = session.clock if session is not None else clock_without_store()
        self._bus = session.bus if session is not None else bus_without_store()
        self.key = b""
        self.reason = self.reach = ""
        self.unrecordable = ""
        self.sequence = 0
        self.started_at = 0.0
        self.full: Fingerprints | None = None
        self.described: tuple[InputRecord, ...] = ()
        self._sources: tuple[CodeRecord, ...] = ()
        self._capture: CallCapture | None = None

    @property
    def names(self) -> dict[str, Any]:
        """The globals of the function."""
        names: dict[str, Any] = self.step.func.__globals__
        return names

    @property
    def given(self) -> list[object]:
        """The arguments, and what they consist of at first sight."""
        return [self.args, *self.args, self.kwargs, *self.kwargs.values()]

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
        with watched_by(()):  # sources are read to tell what changed
            self.reason = self.reason or scope_pass.session.reasons.of(self.name, self.reach, self.step.func)
            self.described = self._describe(scope_pass.session)
        scope_pass.executed += 1
        self.started_at = self.clock.now()
        self._capture = CallCapture(self, scope_pass)

    def _base_key(self, scope_pass: ScopePass) -> bytes:
        key = self.step.call_key(scope_pass.session.namespace)
        found = key.fingerprint(self.args, self.kwargs)
        if found.full is not None and found.full.opaque and scope_pass.session.meet(found.full.clients):
            found = key.fingerprint(self.args, self.kwargs)
        if found.full is not None and found.full.opaque:
            name, opaque = next(iter(found.full.opaque.items()))
            self.unrecordable = f"{name} cannot be compared ({opaque})"
        self._values, self.full, self.reach = found.reach.values, found.full, found.reach.digest.hex()
        # What mutable things reach is not kept: it would keep them alive.
        self.code = self.step.code(found.reach) if found.full is None else StepCode(self.step.func, found.reach)
        self.unrecordable = self.unrecordable or self.changed_session() or ""
        if self.code.dynamic:
            self.unrecordable = unknown_reads({self.code.dynamic})
        return found.digest

    def changed_session(self) -> str | None:
        """Say how the call depends on, or changes, a database's state in this process, which a replay would not."""
        if self.full is None:
            return module_database(self._values)
        values = [*self.given, *self._values]
        return changed_session(self.code.codes, values, self.full.clients) or module_database(values)

    def _stale(self, row: StepRecord, scope_pass: ScopePass) -> str | None:
        """Say why a row must not be replayed, or None when it holds."""
        session = scope_pass.session
        expires = self.step.expires_seconds
        if expires is not None and self.clock.now() - row.ended_at > expires:
            return f"its checkpoint is older than {expires:g} s"
        return stale(row, session.written, self.names, seeded=self.seeded)

    def seeded(self) -> bool:
        """Say whether the function, or code that ran here, sets random streams."""
        return self.code.seeds or (self.scope_pass is not None and self.scope_pass.session.seeded())

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
        wrong = restore_effects(value, extra["after"], self.full, self.inputs_now)
        if wrong is not None:
            self.reason = wrong
            return False
        bind_again(self.names, value.get("globals", {}))
        outcome.value = value["result"]
        return True

    def inputs_now(self) -> Fingerprints:
        """Fingerprint what went in once more: the same objects, whatever its globals are bound to by now."""
        assert self.full is not None  # noqa: S101 - asked for only where something can change
        roots = {name: self._root(name) for name in self.full.graph.walks}
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
        return self.full.reached[name] if self.full is not None else own[name]

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
        return self._capture.watching() if self._capture is not None else nullcontext()

    def _status(self, attempt: int) -> StepStatus:
        if not self.policy.retries_allowed:
            return StepStatus(self.sequence, None, None)
        return StepStatus(self.sequence, attempt - 1, self.policy.max_attempts)

    def rolled_back(self, error: BaseException) -> None:
        """Nothing is rolled back: a call's effects outside of its result are its own."""

    # -- capture → encode → one transaction

    def commit(self, outcome: Outcome) -> Transaction | None:
        """Record what the call returned or raised."""
        capture, self._capture = self._capture, None  # a thousand calls may wait for one commit
        if capture is None or self.scope_pass is None:
            return None
        with watched_by(()):
            record = capture.record(outcome)
        if outcome.error is not None:
            self.scope_pass.note_error(record.id, outcome.error)
        records = (*self.scope_pass.begin_records(), *self._sources, record)
        return Transaction(self.scope_pass.session, records, partial(self._committed, record))

    def _describe(self, session: Session) -> tuple[InputRecord, ...]:
        """Return the rows of what the function reaches, where no call of this code has them yet."""
        if not session.reasons.is_new(self.reach):
            return ()
        live = LiveFunction(self.step.func, session.namespace)
        if live.digest != self.reach:  # another thread changed something meanwhile
            return ()
        self._sources = tuple(live.sources())
        return tuple(live.records.values())

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
            if self.described:
                self.scope_pass.session.reasons.not_described(self.reach)
            self.scope_pass.session.warn_once(f"call {self.name}", f"step {self.name} was not recorded: {why}")

    # -- event

    def announce(self, kind: EventKind, **details: Any) -> None:
        """Tell the listeners; of a step inside of a step nothing is told."""
        if self.outer is None and self._bus is not None and self._bus.heard:
            self._bus.emit(
                StepEvent(
                    kind,
                    self.name,
                    "call",
                    id(self),
                    self.scope_pass.id if self.scope_pass is not None else 0,
                    self.scope_pass.index.record.id if self.scope_pass is not None else 0,
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
