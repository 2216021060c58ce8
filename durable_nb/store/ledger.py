"""The ledger: the one door to a notebook's store, for everything that is recorded and replayed."""

from __future__ import annotations

import atexit
import pickle
import threading
from typing import TYPE_CHECKING, Final

from durable_nb.errors import StoreError
from durable_nb.store import codec
from durable_nb.store.codec import INLINE_BYTES, Row
from durable_nb.store.fork import StoreDetached, never_free_in_children, weak_close
from durable_nb.store.interrupts import told
from durable_nb.store.keys import SIGNATURE_BYTES, load_key, sign
from durable_nb.store.location import summary_path
from durable_nb.store.open_attempts import OpenAttempts
from durable_nb.store.opening import connect, restrict
from durable_nb.store.reader import FULL, Answer, LedgerReader, StoredStep, unseal
from durable_nb.store.records import AttemptRecord, BlobRef, CodeRecord, ForgetRecord, StepRecord
from durable_nb.store.summary import SummaryFile
from durable_nb.store.writer import Batch, Later, LogRow, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path

    import duckdb
    from typing_extensions import Buffer

    from durable_nb.store.records import Record

_SIGN: Final = (
    "UPDATE log SET body = signed.body FROM "
    "(SELECT unnest(?::BIGINT[]) AS number, unnest(?::BLOB[]) AS body) AS signed WHERE log.rowid = signed.number"
)
__all__ = ["Answer", "Later", "Ledger", "StoreDetached", "StoredStep"]


class Ledger(LedgerReader):
    """An open store: the ledger and its blobs. Made by :meth:`open`; safe to use from any thread.

    In a forked child it is ``detached``: every call but :meth:`close` raises StoreDetached.

    Attributes:
        writer: the group-commit writer.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        meta: dict[str, str],
        notebook: str,
        key: bytes,
    ) -> None:
        super().__init__(connection, path, meta, key)
        self._lock = threading.Lock()
        self._last_id = self._highest_id()
        self._sources = self._known_sources()
        self._written_sources: dict[str, str] = {}
        self._summary = SummaryFile(summary_path(path), notebook, self.store_id)
        self._closing = self._forgot = False
        self._begin_summary()
        self.writer = Writer(connection, path, self._idle)
        never_free_in_children(self)
        self._exit_hook = weak_close(self)
        atexit.register(self._exit_hook)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        notebook: str = "",
        wait_seconds: float = 2.0,
        key: bytes | None = None,
    ) -> Ledger:
        """Open the ledger at a path, made where there is none.

        Args:
            path: of the DuckDB file.
            notebook: the notebook's path, shown to other kernels and kept in a new ledger.
            wait_seconds: how long to wait for another process that may be dying.
            key: 32 bytes to sign with; the user's own key when None.

        Raises:
            StoreUnusable: the path or the key cannot be used; the message says what to do.
            StoreLocked: another process (or this one) holds it; names pid and notebook.
        """
        path = path.expanduser().absolute()
        key = load_key() if key is None else key
        connection, meta = connect(path, notebook=notebook, wait_seconds=wait_seconds)
        try:
            return cls(connection, path, meta, notebook or meta.get("notebook", ""), key)
        except BaseException:
            connection.close()
            raise

    # ---- state

    def new_id(self) -> int:
        """Return an id that no step, scope or pass of this ledger has or had."""
        self._check()
        with self._lock:
            self._last_id += 1
            return self._last_id

    # ---- writing

    def knows_source(self, digest: str) -> bool:
        """Say whether the source text of a digest is recorded, so that nobody need look for it."""
        return digest in self._sources

    def sources(self, digests: Iterable[str], *, trusted_only: bool = False) -> dict[str, str]:
        """Return the source text of those digests that are known; what this process wrote needs no query."""
        wanted = set(digests)
        found = {digest: self._written_sources[digest] for digest in wanted & self._written_sources.keys()}
        unknown = wanted - found.keys()
        return found | super().sources(unknown, trusted_only=trusted_only) if unknown else found

    def write(self, *records: Record) -> Future[None]:
        """Write records in one transaction, together with whatever else is waiting.

        Streams of 64 KiB and more go to blob files first, on the caller's thread.

        Returns:
            A future that resolves once they are durable, or fails with StoreError. It cannot be
            cancelled.

        Raises:
            StoreError: a record holds what JSON cannot, or the ledger is closed.
            StoreDetached: this is a forked child.
        """
        self._check()
        return self.writer.submit(self._batch(records))

    def commit(self, *records: Record) -> None:
        """Write records and return once they are durable, on this thread when nobody else is writing.

        Faster than ``write(…).result()``; it blocks, so an event loop uses :meth:`write`.

        Raises:
            StoreError: as for :meth:`write`, or the disk is full and the like.
            StoreDetached: this is a forked child.
        """
        self._check()
        self.writer.commit(self._batch(records))

    def write_later(self, seconds: float, make: Callable[[], Record]) -> Later:
        """Write what ``make`` returns then in so many seconds unless ``cancel()`` of what this returns comes first."""
        self._check()
        return self.writer.submit_later(seconds, lambda: self._batch((make(),)))

    def flush(self) -> None:
        """Return once everything written so far is durable.

        Raises:
            StoreError: the writer could not go on. Failed writes are told by their own futures.
        """
        self._check()
        self.writer.submit(Batch([])).result()

    def put_buffer(self, buffer: Buffer) -> bytes | BlobRef:
        """Make a buffer ready for a Payload: inline when below 64 KiB, else durably in a blob file.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        self._check()
        # raw(), not tobytes(): a Fortran-ordered array keeps its bytes as they lie.
        raw = pickle.PickleBuffer(buffer).raw()
        if raw.nbytes < INLINE_BYTES:
            return raw.tobytes()
        return self._put_blob(buffer)

    def _put_blob(self, buffer: Buffer) -> BlobRef:
        try:
            return self.blobs.put(buffer)
        except OSError as error:
            reason = error.strerror or str(error)
            advice = "free some space or check the disk, then run the step again"
            message = f"a blob could not be written to {self.blobs.folder} ({reason}): {advice}"
            raise StoreError(self.path, message) from error

    def get_buffer(self, stored: bytes | BlobRef) -> memoryview:
        """Return a private, writable view of a stored buffer: a copy-on-write map of a blob.

        Raises:
            CheckpointUntrusted: the blob is missing, or is not what was signed.
        """
        if isinstance(stored, BlobRef):
            return self.blobs.map(stored)
        return memoryview(bytearray(stored))

    def _batch(self, records: Iterable[Record]) -> Batch:
        batch = Batch([])
        told: list[tuple[Record, int]] = []
        sources: dict[str, str] = {}
        for record in records:
            if isinstance(record, CodeRecord):
                if record.digest in self._sources or record.digest in sources:
                    continue
                sources[record.digest] = record.source
            row = self._encode(record)
            batch.rows.append(self._seal(row))
            if isinstance(record, ForgetRecord):
                batch.forget += record.step_ids
            elif isinstance(record, StepRecord | AttemptRecord):
                size = _size(row) if isinstance(record, StepRecord) and record.kind != "call" else 0
                told.append((record, size))
        if told or sources or batch.forget:
            batch.done.add_done_callback(lambda done: self._note(done, told, sources, forgot=bool(batch.forget)))
        return batch

    def _note(
        self, done: Future[None], told: list[tuple[Record, int]], sources: dict[str, str], *, forgot: bool
    ) -> None:
        """Remember what has just become durable."""
        if done.exception() is not None:
            return
        self._sources.update(sources)
        self._written_sources.update(sources)
        look = [self._summary.add(record, size) for record, size in told]
        self._forgot = self._forgot or forgot
        if forgot or any(look):
            self.writer.wake()

    def _begin_summary(self) -> None:
        self._forgot = False
        attempts = self.attempts()
        ended = self._ended({each.key for each in attempts}) if attempts else ()
        self._summary.begin(self._heads_with_size(), self._calls(), OpenAttempts(attempts, ended))

    def _encode(self, record: Record) -> Row:
        try:
            return codec.encode(record, self._put_blob)
        except (TypeError, ValueError, RecursionError) as error:
            message = f"a {type(record).__name__} cannot be written to {self.path}: {error}"
            raise StoreError(self.path, message) from error

    def _seal(self, row: Row) -> LogRow:
        signature = sign(self._key, self._store_bytes, row)
        return row.id, row.parent, row.kind, row.head, row.detail, signature + row.body

    def _idle(self) -> float | None:
        if self._forgot:
            self._begin_summary()
        wait = self._summary.tick()
        if wait is None:
            restrict(self.path)
        return wait

    # ---- trust

    def trust(self) -> int:
        """Sign every row of a foreign store with this user's key; return how many were not.

        After this their pickles are loaded, and can run any code they contain.
        """
        self.flush()
        sealed = self._rows(f"SELECT rowid, {FULL} FROM log ORDER BY rowid")  # noqa: S608
        foreign = [(row[0], unseal(row[1:])) for row in sealed]
        foreign = [(number, each) for number, each in foreign if not self.trusted(each)]
        bodies = [sign(self._key, self._store_bytes, each.row) + each.row.body for _, each in foreign]
        with self._connection.cursor() as cursor, told(self.path, f"{self.path} cannot be signed anew"):
            cursor.begin()
            cursor.execute(_SIGN, [[number for number, _ in foreign], bodies])
            cursor.commit()
        return len(foreign)

    # ---- the end

    def close(self) -> None:
        """Write what is waiting, checkpoint, and let other processes in; may be called again.

        Raises:
            StoreError: the checkpoint failed; what was committed is safe in the write-ahead log.
        """
        if self.detached:
            return
        with self._lock:
            if self._closing:
                return
            self._closing = True
        atexit.unregister(self._exit_hook)
        self.writer.stop()  # from here on nothing is written any more
        if self._forgot:
            self._begin_summary()
        self._closed = True
        self._summary.write(None)
        with self._read_lock:
            try:
                with told(self.path, f"the store {self.path} could not be checkpointed at its end"):
                    self._connection.execute("CHECKPOINT")
            finally:
                self._reader.close()
                self._connection.close()

    @property
    def handles(self) -> tuple[object, ...]:
        """Everything that keeps DuckDB's instance alive."""
        return self._connection, self._reader, *self.writer.handles


def _size(row: Row) -> int:
    return len(row.body) + SIGNATURE_BYTES + sum(ref.size for ref in codec.blobs_of(row.detail))
