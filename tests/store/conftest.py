"""Ledgers for the store's tests, closed at their end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from durable_nb.store.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parent))  # tests share the samples module

from samples import KEY


@pytest.fixture
def open_ledger(tmp_path):
    """Open (again) the ledger of this test; all are closed at its end."""
    opened = []

    def opener(path=None, **options):
        ledger = Ledger.open(path or tmp_path / ".durable_nb" / "nb.duckdb", **({"key": KEY} | options))
        opened.append(ledger)
        return ledger

    yield opener
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()
