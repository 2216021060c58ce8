"""Descriptors that nobody watches."""

from __future__ import annotations

import threading

from durable_nb.notebook import descriptors


def test_without_descriptors_there_is_no_thread():
    """Where ipykernel shows none, as on Windows, there is nothing to wait for, and no means to."""
    descriptors._reader.cache_clear()  # a test before may have had some
    before = threading.active_count()
    descriptors.Descriptors({}).close()
    assert threading.active_count() == before
