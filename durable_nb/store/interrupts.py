"""An interrupt in the middle of a query: DuckDB sometimes swallows it and fails instead."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from durable_nb.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error stands for a KeyboardInterrupt that DuckDB's client consumed.

    It is a plain RuntimeError without a cause (measured with 1.5.5 and 2.0: one in four).
    """
    return isinstance(error, RuntimeError) and "Query interrupted" in str(error)


@contextmanager
def told(path: Path, what: str) -> Iterator[None]:
    """Run queries; DuckDB's errors become StoreError, consumed interrupts KeyboardInterrupt again.

    Args:
        path: the ledger's.
        what: what could not be done, for the message.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise StoreError(path, f"{what}: {error}") from error
    except RuntimeError as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        raise
