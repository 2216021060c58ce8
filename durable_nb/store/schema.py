# ruff: noqa: S608 - the SQL is made of this module's own constants
"""The tables of the ledger: one append-only log that is written, and views that are queried.

Every event of the notebook is one row of ``log``, so that a step costs one row of one table and a
commit one statement: an insert into a second table costs DuckDB half as much again, and each
further column about 4 % (measured, `duckdb` 2.0). The typed, friendly shape lives in the views.
"""

from __future__ import annotations

FORMAT = 1
"""Version of what this module writes; a ledger with a higher one is refused."""

STEP_KINDS = ("cell", "call", "workflow", "sleep")
"""Values of ``log.kind`` that are steps; the other kinds are named after their record."""

COLUMNS = ("id", "parent", "kind", "head", "detail", "body")
"""Of ``log``, in the order of :class:`durable_nb.store.codec.Row`."""

_STEPS = "kind IN ('cell', 'call', 'workflow', 'sleep')"

# TIMESTAMP in UTC, not TIMESTAMPTZ: fetching the latter needs pytz.
_TABLES = (
    "CREATE TABLE meta (name VARCHAR, value VARCHAR)",
    "CREATE TABLE log (id BIGINT, parent BIGINT, kind VARCHAR, head VARCHAR, detail VARCHAR, body BLOB)",
    "CREATE MACRO at_time(seconds) AS make_timestamp((seconds::DOUBLE * 1000000)::BIGINT)",
)


def _text(*names: str) -> str:
    return ", ".join(f"head->>'{name}' AS {name}" for name in names)


def _whole(*names: str) -> str:
    return ", ".join(f"(head->>'{name}')::BIGINT AS {name}" for name in names)


def _times(*names: str) -> str:
    return ", ".join(f"at_time(head->>'{name}') AS {name}" for name in names)


def _items(part: str, shape: str) -> str:
    """Return the FROM clause that makes one row of each element of a step's JSON list."""
    return (
        f"FROM (SELECT id, kind, unnest(from_json(detail->'{part}', '[{shape}]')) AS item "
        f"FROM log WHERE {_STEPS} AND detail IS NOT NULL)"
    )


_VIEWS = {
    "steps": f"SELECT id, parent AS scope_id, {_whole('pass_id')}, kind, {_text('name', 'status')}, "
    f"{_times('started_at', 'ended_at')}, "
    "(head->>'ended_at')::DOUBLE - (head->>'started_at')::DOUBLE AS seconds, "
    f"{_whole('attempts', 'occurrence', 'sequence')}, "
    f"{_text('key', 'base_key', 'task', 'code_digest', 'cell_id', 'reason', 'environment')}, "
    "detail->'error'->>'type' AS error_type, detail->'error'->>'message' AS error_message, "
    f"octet_length(body) AS inline_bytes FROM log WHERE {_STEPS}",
    "inputs": "SELECT id AS step_id, item.name, item.type, item.summary, item.fingerprint, item.via "
    + _items(
        "inputs",
        '{"name":"VARCHAR","type":"VARCHAR","summary":"VARCHAR","fingerprint":"VARCHAR","via":"VARCHAR"}',
    ),
    "outputs": "SELECT id AS step_id, item.name, item.type, item.summary, item.size, "
    "item.fingerprint, coalesce(item.deleted, false) AS deleted "
    + _items(
        "outputs",
        '{"name":"VARCHAR","type":"VARCHAR","summary":"VARCHAR","size":"BIGINT",'
        '"fingerprint":"VARCHAR","deleted":"BOOLEAN"}',
    ),
    "displays": "SELECT id AS step_id, item.msg_type, item.content "
    + _items("displays", '{"msg_type":"VARCHAR","content":"JSON"}'),
    "files": "SELECT id AS step_id, item.path, item.kind, item.size, "
    "at_time(item.mtime_ns / 1e9) AS modified_at, item.digest "
    + _items(
        "files",
        '{"path":"VARCHAR","kind":"VARCHAR","size":"BIGINT","mtime_ns":"BIGINT","digest":"VARCHAR"}',
    ),
    "blobs": "SELECT id AS step_id, item.address, item.size "
    + _items("blobs", '{"address":"VARCHAR","size":"BIGINT"}'),
    "attempts": f"SELECT parent AS pass_id, {_text('name', 'key', 'state')}, {_whole('number', 'max_attempts')}, "
    f"{_times('at')}, (head->>'wait_seconds')::DOUBLE AS wait_seconds, {_times('retry_at')}, "
    "detail->'error'->>'type' AS error_type, detail->'error'->>'message' AS error_message "
    "FROM log WHERE kind = 'attempt'",
    "scopes": f"SELECT id, head->>'kind' AS kind, {_text('name', 'notebook', 'cell_id', 'code_digest')}, "
    f"{_whole('ordinal')}, {_times('created_at')} FROM log WHERE kind = 'scope'",
    "passes": f"SELECT id, parent AS scope_id, {_times('started_at')}, "
    "(head->>'forced')::BOOLEAN AS forced FROM log WHERE kind = 'pass'",
    "pass_ends": f"SELECT parent AS pass_id, {_text('status')}, {_times('ended_at')}, "
    "from_json(head->'fatal', '[\"BIGINT\"]') AS fatal FROM log WHERE kind = 'pass_end'",
    "executions": f"SELECT parent AS scope_id, {_text('workflow_id', 'name', 'status', 'parent_id')}, "
    f"{_times('started_at', 'ended_at')}, {_text('arguments_key', 'code_digest')}, "
    "detail->'error'->>'type' AS error_type, detail->'error'->>'message' AS error_message "
    "FROM log WHERE kind = 'execution'",
    "code": f"SELECT {_text('digest', 'source')} FROM log WHERE kind = 'code'",
}

VIEWS = tuple(_VIEWS)
"""Names that ``%durable sql`` can select from, besides ``log`` and ``meta``."""

DDL = (*_TABLES, *(f"CREATE VIEW {name} AS {select}" for name, select in _VIEWS.items()))
"""Statements that make an empty ledger, to run in one transaction."""

INSERT_ONE = f"INSERT INTO log VALUES ({', '.join('?' * len(COLUMNS))})"

INSERT_JSON = (
    "INSERT INTO log SELECT r.id, r.parent, r.kind, r.head, r.detail, from_base64(r.body) FROM "
    '(SELECT unnest(from_json_strict(?, \'[{"id":"BIGINT","parent":"BIGINT","kind":"VARCHAR",'
    '"head":"VARCHAR","detail":"VARCHAR","body":"VARCHAR"}]\')) AS r)'
)
"""Many rows as one JSON text with base64 bodies: the fast way in before DuckDB 2.0's appender.

Strict: a value that does not fit fails, where ``from_json`` would store NULL.
"""

FORGET_STEPS = f"DELETE FROM log WHERE {_STEPS} AND list_contains(?::BIGINT[], id)"
