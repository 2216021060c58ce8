"""Opening, using and closing stores."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from durable_nb import open_store, step
from durable_nb.core.session import active_session
from durable_nb.errors import DurableWarning, OptionError, StoreError, StoreLocked, StoreUnusable
from durable_nb.testing import crash_at, temporary_store


@pytest.fixture
def count(runs):
    """A step that notes its calls."""

    @step
    def count(x):
        runs(x)
        return x

    return count


def test_active_only_while_open(tmp_path):
    """The open store is the active one until it is closed; closing twice is fine."""
    assert active_session() is None
    session = open_store(tmp_path / "s.duckdb")
    assert active_session() is session
    assert repr(session) == f"<durable_nb store {tmp_path / 's.duckdb'} (0 steps)>"
    session.close()
    session.close()
    assert active_session() is None
    assert repr(session) == f"<durable_nb store {tmp_path / 's.duckdb'} (closed)>"


def test_two_stores_one_after_the_other(tmp_path, count, runs):
    """Opening a second store closes the first; steps go to the second, and each has its own checkpoints."""
    first = open_store(tmp_path / "one.duckdb")
    count(1)
    second = open_store(tmp_path / "two.duckdb")
    assert first.closed
    assert active_session() is second
    count(1)
    first.close()  # closing the old one again does not take the new one away
    assert active_session() is second
    second.close()
    for name in ("one", "two"):
        with open_store(tmp_path / f"{name}.duckdb") as session:
            count(1)
            assert len(session.heads) == 1
    assert runs == [1, 1]


def test_opening_the_same_path_again(tmp_path, monkeypatch, count, runs):
    """A line that opens a store may be run twice: the store is closed and opened again."""
    monkeypatch.chdir(tmp_path)
    open_store("s.duckdb")
    count(1)
    with open_store(tmp_path / "s.duckdb"):
        count(1)
    assert runs == [1]


def test_bad_path_leaves_the_open_store_alone(tmp_path, count):
    """A path that cannot be opened is refused; the store that was open stays so."""
    (tmp_path / "text.duckdb").write_text("not a database")
    with open_store(tmp_path / "s.duckdb") as session:
        for bad in (tmp_path, tmp_path / "text.duckdb"):
            with pytest.raises(StoreUnusable) as caught:
                open_store(bad)
            assert str(bad) in str(caught.value)
        assert active_session() is session
        count(1)
        assert len(session.heads) == 1


def test_store_held_by_another_process(tmp_path, count):
    """A store that another process holds is refused with its pid."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from durable_nb import open_store; s = open_store(sys.argv[1]); print(1, flush=True); input()",
            tmp_path / "s.duckdb",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline().strip() == b"1"
        with pytest.raises(StoreLocked) as caught:
            open_store(tmp_path / "s.duckdb")
        assert caught.value.pid == holder.pid
        assert str(holder.pid) in str(caught.value)
    finally:
        holder.communicate(b"\n", timeout=60)
    with open_store(tmp_path / "s.duckdb"):
        assert count(1) == 1


def test_close_writes_what_is_waiting(tmp_path):
    """Closing without ``with`` keeps every step, and a process that ends closes by itself."""
    source = """
import sys
from durable_nb import open_store, step
open_store(sys.argv[1])

@step
def f(x):
    print("ran")
    return x

print([f(x) for x in range(3)])
"""
    for expected in (["ran"] * 3 + ["[0, 1, 2]"], ["[0, 1, 2]"]):
        done = subprocess.run(
            [sys.executable, "-c", source, tmp_path / "s.duckdb"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.splitlines() == expected
        assert done.stderr == ""


def test_warn_once_is_per_topic(store):
    """A warning is given once for its topic."""
    with pytest.warns(DurableWarning) as warned:
        for topic in ("a", "b", "a"):
            store.warn_once(topic, f"about {topic}")
    assert [str(each.message) for each in warned] == ["about a", "about b"]


def test_closing_while_threads_call(tmp_path, count, runs):
    """A store closed while threads call steps loses no call's result: later ones run plainly."""
    begun = threading.Event()
    results = []

    def work():
        for x in range(50):
            results.append(count(x))
            begun.set()

    session = open_store(tmp_path / "s.duckdb")
    session.warn = lambda message: None
    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    session.close()
    thread.join(60)
    assert results == list(range(50))
    assert runs == list(range(50))


def test_temporary_store_and_crash_points_need_a_store():
    """``temporary_store`` is open inside its block; crash points refuse a bad name and a missing store."""
    with temporary_store() as session:
        assert active_session() is session
        with pytest.raises(
            OptionError, match="^point: must be one of before_body, after_body, in_commit, after_commit"
        ):
            crash_at("whenever")
    assert not session.path.exists()
    with pytest.raises(StoreError, match="no store is open"):
        crash_at("before_body")


@pytest.mark.parametrize(
    ("point", "committed"), [("before_body", 0), ("after_body", 0), ("in_commit", 0), ("after_commit", 1)]
)
def test_crash_points_come_in_order(store, count, runs, point, committed):
    """Each crash point is reached once, at its moment; other steps are left alone."""
    reached = []
    crash_at(point, "count", die=lambda: reached.append((list(runs), len(store.heads))))

    @step
    def other():
        pass

    other()
    assert reached == []
    count(1)
    ran = [] if point == "before_body" else [1]
    assert reached[0] == (ran, 1 + committed)


def test_import_is_light():
    """Importing the package, and a step without a store, load neither IPython nor ipywidgets nor duckdb."""
    source = """
import sys
import durable_nb
from durable_nb import *
@step(retries_allowed=True)
def f(): return 1
@workflow
def w(): return f()
assert w() == 1
heavy = {"IPython", "ipywidgets", "duckdb", "numpy", "pandas", "anywidget"}
print(sorted({each.partition(".")[0] for each in sys.modules} & heavy))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_a_checkpoint_that_fails_in_an_unforeseen_way_runs_the_step_again(reopen, count, runs, monkeypatch):
    """An error inside of a replay never reaches the caller: the step runs, and the log has the error."""
    with reopen():
        assert count(1) == 1
    monkeypatch.setattr("durable_nb.core.call.decode", lambda *args, **kwargs: 1 / 0)
    with reopen():
        assert count(1) == 1
    assert runs == [1, 1]
