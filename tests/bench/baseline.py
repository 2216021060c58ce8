"""What the figures are held against: plain pickle, and plain DuckDB."""

from __future__ import annotations

import os
import pickle
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def seconds(work: Callable[[], object]) -> float:
    """Run ``work`` once and return how long it took."""
    began = time.perf_counter()
    kept = work()
    took = time.perf_counter() - began
    del kept  # freed outside the measured time, on both sides alike
    return took


def pickle_save(value: object, path: Path) -> None:
    """Write a value as users do by hand, and make sure that it is on disk."""
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=5)
        file.flush()
        os.fsync(file.fileno())


def pickle_load(path: Path) -> Any:
    """Read it back."""
    with path.open("rb") as file:
        return pickle.load(file)


def single_row_commits(folder: Path, count: int) -> float:
    """Return the mean seconds of one autocommitted row of seven plain columns in DuckDB."""
    import duckdb

    with duckdb.connect(str(folder / "plain.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE steps (id BIGINT, kind VARCHAR, name VARCHAR, key BLOB, "
            "started_at DOUBLE, ended_at DOUBLE, payload BLOB)"
        )

        def insert(number: int) -> None:
            row = [number, "call", "double", b"k" * 16, time.time(), time.time(), b"p" * 30]
            connection.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        insert(-1)
        return seconds(lambda: [insert(number) for number in range(count)]) / count
