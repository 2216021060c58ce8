"""An open store in this process: what running steps share."""

from __future__ import annotations

import asyncio
import atexit
import threading
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from durable_nb.core import executions
from durable_nb.core.arrivals import Arrivals
from durable_nb.core.clock import SystemClock
from durable_nb.core.events import EventBus
from durable_nb.core.passes import ScopeIndex, ScopePass
from durable_nb.core.reasons import CallReasons
from durable_nb.core.scope import Inheritance, current_place
from durable_nb.core.streams import script_seeds
from durable_nb.core.watch import Overlap
from durable_nb.core.written import WrittenFiles
from durable_nb.errors import DurableWarning, StoreError
from durable_nb.store.open_attempts import OpenAttempts
from durable_nb.store.records import ScopeRecord
from durable_nb.values.loading import watch_loads
from durable_nb.values.opened import OpenedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from durable_nb.core.clock import Clock
    from durable_nb.store.ledger import Ledger
    from durable_nb.store.records import ExecutionRecord, Record, ScopeKind, StepRecord


class Cancellable(Protocol):
    """A record that is written later unless it is cancelled."""

    def cancel(self) -> bool:
        """Say whether it was cancelled in time."""


class _Nothing:
    def cancel(self) -> bool:
        return True


class Session:
    """An open store: the ledger, the clock, the events, and the scopes that were entered.

    Use it as a context manager, or call ``close()``; both are safe to repeat.

    Attributes:
        path: the ledger's file.
        bus: tells listeners what happens to steps.
        overlap: which calls run at the same time.
        cell_overlap: the same of cells, which calls run inside of.
        written: the files that recorded steps wrote.
        heads: the steps of the ledger that count, without their payloads, oldest first.
        executions: the newest state of each execution of a workflow, by workflow id, and of those of the notebook.
        execution: the execution of the notebook that goes on here.
        running: ids of the workflows that run in this process now.
        reasons: why calls run although calls of the same step are recorded.
        meet: told of clients that a call is given and that nobody knows yet; says whether one is known now.
        opened: tells which files of the notebook's folder are opened unseen.
        claiming: held while a call finds its execution and enters it, so that two threads cannot both do so.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock | None = None,
        bus: EventBus | None = None,
        namespace: dict[str, Any] | None = None,
        root: Path | None = None,
        execution_id: str = "",
        reuse: bool = False,
    ) -> None:
        self.ledger = ledger
        self.path = Path(ledger.path)
        self.clock: Clock = clock or SystemClock()
        self.bus = bus or EventBus()
        self.cell_overlap = Overlap(self.seeded)
        self.namespace = namespace
        self.root = root or Path.cwd()
        self.opened = OpenedFiles(self.root)
        self.warn: Callable[[str], None] = _warn
        self.meet: Callable[[Iterable[object]], bool] = _meet
        self.closed = False
        self.executions = {each.workflow_id: each for each in ledger.executions()}
        known = executions.find(self.executions.values(), execution_id, reuse=reuse) if execution_id else None
        self.execution = known or executions.Execution(execution_id, self.clock.now() if execution_id else 0.0, reuse)
        self.heads = [each for each in ledger.step_heads() if self.execution.counts(each)]
        attempts = (each for each in ledger.attempts() if each.at >= self.execution.started_at or reuse)
        self.attempts = OpenAttempts(attempts, self.heads)
        self.running: set[str] = set()
        self.claiming = threading.Lock()
        self._scopes = {record.id: record for record in ledger.scopes()}
        self._indexes: dict[int, ScopeIndex] = {}
        self._background: ScopePass | None = None
        self.overlap = Overlap(self.seeded)
        self.written = WrittenFiles(ledger, self.root)
        self._seeded = False
        self.reasons = CallReasons(self)
        self._warned: set[str] = set()
        self._arrivals: Arrivals | None = None
        self._lock = threading.RLock()
        watch_loads()
        self._inheritance = Inheritance()
        atexit.register(self.close)

    @property
    def usable(self) -> bool:
        """Whether steps can be recorded here: not after ``close()``, not in a forked child."""
        return not self.closed and not self.ledger.detached

    def seeded(self) -> bool:
        """Say whether code that ran here, local modules that are loaded included, sets a random stream."""
        return self._seeded or script_seeds()

    def note_seeding(self) -> None:
        """Remember that code which sets a random stream ran."""
        self._seeded = True

    def write(self, *records: Record) -> Future[None]:
        """Hand records over as one transaction; the future is done when they are on disk, or tells why not."""
        try:
            return self.ledger.write(*records)
        except StoreError as error:  # closed meanwhile by another thread
            failed: Future[None] = Future()
            failed.set_exception(error)
            return failed

    def arrivals(self) -> Arrivals:
        """Return what tells the running event loop of what is on disk."""
        loop, found = asyncio.get_running_loop(), self._arrivals
        if found is None or found.loop is not loop:
            found = self._arrivals = Arrivals(loop)
        return found

    def write_later(self, seconds: float, make: Callable[[], Record]) -> Cancellable:
        """Write what ``make`` returns in ``seconds`` unless it is cancelled before."""
        try:
            return self.ledger.write_later(seconds, make)
        except StoreError:  # closed meanwhile by another thread: nothing will be written
            return _Nothing()

    def committed(self, record: StepRecord) -> None:
        """Take in a step that is on disk."""
        self.heads.append(record)
        self.attempts.close(record.key)
        self.written.committed(record)

    def warn_once(self, topic: str, message: str) -> None:
        """Warn the user, but only once for each ``topic``."""
        with self._lock:
            if topic in self._warned:
                return
            self._warned.add(topic)
        self.warn(message)

    # -- the notebook's execution

    def begin_execution(self) -> None:
        """Record the notebook's execution, where it has an id and none of that id is recorded."""
        if self.execution.id and executions.find(self.executions.values(), self.execution.id) is None:
            self._save_execution(executions.begun(self.execution))

    def complete_execution(self) -> Future[None]:
        """Record that the notebook's execution came to its end; of a notebook that is one long execution, so far."""
        found = executions.record_of(self.executions.values(), self.execution.id) or executions.begun(self.execution)
        return self._save_execution(executions.completed(found, self.clock.now()))

    def _save_execution(self, record: ExecutionRecord) -> Future[None]:
        self.executions[record.workflow_id] = record
        return self.write(record)

    # -- scopes

    def scopes(self) -> list[ScopeRecord]:
        """Return every scope of the ledger, oldest first."""
        return list(self._scopes.values())

    def scope(self, scope_id: int) -> ScopeRecord:
        """Return a scope by its id."""
        return self._scopes[scope_id]

    def index_of(self, record: ScopeRecord) -> ScopeIndex:
        """Return the recorded calls of a scope, read from the ledger at first use."""
        with self._lock:
            index = self._indexes.get(record.id)
            if index is None:
                index = self._indexes[record.id] = self._read(record)
            return index

    def update_scope(self, record: ScopeRecord) -> ScopeIndex:
        """Give a scope a new description (edited code, a cell id learnt); written with its next call row."""
        index = self.index_of(record)
        if index.record != record:
            index.record = record
            index.saved = False
            self._scopes[record.id] = record
        return index

    def new_scope(
        self, kind: ScopeKind, name: str = "", cell_id: str = "", code_digest: str = "", ordinal: int = 0
    ) -> ScopeRecord:
        """Make a scope; its row is written with its first call."""
        new_id, now = self.ledger.new_id(), self.clock.now()
        record = ScopeRecord(new_id, "", kind, name, cell_id, code_digest, ordinal, now)
        index = ScopeIndex(record)
        index.saved = False
        self._scopes[record.id], self._indexes[record.id] = record, index
        return record

    def begin_pass(self, scope: ScopeRecord, *, forced: bool = False) -> ScopePass:
        """Begin a pass through a scope."""
        return ScopePass(self, self.index_of(scope), self.ledger.new_id(), forced=forced)

    def background(self) -> ScopePass:
        """Return the pass for steps outside every cell and workflow: one for the life of the session."""
        with self._lock:
            if self._background is None:
                found = [record for record in self._scopes.values() if record.kind == "background"]
                self._background = self.begin_pass(found[-1] if found else self.new_scope("background"))
            return self._background

    def pass_here(self) -> ScopePass:
        """Return the pass that the calling code belongs to."""
        place = current_place()
        found = place.scope_pass if place is not None else None
        return found if found is not None and found.session is self else self.background()

    def forget(self, step_ids: set[int]) -> None:
        """Drop rows from what this process looks up; the caller writes the ledger."""
        self.heads = [head for head in self.heads if head.id not in step_ids]
        for index in self._indexes.values():
            index.forget(step_ids)

    def _read(self, record: ScopeRecord) -> ScopeIndex:
        ledger, steps = self.ledger, self.ledger.steps_of_scope(record.id)
        if record.kind != "workflow":  # whose executions have ids of their own
            steps = [each for each in steps if self.execution.counts(each.head)]
        return ScopeIndex(record, steps, ledger.passes(record.id), ledger.pass_ends(record.id))

    # -- life

    def inherit(self) -> None:
        """Let threads inherit scopes from now on; only after the session before has put the originals back."""
        self._inheritance.install()

    def close(self) -> None:
        """Write what is waiting and close the ledger; steps called later are plain calls."""
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        self._inheritance.uninstall()
        self.opened.close()
        _slot.leave(self)
        if not self.ledger.detached:
            self.ledger.close()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        if error is not None and self._background is not None:
            self._background.end("failed", error)
        elif self._background is not None:
            self._background.end("completed")
        self.close()

    def __repr__(self) -> str:
        """Say which store it is and whether it is open."""
        return f"<durable_nb store {self.path} ({'closed' if self.closed else f'{len(self.heads)} steps'})>"


class _Slot:
    """Holds the session of this process.

    A context variable cannot: threads that C code starts have none, and their steps must find the store too.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.bus: EventBus | None = None
        self.clock: Clock = SystemClock()

    def enter(self, session: Session) -> None:
        if self.session is not None and not self.session.closed:
            self.session.close()
        self.session = session
        session.inherit()

    def release(self, path: Path) -> None:
        """Close the session that holds ``path``: a line that opens a store may well be run twice."""
        if self.session is not None and self.session.path == path.expanduser().absolute():
            self.session.close()

    def leave(self, session: Session) -> None:
        if self.session is session:
            self.session = None


_slot = _Slot()


def active_session() -> Session | None:
    """Return the open store of this process; None when there is none, or in a forked child."""
    session = _slot.session
    return session if session is not None and session.usable else None


def listen_without_store(bus: EventBus | None) -> None:
    """Tell ``bus`` of the calls that are made while no store is open; None: nobody."""
    _slot.bus = bus


def bus_without_store() -> EventBus | None:
    """Return who is told of calls while no store is open."""
    return _slot.bus


def wait_without_store(clock: Clock | None) -> None:
    """Let calls that are made while no store is open wait by ``clock``; None: by the machine's."""
    _slot.clock = clock or SystemClock()


def clock_without_store() -> Clock:
    """Return the clock of calls while no store is open."""
    return _slot.clock


def open_store(path: str | Path, *, clock: Clock | None = None) -> Session:
    """Open a store, so that steps and workflows called from now on are recorded in it.

    Args:
        path: the ledger's file, made when it is missing; blobs lie in a folder beside it.
        clock: where time comes from; tests pass a fake one.

    Returns:
        The open store: a context manager with ``close()``.

    Raises:
        StoreUnusable: the path is a folder, not a DuckDB file, cannot be written, or is of a newer format.
        StoreLocked: another process holds it.
    """
    from durable_nb.store.ledger import Ledger

    _slot.release(Path(path))
    return enter(Session(Ledger.open(Path(path)), clock=clock))


def enter(session: Session) -> Session:
    """Make ``session`` the one of this process, closing the one before."""
    _slot.enter(session)
    return session


def _meet(clients: Iterable[object]) -> bool:
    """There are no cells, so nothing tells where clients come from."""
    del clients
    return False


def _warn(message: str) -> None:
    warnings.warn(message, DurableWarning, stacklevel=3)
