"""Which errors replay (DESIGN §5 row 13), and passes that ignore earlier rows."""

from __future__ import annotations

import asyncio

import pytest

from durable_nb import step, workflow, workflow_id
from durable_nb.core.scope import Place, at

SCRIPT = """
import asyncio, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from durable_nb import open_store, step, workflow, workflow_id

class Log:
    def __init__(self, path):
        self.path = path
    def __durable_fingerprint__(self):
        return "log"
    def __call__(self, text):
        with open(self.path, "a") as file:
            file.write(text + "\\n")

log = Log(os.environ["RUNS"])

@step
def bad(x):
    log(f"bad {x}")
    raise ValueError(x)

@step
def good(x):
    log(f"good {x}")
    return x

@step
def die():
    if dying_now():
        log("die")
        os.kill(os.getpid(), signal.SIGKILL)
    log("survived")

class Dying:
    def __init__(self, now):
        self.now = now
    def __durable_fingerprint__(self):
        return "dying"
    def __call__(self):
        return self.now

dying_now = Dying(sys.argv[1] == "die")

def tried(x):
    try:
        return bad(x)
    except ValueError:
        return -x

"""


@pytest.fixture
def killed(run_script, tmp_path):
    """Run the workflow ``main()`` of a source until it kills itself, then whole; returns what each run ran."""

    def run(source):
        ran = []
        for how, code in (("die", -9), ("live", 0)):
            log = tmp_path.parent / f"{tmp_path.name}-{how}.txt"
            log.touch()
            found, lines = run_script(SCRIPT + source, how, env={"RUNS": str(log)})
            assert found == code, lines
            ran.append(log.read_text().splitlines())
        return ran

    return run


MAIN = """
with open_store("s.duckdb"), workflow_id("w"):
    main()
"""


def test_killed_scope_error_followed_by_a_call_replays(killed):
    """In a killed scope an error replays when a later call of the same thread had started after it."""
    first, second = killed(
        """
@workflow
def main():
    tried(1)
    good(2)
    die()
"""
        + MAIN
    )
    assert first == ["bad 1", "good 2", "die"]
    assert second == ["survived"]


def test_killed_scope_last_error_is_tried_afresh(killed):
    """In a killed scope an error that no later call followed may have been the fatal one: it runs again."""
    first, second = killed(
        """
@workflow
def main():
    good(2)
    tried(1)
    if dying_now():
        os.kill(os.getpid(), signal.SIGKILL)
"""
        + MAIN
    )
    assert first == ["good 2", "bad 1"]
    assert second == ["bad 1"]


def test_killed_scope_call_of_another_thread_does_not_count(killed):
    """A later call of another thread does not show that the error was handled."""
    first, second = killed(
        """
@workflow
def main():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(tried, 1).result()
    good(2)
    die()
"""
        + MAIN
    )
    assert first == ["bad 1", "good 2", "die"]
    assert second == ["bad 1", "survived"]


def test_killed_scope_call_of_another_task_does_not_count(killed):
    """A later call of another task does not count either; one of the same task does."""
    first, second = killed(
        """
@workflow
async def main():
    async def one():
        tried(1)
    async def two():
        tried(2)
        good(2)
    await asyncio.create_task(one())
    await asyncio.create_task(two())
    good(3)
    die()

with open_store("s.duckdb"), workflow_id("w"):
    asyncio.run(main())
"""
    )
    assert first == ["bad 1", "bad 2", "good 2", "good 3", "die"]
    assert second == ["bad 1", "survived"]


def test_killed_background_scope(killed):
    """The background scope of a killed script follows the same rule."""
    first, second = killed(
        """
with open_store("s.duckdb"):
    tried(1)
    good(2)
    die()
"""
    )
    assert first == ["bad 1", "good 2", "die"]
    assert second == ["survived"]


@pytest.fixture
def bad(runs):
    """A step that fails."""

    @step
    def bad(x):
        runs(x)
        raise ValueError(x)

    return bad


def failing_pass(session, body, expected=None):
    """Go through the one cell-like scope of the test as a front end does."""
    scopes = [each for each in session.scopes() if each.name == "cell"]
    scope_pass = session.begin_pass(scopes[0] if scopes else session.new_scope("cell", "cell"))
    try:
        with at(Place(scope_pass)):
            body()
    except BaseException as error:
        scope_pass.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)
        if expected is None or not isinstance(error, expected):
            raise
    else:
        scope_pass.end("completed")


def test_fatal_error_is_tried_afresh(reopen, bad, runs):
    """An error that ended its scope never replays."""
    for _ in range(2):
        with reopen() as session:
            failing_pass(session, lambda: bad(1), ValueError)
    assert runs == [1, 1]


def test_error_that_caused_the_end_is_fatal(reopen, bad, runs):
    """An error in the cause, the context, a group, or the list of ``MaxStepRetriesExceeded`` is fatal too."""

    def cause():
        try:
            bad("cause")
        except ValueError as error:
            raise RuntimeError from error

    def context():
        try:
            bad("context")
        except ValueError:
            raise RuntimeError from None

    def group():
        try:
            bad("group")
        except ValueError as error:
            raise ExceptionGroup("g", [TypeError(), ExceptionGroup("h", [error])]) from None

    for body in (cause, context, group):
        for _ in range(2):
            with reopen(body.__name__) as session:
                failing_pass(session, body, Exception)
        assert runs.take() == [body.__name__] * 2


def test_handled_error_in_a_failed_scope_replays(reopen, bad, runs):
    """In a scope that failed for another reason, an error that was handled replays as the same error."""

    def body():
        with pytest.raises(ValueError, match="^1$"):
            bad(1)
        raise RuntimeError

    for _ in range(2):
        with reopen() as session:
            failing_pass(session, body, RuntimeError)
    assert runs == [1]


def test_handled_error_in_a_completed_scope_replays(reopen, bad, runs):
    """In a scope that completed every error was handled and replays, also as the last call."""
    seen = []

    def body():
        try:
            bad(1)
        except ValueError as error:
            seen.append((type(error), error.args))

    for _ in range(3):
        with reopen() as session:
            failing_pass(session, body)
    assert runs == [1]
    assert seen == [(ValueError, (1,))] * 3


def test_interrupted_scope_follows_the_rule_of_killed_ones(reopen, bad, runs):
    """After an interrupt an error replays only if a later call started after it."""

    @step
    def good(x):
        runs(x)

    def body():
        for x in (1, 2):
            with pytest.raises(ValueError, match=str(x)):
                bad(x)
            if x == 1:
                good("good")
        raise KeyboardInterrupt

    for _ in range(2):
        with reopen() as session:
            failing_pass(session, body, KeyboardInterrupt)
    assert runs == [1, "good", 2, 2]


def test_notes_of_errors_replay(reopen, runs):
    """An error's notes come back with it."""

    @step
    def bad():
        error = ValueError("x")
        error.add_note("see the manual")
        raise error

    for _ in range(2):
        with reopen():
            try:
                bad()
            except ValueError as error:
                runs(error.__notes__)
    assert runs == [["see the manual"], ["see the manual"]]


def test_failed_script_tries_its_error_afresh(reopen, bad, runs):
    """The background scope ends with the ``with`` block of the store: an error that leaves it is fatal."""
    for _ in range(2):
        with pytest.raises(ValueError, match="^1$"), reopen():
            bad(1)
    with reopen():
        with pytest.raises(ValueError, match="^1$"):
            bad(1)
    with reopen():
        with pytest.raises(ValueError, match="^1$"):
            bad(1)
    assert runs == [1, 1, 1]


def test_forced_pass_ignores_older_rows(reopen, runs):
    """A forced pass runs its calls anew; interrupted it is resumed with its own rows only; completed, all count."""

    @step
    def f(x):
        runs(x)
        return len(runs)

    def go(session, *calls, forced=False, ends="completed"):
        scopes = [each for each in session.scopes() if each.name == "cell"]
        scope_pass = session.begin_pass(scopes[0] if scopes else session.new_scope("cell", "cell"), forced=forced)
        with at(Place(scope_pass)):
            values = [f(x) for x in calls]
        if ends:
            scope_pass.end(ends)
        return values

    with reopen() as session:
        assert go(session, 1, 2) == [1, 2]
    with reopen() as session:
        assert go(session, 1, forced=True, ends=None) == [3]  # as if killed
    with reopen() as session:
        assert go(session, 1, 2) == [3, 4]
    with reopen() as session:
        assert go(session, 1, 2) == [3, 4]
    assert runs == [1, 2, 1, 2]


def test_failing_async_gather_marks_only_what_left(reopen, bad, runs):
    """Of concurrent errors the one that left the scope is fatal; one that was returned as a value is handled."""

    @workflow
    async def w():
        async def one(x):
            bad(x)

        returned = await asyncio.gather(one(1), one(2), return_exceptions=True)
        raise returned[1]

    for _ in range(2):
        with reopen(), workflow_id("w"), pytest.raises(ValueError, match="^2$"):
            asyncio.run(w())
    assert runs == [1, 2, 2]
