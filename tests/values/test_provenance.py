"""Clients: told apart by what made them in a notebook, by their type or address elsewhere."""

from __future__ import annotations

import gc
import sqlite3
import threading
import weakref
from contextlib import closing

import duckdb
import pytest
import requests
import sqlalchemy
import sqlalchemy.orm

from durable_nb.errors import FingerprintError
from durable_nb.values.budget import Budget, TooLargeError
from durable_nb.values.clients import find_clients
from durable_nb.values.databases import file_of, in_memory, is_database_file
from durable_nb.values.fingerprint import fingerprint, fingerprint_roots
from durable_nb.values.loading import watch_loads
from durable_nb.values.provenance import Provenance, attach, detach
from durable_nb.values.registry import register, registry

watch_loads()


class Api:
    def __init__(self, name: str = "", url: str = "") -> None:
        self.name, self.url, self.calls = name, url, 0


class Slotted:
    __slots__ = ()


class Holder:
    def __init__(self, client: object, number: int) -> None:
        self.client, self.number = client, number


@pytest.fixture(autouse=True)
def _registered() -> object:
    register(Api, stateless=True)
    register(Slotted, stateless=True)
    yield
    registry.unregister(Api)
    registry.unregister(Slotted)


@pytest.fixture
def names():
    """A namespace whose clients are told by provenance."""
    names: dict[str, object] = {}
    names["known"] = known = Provenance()
    attach(names, known)
    yield names
    detach(names)


def test_provenance_tells_clients_apart(names) -> None:
    """Equal keys are equal, others are not, and what the client holds never counts."""
    a, b, c = Api("a"), Api("b"), Api("c")
    for client, key in ((a, b"1"), (b, b"1"), (c, b"2")):
        names["known"].set(client, key)
    assert fingerprint(a, namespace=names) == fingerprint(b, namespace=names)
    assert fingerprint(a, namespace=names) != fingerprint(c, namespace=names)
    before = fingerprint(a, namespace=names)
    a.calls, a.name = 5, "another"
    assert fingerprint(a, namespace=names) == before


@pytest.mark.parametrize("attribute", ["url", "_base_url", "host", "api_endpoint", "db", "database_name", "BUCKET"])
def test_an_address_that_shows_counts_too(names, attribute) -> None:
    """A client whose address was changed after it was made is another, until it is changed back."""
    api = Api()
    names["known"].set(api, b"1")
    setattr(api, attribute, "a")
    before = fingerprint(api, namespace=names)
    setattr(api, attribute, "b")
    assert fingerprint(api, namespace=names) != before
    setattr(api, attribute, "a")
    assert fingerprint(api, namespace=names) == before


@pytest.mark.parametrize("attribute", ["token", "next_url", "session_id", "calls", "report", "import_", "hosted"])
def test_what_is_no_address_does_not_count(names, attribute) -> None:
    """Tokens, pages and counters change as a client is used."""
    api = Api()
    names["known"].set(api, b"1")
    setattr(api, attribute, "a")
    before = fingerprint(api, namespace=names)
    setattr(api, attribute, "b")
    assert fingerprint(api, namespace=names) == before


def test_the_rest_of_what_holds_a_client_compares_by_value(names) -> None:
    """Only the client itself is told by provenance."""
    api = Api()
    names["known"].set(api, b"1")
    one, same, other = Holder(api, 1), Holder(api, 1), Holder(api, 2)
    assert fingerprint(one, namespace=names) == fingerprint(same, namespace=names)
    assert fingerprint(one, namespace=names) != fingerprint(other, namespace=names)


def test_two_clients_of_one_key_are_still_two(names) -> None:
    """Whether it is one client or two counts, as for any mutable object."""
    a, b = Api(), Api()
    names["known"].set(a, b"1")
    names["known"].set(b, b"1")
    assert fingerprint([a, a], namespace=names) != fingerprint([a, b], namespace=names)


def test_an_unknown_client_equals_nothing(names) -> None:
    """It is opaque, named by its path, and the reason says what to do; so is one whose key is not known."""
    api = Api()
    found = fingerprint_roots({"x": {"deep": [api]}}, namespace=names).opaque["x"]
    assert (found.path, found.registered) == ("x['deep'][0]", True)
    assert str(found) == (
        f"x['deep'][0]: {__name__}.Api: it is not known which cell made it: run that cell again, "
        "or register(type(x['deep'][0]), fingerprint=...)"
    )
    names["known"].set(api, "its cell was odd")
    assert fingerprint_roots({"x": api}, namespace=names).opaque["x"].reason == "its cell was odd"


def test_what_cannot_be_followed_is_never_known(names) -> None:
    """An object without weak references could be another one at the same address later."""
    thing = Slotted()
    names["known"].set(thing, b"1")
    assert names["known"].of(thing) is None


def test_nothing_is_kept_alive_or_taken_for_another(names) -> None:
    """A dead client's key goes with it."""
    known = names["known"]
    for _ in range(50):
        api = Api()
        assert known.of(api) is None
        known.set(api, b"1")
        gone = weakref.ref(api)
        del api
        gc.collect(0)
        assert gone() is None


def test_a_sqlite_connection_at_an_old_address_is_a_new_one(names, tmp_path) -> None:
    """They take no weak references; each new one is told by its audit event."""
    known, seen = names["known"], set()
    for number in range(50):
        connection = sqlite3.connect(tmp_path / f"{number}.db")
        assert known.of(connection) is None
        known.set(connection, b"1")
        seen.add(id(connection))
        connection.close()
        del connection
    assert len(seen) < 50  # else no address was used again, and this showed nothing


def test_primitives_are_equal_by_type(names) -> None:
    """Locks and their like have no address."""
    assert fingerprint(threading.Lock(), namespace=names) == fingerprint(threading.Lock(), namespace=names)
    assert fingerprint_roots({"s": requests.Session()}, namespace=names).opaque


def test_outside_of_a_notebook_clients_are_equal_by_type() -> None:
    """There are no cells that could have made them; of an engine the address is known."""
    assert fingerprint(Api("a")) == fingerprint(Api("b"))
    one, two = (sqlalchemy.create_engine(f"sqlite:///{name}.db") for name in "ab")
    assert fingerprint(one) != fingerprint(two)


def test_outside_of_a_notebook_connections_equal_nothing(tmp_path) -> None:
    """They have no cell, and no address that could be asked for."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        with pytest.raises(FingerprintError, match="pass its address instead"):
            fingerprint(connection)


@pytest.mark.parametrize("database", [":memory:", "", "file::memory:?cache=shared", "file:x?mode=memory"])
def test_sqlite_in_memory(database) -> None:
    """However it is written."""
    with closing(sqlite3.connect(database, uri=database.startswith("file:"))) as connection:
        assert in_memory(connection) == "an in-memory database lives in this process only"
        assert file_of(connection) is None


def test_databases_in_files(tmp_path, monkeypatch) -> None:
    """They are not in memory, their path is known, and they are told by what they begin with."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.db"
    lite = sqlite3.connect(path)
    assert is_database_file(str(path))  # empty yet
    lite.execute("create table t (x)")
    lite.commit()
    duck = duckdb.connect("b.duckdb")
    engine = sqlalchemy.create_engine("sqlite:///a.db")
    session, connected = sqlalchemy.orm.Session(engine), engine.connect()
    for each, file in ((lite, path), (duck, tmp_path / "b.duckdb"), (engine, path), (connected, path)):
        assert in_memory(each) is None
        assert (tmp_path / file_of(each)) == file
        assert is_database_file(str(file))
    assert in_memory(session) is None
    for each in (lite, duck, session, connected):
        each.close()
    engine.dispose()
    (tmp_path / "c.txt").write_text("SQLite format 3")
    assert not is_database_file(str(tmp_path / "c.txt"))
    assert not is_database_file(str(tmp_path / "missing"))


def test_duckdb_in_memory_is_asked_without_disturbing_it() -> None:
    """A result that is being fetched goes on."""
    connection = duckdb.connect()
    connection.execute("select * from range(3)")
    assert connection.fetchone() == (0,)
    assert in_memory(connection) == "an in-memory database lives in this process only"
    assert connection.fetchall() == [(1,), (2,)]
    attached = duckdb.connect()
    assert in_memory(sqlalchemy.create_engine("sqlite://")) is not None
    assert in_memory(attached.cursor()) is not None


def test_finding_clients(names) -> None:
    """By name and number, in containers, attributes and closures, each once; nobody's code runs."""

    class Odd:
        def __init__(self, inside: object) -> None:
            self.inside = inside

        def __reduce__(self) -> str:
            raise AssertionError

    a, b, c = Api("a"), Api("b"), Api("c")
    values = {"z": a, "m": [{"x": b}, a], "f": lambda: c, "o": Odd(a), "n": 5}
    found = [(name, number, client.name) for name, number, client in find_clients(values, names, Budget(1000, 0))]
    assert found == [("f", 0, "c"), ("m", 0, "a"), ("m", 1, "b")]


def test_finding_stops_at_the_budget(names) -> None:
    """Much data is looked at for its types only: where these tell of a client it is not looked for."""
    assert list(find_clients({"x": list(range(501))}, names, Budget(500, 0))) == []
    with pytest.raises(TooLargeError):
        list(find_clients({"x": [*range(500), Api("a")]}, names, Budget(500, 0)))


def test_fingerprints_within_a_budget() -> None:
    """Arrays and frames are weighed before they are read, also below other values and behind functions."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    array, frame = np.zeros(1000), pd.DataFrame({"a": range(1000)})
    names = {"array": array}
    function = eval("lambda: array", names)
    for value, size in ((array, 8000), ([array], 8000), (frame, 64_000), (frame["a"], 64_000), (function, 8000)):
        fingerprint_roots({"x": value}, namespace=names, budget=Budget(5000, size))
        with pytest.raises(TooLargeError):
            fingerprint_roots({"x": value}, namespace=names, budget=Budget(5000, size - 1))
