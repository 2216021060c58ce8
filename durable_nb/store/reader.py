"""What is asked of a ledger: rows as records, verified before anything of them is unpickled."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from durable_nb.errors import CheckpointUntrusted, StoreError
from durable_nb.store import codec
from durable_nb.store.blobs import BlobStore
from durable_nb.store.codec import Row
from durable_nb.store.fork import StoreDetached
from durable_nb.store.interrupts import told
from durable_nb.store.kept import KeptFiles
from durable_nb.store.keys import SIGNATURE_BYTES, sign
from durable_nb.store.location import blobs_folder, kept_folder, size_on_disk
from durable_nb.store.schema import STEP_KINDS
from durable_nb.store.summary import CallsSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import duckdb

    from durable_nb.store.records import (
        AttemptRecord,
        ExecutionRecord,
        PassEndRecord,
        PassRecord,
        ScopeRecord,
        StepRecord,
    )

FULL = "id, parent, kind, head, detail, body"
_HEAD = "id, parent, kind, head, NULL, NULL"
_KINDS = ", ".join(f"'{kind}'" for kind in STEP_KINDS)
_SOURCES = "SELECT head->>'digest' FROM log WHERE kind = 'code'"


class Answer(NamedTuple):
    """What a query returned."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Ended(NamedTuple):
    """When a step ended: as :class:`durable_nb.store.open_attempts.Ended`."""

    key: bytes
    ended_at: float


class Sealed(NamedTuple):
    """A row and the signature that was stored with it."""

    row: Row
    signature: bytes


class StoredStep:
    """A step as read from the ledger; :meth:`load` makes it complete without asking DuckDB again.

    Attributes:
        head: the step without payload, error, inputs, outputs, displays, files and extra. It is
            not verified yet: good for looking up, not for replaying.
    """

    __slots__ = ("_reader", "_row", "head")

    def __init__(self, reader: LedgerReader, row: Sealed) -> None:
        self.head = codec.decode_step_head(row.row)
        self._reader = reader
        self._row = row

    def load(self) -> StepRecord:
        """Return the complete step.

        Raises:
            CheckpointUntrusted: it was written with another key, or changed since.
        """
        return self._reader.complete(self._row, self.head)


class LedgerReader:
    """The reading half of a ledger; any thread may use it while the writer writes.

    Attributes:
        path: of the DuckDB file.
        folder: that it is in.
        store_id: hex, made with the ledger; a copied file keeps it.
        meta: the meta table: format, store_id, created, notebook, and versions of its creation.
        blobs: the blob files.
        kept: files that steps wrote and later steps overwrote.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path, meta: dict[str, str], key: bytes) -> None:
        self.path = path
        self.folder = path.parent
        self.meta = meta
        self.store_id = meta["store_id"]
        self.blobs = BlobStore(blobs_folder(path))
        self.kept = KeptFiles(kept_folder(path))
        self._key = key
        self._store_bytes = bytes.fromhex(self.store_id)
        self._pid = os.getpid()
        self._closed = False
        self._connection = connection
        self._reader = connection.cursor()
        self._read_lock = threading.Lock()

    # ---- state

    @property
    def detached(self) -> bool:
        """Whether this process is a forked child of the one that opened the ledger."""
        return os.getpid() != self._pid

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def _check(self) -> None:
        if self.detached:
            what = f"process {os.getpid()} is a forked child; only process {self._pid} may use it"
            raise StoreDetached(self.path, f"the store {self.path} is not available here: {what}")
        if self._closed:
            raise StoreError(self.path, f"the store {self.path} is closed")

    # ---- reading

    def scopes(self) -> list[ScopeRecord]:
        """Return every scope, oldest first."""
        return [codec.decode_scope(each.row) for each in self._log("kind = 'scope'")]

    def passes(self, scope_id: int) -> list[PassRecord]:
        """Return the passes through a scope, oldest first."""
        rows = self._log("kind = 'pass' AND parent = ?", scope_id)
        return [codec.decode_pass(each.row) for each in rows]

    def passes_with_code(self) -> list[tuple[PassRecord, str]]:
        """Return each pass, oldest first, with the digest of its scope's code at that time.

        Raises:
            CheckpointUntrusted: a pass or a scope is not what was signed.
        """
        codes: dict[int, str] = {}
        found: list[tuple[PassRecord, str]] = []
        for each in self._log("kind IN ('scope', 'pass')"):
            self._require(each)
            if each.row.kind == "scope":
                codes[each.row.id] = codec.decode_scope(each.row).code_digest
            else:
                found.append((codec.decode_pass(each.row), codes.get(each.row.parent, "")))
        return found

    def pass_ends(self, scope_id: int) -> list[PassEndRecord]:
        """Return the ends of passes through a scope, oldest first; a killed pass has none."""
        inside = "SELECT id FROM log WHERE kind = 'pass' AND parent = ?"
        rows = self._log(f"kind = 'pass_end' AND parent IN ({inside})", scope_id)
        return [codec.decode_pass_end(each.row) for each in rows]

    def attempts(self) -> list[AttemptRecord]:
        """Return every attempt in the order of writing; errors are pickled only in trusted rows."""
        rows = self._log("kind = 'attempt'")
        return [codec.decode_attempt(each.row, trusted=self.trusted(each)) for each in rows]

    def step_heads(self, kinds: Sequence[str] = STEP_KINDS) -> list[StepRecord]:
        """Return all steps of some kinds as heads: no payload, error, displays and so on; unverified."""
        where = f"kind IN ({', '.join('?' * len(kinds))})"
        rows = self._log(where, *kinds, columns=_HEAD)
        return [codec.decode_step_head(each.row) for each in rows]

    def steps_of_scope(self, scope_id: int) -> list[StoredStep]:
        """Return the steps of a scope, oldest first, read at once so that a hit needs no query."""
        rows = self._log(f"parent = ? AND kind IN ({_KINDS})", scope_id)
        return [StoredStep(self, row) for row in rows]

    def load(self, step_id: int) -> StepRecord:
        """Return one step, complete and verified.

        Raises:
            CheckpointUntrusted: it was written with another key, or changed since.
            KeyError: there is no such step.
        """
        rows = self._log(f"id = ? AND kind IN ({_KINDS})", step_id)
        if not rows:
            raise KeyError(step_id)
        return self.complete(rows[-1])

    def steps_with(self, part: str) -> list[StepRecord]:
        """Return the steps whose ``extra`` has a part of this name, complete; those that are not trusted left out."""
        rows = self._log(f"kind IN ({_KINDS}) AND contains(detail, ?)", f'"{part}"')
        found = [self.complete(row) for row in rows if self.trusted(row)]
        return [each for each in found if part in (each.extra or {})]

    def verify(self, step_id: int) -> None:
        """Check one step whole, the content of its blobs included.

        Raises:
            CheckpointUntrusted: something is not what was signed.
            KeyError: there is no such step.
        """
        self.load(step_id)
        for each in self._log(f"id = ? AND kind IN ({_KINDS})", step_id):
            for ref in codec.blobs_of(each.row.detail):
                self.blobs.verify(ref)

    def executions(self) -> list[ExecutionRecord]:
        """Return the newest state of every workflow id, without results and pickled errors."""
        newest: dict[str, ExecutionRecord] = {}
        for each in self._log("kind = 'execution'"):
            record = codec.decode_execution(each.row, None)
            newest.pop(record.workflow_id, None)
            newest[record.workflow_id] = record
        return list(newest.values())

    def load_execution(self, workflow_id: str) -> ExecutionRecord:
        """Return the newest state of one workflow id, complete and verified.

        Raises:
            CheckpointUntrusted: it was written with another key, or changed since.
            KeyError: there is no such execution.
        """
        for each in reversed(self._log("kind = 'execution'")):
            if codec.decode_execution(each.row, None).workflow_id == workflow_id:
                self._require(each)
                return codec.decode_execution(each.row, self.blobs.read)
        raise KeyError(workflow_id)

    def sources(self, digests: Iterable[str], *, trusted_only: bool = False) -> dict[str, str]:
        """Return the source text of those digests that are known; on request only of rows that were signed so."""
        found = self._log("kind = 'code' AND list_contains(?::VARCHAR[], head->>'digest')", list(digests))
        rows = (codec.from_json(each.row.head) for each in found if not trusted_only or self.trusted(each))
        return {row["digest"]: row["source"] for row in rows}

    def recorded_code(self) -> tuple[set[str], bool]:
        """Return the digests of cells with checkpoints of their own or of calls, and whether all are trusted."""
        with_calls = "kind = 'scope' AND id IN (SELECT parent FROM log WHERE kind = 'call')"
        rows = self._log(f"kind = 'cell' OR ({with_calls})")
        return {codec.from_json(each.row.head)["code_digest"] for each in rows}, all(map(self.trusted, rows))

    def referenced_blobs(self) -> set[str]:
        """Return the addresses of all blobs that rows refer to: what gc keeps."""
        rows = self._rows("SELECT detail FROM log WHERE contains(detail, '\"blobs\"')")
        return {ref.address for (detail,) in rows for ref in codec.blobs_of(detail)}

    def size_bytes(self) -> int:
        """Return the bytes that ledger, write-ahead log, blobs and kept files take."""
        return size_on_disk(self.path)

    def query(self, sql: str) -> Answer:
        """Answer one SELECT over the views of :mod:`durable_nb.store.schema`; nothing can be changed.

        Raises:
            StoreError: it is not one SELECT, or DuckDB refuses it; the message is for people.
        """
        self._check()
        with self._connection.cursor() as cursor, told(self.path, "the query cannot be answered"):
            _refuse_writes(cursor.extract_statements(sql), self.path)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            cursor.execute(sql)
            columns = [column[0] for column in cursor.description or ()]
            return Answer(columns, cursor.fetchall())

    def complete(self, sealed: Sealed, head: StepRecord | None = None) -> StepRecord:
        """Return the step of a row, complete and verified; ``head`` is its head where decoded."""
        self._require(sealed)
        return codec.decode_step(sealed.row, self.blobs.read, head)

    def trusted(self, sealed: Sealed) -> bool:
        """Return whether a row was written with this user's key, and not changed since."""
        return sign(self._key, self._store_bytes, sealed.row) == sealed.signature

    def foreign(self) -> bool:
        """Say whether the newest step was written with another key, or changed since."""
        rows = self._rows(f"SELECT {FULL} FROM log WHERE kind IN ({_KINDS}) ORDER BY rowid DESC LIMIT 1")  # noqa: S608
        return any(not self.trusted(unseal(row)) for row in rows)

    def _require(self, sealed: Sealed) -> None:
        if not self.trusted(sealed):
            what = f"row {sealed.row.id} of {self.path} was not written with this user's key"
            advice = "the step runs again; if the store is yours or you trust it: %durable trust"
            raise CheckpointUntrusted(self.path, f"{what}, or was changed since: {advice}")

    def _log(self, where: str, *values: object, columns: str = FULL) -> list[Sealed]:
        sql = f"SELECT {columns} FROM log WHERE {where} ORDER BY rowid"  # noqa: S608 - constants
        return [unseal(row) for row in self._rows(sql, values)]

    def _heads_with_size(self) -> list[tuple[StepRecord, int]]:
        size = "octet_length(body) + coalesce(list_sum(from_json(detail->'$.blobs[*].size', '[\"BIGINT\"]')), 0)"
        kinds = "kind IN ('cell', 'workflow', 'sleep')"
        sql = f"SELECT {_HEAD}, {size} FROM log WHERE {kinds} ORDER BY rowid"  # noqa: S608
        rows = self._rows(sql)
        return [(codec.decode_step_head(unseal(row[:6]).row), int(row[6])) for row in rows]

    def _calls(self) -> list[CallsSummary]:
        sql = (  # to DuckDB 1.5 = binds tighter than ->>
            "SELECT head->>'name', count(*), max((head->>'ended_at')::DOUBLE) FROM log "
            "WHERE kind = 'call' AND (head->>'status') = 'success' GROUP BY 1 ORDER BY min(rowid)"
        )
        return [CallsSummary(name=name, count=count, when=when) for name, count, when in self._rows(sql)]

    def _ended(self, keys: Iterable[bytes]) -> list[Ended]:
        """Return when the steps of these keys ended, those that did."""
        sql = (
            "SELECT head->>'key', max((head->>'ended_at')::DOUBLE) FROM log "  # noqa: S608 - constants
            f"WHERE kind IN ({_KINDS}) AND list_contains(?::VARCHAR[], (head->>'key')) GROUP BY 1"
        )
        rows = self._rows(sql, [[key.hex() for key in keys]])
        return [Ended(bytes.fromhex(key), ended_at) for key, ended_at in rows]

    def _highest_id(self) -> int:
        return int(self._rows("SELECT coalesce(max(id), 0) FROM log")[0][0])

    def _known_sources(self) -> set[str]:
        return {str(row[0]) for row in self._rows(_SOURCES)}

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._check()
        with self._read_lock, told(self.path, f"the store {self.path} cannot be read"):
            self._check()
            return self._reader.execute(sql, list(values)).fetchall()


def unseal(row: tuple[Any, ...]) -> Sealed:
    """Return a row of the columns ``FULL`` with its signature apart."""
    number, parent, kind, head, detail, body = row
    body = body or b""
    unsigned = Row(number, parent, kind, head, detail, body[SIGNATURE_BYTES:])
    return Sealed(unsigned, body[:SIGNATURE_BYTES])


def _refuse_writes(statements: Sequence[Any], path: Path) -> None:
    names = [statement.type.name for statement in statements]
    if names != ["SELECT"]:
        shown = ", ".join(names) or "nothing"
        raise StoreError(path, f"%durable sql answers one SELECT (this is {shown}); nothing was run")
