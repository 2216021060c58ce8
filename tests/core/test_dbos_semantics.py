"""The behaviours that DBOS's own tests check of steps and workflows, under DBOS's names where they have one."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from durable_nb import (
    MaxStepRetriesExceeded,
    StepError,
    StepTimeout,
    fork_workflow,
    list_steps,
    list_workflows,
    sleep,
    step,
    step_status,
    workflow,
    workflow_id,
)
from durable_nb.core.history import StepInfo, WorkflowInfo
from durable_nb.core.scope import StepStatus
from durable_nb.errors import DurableWarning, OptionError, WorkflowConflict


class FatalError(Exception):
    """Not worth another attempt."""


class BadError(Exception):
    """Pickles, but cannot be loaded: its signature differs from its args."""

    def __init__(self, one, two):
        super().__init__(f"Message: {one}, {two}")


def not_fatal(error):
    return not isinstance(error, FatalError)


# -- retries


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
def test_step_retries(store, clock, runs, max_attempts):
    """A step that always fails runs exactly ``max_attempts`` times, and all its errors are collected in order."""

    @step(retries_allowed=True, interval_seconds=0, max_attempts=max_attempts)
    def failing_step():
        runs(len(runs))
        raise ValueError(f"fail {len(runs)}")

    @workflow
    def failing_workflow():
        failing_step()

    with pytest.raises(MaxStepRetriesExceeded) as caught:
        failing_workflow()
    assert len(runs) == max_attempts
    assert caught.value.step_name == "failing_step"
    assert caught.value.max_attempts == max_attempts
    assert [str(each) for each in caught.value.errors] == [f"fail {i}" for i in range(1, max_attempts + 1)]
    assert caught.value.__cause__ is caught.value.errors[-1]
    assert (
        str(caught.value) == f"step failing_step failed on all {max_attempts} attempts: ValueError: fail {max_attempts}"
    )


def test_step_retries_without_retries_allowed(store, runs):
    """Without ``retries_allowed`` a step runs once and its own error is raised."""

    @step
    def failing_step():
        runs(1)
        raise ValueError("fail")

    with pytest.raises(ValueError, match="^fail$"):
        failing_step()
    assert runs == [1]


def test_step_retries_no_final_sleep(store, clock):
    """The waits are 1, 2, 4, …: one between two attempts and none after the last."""

    @step(retries_allowed=True, max_attempts=5)
    def failing_step():
        raise ValueError("fail")

    with pytest.raises(MaxStepRetriesExceeded):
        failing_step()
    assert clock.waits == [1.0, 2.0, 4.0, 8.0]


async def test_step_retries_no_final_sleep_async(store, clock):
    """An async step waits as a sync one does."""

    @step(retries_allowed=True, max_attempts=3, interval_seconds=0.5, backoff_rate=3)
    async def failing_step():
        raise ValueError("fail")

    with pytest.raises(MaxStepRetriesExceeded) as caught:
        await failing_step()
    assert clock.waits == [0.5, 1.5]
    assert len(caught.value.errors) == 3


def test_step_retries_are_capped_and_finite(store, clock):
    """2000 attempts wait at most an hour each: the exponent overflows nothing."""

    @step(retries_allowed=True, max_attempts=2000)
    def failing_step():
        raise ValueError("fail")

    @step
    def outer():  # attempts of an inner step need no rows, which makes 2000 of them quick
        failing_step()

    with pytest.raises(MaxStepRetriesExceeded) as caught:
        outer()
    assert clock.waits[:14] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert clock.waits[14:] == [3600.0] * (1999 - 14)
    assert len(caught.value.errors) == 2000


def test_step_should_retry(store, clock, runs):
    """``should_retry`` false stops at once with the original error; true goes on to exhaustion."""

    @step(retries_allowed=True, max_attempts=4, should_retry=not_fatal)
    def failing_step(kind):
        runs(kind)
        raise kind("no")

    original = None
    with pytest.raises(FatalError) as caught:
        failing_step(FatalError)
    original = caught.value
    assert runs.take() == [FatalError]
    assert clock.waits == []
    assert original.__cause__ is None
    with pytest.raises(MaxStepRetriesExceeded):
        failing_step(ValueError)
    assert runs == [ValueError] * 4


async def test_run_step_async_should_retry(store, clock, runs):
    """A sync predicate decides for an async step."""

    @step(retries_allowed=True, max_attempts=3, should_retry=not_fatal)
    async def failing_step():
        runs(1)
        raise FatalError("no retry")

    with pytest.raises(FatalError, match="no retry"):
        await failing_step()
    assert runs == [1]


async def test_step_should_retry_async_validator(store, clock, runs):
    """An async predicate of an async step is awaited, whether it says no or yes."""

    async def is_retryable(error):
        await asyncio.sleep(0)
        return not isinstance(error, FatalError)

    @step(retries_allowed=True, max_attempts=4, should_retry=is_retryable)
    async def failing_step(kind):
        runs(kind)
        raise kind("no")

    with pytest.raises(FatalError):
        await failing_step(FatalError)
    assert runs.take() == [FatalError]
    with pytest.raises(MaxStepRetriesExceeded):
        await failing_step(ValueError)
    assert runs == [ValueError] * 4


def test_step_should_retry_sync_step_async_validator_rejected():
    """An async predicate on a sync step is refused at decoration, naming the option."""

    async def is_retryable(error):
        return True

    with pytest.raises(OptionError, match="^should_retry: is async, but the step is not") as caught:
        step(retries_allowed=True, should_retry=is_retryable)(lambda: None)
    assert caught.value.option == "should_retry"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_step_should_retry_on_last_attempt(store, clock, runs, kind):
    """``should_retry`` false on the last attempt raises the original error, not the exhaustion."""

    def body():
        runs(1)
        raise ValueError("retry me") if len(runs) < 3 else FatalError("stop now")

    async def body_async():
        body()

    options = step(retries_allowed=True, max_attempts=3, should_retry=not_fatal)
    with pytest.raises(FatalError, match="stop now"):
        options(body)() if kind == "sync" else asyncio.run(options(body_async)())
    assert len(runs) == 3
    assert clock.waits == [1.0, 2.0]


def test_step_status(store, clock, runs):
    """``step_status()`` gives the step's start order, the 0-based attempt and the most attempts."""

    @step(retries_allowed=True, interval_seconds=0, max_attempts=3)
    def failing_step():
        runs(step_status())
        if len(runs) < 3:
            raise ValueError("fail")

    @step
    def plain_step():
        runs(step_status())

    @workflow
    def simple_workflow():
        assert step_status() is None
        failing_step()
        plain_step()

    simple_workflow()
    assert runs == [StepStatus(1, 0, 3), StepStatus(1, 1, 3), StepStatus(1, 2, 3), StepStatus(2, None, None)]
    assert step_status() is None


def test_step_status_without_store(clock, runs):
    """Without a store a step has the id 0, and attempts as ever."""

    @step(retries_allowed=True, interval_seconds=0, max_attempts=2)
    def failing_step():
        runs(step_status())
        if len(runs) < 2:
            raise ValueError("fail")

    failing_step()
    assert runs == [StepStatus(0, 0, 2), StepStatus(0, 1, 2)]


def test_keyboardinterrupt_during_retries(reopen, clock, runs):
    """A KeyboardInterrupt is neither recorded nor retried; the same call later runs and is recorded."""
    interrupting = True

    @step(retries_allowed=True, max_attempts=3, name="failing_step")
    def interrupted():
        runs("interrupted")
        raise KeyboardInterrupt

    @step(retries_allowed=True, max_attempts=3)
    def before():
        runs("before")
        return 1

    @workflow
    def failing_workflow():
        first = before()
        if interrupting_now():
            raise_interrupt()
        return first + after()

    @step
    def after():
        runs("after")
        return 10

    @step
    def raise_interrupt():
        runs("interrupted")
        raise KeyboardInterrupt

    class Flag:
        def __durable_fingerprint__(self):
            return "flag"

        def __call__(self):
            return interrupting

    interrupting_now = Flag()
    with reopen(), workflow_id("w"):
        with pytest.raises(KeyboardInterrupt):
            failing_workflow()
        assert [(each.name, each.status) for each in list_steps("w")] == [("before", "success")]
        assert [each.status for each in list_workflows()] == ["running"]
    interrupting = False
    with reopen(), workflow_id("w"):
        assert failing_workflow() == 11
        assert [(each.name, each.status) for each in list_steps("w")] == [("before", "success"), ("after", "success")]
    assert runs == ["before", "interrupted", "after"]
    assert clock.waits == []


def test_keyboardinterrupt_same_call_is_recovered(reopen, runs):
    """The very call that was interrupted runs again with equal arguments, then replays."""

    @step(retries_allowed=True)
    def fetch(x):
        runs(x)
        if len(runs) == 1:
            raise KeyboardInterrupt
        return x * 2

    with reopen(), pytest.raises(KeyboardInterrupt):
        fetch(1)
    for _ in range(2):
        with reopen():
            assert fetch(1) == 2
    assert runs == [1, 1]


def test_recovery_during_retries(reopen, clock, runs):
    """An execution interrupted while a step retries goes on and completes when it is called again."""

    @step(retries_allowed=True, max_attempts=3)
    def failing_step():
        runs(step_status().current_attempt)
        if len(runs) < 2:
            raise ValueError("fail")
        if len(runs) == 2:
            raise KeyboardInterrupt
        return "done"

    @workflow
    def failing_workflow():
        return failing_step()

    with reopen(), pytest.raises(KeyboardInterrupt):
        failing_workflow()
    with reopen():
        assert failing_workflow() == "done"
        assert [(each.status, each.name) for each in list_workflows()] == [("success", "failing_workflow")]
    assert runs == [0, 1, 0]  # the user saw the interrupt: a fresh budget


# -- errors


def test_error_serialization(reopen, clock):
    """A recorded ``MaxStepRetriesExceeded`` replays with its name, count and errors."""

    @step(retries_allowed=True, max_attempts=2)
    def failing_step():
        raise ValueError("fail")

    @workflow
    def handling_workflow():
        try:
            failing_step()
        except MaxStepRetriesExceeded as error:
            return error.step_name, error.max_attempts, [repr(each) for each in error.errors], repr(error.__cause__)

    expected = ("failing_step", 2, ["ValueError('fail')"] * 2, "ValueError('fail')")
    with reopen(), workflow_id("w"):
        assert handling_workflow() == expected
    clock.waits.clear()
    with reopen():
        fork = fork_workflow("w", 2)
        with workflow_id(fork):
            assert handling_workflow() == expected
    assert clock.waits == []


def test_workflow_error_serialization(reopen):
    """An error that cannot be unpickled is still listed with its type and message, of step and workflow."""

    @step
    def bad_step():
        raise BadError(1, 2)

    @workflow
    def bad_workflow():
        bad_step()

    with reopen(), workflow_id("w"), pytest.raises(BadError):
        bad_workflow()
    with reopen():
        (row,), (execution,) = list_steps("w"), list_workflows()
        assert row.error.endswith("BadError: Message: 1, 2")
        assert execution.error.endswith("BadError: Message: 1, 2")
        assert (row.status, execution.status) == ("error", "error")


def test_error_that_cannot_be_unpickled_replays_as_step_error(reopen, runs):
    """A handled error that cannot be unpickled replays as a ``StepError`` with type, message and traceback."""

    @step
    def bad_step():
        runs(1)
        raise BadError(1, 2)

    seen = []
    for _ in range(2):
        with reopen():
            try:
                bad_step()
            except Exception as error:
                seen.append(error)
    assert runs == [1]
    assert type(seen[0]) is BadError
    assert type(seen[1]) is StepError
    assert seen[1].step_name == "bad_step"
    assert seen[1].error_type.endswith(".BadError")
    assert seen[1].error_args == ("'Message: 1, 2'",)
    assert "raise BadError(1, 2)" in seen[1].traceback_text


def test_list_steps_errors(store):
    """Steps are listed in start order, each with its own error, whichever failed."""

    @step
    def one(fail):
        if fail:
            raise ValueError("first")

    @step
    def two(fail):
        if fail:
            raise KeyError("second")

    @workflow
    def simple_workflow():
        for call, fail in ((one, True), (two, False), (one, False), (two, True)):
            try:
                call(fail)
            except Exception:
                pass

    with workflow_id("w"):
        simple_workflow()
    listed = [(each.step_id, each.name, each.status, each.error) for each in list_steps("w")]
    assert listed == [
        (1, "one", "error", "ValueError: first"),
        (2, "two", "success", ""),
        (3, "one", "success", ""),
        (4, "two", "error", "KeyError: 'second'"),
    ]


def test_exception_workflow(reopen, runs):
    """A workflow's own error is raised and listed; called again it is tried afresh while its steps replay."""

    @step
    def good():
        runs("good")
        return "good"

    @workflow
    def exception_workflow():
        good()
        runs("workflow")
        raise RuntimeError("boom")

    for _ in range(2):
        with reopen(), workflow_id("w"):
            with pytest.raises(RuntimeError, match="boom"):
                exception_workflow()
            assert [each.error for each in list_workflows()] == ["RuntimeError: boom"]
    assert runs == ["good", "workflow", "workflow"]


def test_nonserializable_return(reopen, runs):
    """A result that cannot be pickled is returned with one warning that names it, and is not recorded."""

    @step
    def make(x):
        runs(x)
        return {"lock": threading.Lock(), "x": x}

    for _ in range(2):
        with reopen():
            with pytest.warns(DurableWarning, match="step make was not recorded: .*lock") as warned:
                assert make(1)["x"] == 1
                assert make(2)["x"] == 2
            assert len(warned) == 1
    assert runs == [1, 2, 1, 2]


def test_generator_step_refused():
    """A generator function is refused at decoration: it would return before it ran."""

    def values():
        yield 1

    async def values_async():
        yield 1

    for function in (values, values_async):
        with pytest.raises(OptionError, match="is a generator function: return a list"):
            step(function)


# -- values, names, nesting


def test_workflow_returns_none(reopen, runs):
    """None is a result like any other: neither the step nor the workflow runs twice."""

    @step
    def none_step():
        runs("step")

    @workflow
    def none_workflow():
        runs("workflow")
        return none_step()

    for _ in range(2):
        with reopen(), workflow_id("w"):
            assert none_workflow() is None
            assert none_step() is None
    assert runs == ["workflow", "step", "step"]


def test_custom_names(store):
    """A name given to step or workflow is the one that is listed."""

    @step(name="step_name")
    def some_step():
        return 1

    @workflow(name="workflow_name")
    def some_workflow():
        return some_step()

    with workflow_id("w"):
        assert some_workflow() == 1
    assert [each.name for each in list_workflows()] == ["workflow_name"]
    assert [each.name for each in list_steps("w")] == ["step_name"]


async def test_step_without_dbos(runs):
    """With no open store a step is a plain call, sync and async, in threads too; nothing is recorded."""

    @step
    def sync_step(x):
        runs(x)
        return x

    @step
    async def async_step(x):
        runs(x)
        return x

    assert sync_step(5) == 5
    assert await asyncio.to_thread(sync_step, 5) == 5
    assert await async_step(5) == 5
    assert await async_step(5) == 5
    assert runs == [5, 5, 5, 5]


def test_step_retries_without_dbos(runs):
    """Retries work with no open store."""

    @step(retries_allowed=True, interval_seconds=0, max_attempts=3)
    def flaky():
        runs(1)
        if len(runs) < 3:
            raise ValueError("fail")
        return "ok"

    assert flaky() == "ok"
    assert len(runs) == 3


def test_nested_steps(reopen, runs):
    """A step called by a step is part of it: one record, and the outer one's replay calls neither."""

    @step
    def inner_step(x):
        runs("inner")
        return x + 1

    @step
    def outer_step(x):
        runs("outer")
        return inner_step(x) * 10

    @workflow
    def simple_workflow():
        return outer_step(1)

    with reopen(), workflow_id("w"):
        assert simple_workflow() == 20
        assert [each.name for each in list_steps("w")] == ["outer_step"]
        fork = fork_workflow("w", 2)
    with reopen(), workflow_id(fork):
        assert simple_workflow() == 20
    assert runs == ["outer", "inner"]


def test_nested_step_keeps_its_retries(store, clock, runs):
    """A nested step still retries, under the outer step's status."""

    @step(retries_allowed=True, max_attempts=2)
    def inner_step():
        runs(step_status().step_id)
        if len(runs) < 2:
            raise ValueError("fail")

    @step
    def outer_step():
        inner_step()

    outer_step()
    assert runs == [1, 1]
    assert clock.waits == [1.0]
    assert len(store.heads) == 1


async def test_gather_manysteps(reopen, runs):
    """Steps gathered concurrently are each recorded once, and replay whatever order they finish in."""

    @step
    async def test_step_str(i):
        for _ in range(50 - i):
            await asyncio.sleep(0)
        runs(i)
        return f"step {i}"

    @step(retries_allowed=True, interval_seconds=0, max_attempts=2)
    async def test_step_retry(i):
        await asyncio.sleep(0)
        if step_status().current_attempt == 0:
            raise ValueError("fail")
        runs(-i)
        return f"retried {i}"

    @workflow
    async def gather_workflow():
        return await asyncio.gather(*(each(i) for i in range(1, 51) for each in (test_step_str, test_step_retry)))

    expected = [f"{text} {i}" for i in range(1, 51) for text in ("step", "retried")]
    with reopen(), workflow_id("w"):
        assert await gather_workflow() == expected
        assert len(list_steps("w")) == 100
        fork = fork_workflow("w", 101)
    assert sorted(runs.take()) == sorted([*range(1, 51), *range(-50, 0)])
    with reopen(), workflow_id(fork):
        assert await gather_workflow() == expected
    assert runs == []


async def test_gather_distinct_steps_other_order(reopen, runs):
    """Concurrent distinct calls need no deterministic order: started the other way round, each finds its own."""
    order = [1, 2, 3]

    @step
    async def one(x):
        runs(x)
        return x * x

    for _ in range(2):
        with reopen():
            assert dict(zip(order, await asyncio.gather(*map(one, order)), strict=True)) == {1: 1, 2: 4, 3: 9}
        order.reverse()
    assert runs == [1, 2, 3]


def test_concurrent_threads(reopen, runs):
    """A pool's calls are each recorded once and replay."""

    @step
    def square(x):
        runs(x)
        return x * x

    for _ in range(2):
        with reopen() as session, ThreadPoolExecutor(8) as pool:
            assert list(pool.map(square, range(40))) == [x * x for x in range(40)]
            assert len(session.heads) == 40
    assert sorted(runs) == list(range(40))


# -- time limits


async def test_step_timeout_bounds_step_duration(store, runs):
    """An async step that runs longer than its limit is cancelled, cleans up, and fails with ``StepTimeout``."""

    @step(timeout_seconds=0.02)
    async def slow_step():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            runs("cancelled")
            raise

    with pytest.raises(StepTimeout) as caught:
        await slow_step()
    assert (caught.value.step_name, caught.value.timeout_seconds) == ("slow_step", 0.02)
    assert runs == ["cancelled"]


def test_step_timeout_is_checkpointed_and_replayed(reopen, runs):
    """A handled timeout is a recorded failure: it replays as ``StepTimeout`` without running the body."""

    @step(timeout_seconds=0.02)
    async def slow_step():
        runs(1)
        await asyncio.Event().wait()

    @workflow
    async def catching_workflow():
        try:
            await slow_step()
        except StepTimeout as error:
            return f"caught {error.timeout_seconds}"

    with reopen(), workflow_id("w"):
        assert asyncio.run(catching_workflow()) == "caught 0.02"
        assert [each.error for each in list_steps("w")] == [
            "durable_nb.errors.StepTimeout: step slow_step ran longer than timeout_seconds=0.02"
        ]
        fork = fork_workflow("w", 2)
    with reopen(), workflow_id(fork):
        assert asyncio.run(catching_workflow()) == "caught 0.02"
    assert runs == [1]


async def test_step_timeout_preserves_step_outcomes(store):
    """Within its limit a step's own value, and its own error and TimeoutError too, come out as they are."""

    @step(timeout_seconds=30)
    async def outcome(error=None):
        if error is not None:
            raise error
        return "done"

    assert await outcome() == "done"
    with pytest.raises(ValueError, match="boom"):
        await outcome(ValueError("boom"))
    with pytest.raises(TimeoutError, match="mine") as caught:
        await outcome(TimeoutError("mine"))
    assert type(caught.value) is TimeoutError


async def test_step_timeout_with_retries(store, clock, runs):
    """Each attempt has the whole limit, and a timeout counts as one failed attempt."""

    @step(timeout_seconds=0.02, retries_allowed=True, max_attempts=3)
    async def slow_at_first():
        runs(1)
        if len(runs) < 3:
            await asyncio.Event().wait()
        return len(runs)

    assert await slow_at_first() == 3
    assert clock.waits == [1.0, 2.0]


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), True, "1"])
def test_step_timeout_rejects_invalid_config(bad):
    """A limit that is not a positive finite number is refused at decoration."""
    with pytest.raises(OptionError, match="^timeout_seconds: must be"):
        step(timeout_seconds=bad)(lambda: None)


# -- budgets and edits


def test_retry_budget_is_fresh_after_an_edit(reopen, clock, runs):
    """A step edited after its attempts failed begins at attempt 1 again."""

    def define(edited):
        @step(retries_allowed=True, max_attempts=3, name="flaky")
        def first():
            runs(("old", step_status().current_attempt))
            raise ValueError("old")

        @step(retries_allowed=True, max_attempts=3, name="flaky")
        def second():
            runs(("new", step_status().current_attempt))
            raise ValueError("new")

        return second if edited else first

    with reopen(), pytest.raises(MaxStepRetriesExceeded):
        define(edited=False)()
    with reopen(), pytest.raises(MaxStepRetriesExceeded):
        define(edited=True)()
    assert runs == [("old", 0), ("old", 1), ("old", 2), ("new", 0), ("new", 1), ("new", 2)]


def test_retry_budget_is_fresh_after_exhaustion(reopen, clock, runs):
    """A workflow that failed by exhaustion has all attempts again when it is called again."""

    @step(retries_allowed=True, max_attempts=2)
    def flaky():
        runs(step_status().current_attempt)
        raise ValueError("fail")

    @workflow
    def failing_workflow():
        flaky()

    for _ in range(2):
        with reopen(), workflow_id("w"), pytest.raises(MaxStepRetriesExceeded):
            failing_workflow()
    assert runs == [0, 1, 0, 1]


# -- ids, children, forks


def test_simple_workflow(reopen, runs):
    """A completed id returns the recorded result at once; without an id a new execution begins."""

    @step
    def simple_step(x):
        runs("step")
        return x + "!"

    @workflow
    def simple_workflow(x):
        runs("workflow")
        return simple_step(x)

    for _ in range(2):
        with reopen(), workflow_id("w"):
            assert simple_workflow("bob") == "bob!"
    assert runs.take() == ["workflow", "step"]
    with reopen():
        assert simple_workflow("bob") == "bob!"
        assert len(list_workflows()) == 2
    assert runs == ["workflow", "step"]


def test_simple_workflow_same_id_runs_once_concurrently(store):
    """While an id runs, a second call with it is refused rather than run twice."""
    entered, leave = threading.Event(), threading.Event()
    errors = []

    @workflow
    def slow_workflow():
        entered.set()
        assert leave.wait(60)
        return "done"

    def start():
        with workflow_id("w"):
            errors.append(slow_workflow())

    thread = threading.Thread(target=start)
    thread.start()
    assert entered.wait(60)
    with workflow_id("w"), pytest.raises(WorkflowConflict, match="'w' is running"):
        slow_workflow()
    leave.set()
    thread.join(60)
    assert errors == ["done"]
    assert len(list_workflows()) == 1


def test_duplicate_registration(store):
    """An id that belongs to another workflow is refused, naming the owner."""

    @workflow
    def one():
        return 1

    @workflow
    def two():
        return 2

    with workflow_id("w"):
        assert one() == 1
    with workflow_id("w"), pytest.raises(WorkflowConflict, match="'w' belongs to workflow one, not two"):
        two()


def test_recovery_workflow(reopen, runs):
    """Called without an id, the newest unfinished execution with equal arguments goes on after its last step."""

    @step
    def count(x):
        runs(x)
        return x

    @workflow
    def recovered(x):
        total = count(x)
        if dying:
            raise KeyboardInterrupt
        return total + count(x + 1)

    dying = True
    with reopen(), pytest.raises(KeyboardInterrupt):
        recovered(1)
    dying = False
    with reopen():
        (first,) = list_workflows()
        assert recovered(1) == 3
        assert [(each.workflow_id, each.status) for each in list_workflows()] == [(first.workflow_id, "success")]
    assert runs == [1, 2]


def test_recovery_workflow_other_arguments(reopen, runs):
    """Other arguments begin an execution of their own; the interrupted one stays unfinished."""

    @workflow
    def recovered(x):
        runs(x)
        if x == 1:
            raise KeyboardInterrupt
        return x

    with reopen():
        with pytest.raises(KeyboardInterrupt):
            recovered(1)
        assert recovered(2) == 2
        assert [each.status for each in list_workflows()] == ["running", "success"]


def test_child_workflow(reopen, runs):
    """A child workflow is one row of its parent, an execution of its own, and replays as a whole."""

    @step
    def leaf(x):
        runs(x)
        return x

    @workflow
    def child(x):
        return leaf(x) + leaf(x + 1)

    @workflow
    def parent():
        total = child(1) + child(10)
        return total + leaf(100)

    with reopen(), workflow_id("p"):
        assert parent() == 124
        assert [(each.name, each.kind) for each in list_steps("p")] == [
            ("child", "workflow"),
            ("child", "workflow"),
            ("leaf", "call"),
        ]
        assert sorted(each.name for each in list_workflows()) == ["child", "child", "parent"]
    assert runs == [1, 2, 10, 11, 100]


def test_child_workflow_assigned_id(store):
    """A child given an id has it."""

    @workflow
    def child():
        return "child"

    @workflow
    def parent():
        with workflow_id("my child"):
            return child()

    with workflow_id("p"):
        assert parent() == "child"
    assert {each.workflow_id for each in list_workflows()} == {"p", "my child"}


def test_list_2steps_sleep(store, clock):
    """A durable sleep is listed among the steps."""

    @step
    def one():
        return 1

    @workflow
    def simple_workflow():
        one()
        sleep(10)
        one()

    with workflow_id("w"):
        simple_workflow()
    assert [(each.name, each.kind) for each in list_steps("w")] == [
        ("one", "call"),
        ("sleep", "sleep"),
        ("one", "call"),
    ]
    assert clock.waits == [10]


def test_step_timing(store, clock):
    """A step's row says when it began and ended, its backoffs included."""

    @step(retries_allowed=True, max_attempts=2)
    def timed():
        clock.advance(5)
        if step_status().current_attempt == 0:
            raise ValueError("fail")

    @workflow
    def simple_workflow():
        timed()

    with workflow_id("w"):
        simple_workflow()
    (row,), (execution,) = list_steps("w"), list_workflows()
    assert (row.ended_at - row.started_at).total_seconds() == 11
    assert (execution.ended_at - execution.started_at).total_seconds() == 11
    assert row.attempts == 2
    assert isinstance(row, StepInfo)
    assert isinstance(execution, WorkflowInfo)


@pytest.mark.parametrize("from_step", [1, 3, 5, 6])
def test_fork_steps(reopen, runs, from_step):
    """A fork re-runs exactly the steps from ``from_step`` on."""

    @step
    def numbered(i, x):
        runs(i)
        return x + i

    @workflow
    def simple_workflow(x):
        return sum(numbered(i, x) for i in range(1, 6))

    with reopen(), workflow_id("w"):
        assert simple_workflow(1) == 20
        assert runs.take() == [1, 2, 3, 4, 5]
        fork = fork_workflow("w", from_step, "forked")
        assert fork == "forked"
        assert [each.step_id for each in list_steps(fork)] == list(range(1, from_step))
    with reopen(), workflow_id(fork):
        assert simple_workflow(1) == 20
        assert [each.status for each in list_workflows()] == ["success", "success"]
    assert runs == list(range(from_step, 6))


def test_fork_from_failure(reopen, runs):
    """A fork of a failed execution replays the errors that it had handled, and tries the fatal one afresh."""

    @step
    def numbered(i):
        runs(i)
        if i == 2:
            raise ValueError("handled")
        if i == 4 and runs.count(4) == 1:
            raise RuntimeError("fatal")
        return i

    @workflow
    def failing_workflow():
        done = []
        for i in range(1, 6):
            try:
                done.append(numbered(i))
            except ValueError:
                done.append("handled")
        return done

    with reopen(), workflow_id("w"), pytest.raises(RuntimeError):
        failing_workflow()
    assert runs.take() == [1, 2, 3, 4]
    runs.append(4)  # the fatal step succeeds from now on
    with reopen():
        for from_step in (4, 5):  # the fatal step is step 4: not copied, or a copy that would only fail again
            with workflow_id(fork_workflow("w", from_step)):
                assert failing_workflow() == [1, "handled", 3, 4, 5]
    assert runs == [4, 4, 5, 4, 5]


def test_fork_replays_an_error_handled_just_before(reopen, runs):
    """A handled error that is the last copied step replays too."""

    @step
    def failing():
        runs("failing")
        raise ValueError("handled")

    @step
    def after():
        runs("after")

    @workflow
    def handling_workflow():
        try:
            failing()
        except ValueError:
            pass
        after()

    with reopen():
        with workflow_id("w"):
            handling_workflow()
        runs.clear()
        fork_workflow("w", 2, "later")
        with workflow_id(fork_workflow("w", 2)):
            handling_workflow()
        assert runs.take() == ["after"]
    with reopen(), workflow_id("later"):
        handling_workflow()
    assert runs == ["after"]
