"""Database connections that a step is given: whether its code changes their session, and which files they lead to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.recording import texts_in
from durable_nb.values.code import code_texts
from durable_nb.values.databases import any_table, file_of, open_transaction
from durable_nb.values.dependencies import FileDependency, observe
from durable_nb.values.kinds import class_name
from durable_nb.values.registry import registry
from durable_nb.values.sql import session_change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.core.codes import Codes

# Methods and attributes of connections that do to the session what SQL may do.
_METHODS: Final = frozenset(
    {
        "create_function",
        "remove_function",
        "create_aggregate",
        "create_collation",
        "create_window_function",
        "enable_load_extension",
        "load_extension",
        "install_extension",
        "register",
        "unregister",
        "register_filesystem",
        "unregister_filesystem",
        "deserialize",
        "row_factory",
        "text_factory",
        "isolation_level",
        "autocommit",
        "set_session",
        "set_isolation_level",
        "select_db",
        "set_character_set",
    }
)


class DatabaseFiles:
    """The files behind the connections that a step is given, from before it runs.

    Databases open their files unseen. A file that the step left as it was counts as read; one that it wrote is
    no dependency: what it wrote there is an effect, which a replay does not repeat.
    """

    def __init__(self, clients: Iterable[object], root: Path) -> None:
        self._root = root
        self._connections = databases_among(clients)
        files = [file for each in self._connections if (file := file_of(each)) is not None]
        # A log of sqlite comes and goes as connections do; one of duckdb only when something is written.
        self._logs = {file + ".wal" for file in files}
        self._before = {path: _seen(path) for file in files for path in (file, file + "-wal", file + ".wal")}

    def read(self) -> tuple[FileDependency, ...]:
        """Return the files that were not changed, as they are, and the logs of duckdb that were not there."""
        same = [
            path for path, before in self._before.items() if _seen(path) == before and (before or path in self._logs)
        ]
        return tuple(observe(Path(path).absolute(), "file", self._root) for path in same)

    def left_behind(self, values: Iterable[object]) -> str | None:
        """Say what the step left in a database that is gone with the kernel, and that a replay would not make.

        Args:
            values: what the step read.
        """
        kinds = [".".join(class_name(type(each))) for each in self._connections if open_transaction(each)]
        return f"it left a transaction open on its {kinds[0]}: commit() it" if kinds else module_database(values)


def module_database(values: Iterable[object]) -> str | None:
    """Say that a step may read tables of the database that ``duckdb.sql(…)`` uses, which lives in this process only."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is None or not any(value is duckdb for value in values):
        return None
    table = any_table(duckdb.default_connection())
    if table is None:
        return None
    return f"the database of duckdb.sql() has a table {table} that lives in this process only: duckdb.connect() a file"


def _seen(path: str) -> tuple[int, int] | None:
    try:
        seen = Path(path).stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns


def databases_among(clients: Iterable[object]) -> list[Any]:
    """Return the connections to databases among some clients."""
    return [each for each in clients if (known := registry.find(type(each))) is not None and known.database]


def changed_session(codes: Codes, values: Iterable[object], clients: Iterable[object]) -> str | None:
    """Say how code changes the session of a database connection that it is given.

    Args:
        codes: the code that runs, with all it reaches.
        values: what it reads; the texts among them may be SQL.
        clients: the clients below these values.

    Returns:
        ``it runs ATTACH, which changes the session of its sqlite3.Connection``; None when nothing shows a change.
    """
    connections = databases_among(clients)
    if not connections:
        return None
    constants = [text for code in codes.each for text in code_texts(code)]
    statement = session_change([*constants, *(text for text in texts_in(values) if isinstance(text, str))])
    what = f"runs {statement}" if statement else _method(codes)
    if what is None:
        return None
    return f"it {what}, which changes the session of its {'.'.join(class_name(type(connections[0])))}"


def _method(codes: Codes) -> str | None:
    found = sorted(codes.names & _METHODS)
    return f"uses .{found[0]}" if found else None
