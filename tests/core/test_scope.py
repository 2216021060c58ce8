"""Which scope a call belongs to: threads, pools, tasks, workflows, forks."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from durable_nb import list_steps, step, step_status, workflow, workflow_id
from durable_nb.core.scope import Place, at, current_place, move_to


@pytest.fixture
def note(runs):
    """A step that notes the scope it runs in."""

    @step
    def note(x):
        scope = current_place().scope_pass.index.record
        runs((x, scope.kind, scope.cell_id))
        return x

    return note


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_outside_everything_is_the_background(store, note, runs):
    """A step outside of workflow and cell belongs to the background scope and is recorded there."""
    note(1)
    in_thread(note, 2)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(note, 3).result()
    assert runs == [(1, "background", ""), (2, "background", ""), (3, "background", "")]
    assert [(each.kind, each.name) for each in store.scopes()] == [("background", "")]
    assert len(store.heads) == 3


def test_background_scope_is_one_over_restarts(reopen, note, runs):
    """The background's calls replay in the next process."""
    for _ in range(2):
        with reopen() as session:
            assert note(1) == 1
            assert len(session.scopes()) == 1
    assert len(runs) == 1


def test_workflow_scope_is_inherited(store, note, runs):
    """Threads, threads of threads, pools, ``to_thread`` and tasks belong to the workflow that started them."""

    @workflow
    def w():
        in_thread(note, "thread")
        in_thread(in_thread, note, "thread of a thread")
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(note, ["map 1", "map 2"])) == ["map 1", "map 2"]
            assert pool.submit(note, "submit").result() == "submit"

        async def tasks():
            await asyncio.create_task(inside("task"))
            await asyncio.to_thread(note, "to_thread")
            await asyncio.get_running_loop().run_in_executor(None, note, "executor")

        asyncio.run(tasks())

    async def inside(x):
        note(x)

    with workflow_id("w"):
        w()
    assert {each[1:] for each in runs} == {("workflow", "w")}
    assert [each.name for each in list_steps("w")] == ["note"] * 8


def test_pool_made_by_a_workflow_lends_its_scope_to_nobody(store, note, runs):
    """A job belongs to whoever submitted it, not to the scope whose job started the worker thread."""
    pool = ThreadPoolExecutor(1)

    @workflow
    def w(x):
        return pool.submit(note, x).result()

    with pool:
        for name in ("one", "two"):
            with workflow_id(name):
                w(name)
        pool.submit(note, "outside").result()
    assert runs == [("one", "workflow", "one"), ("two", "workflow", "two"), ("outside", "background", "")]


def test_thread_started_inside_a_step_is_part_of_it(store, runs):
    """A step called by a thread of a step is no record of its own."""

    @step
    def inner(x):
        runs(step_status().step_id)
        return x

    @step
    def outer():
        in_thread(inner, 1)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(inner, 2).result()

    assert outer() == 2
    assert runs == [1, 1]
    assert [each.name for each in store.heads] == ["outer"]


def test_other_context_variables_do_not_travel(store):
    """Only the scope is inherited: the user's context variables mean in a thread what they meant before."""
    variable = contextvars.ContextVar("variable", default="default")
    seen = []
    variable.set("changed")
    in_thread(lambda: seen.append(variable.get()))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(variable.get).result() == "default"
    assert seen == ["default"]


def test_threads_are_put_back_when_the_store_closes(reopen):
    """Opening wraps ``Thread.start`` and ``submit``; closing puts the originals back, also after a second store."""
    originals = threading.Thread.start, ThreadPoolExecutor.submit
    with reopen("one"):
        assert (threading.Thread.start, ThreadPoolExecutor.submit) != originals
        with reopen("two"):
            assert threading.Thread.start is not originals[0]
            assert threading.Thread.start.__wrapped__ is originals[0]
        assert (threading.Thread.start, ThreadPoolExecutor.submit) == originals


def test_second_store_still_inherits(reopen, note, runs):
    """Threads inherit the scope in the second store of a process too."""
    reopen("one")
    reopen("two")

    @workflow
    def w():
        in_thread(note, 1)

    with workflow_id("w"):
        w()
    assert runs == [(1, "workflow", "w")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_never_touches_the_store(run_script):
    """In a forked child a step is a plain call; the parent's store is whole and goes on recording."""
    code, lines = run_script(
        """
        import os, sys
        from durable_nb import open_store, step

        @step
        def f(x):
            return x + os.getpid() * 0

        with open_store("s.duckdb") as session:
            assert f(1) == 1
            child = os.fork()
            if child == 0:
                from durable_nb.core.session import active_session
                ok = f(1) == 1 and f(2) == 2 and active_session() is None and len(session.heads) == 1
                try:
                    session.close()
                except BaseException:
                    ok = False
                sys.exit(7 if ok else 1)  # a usual exit: atexit hooks must not touch the store either
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert f(3) == 3
        with open_store("s.duckdb") as session:
            print(len(session.heads))
            assert [f(3), f(1)] == [3, 1]
            print(len(session.heads))
        """
    )
    assert (code, lines) == (0, ["2", "2"])


def test_multiprocessing_pool_child(run_script):
    """Steps in the workers of a forking pool run plainly."""
    code, lines = run_script(
        """
        import multiprocessing
        from durable_nb import open_store, step

        @step
        def f(x):
            return x * x

        with open_store("s.duckdb") as session:
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(f, [1, 2, 3]))
            print(f(4), len(session.heads))
        """
    )
    assert (code, lines) == (0, ["[1, 4, 9]", "16 1"])


def test_move_to_stays():
    """``move_to`` goes to a place for good, ``at`` comes back."""

    def inside():
        place, other = Place(None), Place(None)
        move_to(place)
        with at(other):
            assert current_place() is other
        return current_place() is place

    assert contextvars.copy_context().run(inside)
    assert current_place() is None
