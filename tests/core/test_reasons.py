"""Why calls of a step run again, in plain scripts as in notebooks."""

from __future__ import annotations

import pytest

from durable_nb import open_store, step
from durable_nb.core.reasons import UNKNOWN, calls_of, reached_by
from durable_nb.values.callkey import FUNCTION

LIMIT = 3


def clip(x):
    return min(x, LIMIT)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("DURABLE_NB_KEY_FILE", str(tmp_path / "key"))
    with open_store(tmp_path / "s.duckdb") as session:
        yield session


def test_the_first_call_of_a_code_tells_what_it_reaches(store):
    """One row has it, with the sources; the rows after it refer to the same code."""

    @step
    def fetch(x):
        return clip(x)

    assert [fetch(1), fetch([2][0]), fetch(9)] == [1, 2, 3]
    calls = calls_of(store, "fetch")
    assert len({each.code_digest for each in calls}) == 1
    assert [bool(store.ledger.load(each.id).inputs) for each in calls] == [True, False, False]
    reached = reached_by(store, calls[-1])
    module = __name__
    assert set(reached) == {FUNCTION, f"{module}:LIMIT", f"{module}:clip"}
    assert reached[f"{module}:LIMIT"].via == f"{FUNCTION} → {module}:clip"
    assert "return clip(x)" in store.ledger.sources([calls[0].code_digest])[calls[0].code_digest]


def test_a_code_is_told_once_in_all_sessions(tmp_path, monkeypatch):
    """What the ledger tells already is not written again by the next process."""
    monkeypatch.setenv("DURABLE_NB_KEY_FILE", str(tmp_path / "key"))
    fetch = step(clip)
    for argument in (1, 2):
        with open_store(tmp_path / "s.duckdb") as session:
            fetch(argument)
            calls = calls_of(session, "clip")
            told = [bool(session.ledger.load(each.id).inputs) for each in calls]
    assert told == [True, False]


def test_arguments_are_no_reason(store):
    """New arguments are new calls, whatever they are and reach: only another code is a reason."""

    @step
    def fetch(x):
        return str(x)

    for argument in (1, [1], {"a": [2]}, clip, "clip"):
        fetch(argument)
    assert [each.reason for each in calls_of(store, "fetch")] == [""] * 5


def test_another_code_of_the_same_name(store):
    """The line that differs is told, for each call that runs with it."""

    def define(source):
        names = {"step": step, "__name__": "made"}
        exec(source, names)
        return names["fetch"]

    define("@step\ndef fetch(x):\n    return x")(1)
    define("@step\ndef fetch(x):\n    return x + 1")(1)
    assert [each.reason for each in calls_of(store, "fetch")] == ["", "its code changed"]


def test_what_is_gone_is_not_guessed(store):
    """When the row that tells of the old code was forgotten, the reason stays general."""

    def define(number):
        @step(name="fetch")
        def fetch(x):
            return x + number

        return fetch

    define(1)(1), define(1)(2)
    first, _ = calls_of(store, "fetch")
    from durable_nb.store.records import ForgetRecord

    store.forget({first.id})
    store.write(ForgetRecord((first.id,))).result()
    define(2)(1)
    assert calls_of(store, "fetch")[-1].reason == UNKNOWN
