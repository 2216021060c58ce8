"""Records to rows of the log and back: JSON that people can query, and bytes that are signed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from durable_nb.store.records import (
    AttemptRecord,
    BlobRef,
    CodeRecord,
    DisplayRecord,
    ErrorRecord,
    ExecutionRecord,
    FileRecord,
    ForgetRecord,
    InputRecord,
    OutputRecord,
    PassEndRecord,
    PassRecord,
    Payload,
    ScopeRecord,
    StepRecord,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from durable_nb.store.records import Record

INLINE_BYTES = 64 * 1024
"""Buffers and pickle streams of this size or more go to blob files."""

_ESCAPED = "\0escaped:"
_ESCAPED_JSON = r"\u0000escaped:"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
# Of a step, what its head has: all fields before ``payload``.
_head_fields: Callable[[StepRecord], tuple[Any, ...]] = attrgetter(
    *takewhile(lambda name: name != "payload", StepRecord.__match_args__)
)


class Row(NamedTuple):
    """One row of ``log`` before it is signed; ``head`` and ``detail`` are JSON that UTF-8 can hold."""

    id: int
    parent: int
    kind: str
    head: str
    detail: str | None
    body: bytes


# ---- JSON that DuckDB can read, whatever the strings are


def to_json(value: object) -> str:
    """Return compact JSON; strings that UTF-8 cannot hold (odd file names) are escaped.

    Raises:
        TypeError, ValueError: the value is not JSON-able.
    """
    text = _encode(value)
    if _ESCAPED_JSON in text or not _is_utf8(text):
        return _encode(_map_strings(value, _escape))
    return text


def from_json(text: str) -> Any:
    """Return what :func:`to_json` was given, with lists for tuples."""
    value = _decode(text)
    return _map_strings(value, _unescape) if _ESCAPED_JSON in text else value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _map_strings(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(k) if isinstance(k, str) else k: _map_strings(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_strings(item, change) for item in value]
    return value


def _escape(text: str) -> str:
    if _is_utf8(text) and not text.startswith(_ESCAPED):
        return text
    return _ESCAPED + text.encode("utf-8", "surrogatepass").decode("latin-1")


def _unescape(text: str) -> str:
    if not text.startswith(_ESCAPED):
        return text
    return text.removeprefix(_ESCAPED).encode("latin-1").decode("utf-8", "surrogatepass")


# ---- writing


def encode(record: Record, put_blob: Callable[[bytes], BlobRef]) -> Row:
    """Return the row of a record; ``put_blob`` takes a pickle stream too large to be inline."""
    if isinstance(record, StepRecord):
        return _encode_step(record, put_blob)
    if isinstance(record, ExecutionRecord):
        return _encode_execution(record, put_blob)
    if isinstance(record, AttemptRecord):
        return _encode_attempt(record)
    number, parent, kind, head = _plain(record)
    return Row(number, parent, kind, to_json(head), None, b"")


def _plain(
    record: ScopeRecord | PassRecord | PassEndRecord | CodeRecord | ForgetRecord,
) -> tuple[int, int, str, dict[str, Any]]:
    """Return id, parent, kind and head of a record that is nothing but its head."""
    head = _flat(record)
    match record:
        case ScopeRecord():
            return head.pop("id"), 0, "scope", head
        case PassRecord():
            if not record.untouched:
                del head["untouched"]
            return head.pop("id"), head.pop("scope_id"), "pass", head
        case PassEndRecord():
            return 0, head.pop("pass_id"), "pass_end", head
        case CodeRecord():
            return 0, 0, "code", head
        case _:
            # The row of a forgotten step is gone, but its id must never be given again.
            return max(record.step_ids, default=0), 0, "forget", head


def _flat(record: Any) -> dict[str, Any]:
    """Return the fields of a record that holds no other; ``asdict`` would copy each value."""
    return {name: getattr(record, name) for name in record.__match_args__}


def _encode_step(record: StepRecord, put_blob: Callable[[bytes], BlobRef]) -> Row:
    head = {
        "pass_id": record.pass_id,
        "name": record.name,
        "status": record.status,
        "key": record.key.hex(),
        "base_key": record.base_key.hex(),
        "occurrence": record.occurrence,
        "sequence": record.sequence,
        "task": record.task,
        "attempts": record.attempts,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "code_digest": record.code_digest,
        "cell_id": record.cell_id,
        "reason": record.reason,
        "environment": record.environment,
    }
    if record.execution:
        head["execution"] = record.execution
    detail: dict[str, Any] = {}
    if record.inputs:
        detail["inputs"] = [_flat(item) for item in record.inputs]
    if record.outputs:
        detail["outputs"] = [_flat(item) for item in record.outputs]
    if record.displays:
        detail["displays"] = [{"msg_type": item.msg_type, "content": item.content} for item in record.displays]
    if record.files:
        detail["files"] = [_flat(item) for item in record.files]
    if record.extra is not None:
        detail["extra"] = record.extra
    body = _encode_body(record.payload, record.error, detail, put_blob)
    return Row(record.id, record.scope_id, record.kind, to_json(head), _some(detail), body)


def _encode_execution(record: ExecutionRecord, put_blob: Callable[[bytes], BlobRef]) -> Row:
    head = {
        "workflow_id": record.workflow_id,
        "name": record.name,
        "arguments_key": record.arguments_key.hex(),
        "code_digest": record.code_digest,
        "status": record.status,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "parent_id": record.parent_id,
    }
    detail: dict[str, Any] = {}
    body = _encode_body(record.payload, record.error, detail, put_blob)
    return Row(0, record.scope_id, "execution", to_json(head), _some(detail), body)


def _encode_attempt(record: AttemptRecord) -> Row:
    head = {
        "key": record.key.hex(),
        "name": record.name,
        "number": record.number,
        "state": record.state,
        "at": record.at,
        "wait_seconds": record.wait_seconds,
        "retry_at": record.retry_at,
        "max_attempts": record.max_attempts,
    }
    if record.started_at:
        head["started_at"] = record.started_at
    detail: dict[str, Any] = {}
    body = _encode_body(None, record.error, detail, _no_blob)
    return Row(0, record.pass_id, "attempt", to_json(head), _some(detail), body)


def _no_blob(stream: bytes) -> BlobRef:
    raise ValueError(f"an attempt has no payload, and this one has {len(stream)} bytes")


def _some(detail: dict[str, Any]) -> str | None:
    return to_json(detail) if detail else None


def _encode_body(
    payload: Payload | None,
    error: ErrorRecord | None,
    detail: dict[str, Any],
    put_blob: Callable[[bytes], BlobRef],
) -> bytes:
    """Return stream, inline buffers and error pickle in one piece; ``detail`` says where each is.

    The common row, a small stream and nothing else, needs no such map.
    """
    pieces: list[bytes] = []
    if payload is not None:
        stream = payload.stream
        small = len(stream) < INLINE_BYTES
        if small and stream and not payload.buffers and error is None:
            return stream
        parts = (stream if small else put_blob(stream), *payload.buffers)
        blobs = [part for part in parts if isinstance(part, BlobRef)]
        pieces = [part for part in parts if not isinstance(part, BlobRef)]
        # A size for an inline part, -1 for the next of the blobs.
        detail["parts"] = [-1 if isinstance(part, BlobRef) else len(part) for part in parts]
        if blobs:
            detail["blobs"] = [asdict(blob) for blob in blobs]
    if error is not None:
        detail["error"] = shown = asdict(error)
        pickled = shown.pop("payload")
        shown["bytes"] = None if pickled is None else len(pickled)
        pieces.append(pickled or b"")
    return b"".join(pieces)


# ---- reading


def decode_step(row: Row, read_blob: Callable[[BlobRef], bytes], head: StepRecord | None = None) -> StepRecord:
    """Return the complete step of a *verified* row; ``head`` is its head where already decoded."""
    head = decode_step_head(row) if head is None else head
    if row.detail is None:  # the common call: microseconds count
        fields = (*_head_fields(head), Payload(row.body) if row.body else None)
        return StepRecord(*fields)
    detail = from_json(row.detail)
    payload, error = _decode_body(detail, row.body, read_blob)
    return replace(
        head,
        payload=payload,
        error=error,
        inputs=tuple(InputRecord(**item) for item in detail.get("inputs", ())),
        outputs=tuple(OutputRecord(**item) for item in detail.get("outputs", ())),
        displays=tuple(DisplayRecord(**item) for item in detail.get("displays", ())),
        files=tuple(FileRecord(**item) for item in detail.get("files", ())),
        extra=detail.get("extra"),
    )


def decode_step_head(row: Row) -> StepRecord:
    """Return a step without payload, error, inputs, outputs, displays, files and extra."""
    head = from_json(row.head)
    head["key"] = bytes.fromhex(head["key"])
    head["base_key"] = bytes.fromhex(head["base_key"])
    kind = cast("Any", row.kind)
    return StepRecord(id=row.id, scope_id=row.parent, kind=kind, **head)


def decode_execution(row: Row, read_blob: Callable[[BlobRef], bytes] | None) -> ExecutionRecord:
    """Return an execution, complete when ``read_blob`` is given, else without pickled bytes."""
    head = from_json(row.head)
    head["arguments_key"] = bytes.fromhex(head["arguments_key"])
    detail = from_json(row.detail) if row.detail is not None else {}
    if read_blob is None:
        payload, error = None, _error(detail, None)
    else:
        payload, error = _decode_body(detail, row.body, read_blob)
    return ExecutionRecord(scope_id=row.parent, payload=payload, error=error, **head)


def decode_attempt(row: Row, *, trusted: bool) -> AttemptRecord:
    """Return an attempt, its error's pickle only when ``trusted``."""
    head = from_json(row.head)
    head["key"] = bytes.fromhex(head["key"])
    detail = from_json(row.detail) if row.detail is not None else {}
    error = _error(detail, row.body if trusted else None)
    return AttemptRecord(pass_id=row.parent, error=error, **head)


def decode_scope(row: Row) -> ScopeRecord:
    """Return the scope of a row."""
    return ScopeRecord(id=row.id, **from_json(row.head))


def decode_pass(row: Row) -> PassRecord:
    """Return the beginning of a pass."""
    head = from_json(row.head)
    head["untouched"] = tuple(head.get("untouched", ()))
    return PassRecord(id=row.id, scope_id=row.parent, **head)


def decode_pass_end(row: Row) -> PassEndRecord:
    """Return the end of a pass."""
    head = from_json(row.head)
    head["fatal"] = tuple(head["fatal"])
    return PassEndRecord(pass_id=row.parent, **head)


def blobs_of(detail: str | None) -> list[BlobRef]:
    """Return the blobs that a row refers to."""
    if detail is None or '"blobs"' not in detail:
        return []
    return [BlobRef(**blob) for blob in from_json(detail).get("blobs", ())]


def _decode_body(
    detail: dict[str, Any], body: bytes, read_blob: Callable[[BlobRef], bytes]
) -> tuple[Payload | None, ErrorRecord | None]:
    parts: Sequence[int] | None = detail.get("parts")
    if parts is None:
        if "error" in detail:
            return None, _error(detail, body)
        return (Payload(body) if body else None), None
    blobs = (BlobRef(**blob) for blob in detail.get("blobs", ()))
    read: list[bytes | BlobRef] = []
    offset = 0
    for size in parts:
        if size < 0:
            read.append(next(blobs))
        else:
            read.append(body[offset : offset + size])
            offset += size
    stream = read[0] if isinstance(read[0], bytes) else read_blob(read[0])
    return Payload(stream, tuple(read[1:])), _error(detail, body[offset:])


def _error(detail: dict[str, Any], pickled: bytes | None) -> ErrorRecord | None:
    if "error" not in detail:
        return None
    shown = dict(detail["error"])
    size = shown.pop("bytes")
    shown["args"] = tuple(shown["args"])
    shown["notes"] = tuple(shown["notes"])
    return ErrorRecord(**shown, payload=None if size is None else pickled)
