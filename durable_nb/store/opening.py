"""How a ledger file is made, opened and refused."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import re
import secrets
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.errors import StoreLocked, StoreUnusable
from durable_nb.store.keys import publish
from durable_nb.store.location import FOLDER, summary_path, wal_path
from durable_nb.store.schema import DDL, FORMAT
from durable_nb.store.summary import read_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import duckdb

_log = logging.getLogger("durable_nb")
_POLL_SECONDS = 0.05
_MOVE = "set DURABLE_NB_STORE to another path, or move it away"


def connect(
    path: Path, *, notebook: str, wait_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> tuple[duckdb.DuckDBPyConnection, dict[str, str]]:
    """Open a ledger, made where there is none, and return the connection and its meta table.

    Args:
        path: absolute.
        notebook: put into a new ledger's meta table.
        wait_seconds: how long to wait for another process that may be dying.
        sleep: the clock's.

    Raises:
        StoreUnusable: the path cannot be used; the message says why and what to do.
        StoreLocked: another process, or this one, holds the ledger.
    """
    if path.is_dir():
        raise StoreUnusable(path, f"the store {path} is a folder, not a file: {_MOVE}")
    try:
        prepare_folder(path.parent)
        if not path.exists():
            _create(path, notebook)
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "set DURABLE_NB_STORE to a path that can be written"
        raise StoreUnusable(path, f"the store {path} cannot be made ({reason}): {advice}") from error
    connection = _connect_waiting(path, wait_seconds, sleep)
    try:
        meta = _read_meta(connection, path)
    except BaseException:
        connection.close()
        raise
    restrict(path)
    return connection, meta


def prepare_folder(folder: Path) -> None:
    """Make the store's folder private to the user and ignored by git; others' folders stay as they are."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not new and folder.name != FOLDER:
        return
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def restrict(path: Path) -> None:
    """Keep the ledger and its write-ahead log from other users; DuckDB follows the umask."""
    for file in (path, wal_path(path)):
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _config() -> dict[str, str | bool | int | float | list[str]]:
    # DuckDB shares one instance between equal configurations of a process. Two writers with two
    # counters on one ledger must not happen, so that each ledger asks for a configuration of its own.
    return {
        "custom_user_agent": f"durable_nb/{secrets.token_hex(8)}",
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
    }


def _create(path: Path, notebook: str) -> None:
    """Make an empty ledger under a draft's name first: a killed kernel never leaves half of one."""
    set_aside(wal_path(path))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
        draft = Path(folder) / path.name
        import duckdb

        try:
            with duckdb.connect(str(draft), config=_config()) as connection:
                connection.begin()
                for statement in DDL:
                    connection.execute(statement)
                for item in _new_meta(notebook).items():
                    connection.execute("INSERT INTO meta VALUES (?, ?)", item)
                connection.commit()
        except duckdb.IOException as error:
            raise OSError(_first_line(error)) from error
        draft.chmod(0o600)
        publish(draft, path)


def set_aside(wal: Path) -> None:
    """Keep the log of a ledger that was deleted from being replayed into a new one."""
    if wal.exists():
        kept = wal.with_name(f"{wal.name}.orphan-{secrets.token_hex(4)}")
        wal.rename(kept)
        _log.warning("%s has no ledger any more; kept as %s", wal, kept.name)


def _new_meta(notebook: str) -> Mapping[str, str]:
    return {
        "format": str(FORMAT),
        "store_id": secrets.token_hex(16),
        "created": repr(time.time()),
        "notebook": notebook,
        "python": platform.python_version(),
        "duckdb": _version("duckdb"),
        "durable_nb": _version("durable_nb"),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _connect_waiting(path: Path, wait_seconds: float, sleep: Callable[[float], None]) -> duckdb.DuckDBPyConnection:
    import duckdb

    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path), config=_config())
        except duckdb.ConnectionException as error:
            # The configuration trick above: this very process has it open.
            raise StoreLocked(path, os.getpid(), _owner_notebook(path)) from error
        except duckdb.Error as error:
            if not _is_lock(error):
                raise _unusable(path, error) from error
            if time.monotonic() >= deadline:
                raise StoreLocked(path, _pid(error), _owner_notebook(path)) from error
        sleep(_POLL_SECONDS)


def _is_lock(error: Exception) -> bool:
    text = str(error)
    # The second is Windows': "being used by another process".
    return "Could not set lock" in text or "used by another process" in text


def _pid(error: Exception) -> int | None:
    found = re.search(r"PID (\d+)", str(error))
    return int(found[1]) if found else None


def _owner_notebook(path: Path) -> str | None:
    summary = read_summary(summary_path(path))
    return (summary["notebook"] or None) if summary is not None else None


def _unusable(path: Path, error: Exception) -> StoreUnusable:
    text = str(error)
    if "not a valid DuckDB database" in text:
        return StoreUnusable(path, f"the store {path} is not a DuckDB file: {_MOVE}")
    if "version number" in text or "newer version" in text:
        advice = f"pip install -U duckdb, or {_MOVE}"
        return StoreUnusable(path, f"the store {path} was written by a newer DuckDB: {advice}")
    advice = f"make it readable and writable, or {_MOVE}"
    return StoreUnusable(path, f"the store {path} cannot be opened ({_first_line(error)}): {advice}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _read_meta(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    import duckdb

    try:
        meta: dict[str, str] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        number = int(meta["format"])
        bytes.fromhex(meta["store_id"])
    except (duckdb.Error, KeyError, ValueError, TypeError) as error:
        what = "is a DuckDB file, but not a ledger of durable_nb"
        raise StoreUnusable(path, f"the store {path} {what}: {_MOVE}") from error
    if number > FORMAT:
        what = f"has format {number}, and this durable_nb reads up to {FORMAT}"
        advice = f"pip install -U durable_nb, or {_MOVE}"
        raise StoreUnusable(path, f"the store {path} {what}: {advice}")
    return meta
