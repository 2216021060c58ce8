"""Users' own types: what ``register(save=, load=)`` and ``__durable_save__`` make of them, and how they fail."""

from __future__ import annotations

import threading

import pytest

from durable_nb.errors import DecodeError, EncodeError, OptionError
from durable_nb.values.fingerprint import fingerprint, fingerprint_roots
from durable_nb.values.pickling import decode, encode
from durable_nb.values.registry import register, registry


class Conn:
    """Cannot be pickled; two values of one ``rows`` are the same to a user."""

    def __init__(self, rows):
        self.rows = rows
        self.lock = threading.Lock()


class SubConn(Conn):
    pass


class Own:
    """Saves itself."""

    def __init__(self, rows):
        self.rows = rows
        self.lock = threading.Lock()

    def __durable_save__(self):
        return {"rows": self.rows}

    @classmethod
    def __durable_load__(cls, saved):
        return cls(saved["rows"])


class SubOwn(Own):
    pass


@pytest.fixture(autouse=True)
def _forget():
    yield
    for kind in (Conn, SubConn, Own):
        registry.unregister(kind)


def register_conn(**options):
    register(Conn, **{"save": lambda conn: conn.rows, "load": Conn, **options})


def round_trip(value):
    made = encode(value, namespace=None)
    return decode(made.stream, made.buffers, namespace=None, roots=lambda name: None)


def encode_error(value):
    with pytest.raises(EncodeError) as caught:
        encode(value, namespace=None)
    return caught.value


def decode_error(stream):
    with pytest.raises(DecodeError) as caught:
        decode(stream, (), namespace=None, roots=lambda name: None)
    return str(caught.value)


def test_a_registered_type_comes_back_through_its_functions():
    """What pickle could not save is saved as ``save`` says and made again by ``load``."""
    assert encode_error({"c": Conn([1])}).path == "c.lock"
    register_conn()
    restored = round_trip({"c": Conn([1])})["c"]
    assert (type(restored), restored.rows, restored.lock.locked()) == (Conn, [1], False)


def test_subclasses_count_and_a_nearer_registration_wins():
    """A subclass is saved by what its nearest registered class says."""
    register_conn(load=SubConn)
    assert type(round_trip(SubConn([1]))) is SubConn
    register(SubConn, save=lambda conn: [*conn.rows, "sub"], load=SubConn)
    assert round_trip(SubConn([1])).rows == [1, "sub"]


def test_a_class_can_save_itself():
    """``__durable_load__`` is called on the very class of the object."""
    assert round_trip(Own([1])).rows == [1]
    assert type(round_trip(SubOwn([1]))) is SubOwn


def test_the_methods_of_a_class_come_before_what_is_registered():
    """Both given, the class decides."""
    register(Own, save=lambda own: None, load=lambda saved: Own(["registered"]))
    assert round_trip(Own(["own"])).rows == ["own"]


@pytest.mark.parametrize("kind", [Conn, Own])
def test_sharing_is_kept(kind):
    """Two names of one object stay one, and so does what it holds."""
    register_conn()
    rows = [[1]]
    one = kind(rows)
    restored = round_trip({"a": one, "b": [one], "rows": rows, "inner": rows[0]})
    assert restored["a"] is restored["b"][0]
    assert restored["a"].rows is restored["rows"]
    assert restored["inner"] is restored["rows"][0]


def test_each_object_is_asked_once():
    """However often an object is met, and though what is saved of it is looked through first."""
    asked = []
    register_conn(save=lambda conn: [asked.append(conn), conn.rows])
    one = Conn([[1]])
    encode([one, one, Own([one])], namespace=None)
    assert asked == [one]


def test_what_is_saved_may_hold_other_such_objects():
    """Hooks nest, and a shared inner one stays shared."""
    register_conn()
    inner = Own([1])
    restored = round_trip([Conn([inner, [inner]]), inner])
    assert restored[0].rows[0] is restored[0].rows[1][0] is restored[1]
    assert restored[1].rows == [1]


def around(kind):
    rows = []
    rows.append(kind(rows))
    return rows


def through_another(kind):
    first, second = kind([[]]), Own([[]])
    first.rows[0].append(second)
    second.rows[0].append(first)
    return first


@pytest.mark.parametrize("kind", [Conn, Own])
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda kind: around(kind)[0], "v"),
        (around, "v[0]"),
        (lambda kind: {"in": around(kind)}, "v['in'][0]"),
        (through_another, "v"),
    ],
)
def test_a_saved_state_that_leads_back_is_refused(kind, make, path):
    """A ``load`` would get a container that is half filled, or never end: the object is named."""
    register_conn()
    error = encode_error({"v": make(kind)})
    hook = "register(Conn, save=)" if kind is Conn else "Own.__durable_save__"
    assert (error.path, error.type_name.rpartition(".")[2]) == (path, kind.__name__)
    assert error.reason == f"what {hook} returns leads back to the object itself"


def test_functions_and_classes_lead_nowhere(tmp_path):
    """A saved function does not lead back by way of its globals, nor an object by way of its class."""
    names = {"__name__": "__main__"}
    exec("class K:\n    pass\ndef f():\n    return own", names)
    names["own"] = Own([names["f"], names["K"](), names["K"]])
    made = encode(names["own"], namespace=names)
    restored = decode(made.stream, made.buffers, namespace=names, roots=lambda name: None)
    assert restored.rows[0]() is names["own"]


class NoLoad:
    def __durable_save__(self):
        return 1


class PlainLoad(NoLoad):
    def __durable_load__(self):
        return 1


class Fails:
    def __durable_save__(self):
        raise KeyError("x")

    @classmethod
    def __durable_load__(cls, saved):
        raise ValueError("bad file")


class HoldsLock(Fails):
    def __durable_save__(self):
        return {"n": [threading.Lock()]}


class Unloadable(Fails):
    def __durable_save__(self):
        return 1


@pytest.mark.parametrize(
    ("kind", "path", "type_name", "reason"),
    [
        (NoLoad, "m[0]", "NoLoad", "it has __durable_save__ but no __durable_load__"),
        (PlainLoad, "m[0]", "PlainLoad", "__durable_load__ must be a classmethod"),
        (Fails, "m[0]", "Fails", "Fails.__durable_save__ raised KeyError: 'x'"),
        (HoldsLock, "m[0]<saved>['n'][0]", "_thread.lock", "cannot pickle '_thread.lock' object"),
    ],
)
def test_hooks_that_fail_to_save_are_named(kind, path, type_name, reason):
    """The error has the way to the object, the hook and what it raised; or the way on inside what it returned."""
    error = encode_error({"m": [kind()]})
    assert (error.path, error.type_name.rpartition("test_hooks.")[2], error.reason) == (path, type_name, reason)


def test_hooks_that_fail_to_load_are_named():
    """The step that reads such a checkpoint runs again, and can say which hook failed."""
    stream = encode([Unloadable()], namespace=None).stream
    assert decode_error(stream) == "Unloadable.__durable_load__ raised ValueError: bad file"
    register_conn(load=lambda saved: None)
    stream = encode(Conn([1]), namespace=None).stream
    assert decode_error(stream) == "register(Conn, load=) returned a NoneType, not a Conn"


def test_a_type_must_be_registered_before_its_checkpoint_is_loaded():
    """The error says what to call; a class of the same name, as after a restart, will do."""
    global Conn
    first = Conn
    register_conn()
    stream = encode(Conn([1]), namespace=None).stream
    registry.unregister(Conn)
    assert decode_error(stream) == "it holds a Conn: call register(Conn, save=…, load=…) first"
    try:
        Conn = type("Conn", (), {"__module__": first.__module__, "__init__": lambda self, rows: None})
        register_conn()
        assert type(decode(stream, (), namespace=None, roots=lambda name: None)) is Conn
    finally:
        registry.unregister(Conn)
        Conn = first


def test_what_is_saved_stands_for_the_value_too():
    """Without ``fingerprint=`` values are compared by what is saved of them; with it, by that."""
    other = Conn([1])
    other.calls = 5
    assert fingerprint(Conn([1])) != fingerprint(other)
    register_conn()
    assert fingerprint(Conn([1])) == fingerprint(other)
    assert fingerprint(Conn([1])) == fingerprint(Conn([1])) != fingerprint(Conn([2]))
    assert fingerprint(Own([1])) == fingerprint(Own([1])) != fingerprint(SubOwn([1]))
    register_conn(fingerprint=lambda conn: len(conn.rows))
    assert fingerprint(Conn([1])) == fingerprint(Conn([2])) != fingerprint(Conn([1, 2]))


@pytest.mark.parametrize("hook", ["__durable_fingerprint__", "__durable_save__"])
def test_the_code_of_the_class_counts_beside_the_hook(hook):
    """A hook stands for the value; its class can change all the same, and a step may call its methods."""

    def made(result):
        names = {"__name__": "__main__"}
        load = "    @classmethod\n    def __durable_load__(cls, saved):\n        return cls()\n"
        exec(f"class K:\n    def {hook}(self): return 1\n    def run(self): return {result}\n{load}", names)
        return fingerprint(names["K"](), namespace=names)

    assert made(1) == made(1) != made(2)


def test_a_hook_that_fails_to_compare_is_named():
    """The value is opaque, and the reason says which hook raised what."""
    register_conn(fingerprint=lambda conn: conn.rows[5])
    found = fingerprint_roots({"c": [Conn([])]}, namespace=None)
    opaque = found.opaque["c"]
    assert (opaque.path, opaque.reason) == (
        "c[0]",
        "register(Conn, fingerprint=) raised IndexError: list index out of range",
    )
    assert fingerprint_roots({"f": Fails()}, namespace=None).opaque["f"].reason == (
        "Fails.__durable_save__ raised KeyError: 'x'"
    )


@pytest.mark.parametrize("kind", [list, dict, str, object])
def test_types_that_pickle_never_asks_about_are_refused(kind):
    """Registering them would do nothing without a word."""
    with pytest.raises(OptionError, match=f"save: {kind.__name__} is saved by pickle itself"):
        register(kind, save=str, load=str)
