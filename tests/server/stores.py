"""Stores as kernels leave them, without the kernel."""

from __future__ import annotations

from durable_nb.store.ledger import Ledger
from durable_nb.store.location import store_path
from durable_nb.store.records import Payload, StepRecord


def step(number=1, **changes):
    fields = {
        "id": number,
        "scope_id": 0,
        "pass_id": 0,
        "kind": "cell",
        "name": "load",
        "key": number.to_bytes(16, "big"),
        "base_key": b"b" * 16,
        "occurrence": 0,
        "status": "success",
        "sequence": 1,
        "task": "",
        "attempts": 1,
        "started_at": 1_700_000_000.0,
        "ended_at": 1_700_000_001.5,
        "payload": Payload(b"stream"),
    }
    return StepRecord(**(fields | changes))


def make_store(notebook, *records):
    """Make a notebook and its closed store; return the ledger's path."""
    notebook.parent.mkdir(parents=True, exist_ok=True)
    notebook.write_text("{}")
    ledger = Ledger.open(store_path(notebook, {}), notebook=str(notebook), key=b"k" * 32)
    ledger.commit(*(records or (step(),)))
    ledger.close()
    return ledger.path
