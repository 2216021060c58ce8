"""Workflows: which execution a call belongs to, and what replays in it."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading

import pytest

from durable_nb import list_steps, list_workflows, step, workflow, workflow_id
from durable_nb.errors import DurableWarning, OptionError, WorkflowConflict


@pytest.mark.parametrize("bad", ["", "  ", None, 3])
def test_bad_id_is_refused(bad):
    """A workflow id is a non-empty text."""
    with pytest.raises(OptionError, match="^workflow_id: must be a non-empty text"), workflow_id(bad):
        pass


def test_what_cannot_be_a_workflow():
    """Generators and what is no function are refused at decoration."""

    def generator():
        yield

    for thing in (generator, 3):
        with pytest.raises(OptionError):
            workflow(thing)


def test_workflow_looks_like_its_function():
    """A workflow keeps name, docstring and signature, and shows its own name."""

    @workflow(name="nightly")
    def w(a):
        """Do it."""
        return a

    assert (w.__name__, w.__doc__, repr(w), w.name) == ("w", "Do it.", "<workflow nightly>", "nightly")


def test_without_a_store_it_is_a_plain_call(runs):
    """With no open store a workflow runs each time."""

    @workflow
    def w(x):
        runs(x)
        return x

    with workflow_id("w"):
        assert w(1) == 1
    assert w(1) == 1
    assert runs == [1, 1]


def test_id_is_used_by_the_first_call_only(store):
    """``workflow_id`` names one execution; the next call in the same block gets an id of its own."""

    @workflow
    def w(x):
        return x

    with workflow_id("mine") as name:
        assert name == "mine"
        assert [w(1), w(2)] == [1, 2]
    ids = [each.workflow_id for each in list_workflows()]
    assert ids[0] == "mine"
    assert len(set(ids)) == 2


def test_completed_id_with_changed_code_warns(reopen, runs):
    """A completed id returns what it recorded even when the code has changed, and says so."""

    def make(n):
        if n == 1:

            @workflow(name="w")
            def w():
                runs(1)
                return "old"
        else:

            @workflow(name="w")
            def w():
                runs(2)
                return "new"

        return w

    with reopen(), workflow_id("i"):
        assert make(1)() == "old"
    with reopen(), workflow_id("i"):
        with pytest.warns(DurableWarning, match=r"workflow w \(i\) completed with other code than it has now"):
            assert make(2)() == "old"
    with reopen(), workflow_id("j"):
        assert make(2)() == "new"
    assert runs == [1, 2]


def test_interrupted_execution_goes_on_with_edited_code(reopen, runs):
    """An unfinished execution is resumed without an id though the workflow was edited: its steps replay."""

    @step
    def count(x):
        runs(x)
        return x

    @workflow(name="w")
    def broken(n):
        count(1)
        raise KeyboardInterrupt

    @workflow(name="w")
    def mended(n):
        return count(1) + count(n)

    with reopen(), pytest.raises(KeyboardInterrupt):
        broken(5)
    with reopen():
        assert mended(5) == 6
        assert [each.status for each in list_workflows()] == ["success"]
    assert runs == [1, 5]


def test_newest_unfinished_is_resumed(reopen, clock, runs):
    """Of several unfinished executions with equal arguments the newest goes on."""
    dying = True

    @workflow
    def w(x):
        if dying:
            raise KeyboardInterrupt
        return "done"

    for name in ("older", "newer"):
        clock.advance(1)
        with reopen(), workflow_id(name), pytest.raises(KeyboardInterrupt):
            w(1)
    dying = False
    with reopen():
        assert w(1) == "done"
        assert {each.workflow_id: each.status for each in list_workflows()} == {"older": "running", "newer": "success"}


def test_failed_workflow_without_id_begins_anew(reopen, runs):
    """A failed execution is finished: without its id a new one begins."""

    @step
    def f():
        runs("f")

    @workflow
    def w():
        f()
        raise ValueError("boom")

    for _ in range(2):
        with reopen(), pytest.raises(ValueError, match="boom"):
            w()
    assert runs == ["f", "f"]


def test_failed_workflow_is_tried_afresh_by_id(reopen, runs):
    """A failed workflow called with its id runs again: completed steps replay, the failed one is tried afresh."""

    @step
    def f(x):
        runs(x)
        if x == 2 and runs.count(2) < 2:
            raise ValueError("boom")
        return x

    @workflow
    def w():
        return [f(1), f(2), f(3)]

    with reopen(), workflow_id("i"), pytest.raises(ValueError, match="boom"):
        w()
    with reopen(), workflow_id("i"):
        assert w() == [1, 2, 3]
        assert [each.status for each in list_workflows()] == ["success"]
        assert [(each.step_id, each.status) for each in list_steps("i")] == [
            (1, "success"),
            (2, "success"),
            (3, "success"),
        ]
    assert runs == [1, 2, 2, 3]


def test_child_replays_when_the_parent_is_resumed(reopen, runs):
    """A completed child returns its recorded result when its parent goes on; an unfinished one goes on itself."""

    @step
    def leaf(x):
        runs(x)
        if x == dying_at:
            raise KeyboardInterrupt
        return x

    class At:
        def __durable_fingerprint__(self):
            return "at"

        def __eq__(self, other):
            return other == self.x

        __hash__ = None

    dying_at = At()
    dying_at.x = 3

    @workflow
    def child(a, b):
        return leaf(a) + leaf(b)

    @workflow
    def parent():
        return child(1, 2) + child(4, 3)

    with reopen(), workflow_id("p"), pytest.raises(KeyboardInterrupt):
        parent()
    assert runs.take() == [1, 2, 4, 3]
    dying_at.x = None
    with reopen(), workflow_id("p"):
        assert parent() == 10
        assert [each.status for each in list_workflows()] == ["success"] * 3
        assert [(each.name, each.status) for each in list_steps("p")] == [("child", "success"), ("child", "success")]
    assert runs == [3]


def test_equal_children_are_two_executions(store, runs):
    """The same child called twice with equal arguments is two rows and two executions."""

    @step
    def f():
        runs("f")

    @workflow
    def child():
        f()

    @workflow
    def parent():
        child()
        child()

    with workflow_id("p"):
        parent()
    assert runs == ["f", "f"]
    assert [each.name for each in list_steps("p")] == ["child", "child"]


def test_workflow_inside_a_step_is_part_of_it(store, runs):
    """A workflow called by a step is no execution of its own."""

    @workflow
    def w():
        runs("w")
        return 1

    @step
    def outer():
        return w()

    assert outer() == 1
    assert list_workflows() == []
    assert [each.name for each in store.heads] == ["outer"]


async def test_async_workflow(reopen, runs):
    """An async workflow is resumed and completed as a sync one."""

    @step
    async def f(x):
        await asyncio.sleep(0)
        runs(x)
        return x

    @workflow
    async def w(n):
        return sum([await f(i) for i in range(n)])

    for _ in range(2):
        with reopen(), workflow_id("a"):
            assert await w(4) == 6
    assert runs == [0, 1, 2, 3]


async def test_cancelled_workflow_stays_unfinished(reopen, runs):
    """A cancelled async workflow is not recorded as failed, and goes on when it is called again."""
    reached = asyncio.Event()

    @step
    async def f(x):
        runs(x)
        return x

    class Gate:
        def __durable_fingerprint__(self):
            return "gate"

        open = False

        async def __call__(self):
            reached.set()
            if not self.open:
                await asyncio.Event().wait()

    gate = Gate()

    @workflow
    async def w():
        await f(1)
        await gate()
        return await f(2)

    with reopen(), workflow_id("a"):
        task = asyncio.create_task(w())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [each.status for each in list_workflows()] == ["running"]
    gate.open = True
    with reopen(), workflow_id("a"):
        assert await w() == 2
    assert runs == [1, 2]


async def test_concurrent_workflows_keep_apart(store):
    """Workflows that run at once have each their own steps."""

    @step
    async def f(x):
        await asyncio.sleep(0)
        return x

    @workflow
    async def w(name):
        return [await f(name) for _ in range(3)]

    async def with_id(name):
        with workflow_id(name):
            return await w(name)

    results = await asyncio.gather(*map(with_id, "abc"))
    assert results == [["a"] * 3, ["b"] * 3, ["c"] * 3]
    assert [len(list_steps(name)) for name in "abc"] == [3, 3, 3]


def test_result_that_cannot_be_pickled(reopen, runs):
    """It is returned with one warning; the execution stays unfinished, so its steps replay and it returns anew."""

    @step
    def f():
        runs("f")
        return 1

    @workflow
    def w():
        runs("w")
        return {"lock": threading.Lock(), "f": f()}

    for _ in range(2):
        with reopen(), workflow_id("i"):
            with pytest.warns(DurableWarning, match="result of workflow w was not recorded: .*lock"):
                assert w()["f"] == 1
    assert runs == ["w", "f", "w"]


def test_argument_that_cannot_be_compared_never_matches(reopen, runs):
    """An unfinished execution is not resumed for an argument of which nothing is known."""

    @workflow
    def w(values):
        runs("w")
        raise KeyboardInterrupt

    for n in (1, 2):
        with reopen():
            with pytest.raises(KeyboardInterrupt):
                w(x for x in range(3))
            assert len(list_workflows()) == n


def test_step_rows_of_one_workflow_do_not_answer_another(reopen, runs):
    """Workflow name and id are part of the scope: equal calls in two executions both run."""

    @step
    def f():
        runs("f")

    @workflow
    def w():
        f()

    with reopen():
        for name in ("a", "b"):
            with workflow_id(name):
                w()
        f()
    assert runs == ["f", "f", "f"]


@workflow(name="sent")
def sendable(x):
    return x


def test_workflow_pickles_by_name_or_by_parts():
    """A workflow that a module holds is pickled by name, another one as function and name."""

    @workflow(name="local")
    def local(x):
        return x

    assert pickle.loads(pickle.dumps(sendable)) is sendable
    rebuild, parts = local.__reduce__()
    assert parts == (local.func, "local")
    assert repr(rebuild(*parts)) == "<workflow local>"


def test_one_id_in_many_threads_runs_once(store, runs):
    """Of threads that call one id at the same moment one runs it; the others are refused or get its result."""
    interval = sys.getswitchinterval()

    @workflow
    def w(x):
        runs(x)
        return {"x": x}

    def call(n, barrier, ends):
        barrier.wait(60)
        try:
            with workflow_id(f"id {n}"):
                ends.append(w(n))
        except WorkflowConflict as error:
            ends.append(error)

    sys.setswitchinterval(1e-6)
    try:
        for n in range(30):
            barrier, ends = threading.Barrier(3), []
            threads = [threading.Thread(target=call, args=(n, barrier, ends)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert {"x": n} in ends
            assert all(end == {"x": n} or isinstance(end, WorkflowConflict) for end in ends)
            assert len(ends) == 3
    finally:
        sys.setswitchinterval(interval)
    assert runs == list(range(30))
