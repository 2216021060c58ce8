"""The rows of the ledger as plain data: what the core writes and reads, free of DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

StepKind = Literal["cell", "call", "workflow", "sleep"]
StepStatus = Literal["success", "partial", "error", "ended"]
"""``partial`` is a success of which some outputs cannot be saved: it is replayed only when asked for without them.
``ended`` marks an end the user saw that is never replayed (interrupt, stop, exhausted retries of a cell)."""
COMPLETED: frozenset[StepStatus] = frozenset(("success", "partial"))
"""Status of a row that has a checkpoint."""
ScopeKind = Literal["cell", "workflow", "background"]
PassStatus = Literal["completed", "failed", "interrupted"]
LABEL_LENGTH = 8
"""A step without a name is shown by this many hex digits of its code's digest."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A large buffer that lives in a blob file.

    Attributes:
        address: hex blake3 of the content, which is also the file's name.
        size: bytes.
        inode, mtime_ns, ctime_ns: the file as it was when signed; while they hold, the content is not hashed again.
    """

    address: str
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded object: a pickle stream and its out-of-band buffers, small ones inline."""

    stream: bytes
    buffers: tuple[bytes | BlobRef, ...] = ()


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One name a step read: its type, a one-line summary, its fingerprint in hex.

    Attributes:
        via: through which functions it reads it, outermost first: ``prepare → normalise``; "" when its own code does.
    """

    name: str
    type: str
    summary: str
    fingerprint: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One name a step bound or deleted (``deleted``), with its type, a one-line summary, its size in bytes."""

    name: str
    type: str
    summary: str
    size: int
    fingerprint: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class DisplayRecord:
    """One output message a cell showed, as the Jupyter messaging protocol has it."""

    msg_type: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file, folder listing or failed open that a step depends on.

    Attributes:
        path: relative to the notebook where it lies below it, else absolute.
        kind: ``file``, ``missing``, ``listing`` or ``glob``.
        size: bytes. mtime_ns: modification time.
        digest: hex digest of the content or of the listing.
    """

    path: str
    kind: str
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """A recorded exception; ``payload`` is its pickle where it survives one."""

    type: str
    message: str
    args: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    traceback: str = ""
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One completed (or ended) step: the row that a replay is made of.

    Attributes:
        id: unique in the ledger, given by ``Ledger.new_id``.
        scope_id: the scope it belongs to (0 for cell steps).
        pass_id: the pass through that scope that ran it.
        kind: what sort of step.
        name: shown to people; no part of the key.
        key: 16 bytes; the occurrence is part of it.
        base_key: 16 bytes; the key without the occurrence.
        occurrence: 0-based among equal base keys.
        status: how it ended.
        sequence: start order within the pass, 1-based.
        task: the task or thread of the pass that ran it.
        attempts: how many attempts it took.
        started_at, ended_at: Unix seconds.
        code_digest: hex; the source is in the ``code`` table.
        cell_id: the front end's id of the cell, where known.
        reason: why it ran rather than replayed, one line.
        environment: versions the payload was written under.
        execution: id of the execution of the notebook that ran it; "" where nobody names executions.
        extra: what only the kind of step understands, JSON-able.
    """

    id: int
    scope_id: int
    pass_id: int
    kind: StepKind
    name: str
    key: bytes
    base_key: bytes
    occurrence: int
    status: StepStatus
    sequence: int
    task: str
    attempts: int
    started_at: float
    ended_at: float
    code_digest: str = ""
    cell_id: str = ""
    reason: str = ""
    environment: str = ""
    execution: str = ""
    payload: Payload | None = None
    error: ErrorRecord | None = None
    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    displays: tuple[DisplayRecord, ...] = ()
    files: tuple[FileRecord, ...] = ()
    extra: dict[str, Any] | None = None


def label(row: StepRecord) -> str:
    """Return what a step is shown as: its name, else the start of its code's digest."""
    return row.name or row.code_digest[:LABEL_LENGTH]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A moment in the life of an attempt: it started, or it failed and the next one waits until ``retry_at``.

    Attributes:
        key: the step's key.
        name: the step's name.
        pass_id: the pass that made the attempt.
        number: 1-based.
        state: ``started``, ``failed`` (another attempt follows) or ``closed`` (an end the user saw: a fresh budget).
        at: Unix seconds.
        wait_seconds: the planned backoff after a failure.
        retry_at: Unix seconds when the next attempt is due.
        error: what it failed with.
        max_attempts: how many attempts the step may make; 0 in rows of before it was written.
        started_at: of a failed attempt, when it began, in Unix seconds; 0 in rows of old.
    """

    key: bytes
    name: str
    pass_id: int
    number: int
    state: Literal["started", "failed", "closed"]
    at: float
    wait_seconds: float = 0.0
    retry_at: float = 0.0
    error: ErrorRecord | None = None
    max_attempts: int = 0
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ScopeRecord:
    """Where call rows live: a cell (by name, id or code and order), a workflow, or the background.

    Attributes:
        id: unique in the ledger.
        notebook: the notebook's id where a store is shared, else "".
        kind: ``cell``, ``workflow`` or ``background``.
        name: explicit step name, or workflow name.
        cell_id: the front end's cell id.
        code_digest: hex digest of the cell's code when the scope was made.
        ordinal: 0-based among scopes of equal code.
    """

    id: int
    notebook: str
    kind: ScopeKind
    name: str
    cell_id: str
    code_digest: str
    ordinal: int
    created_at: float


@dataclass(frozen=True, slots=True)
class PassRecord:
    """One pass through a scope began; ``forced`` passes ignore rows of earlier ones.

    Attributes:
        untouched: names that a cell without a checkpoint read, and is known to have left as they were.
    """

    id: int
    scope_id: int
    started_at: float
    forced: bool = False
    untouched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PassEndRecord:
    """A pass through a scope ended; ``fatal`` are the step ids whose errors ended it."""

    pass_id: int
    status: PassStatus
    ended_at: float
    fatal: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """A state of one execution of a workflow; the newest row of a ``workflow_id`` counts.

    Attributes:
        workflow_id: unique name of the execution.
        name: the workflow's name; "" of the notebook itself.
        arguments_key: 16 bytes; fingerprint of the arguments.
        code_digest: hex digest of the workflow's code.
        status: ``running``, ``success`` or ``error``.
        scope_id: the scope that holds its steps; 0 of the notebook itself, whose cells have scopes of their own.
        payload: its result. error: what it failed with.
        parent_id: the workflow id it was called from, or "".
    """

    workflow_id: str
    name: str
    arguments_key: bytes
    code_digest: str
    status: Literal["running", "success", "error"]
    scope_id: int
    started_at: float
    ended_at: float = 0.0
    payload: Payload | None = None
    error: ErrorRecord | None = None
    parent_id: str = ""


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """Source text by digest, for people who ask what ran."""

    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class ForgetRecord:
    """The named steps' rows are removed."""

    step_ids: tuple[int, ...]


Record = (
    StepRecord | AttemptRecord | ScopeRecord | PassRecord | PassEndRecord | ExecutionRecord | CodeRecord | ForgetRecord
)
