"""Which database a connection leads to: in memory, in a file, or on a server."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from durable_nb.values.kinds import class_name, mro_names

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_MEMORY: Final = frozenset({"", ":memory:"})
_EMBEDDED: Final = ("sqlite", "duckdb")
_HEADERS: Final = ((b"SQLite format 3\0", 0), (b"DUCK", 8))
_HEADER_BYTES: Final = 16
# A wrapper holds an engine, which holds the address: no library nests them deeper.
_DEPTH: Final = 4
_HOLDERS: Final = ("sync_engine", "sync_connection", "sync_session", "engine", "bind")


class _SqliteConnections:
    """The sqlite connections of this process by identity, as their audit events told of them.

    A connection takes no weak reference, but none comes to be without an event: an id that is used again
    gets a new serial number.
    """

    def __init__(self) -> None:
        self._pending: dict[int, object] = {}
        self._known: dict[int, tuple[int, object]] = {}
        self._serial = itertools.count(1)

    def connecting(self, database: object) -> None:
        self._pending[threading.get_ident()] = database

    def connected(self, connection: object) -> None:
        database = self._pending.pop(threading.get_ident(), None)
        self._known[id(connection)] = (next(self._serial), database)

    def serial(self, connection: object) -> int:
        return self._known.get(id(connection), (0, None))[0]

    def path(self, connection: object) -> str | None:
        database = self._known.get(id(connection), (0, None))[1]
        if isinstance(database, bytes):
            return database.decode(errors="surrogateescape")
        return None if database is None else str(database)


_sqlite: Final = _SqliteConnections()
_duckdb_places: Final[WeakKeyDictionary[Any, str]] = WeakKeyDictionary()
EVENTS: Final[dict[str, Callable[[Any], None]]] = {
    "sqlite3.connect": lambda args: _sqlite.connecting(args[0]),
    "sqlite3.connect/handle": lambda args: _sqlite.connected(args[0]),
}
"""What to do at an audit event, given its arguments."""


def sqlite_serial(connection: object) -> int:
    """Return a number that no other sqlite connection of this process ever has; 0 when it is not known."""
    return _sqlite.serial(connection)


def in_memory(connection: object) -> str | None:
    """Say why a connection leads to a database that lives in this process only, or cannot be told to lead elsewhere.

    Returns:
        the reason; None for a database in a file or on a server.
    """
    place = _place(connection)
    if place is None:
        return "it is not known which database it leads to: connect again, now that the store is open"
    return "an in-memory database lives in this process only" if place in _IN_MEMORY else None


def open_transaction(connection: Any) -> bool:
    """Say whether a sqlite connection has written what it has not committed yet; of others it is not known."""
    if any(name.startswith("aiosqlite.") for name in mro_names(type(connection))):
        connection = vars(connection).get("_connection")
    if "sqlite3.Connection" not in mro_names(type(connection)):
        return False
    return bool(connection.in_transaction)


def file_of(connection: object) -> str | None:
    """Return the path of the file a connection leads to; None for other databases."""
    place = _place(connection)
    return place if place and Path(place).is_file() else None


def address(engine: Any) -> str:
    """Return the address that a SQLAlchemy engine or what holds one connects to, without a password; "" when none."""
    url = _url(engine)
    return "" if url is None else url.render_as_string(hide_password=True)


def any_table(connection: Any) -> str | None:
    """Return the name of a table or view of a duckdb connection; None when it has none."""
    found = _asked(connection, "SELECT table_name FROM information_schema.tables ORDER BY 1 LIMIT 1")
    return str(found[0][0]) if found else None


def is_database_file(path: str) -> bool:
    """Say whether a file is a database, or an empty one: what it holds is no part of a connection to it."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError:
        return False
    return not head or any(head[at : at + len(mark)] == mark for mark, at in _HEADERS)


def _place(connection: Any) -> str | None:
    """Return the path of a database in a file, one of ``_IN_MEMORY``, ``://`` for a server, None when not known."""
    names = set(mro_names(type(connection)))
    if "sqlite3.Connection" in names:
        return _sqlite_place(_sqlite.path(connection))
    if class_name(type(connection))[1] == "DuckDBPyConnection":
        return _duckdb_place(connection)
    if any(name.startswith("aiosqlite.") for name in names):
        inner = vars(connection).get("_connection")
        return None if inner is None else _place(inner)
    if any(name.startswith("sqlalchemy.") for name in names):
        return _url_place(connection)
    return "://"


def _sqlite_place(path: str | None) -> str | None:
    if path is None or not path.startswith("file:"):
        return path
    name, _, query = path.removeprefix("file:").partition("?")
    return ":memory:" if "mode=memory" in query else name


def _duckdb_place(connection: Any) -> str | None:
    place = _duckdb_places.get(connection)
    if place is None:
        rows = _asked(connection, "SELECT path FROM duckdb_databases() WHERE NOT internal")
        place = _duckdb_places[connection] = "" if any(path is None for (path,) in rows) else str(rows[0][0])
    return place


def _asked(connection: Any, query: str) -> list[tuple[Any, ...]]:
    # Never on the connection itself: that would end a result that is being fetched.
    cursor = connection.cursor()
    try:
        rows: list[tuple[Any, ...]] = cursor.execute(query).fetchall()
    finally:
        cursor.close()
    return rows


def _url_place(holder: Any) -> str | None:
    url = _url(holder)
    if url is None:
        return None
    if not url.drivername.startswith(_EMBEDDED):
        return "://"
    return _sqlite_place(url.database or "")


def _url(holder: Any) -> Any:
    """Return the URL of a SQLAlchemy engine, or of the engine that a connection or session holds."""
    for _ in range(_DEPTH):
        url = getattr(holder, "url", None)
        if url is not None:
            return url
        holder = next((held for held in (getattr(holder, name, None) for name in _HOLDERS) if held is not None), None)
        if holder is None:
            return None
    return None
