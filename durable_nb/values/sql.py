"""SQL that changes the session of a connection, so that later statements on it may mean something else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LONGEST: Final = 64 * 1024
_NAME: Final = r"[\w.\[\]`\"'-]+"
# A part of an f-string ends where its value begins: what is not said may be anything.
_END: Final = r"\s*(?:;|$)"
_BEGINNINGS: Final = {
    "ATTACH": r"ATTACH\b",
    "DETACH": r"DETACH\b",
    "SET": r"SET\s+(?:(?:SESSION|LOCAL|GLOBAL|PERSIST|TIME\s+ZONE|ROLE|NAMES|TRANSACTION|VARIABLE|SEARCH_PATH)\b|@"
    rf"|{_NAME}\s*(?:=|:=|TO\b|ON\b|OFF\b|{_END}))|SET{_END}",
    "RESET": rf"RESET\s+{_NAME}{_END}|RESET{_END}|DISCARD\s+(?:ALL|TEMP|PLANS|SEQUENCES)\b",
    "USE": rf"USE\s+{_NAME}{_END}|USE{_END}|USE\s+(?:ROLE|WAREHOUSE|DATABASE|SCHEMA|CATALOG)\b",
    "LOAD": rf"LOAD\s+{_NAME}{_END}|LOAD{_END}",
    "INSTALL": rf"(?:FORCE\s+)?INSTALL\s+{_NAME}(?:\s+FROM\b.*)?{_END}|INSTALL{_END}",
    "BEGIN": rf"BEGIN(?:\s+(?:TRAN|TRANSACTION|WORK|IMMEDIATE|EXCLUSIVE|DEFERRED|CONCURRENT|ISOLATION|READ)\b.*)?{_END}"
    r"|START\s+TRANSACTION\b",
    "SAVEPOINT": r"SAVEPOINT\b|RELEASE\s+SAVEPOINT\b|ROLLBACK\s+TO\b",
    "CREATE TEMP": r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL|GLOBAL)\s+)?(?:TEMP|TEMPORARY|VOLATILE)\b"
    r"|CREATE\s+TABLE\s+#|SELECT\b.*\bINTO\s+(?:TEMP\b|TEMPORARY\b|#)",
    "CREATE SECRET": r"CREATE\s+(?:OR\s+REPLACE\s+)?SECRET\b",
    "ALTER SESSION": r"ALTER\s+SESSION\b",
    "PREPARE": r"PREPARE\b|DEALLOCATE\b|DECLARE\b|LISTEN\b|UNLISTEN\b",
    "LOCK": r"LOCK\s+TABLES?\b|UNLOCK\s+TABLES\b",
    "set_config()": r"SELECT\s.*\b(?:set_config|pg_advisory_lock|pg_try_advisory_lock|get_lock|load_extension)\s*\(",
}
_STATEMENTS: Final = {
    name: re.compile(rf"(?:^|;)\s*(?:{pattern})", re.IGNORECASE | re.DOTALL) for name, pattern in _BEGINNINGS.items()
}
_PRAGMA: Final = re.compile(r"(?:^|;)\s*PRAGMA\b\s*(?:\w+\s*\.\s*)?(\w*)\s*([=(]?)", re.IGNORECASE)
# These only show something, also with an argument.
_SHOWING: Final = re.compile(
    r"(?:table|index|foreign_key|database|collation|function|module|pragma|storage|metadata)_\w+|show\w*"
    r"|(?:integrity|quick|foreign_key)_check|foreign_key_list|compile_options|version|platform|user_agent",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Za-z]+")


def session_change(texts: Iterable[str]) -> str | None:
    """Return the first SQL statement among texts that changes the session of a connection, by its first words."""
    for text in texts:
        if len(text) <= _LONGEST:
            found = _changing(_COMMENTS.sub(" ", text))
            if found:
                return found
    return None


def _changing(text: str) -> str | None:
    for name, pattern in _STATEMENTS.items():
        if any(_is_sql(match.group()) for match in pattern.finditer(text)):
            return name
    for match in _PRAGMA.finditer(text):
        name, sign = match.groups()
        if not name or (sign and not _SHOWING.fullmatch(name)):
            return f"PRAGMA {name}".strip()
    return None


def _is_sql(statement: str) -> bool:
    """Tell a statement from a sentence: nobody writes ``Use x`` or ``Begin`` in SQL with one capital."""
    first = _WORD.search(statement)
    return first is not None and first.group() in (first.group().upper(), first.group().lower())
