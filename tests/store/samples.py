"""Records that the store's tests share."""

from __future__ import annotations

from typing import Any

from durable_nb.store.records import Payload, StepRecord

KEY = b"k" * 32


def call(number: int, **changes: Any) -> StepRecord:
    fields: dict[str, Any] = {
        "id": number,
        "scope_id": 1,
        "pass_id": 2,
        "kind": "call",
        "name": "fetch",
        "key": number.to_bytes(16, "big"),
        "base_key": b"b" * 16,
        "occurrence": 0,
        "status": "success",
        "sequence": number,
        "task": "MainThread",
        "attempts": 1,
        "started_at": 1_700_000_000.25,
        "ended_at": 1_700_000_001.5,
        "payload": Payload(b"stream %d" % number),
    }
    return StepRecord(**(fields | changes))
