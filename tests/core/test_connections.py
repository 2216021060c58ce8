"""Database connections that a step is given: SQL that changes their session, their files, what is left behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import pytest

from durable_nb import step
from durable_nb.core.codes import Codes
from durable_nb.core.connections import DatabaseFiles, changed_session, databases_among, module_database
from durable_nb.errors import DurableWarning
from durable_nb.values.loading import watch_loads
from durable_nb.values.registry import register, registry

watch_loads()


@pytest.fixture
def con(tmp_path):
    """A connection to a database file with a table."""
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("create table t (x)")
    yield connection
    connection.close()


def codes(text):
    return Codes([compile(text, "<test>", "exec")])


def test_sql_is_looked_for_in_code_and_texts(con):
    """In constants of the code and of what is nested in it, and in texts and lists of texts that it reads."""
    why = "it runs ATTACH, which changes the session of its sqlite3.Connection"
    assert changed_session(codes("con.execute(\"ATTACH 'b' AS b\")"), [], [con]) == why
    assert changed_session(codes("def f():\n    return [g(\"attach 'b' as b\")]"), [], [con]) == why
    assert changed_session(codes("con.execute(q)"), [5, ["select 1", "ATTACH 'b' AS b"]], [con]) == why
    assert changed_session(codes("con.execute(f'SET x = {y}')"), [], [con]).startswith("it runs SET,")
    assert changed_session(codes("con.execute('select 1')"), ["select 2"], [con]) is None
    assert changed_session(codes("def f():\n    'SET x = 1'\nf()"), [], [con]) is None  # a docstring


def test_methods_that_change_a_session(con):
    """What they do SQL could do as well."""
    why = "it uses .create_function, which changes the session of its sqlite3.Connection"
    assert changed_session(codes("con.create_function('f', 1, f)"), [], [con]) == why
    assert changed_session(codes("con.row_factory = f"), [], [con]).startswith("it uses .row_factory")


def test_without_a_connection_sql_is_text(con):
    """A step that is given none, or one that the user called stateless, may say what it likes."""
    sql = codes("\"ATTACH 'b' AS b\"\nx = \"ATTACH 'b' AS b\"")
    assert changed_session(sql, [], [object()]) is None
    register(sqlite3.Connection, stateless=True)
    try:
        assert changed_session(sql, [], [con]) is None
        assert databases_among([con]) == []
    finally:
        registry.unregister(sqlite3.Connection)
    assert databases_among([con, 5]) == [con]


def test_a_database_file_that_was_only_read_is_a_dependency(con, tmp_path):
    """By its path below the root; one that was written meanwhile is none."""
    files = DatabaseFiles([con], tmp_path)
    con.execute("select * from t").fetchall()
    assert [(each.path, each.kind) for each in files.read()] == [("a.db", "file"), ("a.db.wal", "missing")]
    with con:
        con.execute("insert into t values (1)")
    assert [each.path for each in files.read()] == ["a.db.wal"]


def test_a_transaction_left_open(con, tmp_path):
    """It is gone with the kernel, and a replay would not write what it wrote."""
    files = DatabaseFiles([con], tmp_path)
    assert files.left_behind([]) is None
    con.execute("insert into t values (1)")
    assert files.left_behind([]) == "it left a transaction open on its sqlite3.Connection: commit() it"
    con.commit()
    assert files.left_behind([]) is None


def test_the_database_of_the_duckdb_module():
    """It counts for who reads the module, once it has tables."""
    assert module_database([duckdb]) is None
    duckdb.sql("create table connections_test (x int)")
    try:
        assert "has a table connections_test that lives in this process only" in module_database([5, duckdb])
        assert module_database([5]) is None
    finally:
        duckdb.sql("drop table connections_test")
    assert module_database([duckdb]) is None


def test_in_a_script_a_call_with_a_connection_is_not_recorded(store, tmp_path):
    """There are no cells that could tell where it leads; the warning says what to do."""
    ran = []

    @step
    def ask(connection):
        ran.append(1)
        return connection.execute("select 1").fetchall()

    with (
        closing(sqlite3.connect(tmp_path / "b.db")) as connection,
        pytest.warns(DurableWarning, match=r"sqlite3\.Connection: outside of a notebook.*pass its address instead"),
    ):
        assert ask(connection) == [(1,)]
    assert not store.heads


def test_a_call_that_makes_a_table_in_the_duckdb_module_is_not_recorded(store):
    """A replay would not make it again."""

    @step
    def make(name):
        duckdb.sql(f"create table {name} (x int)")

    try:
        with pytest.warns(DurableWarning, match="has a table calls_test that lives in this process only"):
            make("calls_test")
    finally:
        duckdb.sql("drop table calls_test")
    assert not store.heads
