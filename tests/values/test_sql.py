"""SQL that changes a connection's session, told from queries and from sentences."""

from __future__ import annotations

import pytest

from durable_nb.values.sql import session_change


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("ATTACH 'b.db' AS b", "ATTACH"),
        ("attach database 'b.db' as b", "ATTACH"),
        ("select 1; DETACH b", "DETACH"),
        ("SET search_path TO other", "SET"),
        ("set threads = 4", "SET"),
        ("SET SESSION x = 1", "SET"),
        ("SET @a := 1", "SET"),
        ("SET ", "SET"),
        ("RESET threads", "RESET"),
        ("USE other", "USE"),
        ("use `other`;", "USE"),
        ("USE ", "USE"),
        ("LOAD httpfs", "LOAD"),
        ("INSTALL spatial FROM community", "INSTALL"),
        ("BEGIN", "BEGIN"),
        ("begin immediate transaction", "BEGIN"),
        ("START TRANSACTION READ ONLY", "BEGIN"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("CREATE TEMP TABLE t (x int)", "CREATE TEMP"),
        ("create or replace temporary view v as select 1", "CREATE TEMP"),
        ("/* why */ CREATE TEMPORARY TABLE t AS\nSELECT 1", "CREATE TEMP"),
        ("-- first\nCREATE LOCAL TEMP VIEW v AS SELECT 1", "CREATE TEMP"),
        ("select * into #t from u", "CREATE TEMP"),
        ("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys"),
        ("PRAGMA main.cache_size(1000)", "PRAGMA cache_size"),
        ("PRAGMA ", "PRAGMA"),
        ("ALTER SESSION SET CURRENT_SCHEMA = b", "ALTER SESSION"),
        ("SELECT set_config('search_path', 'b', false)", "set_config()"),
    ],
)
def test_statements_that_change_a_session(text: str, statement: str) -> None:
    """Each is found, whatever its case and whatever stands before it."""
    assert session_change(["select 1", text]) == statement


@pytest.mark.parametrize(
    "text",
    [
        "select * from t where set = 1",
        "UPDATE t SET x = 1",
        "insert into t select * from u",
        "create table t (temporary int)",
        "PRAGMA table_info(t)",
        "PRAGMA table_info('t')",
        "PRAGMA database_list",
        "PRAGMA integrity_check(5)",
        "explain select 1",
        "Use it",
        "Set of rows",
        "Begin",
        "settings = 4",
        "loading the data",
        "load the data",
        "using",
        "-- SET x = 1\nselect 1",
        "",
    ],
)
def test_queries_and_sentences_change_nothing(text: str) -> None:
    """Queries, writes to tables, questions to the database and English are no changes of a session."""
    assert session_change([text]) is None
