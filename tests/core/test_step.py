"""Steps: decoration, methods, keys, replay of values, and what is never recorded."""

from __future__ import annotations

import inspect
import pickle
import sys
import threading
import warnings

import pytest

from durable_nb import DurableError, open_store, step
from durable_nb.core.step import BoundStep, Step
from durable_nb.errors import DurableWarning, OptionError

RATE = 2
TABLE = {"a": 1}


def helper(x):
    return x * RATE


def edited_helper(x):
    return x * RATE + 1


@pytest.fixture(autouse=True)
def _put_globals_back(monkeypatch):
    module = sys.modules[__name__]
    for name in ("RATE", "helper"):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(module, "TABLE", dict(TABLE))


# -- options


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        ("max_attempts", 0),
        ("max_attempts", -1),
        ("max_attempts", 2.5),
        ("max_attempts", True),
        ("max_attempts", "3"),
        ("interval_seconds", -0.1),
        ("interval_seconds", float("nan")),
        ("interval_seconds", False),
        ("interval_seconds", None),
        ("backoff_rate", 0.99),
        ("backoff_rate", float("inf")),
        ("max_interval_seconds", -1),
        ("max_interval_seconds", float("nan")),
        ("jitter", 1.01),
        ("jitter", -0.01),
        ("jitter", True),
        ("should_retry", 1),
        ("timeout_seconds", 0),
        ("timeout_seconds", True),
        ("expires_seconds", -1),
        ("expires_seconds", float("nan")),
        ("expires_seconds", "6h"),
    ],
)
def test_bad_option_is_refused_at_decoration(option, bad):
    """An option without meaning is refused when the function is decorated, and the error names the option."""
    with pytest.raises(OptionError, match=f"^{option}: ") as caught:
        step(retries_allowed=True, **{option: bad})(helper)
    assert caught.value.option == option
    assert isinstance(caught.value, DurableError)
    assert isinstance(caught.value, ValueError)


def test_unknown_option_is_refused():
    """An unknown option is refused by name, with those there are."""
    with pytest.raises(OptionError, match=r"^max_attemps: is not an option; there are .*max_attempts"):
        step(max_attemps=3)(helper)


def test_max_attempts_without_retries_warns():
    """``max_attempts`` without ``retries_allowed`` warns at the line of the user."""
    with pytest.warns(UserWarning, match="no effect without retries_allowed=True") as warned:

        @step(max_attempts=5)
        def once():
            return 1

    assert warned[0].filename == __file__
    assert once() == 1


@pytest.mark.parametrize("thing", [3, int, len, threading.Lock(), lambda: (yield)])
def test_only_functions_are_steps(thing):
    """What is no plain function is refused."""
    with pytest.raises(OptionError, match="^step: "):
        step(thing)


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_static_and_class_methods_go_above(kind):
    """@step on top of @staticmethod or @classmethod is refused, saying the right order."""
    with pytest.raises(OptionError, match=f"put @{kind.__name__} above @step"):
        step(kind(helper))


def test_step_looks_like_its_function():
    """A step has its function's name, docstring, signature and module."""

    @step
    def documented(a: int, b: str = "x") -> str:
        """Say something."""
        return b * a

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Say something."
    assert str(inspect.signature(documented)) == "(a: 'int', b: 'str' = 'x') -> 'str'"
    assert documented.__module__ == __name__
    assert repr(documented) == "<step documented>"
    assert documented(2, b="y") == "yy"


@step(retries_allowed=True, max_attempts=7, expires_seconds=60)
def module_step(x):
    return x + 1


def test_step_pickles_by_name():
    """A step that a module holds is pickled by name, as a function is: the other process finds its own."""
    assert pickle.loads(pickle.dumps(module_step)) is module_step
    assert pickle.loads(pickle.dumps(Client.get)) is Client.get


def test_step_pickles_by_parts():
    """A step that no name leads to is pickled as function, name, policy and expiry."""

    def body(x):
        return x

    made = step(name="made", retries_allowed=True, max_attempts=7, expires_seconds=60)(body)
    rebuild, parts = made.__reduce__()
    again = rebuild(*parts)
    assert (again.func, again.name, again.policy, again.expires_seconds) == (body, "made", made.policy, 60)


# -- occurrences, fresh, expiry


def test_occurrences_replay_in_order(reopen, runs):
    """Two equal calls are two records: ``roll_dice()`` twice gives two values, replayed in order."""

    @step
    def roll_dice():
        runs("rolled")
        return len(runs)

    for _ in range(2):
        with reopen():
            assert [roll_dice(), roll_dice()] == [1, 2]
    with reopen():
        assert [roll_dice(), roll_dice(), roll_dice()] == [1, 2, 3]
    assert len(runs) == 3


def test_arguments_tell_calls_apart(reopen, runs):
    """Calls differ by the values and types of arguments; keyword order does not count."""

    @step
    def take(*args, **kwargs):
        runs((args, kwargs))
        return len(runs)

    calls = [((1,), {}), ((1.0,), {}), ((True,), {}), (("1",), {}), ((), {"a": 1, "b": 2}), (([1],), {}), (((1,),), {})]
    with reopen():
        first = [take(*args, **kwargs) for args, kwargs in calls]
    assert first == [1, 2, 3, 4, 5, 6, 7]
    with reopen():
        assert take(b=2, a=1) == 5
        assert [take(*args, **kwargs) for args, kwargs in reversed(calls[:4])] == [4, 3, 2, 1]
        assert [take([1]), take((1,))] == [6, 7]


def test_fresh_calls_and_records_anew(reopen, runs):
    """``.fresh`` runs whatever was recorded, and its value is what replays from then on."""

    @step
    def fetch(x):
        runs(x)
        return len(runs)

    with reopen():
        assert fetch("a") == 1
    with reopen():
        assert fetch.fresh("a") == 2
    with reopen():
        assert fetch("a") == 2
    assert runs == ["a", "a"]


def test_expires_seconds(reopen, clock, runs):
    """A checkpoint replays while it is no older than ``expires_seconds``, and runs again after."""

    @step(expires_seconds=100)
    def fetch():
        runs(clock.now())
        return len(runs)

    with reopen():
        assert fetch() == 1
    clock.advance(100)
    with reopen():
        assert fetch() == 1
    clock.advance(1)
    with reopen() as session:
        assert fetch() == 2
        assert session.heads[-1].reason == "its checkpoint is older than 100 s"


def test_retry_options_are_not_in_the_key(reopen, runs):
    """Changing how a step is retried keeps its checkpoints."""

    def body(x):
        runs(x)
        return x

    with reopen():
        assert step(body)(1) == 1
    with reopen():
        assert step(retries_allowed=True, max_attempts=9)(body)(1) == 1
    assert runs == [1]


# -- methods


class Client:
    def __init__(self, base):
        self.base = base

    @step
    def get(self, path):
        return self.log(path)

    def log(self, path):
        LOG(self.base + path)
        return f"{self.base}{path}"

    @staticmethod
    @step
    def static(x):
        LOG(x)
        return x

    @classmethod
    @step
    def make(cls, x):
        LOG((cls.__name__, x))
        return x

    @step
    async def get_async(self, path):
        LOG(path)
        return path


class _Log(list):
    def __durable_fingerprint__(self):
        return "log"

    def __call__(self, what):
        self.append(what)


LOG = _Log()


def test_methods(reopen):
    """``self`` is an argument: equal instances share checkpoints, others do not."""
    LOG.clear()
    for _ in range(2):
        with reopen():
            assert Client("a/").get("x") == "a/x"
            assert Client("b/").get("x") == "b/x"
            client = Client("a/")
            assert client.get("y") == "a/y"
            assert client.get.fresh("z") == "a/z"
    assert LOG == ["a/x", "b/x", "a/y", "a/z", "a/z"]
    assert isinstance(Client.get, Step)
    assert isinstance(client.get, BoundStep)
    assert repr(client.get) == "<bound step Client.get>"
    assert client.get.__name__ == "get"
    assert client.get.__self__ is client


async def test_static_class_and_async_methods(reopen):
    """Static, class and async methods are steps with @step below."""
    LOG.clear()
    for _ in range(2):
        with reopen():
            assert Client("").static(1) == 1
            assert Client.make(2) == 2
            assert await Client("").get_async("p") == "p"
    assert LOG == [1, ("Client", 2), "p"]


# -- what the key covers


def test_globals_read_are_part_of_the_key(reopen, runs):
    """A global that the step reads, itself or through a helper, is an input; going back hits the old checkpoint."""
    global RATE

    @step
    def scaled(x):
        runs((x, RATE))
        return helper(x)

    values = []
    for rate in (2, 3, 2):
        RATE = rate
        with reopen():
            values.append(scaled(5))
    assert values == [10, 15, 10]
    assert runs == [(5, 2), (5, 3)]


def test_mutated_global_is_part_of_the_key(reopen, runs):
    """A global container counts by its value, not by its identity."""

    @step
    def lookup(name):
        runs(name)
        return TABLE[name]

    with reopen():
        assert lookup("a") == 1
    TABLE["a"] = 7
    with reopen():
        assert lookup("a") == 7
    assert runs == ["a", "a"]


def test_helper_edited_runs_again(reopen, runs):
    """A step runs again when a helper that it calls is edited."""
    global helper

    @step
    def scaled(x):
        runs(x)
        return helper(x)

    with reopen():
        assert scaled(5) == 10
    helper = edited_helper
    with reopen():
        assert scaled(5) == 11
    assert runs == [5, 5]


def test_inner_step_edited_runs_the_outer_one_again(reopen, runs):
    """A step runs again when a step that it calls is edited, and not when only the inner one's retries are."""

    def make(factor, **options):
        if factor == 2:

            @step(name="inner", **options)
            def inner(x):
                return x * 2
        else:

            @step(name="inner", **options)
            def inner(x):
                return x * 3

        @step
        def outer(x):
            runs(x)
            return inner(x)

        return outer

    for factor, options, value in ((2, {}, 10), (2, {"retries_allowed": True}, 10), (3, {}, 15)):
        with reopen():
            assert make(factor, **options)(5) == value
    assert runs == [5, 5]


def test_closure_and_default_are_part_of_the_key(reopen, runs):
    """Closure cells and default values are inputs."""

    def make(n, default):
        @step
        def add(x=default):
            runs((n, default))
            return x + n

        return add

    with reopen():
        assert [make(1, 10)(), make(2, 10)(), make(1, 20)(), make(1, 10)()] == [11, 12, 21, 11]
    assert runs.take() == [(1, 10), (2, 10), (1, 20), (1, 10)]
    with reopen():
        assert [make(1, 20)(), make(2, 10)()] == [21, 12]
    assert runs == []


def test_code_edited_runs_again(reopen, runs):
    """A step runs again when its own code changes, and comments and layout do not count."""
    space = {"step": step, "runs": runs}

    def define(source):
        exec(compile(source, "<cell>", "exec"), space)
        return space["f"]

    versions = [
        "@step\ndef f(x):\n    runs(x)\n    return x + 1\n",
        "\n\n@step\ndef f(x):\n    # a comment\n    runs( x )\n\n    return (x\n        + 1)\n",
        "@step\ndef f(x):\n    runs(x)\n    return x + 2\n",
    ]
    values = []
    for source in versions:
        with reopen():
            values.append(define(source)(1))
    assert values == [2, 2, 3]
    assert runs == [1, 1]


def test_qualified_name_is_part_of_the_key(reopen, runs):
    """Two steps of equal code but different names do not answer for each other; two of one name and code do."""

    def make(name):
        @step(name=name)
        def body():
            runs(name)
            return len(runs)

        return body

    first, other = make("first"), make("other")
    with reopen():
        first()
    with reopen():
        other()
    assert runs == ["first", "other"]


# -- values


def test_replayed_value_is_equal_and_private(reopen):
    """A replay gives an equal object of its own: changing it harms no later replay."""

    @step
    def make():
        return {"rows": [1, 2], "at": (1, {2})}

    with reopen():
        make()
    for _ in range(2):
        with reopen():
            value = make()
            assert value == {"rows": [1, 2], "at": (1, {2})}
            value["rows"].append(3)


def test_mutating_the_result_later_does_not_change_the_record(reopen):
    """What is recorded is the value at the step's end."""

    @step
    def make():
        return [1]

    with reopen():
        make().append(2)
    with reopen():
        assert make() == [1]


def test_a_mutated_argument_is_changed_again(reopen, runs):
    """A replay changes the very argument: every name and container that holds it sees that."""

    @step
    def grow(rows):
        runs(len(rows))
        rows[0].append(1)
        rows.append(rows[0])
        return len(rows)

    for _ in range(2):
        with reopen():
            inner = [0]
            rows = [inner]
            holder = {"rows": rows}
            assert [grow(rows), grow(rows)] == [2, 3]
            assert inner == [0, 1, 1]
            assert rows[0] is rows[1] is rows[2] is inner
            assert holder["rows"] is rows
    assert runs == [1, 2]


def test_a_mutated_self_is_changed_again(reopen, runs):
    """A replay of a method that changes ``self`` changes that object."""

    class Box:
        def __init__(self):
            self.n = 0
            self.old = True

        @step
        def bump(self):
            runs("bump")
            self.n += 1
            del self.old
            self.own = self

    for _ in range(2):
        with reopen():
            box = Box()
            box.bump()
            assert (box.n, box.own) == (1, box)
            assert not hasattr(box, "old")
    assert runs == ["bump"]


def test_a_mutation_by_a_call_that_failed_is_made_again(reopen, runs):
    """An error that was handled replays together with what the call had changed by then."""

    @step
    def half(rows):
        runs("half")
        rows.append("half")
        raise ValueError("no")

    @step
    def after():
        return 1

    for _ in range(2):
        with reopen():
            rows = []
            with pytest.raises(ValueError, match="no"):
                half(rows)
            after()
            assert rows == ["half"]
    assert runs == ["half"]


def test_what_cannot_be_changed_in_place_is_not_recorded(reopen, runs):
    """A step that changes an object which takes no state runs each time, with one warning that names it."""

    class Own:
        def __init__(self):
            self.n = 0

        def __durable_fingerprint__(self):
            return self.n

    @step
    def bump(box):
        runs(box["own"].n)
        box["own"].n += 1

    for _ in range(2):
        with reopen() as session:
            box = {"own": Own()}
            with pytest.warns(DurableWarning, match=r"not recorded: it changed \(args\)\[0\]\['own'\] in") as warned:
                bump(box)
                bump(box)
            assert len(warned) == 1
            assert session.heads == []
    assert runs == [0, 1, 0, 1]


counted = 0


def test_a_global_that_a_call_binds_is_bound_again(reopen, runs):
    """A replay binds the globals that the call bound, so that what reads them goes on as it did."""
    global counted

    @step
    def count():
        global counted
        runs(counted)
        counted += 1

    for _ in range(2):
        counted = 0
        with reopen():
            count()
            count()
        assert counted == 2
    assert runs == [0, 1]


def test_returned_argument_is_that_object_after_replay(reopen, runs):
    """A result that is, holds, or lies in an argument refers to the live object after a replay."""

    @step
    def same(x):
        runs("same")
        return x

    @step
    def hold(x):
        runs("hold")
        return {"x": x, "n": 1}

    @step
    def part(x):
        runs("part")
        return x["inner"]

    for _ in range(2):
        with reopen():
            rows, nested = [1, 2], {"inner": [3]}
            assert same(rows) is rows
            assert hold(rows)["x"] is rows
            assert part(nested) is nested["inner"]
    assert runs == ["same", "hold", "part"]


def test_unpicklable_argument(reopen, runs):
    """An argument that cannot be compared makes the call run each time, with one warning that names it."""

    @step
    def take(values):
        runs("take")
        return 1

    for _ in range(2):
        with reopen():
            with pytest.warns(DurableWarning, match="step take was not recorded: .*cannot be compared.*generator"):
                assert take(x for x in range(3)) == 1
    assert runs == ["take", "take"]


def test_local_class_instance_as_result(reopen, runs):
    """A result of a class made in a function comes back with its attributes, or the step runs again: never an error."""

    class Point:
        def __init__(self, x):
            self.x = x

    @step
    def make():
        runs(1)
        return Point(3)

    with reopen(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DurableWarning)
        make()
    with reopen(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DurableWarning)
        assert make().x == 3


# -- files


def test_file_read_makes_stale(reopen, runs, tmp_path, monkeypatch):
    """A step that read a file runs again when its content changes, saying which, and not for a mere touch."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data.csv"
    data.write_text("1")

    @step
    def read(path):
        runs("read")
        with open(path) as file:
            return file.read()

    with reopen():
        assert read("data.csv") == "1"
    with reopen():
        assert read("data.csv") == "1"
    data.touch()
    with reopen():
        assert read("data.csv") == "1"
    assert runs.take() == ["read"]
    data.write_text("2")
    with reopen() as session:
        assert read("data.csv") == "2"
        assert "data.csv" in session.heads[-1].reason
    assert runs == ["read"]


def test_missing_file_that_appears_makes_stale(reopen, runs, tmp_path, monkeypatch):
    """A step that found a file missing runs again once there is one."""
    monkeypatch.chdir(tmp_path)

    @step
    def exists(path):
        runs(path)
        try:
            with open(path) as file:
                return file.read()
        except FileNotFoundError:
            return None

    for _ in range(2):
        with reopen():
            assert exists("late.txt") is None
    (tmp_path / "late.txt").write_text("here")
    with reopen():
        assert exists("late.txt") == "here"
    assert runs == ["late.txt"] * 2


def test_corrupt_checkpoint_runs_again(reopen, runs, tmp_path):
    """A checkpoint that was tampered with is never unpickled: the step runs again and says why."""
    import duckdb

    @step
    def make():
        runs(1)
        return "value"

    with reopen():
        make()
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("UPDATE log SET body = body || '\\x00'::BLOB WHERE kind = 'call'")
        assert connection.execute("SELECT count(*) FROM log WHERE kind = 'call'").fetchone() == (1,)
    with reopen() as session:
        assert make() == "value"
        assert session.heads[-1].reason != ""
    assert runs == [1, 1]


def test_a_step_found_in_no_store_after_close(tmp_path, runs):
    """After the store is closed a step is a plain call."""

    @step
    def plain():
        runs(1)

    session = open_store(tmp_path / "s.duckdb")
    plain()
    session.close()
    plain()
    with open_store(tmp_path / "s.duckdb") as session:
        assert len(session.heads) == 1
    assert runs == [1, 1]
