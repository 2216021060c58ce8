"""Objects to bytes and back: within a process, and across two with a fresh namespace each."""

# ruff: noqa: SIM115, PLW0108 - live things are made only inside their own test

from __future__ import annotations

import functools
import io
import itertools
import logging
import mmap
import os
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import types
import weakref
from collections import OrderedDict
from contextvars import ContextVar
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_nb.errors import DecodeError, EncodeError, FingerprintError
from durable_nb.values.fingerprint import fingerprint
from durable_nb.values.pickling import Encoded, decode, encode, environment

ROOT = Path(__file__).parents[2]

HARNESS = """
import linecache, mmap, pathlib, pickle, sys
def __run(text, name):
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())
def __no_root(name):
    raise KeyError(name)
if __name__ == "__main__":
    from durable_nb.values.pickling import decode as __decode, encode as __encode
    __mode, __folder = sys.argv[1], pathlib.Path(sys.argv[2])
    __cells = pickle.loads((__folder / "cells").read_bytes())
    if __mode == "save":
        for __i, __cell in enumerate(__cells["save"]):
            __run(__cell, f"<cell {__i}>")
        __made = __encode({n: globals()[n] for n in __cells["names"]}, namespace=globals(),
            aliases={id(globals()[n]): (n, ()) for n in __cells["inputs"]},
            alive=[globals()[n] for n in __cells["inputs"]])
        (__folder / "stream").write_bytes(__made.stream)
        for __i, __b in enumerate(__made.buffers):
            (__folder / f"buffer{__i}").write_bytes(__b)
        (__folder / "count").write_text(str(len(__made.buffers)))
    else:
        for __i, __cell in enumerate(__cells["before"]):
            __run(__cell, f"<before {__i}>")
        __maps = []
        for __i in range(int((__folder / "count").read_text())):
            with open(__folder / f"buffer{__i}", "rb") as __f:
                __empty = not (__folder / f"buffer{__i}").stat().st_size
                __maps.append(b"" if __empty else mmap.mmap(__f.fileno(), 0, access=mmap.ACCESS_COPY))
        globals().update(__decode((__folder / "stream").read_bytes(), __maps, namespace=globals(),
            roots=globals().__getitem__))
        __run(__cells["check"], "<check>")
"""


@pytest.fixture
def across(tmp_path):
    """Run cells in one process, save names, load them in another and run a check there."""

    def run(save, names, check, *, before=(), inputs=()):
        (tmp_path / "nb.py").write_text(HARNESS)
        cells = {
            "save": [textwrap.dedent(cell) for cell in ([save] if isinstance(save, str) else save)],
            "names": names.split(),
            "inputs": inputs.split() if isinstance(inputs, str) else list(inputs),
            "before": [textwrap.dedent(cell) for cell in ([before] if isinstance(before, str) else before)],
            "check": textwrap.dedent(check),
        }
        (tmp_path / "cells").write_bytes(pickle.dumps(cells))
        for mode in ("save", "load"):
            done = subprocess.run(
                [sys.executable, str(tmp_path / "nb.py"), mode, str(tmp_path)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random"},
            )
            assert done.returncode == 0, f"{mode}: {done.stderr}"
        return done.stdout

    return run


def no_root(name):
    raise KeyError(name)


def again(value, *, namespace=None, roots=no_root, **options):
    """Encode and decode in this process, over writable private memory."""
    made = encode(value, namespace=namespace, **options)
    return decode(made.stream, [bytearray(b) for b in made.buffers], namespace=namespace, roots=roots)


def culprit_of(value, **options):
    with pytest.raises(EncodeError) as caught:
        encode(value, namespace=None, **options)
    return caught.value


# -- functions and classes across processes


def test_functions_see_the_live_globals_of_the_new_notebook(across):
    """A restored function has the new notebook's globals, later changes and helpers included."""
    across(
        """
        k = 2
        def g(v): return v * k
        def fn(v): return g(v) + k
        lam = lambda v: v + k
        def outer(n):
            def inner(v): return v + n + k
            return inner
        nested = outer(100)
        """,
        "fn g lam nested",
        """
        assert "k" not in globals()
        k = 10
        assert (fn(3), lam(1), nested(1)) == (40, 11, 111)
        k = 20
        assert (fn(3), lam(1), nested(1)) == (80, 21, 121)
        assert fn.__globals__ is globals() is nested.__globals__
        def g(v): return -1
        assert fn(3) == 19
        import builtins
        assert __builtins__ is builtins
        """,
    )


def test_closures_keep_their_cells_shared_and_recursive(across):
    """Two closures over one nonlocal still share it; a recursive closure calls itself."""
    across(
        """
        def counter():
            n = 0
            def inc():
                nonlocal n
                n += 1
            def get(): return n
            return inc, get
        inc, get = counter(); inc()
        def fact():
            def f(n): return 1 if n < 2 else n * f(n - 1)
            return f
        f = fact()
        def empty():
            def later(): return value
            if False: value = 1
            return later
        later = empty()
        cell = get.__closure__[0]
        """,
        "inc get f later cell",
        """
        inc(); inc()
        assert get() == 3 and cell.cell_contents == 3 and cell is get.__closure__[0]
        assert f(5) == 120 and f.__closure__[0].cell_contents is f
        try: later()
        except NameError: pass
        else: raise AssertionError
        """,
    )


def test_kinds_of_functions_and_methods(across):
    """Generators, coroutines, wrapped and cached functions, partials and descriptors come back."""
    across(
        """
        import asyncio, functools
        k = 1
        def deco(f):
            @functools.wraps(f)
            def wrapper(*a, **kw): return f(*a, **kw) + k
            return wrapper
        @deco
        def wrapped(v: int, w=2, *, x=3) -> int:
            "doc"
            return v + w + x
        def gen():
            yield k
        async def co(): return k
        @functools.lru_cache(maxsize=7)
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        part = functools.partial(wrapped, 1, x=5)
        class C:
            "a class"
            attr = [1]
            def __init__(self, v): self.v = v
            @property
            def p(self): return self.v + k
            @staticmethod
            def s(): return k
            @classmethod
            def c(cls): return cls, k
            @functools.cached_property
            def cp(self): return self.v * 2
            def chain(self): return __class__
        class D(C):
            def __init__(self, v): super().__init__(v + 1)
        c = C(5); m = c.chain
        """,
        "wrapped gen co fib part C D c m",
        """
        k = 100
        assert wrapped(1) == 106 and wrapped.__doc__ == "doc" and wrapped.__name__ == "wrapped"
        assert wrapped.__annotations__ == {"v": int, "return": int} and wrapped.__wrapped__(1) == 6
        assert list(gen()) == [100] and asyncio.run(co()) == 100
        assert fib(30) == 832040 and fib.cache_parameters()["maxsize"] == 7
        assert part() == 108
        assert type(c) is C and c.p == 105 and C.s() == 100 and C.c() == (C, 100) and c.cp == 10
        assert m() is C and m.__self__ is c and D(1).v == 2 and isinstance(D(1), C)
        assert C.__doc__ == "a class" and C.__module__ == "__main__"
        """.replace("asyncio.run", "__import__('asyncio').run"),
    )


def test_class_kinds(across):
    """Dataclasses, enums, named tuples, slots, abstract and generic classes and NewTypes come back."""
    across(
        """
        import abc, collections, dataclasses, enum, typing
        @dataclasses.dataclass(frozen=True)
        class P:
            x: int
            y: list = dataclasses.field(default_factory=list)
        class Color(enum.Enum):
            RED = 1
            BLUE = 2
        N = collections.namedtuple("N", "a b")
        class T(typing.NamedTuple):
            a: int = 1
        class S:
            __slots__ = ("a", "b", "__own")
        class A(abc.ABC):
            @abc.abstractmethod
            def f(self): ...
        class B(A):
            def f(self): return 1
        X = typing.TypeVar("X")
        class G(typing.Generic[X]): pass
        UserId = typing.NewType("UserId", int)
        Ps = typing.ParamSpec("Ps")
        s = S(); s.a = 1
        class Old: pass
        old = Old()
        class Old: new = True
        values = [P(1), Color.RED, N(1, 2), T(3), s, B(), G(), old, {Color.BLUE: 1}]
        """,
        "P Color N T S A B G UserId Ps values Old",
        """
        p, red, n, t, s, b, g, old, d = values
        assert p == P(1, []) and type(p) is P and red is Color.RED and d[Color.BLUE] == 1
        assert n == N(1, 2) and type(n) is N and type(t) is T and t.a == 3
        assert type(s) is S and s.a == 1 and not hasattr(s, "b") and b.f() == 1 and type(b) is B
        assert not hasattr(s, "__dict__") and S.a.__objclass__ is S and S._S__own.__objclass__ is S
        try: A()
        except TypeError: pass
        else: raise AssertionError
        assert type(g) is G and UserId(3) == 3 and UserId.__supertype__ is int
        assert UserId.__module__ == "__main__"
        assert Old.new and not isinstance(old, Old) and type(old).__name__ == "Old"
        """,
    )


def test_an_instance_of_an_input_class_gets_the_live_class(across):
    """A class of an earlier cell is referred to: instances are of the class that is there now."""
    across(
        "class C:\n    def m(self): return 1\nc = C(); sub = type('Sub', (C,), {})()",
        "c sub",
        "assert type(c) is C and c.m() == 2 and isinstance(sub, C)",
        before="class C:\n    def m(self): return 2",
        inputs="C",
    )


def test_source_travels_with_functions(across):
    """inspect.getsource works on restored functions, also after linecache checked its entries."""
    across(
        """
        def f(v):
            # a comment
            return v + 1
        class C:
            def m(self): return 1
        g = lambda v: v
        """,
        "f C g",
        """
        import inspect, linecache
        linecache.checkcache()
        assert inspect.getsource(f) == "def f(v):\\n    # a comment\\n    return v + 1\\n"
        assert inspect.getsource(C.m).strip() == "def m(self): return 1"
        assert inspect.getsource(g).strip() == "g = lambda v: v"
        """,
    )


def test_an_existing_source_stays():
    """Decoding never replaces the source that a name has in this process."""
    import linecache

    namespace = {"__name__": "nb"}
    text = "def f():\n    return 1\n"
    linecache.cache["<cell x>"] = (len(text), None, text.splitlines(True), "<cell x>")
    exec(compile(text, "<cell x>", "exec"), namespace)
    made = encode(namespace["f"], namespace=namespace)
    other = "def f():\n    return 2\n"
    linecache.cache["<cell x>"] = (len(other), None, other.splitlines(True), "<cell x>")
    decode(made.stream, (), namespace=namespace, roots=no_root)
    assert linecache.getlines("<cell x>")[1] == "    return 2\n"
    del linecache.cache["<cell x>"]
    decode(made.stream, (), namespace=namespace, roots=no_root)
    assert "".join(linecache.getlines("<cell x>")) == text


def test_the_namespace_itself_is_the_new_namespace(across):
    """globals() kept in a variable is the new notebook's globals, and is not copied."""
    across("box = {'g': globals(), 'm': __import__('__main__')}", "box",
           "assert box['g'] is globals() and box['m'].__dict__ is globals()")  # fmt: skip


def test_submodules_that_functions_use_are_imported(across):
    """A function that uses xml.etree.ElementTree finds it though nobody imported it."""
    across(
        "import xml.etree.ElementTree\ndef f(): return xml.etree.ElementTree.Element('a').tag",
        "xml f",
        "assert f() == 'a'",
    )


def test_a_closure_of_a_module_keeps_the_modules_live_globals(tmp_path, monkeypatch):
    """A function made inside a local module sees that module's globals, not a copy of them."""
    (tmp_path / "localmod.py").write_text(
        "import threading\nlock = threading.Lock()\nk = 1\n"
        "def adder(n):\n    def add(v):\n        with lock: return v + n + k\n    return add\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import localmod

    add = again(localmod.adder(10))
    assert add.__globals__ is localmod.__dict__
    localmod.k = 5
    assert add(1) == 16
    assert again(localmod.adder) is localmod.adder
    made = encode([localmod.adder(1), localmod], namespace=None)
    assert dict(made.modules) == {"localmod": ""}


def test_scripts_refer_to_their_definitions_by_name(tmp_path):
    """In a plain script functions and classes of __main__ are looked up by name, others by value."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, pathlib\n"
        "from durable_nb.values.pickling import encode, decode\n"
        "path = pathlib.Path(sys.argv[2])\n"
        "version = sys.argv[1]\n"
        "def f(): return version\n"
        "class C:\n    v = sys.argv[1]\n"
        "def outer():\n    def inner(): return 'inner ' + version\n    return inner\n"
        "if version == 'one':\n"
        "    path.write_bytes(encode((f, C(), outer()), namespace=None).stream)\n"
        "g, c, i = decode(path.read_bytes(), (), namespace=None, roots=None)\n"
        "assert g is f and type(c) is C and c.v == version and i() == 'inner ' + version\n"
    )
    for version in ("one", "two"):
        command = [sys.executable, str(script), version, str(tmp_path / "stream")]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


# -- aliases


def test_aliased_objects_are_the_live_objects():
    """Inputs and objects inside them are referred to by address, atoms and strangers are not."""
    rows = [{"a": 1}, {"b": [2]}]
    model = types.SimpleNamespace(layers=rows, weight=[1.0])
    inputs = {"rows": rows, "model": model}
    aliases = {
        id(rows): ("rows", ()),
        id(rows[1]["b"]): ("rows", (("item", 1), ("item", "b"))),
        id(model.weight): ("model", (("attr", "weight"),)),
        id(1): ("rows", (("item", 0), ("item", "a"))),
    }
    alive = [rows, rows[1]["b"], model.weight, 1]
    value = {"r": rows, "b": rows[1]["b"], "w": model.weight, "one": 1, "new": [rows, rows]}
    for held in (alive, ()):
        got = again(value, aliases=aliases, alive=held, roots=inputs.__getitem__)
        assert got["r"] is rows and got["b"] is rows[1]["b"] and got["w"] is model.weight
        assert got["new"] == [rows, rows] and got["new"][0] is rows is got["new"][1]
        assert got["new"] is not value["new"]
    made = encode(value, namespace=None, aliases=aliases, alive=alive)
    rows2 = ["other", {"b": 7}]
    fake = {"rows": rows2, "model": types.SimpleNamespace(weight=8)}
    assert decode(made.stream, (), namespace=None, roots=fake.__getitem__) == {
        "r": rows2, "b": 7, "w": 8, "one": 1, "new": [rows2, rows2],
    }  # fmt: skip


def test_many_aliases():
    """More than ten thousand aliases keep their identity, in order."""
    rows = [[i] for i in range(12_000)]
    aliases = {id(row): ("rows", (("item", i),)) for i, row in enumerate(rows)}
    got = again(rows[::-1], aliases=aliases, alive=rows, roots={"rows": rows}.__getitem__)
    assert all(a is b for a, b in zip(got, rows[::-1], strict=True))


def test_an_alias_without_an_address_is_refused():
    """An object shared with an input that no path leads to cannot be saved, and is named."""
    part = [1]
    error = culprit_of({"x": {"y": part}}, aliases={id(part): None})
    assert (error.path, error.type_name) == ("x['y']", "list")
    assert error.reason == "it is part of an input that no path leads to"


def test_a_vanished_root_is_a_decode_error():
    """When an address leads nowhere any more, the error says what it was."""
    part = [1]
    made = encode([part], namespace=None, aliases={id(part): ("m", (("item", 3),))}, alive=[part])
    for roots in (no_root, {"m": [0]}.__getitem__):
        with pytest.raises(DecodeError, match=r"the object m\[3\] is not there any more"):
            decode(made.stream, (), namespace=None, roots=roots)


# -- what cannot be saved


class Plain:
    pass


def model_with(culprit):
    model, callback = Plain(), Plain()
    callback.lock, callback.parent = culprit, model
    model.before, model.cb = [callback.__class__()], [callback]
    return model


def test_the_culprit_is_named_with_its_path():
    """The path leads through objects, containers and cycles to the part that fails."""
    error = culprit_of({"a": 1, "model": model_with(threading.Lock())})
    assert (error.path, error.type_name) == ("model.cb[0].lock", "_thread.lock")
    assert str(error) == ("model.cb[0].lock: _thread.lock cannot be saved: cannot pickle '_thread.lock' object")
    generator = (i for i in [])

    def closing():
        return generator

    cases = {
        "f<closure generator>": {"f": closing},
        "d['k'][1]": {"d": {"k": [0, generator]}},
        "t[0]": {"t": (generator,)},
        "p.args[0]": {"p": functools.partial(print, generator)},
        "o['k']": {"o": OrderedDict(k=generator)},
        "e.args": {"e": ValueError(generator)},
        "list[9000]": {"list": [*range(9000), generator]},
    }
    for path, value in cases.items():
        error = culprit_of(value)
        assert (error.path.replace("<part 0>", ".args"), error.type_name) == (path, "generator")
    assert culprit_of({"k": generator}, label="result").path == "result['k']"
    assert culprit_of(generator).path == "value"


def test_the_search_for_the_culprit_ends(monkeypatch):
    """When time is up the error says how far the path is known and the type that failed."""
    from durable_nb.values import culprit

    monkeypatch.setattr(culprit, "BUDGET_SECONDS", 0.0)
    error = culprit_of({"a": [[str(i)] for i in range(60_000)], "m": [threading.Lock()]})
    assert (error.path, error.type_name) == ("…", "_thread.lock")


def test_errors_while_saving_are_encode_errors():
    """Failing reducers and depth end in an EncodeError; an interrupt passes through."""

    class Bad:
        def __init__(self, error):
            self.error = error

        def __reduce__(self):
            raise self.error

    error = culprit_of({"x": [Bad(RuntimeError("no\nway"))]})
    assert (error.path, error.reason) == ("x[0]", "no")
    assert culprit_of({"x": Bad(MemoryError())}).reason == "there is not enough memory"
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert culprit_of({"deep": deep}).reason == "it is nested too deeply"
    with pytest.raises(KeyboardInterrupt):
        encode(Bad(KeyboardInterrupt()), namespace=None)
    while deep:  # freeing 100,000 levels at once is another matter
        deep = deep.pop()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: open(__file__), "an open file cannot be saved"),
        (lambda: open(__file__, "rb"), "an open file cannot be saved"),
        (lambda: weakref.ref(Plain), "cannot pickle"),
        (lambda: weakref.WeakSet(), "weak references cannot be saved"),
        (lambda: weakref.WeakValueDictionary(), "cannot pickle"),
        (lambda: threading.RLock(), "cannot pickle"),
        (lambda: threading.Thread(), "cannot pickle"),
        (lambda: threading.local(), "cannot pickle"),
        (lambda: ContextVar("v"), "cannot pickle"),
        (lambda: __import__("contextvars").copy_context(), "cannot pickle"),
        (lambda: __import__("socket").socket(), "cannot pickle"),
        (lambda: __import__("sqlite3").connect(":memory:"), "cannot pickle"),
        (lambda: (i for i in []), "cannot pickle"),
        (lambda: tempfile.TemporaryDirectory(), "its folder ends with this process"),
        (lambda: memoryview(b"abc")[1:], "it looks at memory of another object"),
        (lambda: Plain.__dict__, "it shows the live attributes of a class"),
        (lambda: sys._getframe(), "cannot pickle"),
    ],
)
def test_live_things_are_refused(make, reason):
    """What would come back dead, cut off or as something else is refused with the reason."""
    thing = make()
    error = culprit_of({"x": [thing]})
    assert error.path.startswith("x[0]")
    assert error.reason.startswith(reason)
    for close in ("close", "cleanup"):
        getattr(thing, close, lambda: None)()


def test_live_widgets_and_the_shell_are_refused():
    """A widget, and anything that holds the IPython shell, is refused with the reason."""
    widgets = pytest.importorskip("ipywidgets")
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    error = culprit_of({"w": [widgets.IntSlider()]})
    assert (error.path, error.reason) == ("w[0]", "it is a live widget of this kernel")
    error = culprit_of({"get_ipython": shell.get_ipython})
    assert error.path == "get_ipython.__self__"
    assert error.reason == "it is the IPython shell itself"


class _Bunch(dict):
    def __init__(self, **items):
        super().__init__(items)
        self.__dict__ = self


def test_a_dict_whose_items_are_its_attributes_stays_one():
    """``self.__dict__ = self``, as statsmodels' datasets have it: what is set on a copy is an item of it."""
    bunch = _Bunch(x=[1])
    bunch.me = bunch
    copy = again(bunch)
    assert type(copy) is _Bunch
    assert copy.__dict__ is copy
    assert copy["me"] is copy
    assert fingerprint(copy) == fingerprint(bunch)
    copy.y = 2
    assert copy["y"] == 2
    plain = OrderedDict(a=1)
    plain.note = "n"
    assert (again(plain), again(plain).note) == (plain, "n")


@pytest.mark.parametrize("arguments", [(), (3,), (3, 2), (-1, -4), (0.5, 0.25), (10**30,)])
def test_a_counter_goes_on_from_where_it_is(arguments):
    """A copy has its fingerprint and counts on, whatever the original does; a pair of one stays one."""
    counter = itertools.count(*arguments)
    next(counter)
    first, second = again([counter, counter])
    assert first is second
    assert fingerprint(first) == fingerprint(counter)
    before = fingerprint(counter)
    assert [next(first), next(first)] == [next(counter), next(counter)]
    assert fingerprint(counter) != before


def test_a_counter_of_other_numbers_is_refused():
    """What its text does not tell exactly cannot be saved or compared."""
    counter = itertools.count(Fraction(1, 2))
    assert culprit_of([counter]).reason == "it counts in other than plain numbers"
    with pytest.raises(FingerprintError, match="plain numbers"):
        fingerprint(counter)


def test_the_streams_of_the_process_are_referred_to():
    """What draws from the global streams still does; a stream that somebody made is a stream of its own."""
    np = pytest.importorskip("numpy")
    own = np.random.mtrand._rand
    kept = again([random._inst, random.random, own, np.random.rand])
    assert [kept[0], kept[1].__self__, kept[2], kept[3].__self__] == [random._inst, random._inst, own, own]
    made = again(np.random.RandomState(3))
    assert made is not own
    assert made.random() == np.random.RandomState(3).random()


def test_harmless_things_are_kept():
    """In-memory files, loggers, random streams, modules and sys.stdout come back as they are."""
    stream = io.BytesIO(b"abc")
    stream.seek(1)
    assert again(stream).read() == b"bc"
    assert again(logging.getLogger("a.b")) is logging.getLogger("a.b")
    assert again(sys.stdout) is sys.stdout
    assert again([os.path, random])[0] is os.path
    stream = random.Random(3)
    assert again(stream).random() == random.Random(3).random()
    assert again([].append).__name__ == "append"


class Asking:
    """Hands on what it is asked for, which it cannot before it has its attributes."""

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)

    def __getattr__(self, name):
        return getattr(self.wrapped, name)


class Slotted(Asking):
    __slots__ = ("extra",)


class Answering(Asking):
    """Has an answer to everything."""

    def __getattr__(self, name):
        return self.__dict__.__setitem__ if name == "__setstate__" else name


@pytest.mark.parametrize("kind", [Asking, Slotted, Answering])
def test_empty_instances_are_not_asked_for_what_they_do_not_have(kind):
    """A class whose ``__getattr__`` hands everything on is loaded, with cycles and slots; pickle recurses for ever."""
    value = kind(wrapped=[1])
    value.extra = [value]
    made = again({"value": value})["value"]
    assert type(made) is kind and made.wrapped == [1] and made.extra[0] is made
    assert vars(made).keys() == vars(value).keys()


def test_views_stay_connected():
    """Dict views, mapping proxies and whole memoryviews look at the restored object."""
    d, o, b = {"a": 1}, OrderedDict(x=1), bytearray(b"abc")
    value = (d, d.keys(), d.values(), d.items(), types.MappingProxyType(d), o, o.keys(), b, memoryview(b))
    d2, keys, values, items, proxy, o2, okeys, b2, view = again(value)
    d2["b"] = o2["y"] = 2
    assert list(keys) == ["a", "b"] and list(values) == [1, 2] and ("b", 2) in items
    assert proxy["b"] == 2 and list(okeys) == ["x", "y"] and type(okeys) is type(o.keys())
    b2[0] = 0
    assert view[0] == 0 and d == {"a": 1} and b == b"abc"


# -- decode errors


def test_decode_names_the_missing_module(tmp_path, monkeypatch):
    """A module that is not installed here is named; anything else is one line with its cause."""
    (tmp_path / "gone_mod.py").write_text("class K: pass\nclass L: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import gone_mod

    made = encode([gone_mod.K()], namespace=None)
    del gone_mod.K
    with pytest.raises(DecodeError, match="AttributeError") as caught:
        decode(made.stream, (), namespace=None, roots=no_root)
    assert isinstance(caught.value.__cause__, AttributeError)
    del sys.modules["gone_mod"]
    monkeypatch.undo()
    with pytest.raises(DecodeError, match=r"^the module gone_mod that it needs cannot be imported$"):
        decode(made.stream, (), namespace=None, roots=no_root)


@pytest.mark.parametrize("cut", [0, 1, 8, 20])
def test_broken_streams_are_decode_errors(cut):
    """A cut stream, missing buffers or garbage never escape as another error."""
    np = pytest.importorskip("numpy")
    made = encode(np.arange(10), namespace=None)
    with pytest.raises(DecodeError):
        decode(made.stream[:cut], made.buffers, namespace=None, roots=no_root)
    with pytest.raises(DecodeError):
        decode(made.stream, (), namespace=None, roots=no_root)
    trailer = pickle.dumps((99, (), None, {}))
    stream = trailer + struct.pack("<Q", len(trailer))
    with pytest.raises(DecodeError, match="format 99"):
        decode(stream, (), namespace=None, roots=no_root)


def test_a_notebook_name_that_is_not_bound_is_a_decode_error():
    """A name of the notebook is looked up in the namespace that decodes, never elsewhere."""
    stream = encode(again, namespace=None).stream
    assert decode(stream, (), namespace={"__name__": __name__, "again": 5}, roots=no_root) == 5
    with pytest.raises(DecodeError, match="again is not defined in the notebook"):
        decode(stream, (), namespace={"__name__": __name__}, roots=no_root)


def test_environment_and_modules():
    """The record of what a stream needs names Python, cloudpickle and each library's version."""
    np = pytest.importorskip("numpy")
    assert f"python {sys.version.split()[0]}," in environment()
    assert "cloudpickle 3" in environment()
    assert encode([np.arange(3), Path()], namespace=None).modules == {"numpy": np.__version__}


# -- arrays and frames


@pytest.fixture
def mapped(tmp_path):
    """Decode over one private map per buffer, as the store does."""

    def load(made: Encoded):
        maps = []
        for number, buffer in enumerate(made.buffers):
            path = tmp_path / f"{number}"
            path.write_bytes(buffer)
            with path.open("rb") as file:
                empty = not buffer.nbytes
                maps.append(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        value = decode(made.stream, maps, namespace=None, roots=no_root)
        return value, [(tmp_path / f"{n}") for n in range(len(made.buffers))]

    return load


def test_buffers_are_not_copied():
    """The buffers handed over are the arrays' own memory."""
    np = pytest.importorskip("numpy")
    array = np.zeros(1000)
    (buffer,) = encode({"a": array}, namespace=None).buffers
    array[3] = 7
    assert np.frombuffer(buffer, float)[3] == 7
    assert buffer.format == "B" and buffer.c_contiguous and buffer.nbytes == 8000


def test_mapped_arrays_are_writable_private_and_keep_read_only(mapped):
    """Arrays over a private map can be written without touching the file; read-only ones cannot."""
    np = pytest.importorskip("numpy")
    frozen = np.arange(5.0)
    frozen.flags.writeable = False
    made = encode({"a": np.arange(5), "frozen": frozen, "empty": np.zeros((0, 3))}, namespace=None)
    value, files = mapped(made)
    before = [file.read_bytes() for file in files]
    value["a"][0] = 99
    assert value["a"].tolist() == [99, 1, 2, 3, 4]
    assert [file.read_bytes() for file in files] == before
    assert value["a"].flags.writeable and not value["frozen"].flags.writeable
    assert value["empty"].shape == (0, 3)
    with pytest.raises(ValueError, match="read-only"):
        value["frozen"][0] = 1


def test_array_kinds(mapped):
    """Fortran, strided, structured, object, masked, datetime, 0-d and mapped arrays are equal."""
    np = pytest.importorskip("numpy")
    base = np.arange(24.0).reshape(4, 6)
    kinds = {
        "fortran": np.asfortranarray(base + 1),
        "strided": (base * 2)[::2, ::3],
        "reversed": (base * 3)[::-1],
        "transposed": (base * 4).reshape(2, 3, 4).transpose(1, 0, 2),
        "structured": np.array([(1, 2.0, b"x")], dtype=[("i", "i4"), ("f", "f8"), ("s", "S3")]),
        "objects": np.array([1, "a", None], dtype=object),
        "dates": np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]"),
        "scalar": np.array(5.0),
        "number": np.float32(1.5),
        "text": np.array(["ab", "c"]),
        "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    }
    value, _ = mapped(encode(kinds, namespace=None))
    for name, array in kinds.items():
        assert np.array_equal(value[name], array) or name == "dates", name
        assert value[name].dtype == array.dtype, name
    assert value["dates"].astype(str).tolist() == kinds["dates"].astype(str).tolist()
    assert value["fortran"].flags.f_contiguous
    masked = again(np.ma.array([1, 2, 3], mask=[0, 1, 0]))
    assert masked.tolist() == [1, None, 3]


def test_views_share_memory_again(mapped):
    """Slices, strided, reversed, field and partly overlapping views write through to each other."""
    np = pytest.importorskip("numpy")
    base = np.arange(100.0)
    gone = np.arange(50)
    grid = np.arange(12).reshape(3, 4)
    records = np.zeros(4, dtype=[("a", "f8"), ("b", "i4")])
    value = {
        "base": base, "slice": base[10:20], "strided": base[::3], "reversed": base[::-1],
        "left": gone[:30], "right": gone[20:], "grid": grid, "column": grid[:, 1], "t": grid.T,
        "records": records, "field": records["b"], "bytes": base.view(np.uint8), "own": np.arange(3),
    }  # fmt: skip
    made = encode(value, namespace=None)
    assert sum(b.nbytes for b in made.buffers) == base.nbytes + gone.nbytes + grid.nbytes + 48 + 24
    got, _ = mapped(made)
    for name, array in value.items():
        assert np.array_equal(got[name], array), name
        assert got[name].flags.writeable, name
    got["base"][12] = -1
    assert (got["slice"][2], got["strided"][4], got["reversed"][-13]) == (-1, -1, -1)
    assert got["bytes"][96:104].view(float) == [-1]
    got["left"][25] = -5
    assert got["right"][5] == -5
    got["grid"][2, 1] = -7
    assert got["column"][2] == -7 and got["t"][1, 2] == -7
    got["field"][1] = 9
    assert got["records"]["b"].tolist() == [0, 9, 0, 0]


def test_views_of_objects_share_memory_again():
    """What ``ravel``, slices, columns and ``T`` of an array of objects show is the array's, in any order of them."""
    np = pytest.importorskip("numpy")
    base = np.array([[[1], [2], "x"], [None, (3,), 4]], dtype=object)
    base[0, 2] = base[1]
    fixed = np.asfortranarray(base.copy())
    fixed.flags.writeable = False
    value = {
        "flat": base.ravel(), "base": base, "column": base[:, 1], "turned": base.T[::-1, ::2], "inside": [base],
        "row": base[1], "of_fixed": fixed.T.ravel(), "fixed": fixed, "empty": base[:0],
    }  # fmt: skip
    made = again(value)
    assert fingerprint(made) == fingerprint(value)
    assert made["flat"][0] is made["base"][0, 0]
    made["base"][1] = ["n", "m", "o"]
    assert made["flat"].tolist()[3:] == made["row"].tolist() == made["base"][0, 2].tolist() == ["n", "m", "o"]
    assert made["inside"][0] is made["base"] and made["column"][1] == "m"
    assert made["turned"][0, 0] is made["base"][0, 2]
    assert np.shares_memory(made["fixed"], made["of_fixed"]) and made["fixed"].flags.f_contiguous
    assert not made["fixed"].flags.writeable and not made["of_fixed"].flags.writeable


def test_views_that_cannot_share_again_are_refused():
    """Object arrays that overlap in a third one, which is not there, would come back apart: they are named."""
    np = pytest.importorskip("numpy")
    objects = np.array([[1], "a", None, 3], dtype=object)
    error = culprit_of({"a": [objects[:3]], "b": objects[1:]})
    assert error.path in {"a[0]", "b"}
    assert error.reason == "it shares memory with another array beside it"
    assert again(objects[:2]).tolist() == [[1], "a"]


def test_frames_that_share_by_copy_on_write_stay_independent(mapped):
    """Frames that pandas keeps apart by copy-on-write are apart when restored."""
    pd = pytest.importorskip("pandas", minversion="3")
    df = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "s": ["x", "y"]})
    indexed = df.set_index("a")
    value = {"df": df, "renamed": df.rename(columns={"a": "A"}), "col": df["b"], "indexed": indexed}
    got, _ = mapped(encode(value, namespace=None))
    got["renamed"].iloc[0, 0] = 99
    got["df"].loc[0, "b"] = -1
    got["col"].iloc[1] = -2
    assert got["df"]["a"].tolist() == [1, 2] and got["renamed"]["A"].tolist() == [99, 2]
    assert got["df"]["b"].tolist() == [-1, 4] and got["col"].tolist() == [3, -2]
    assert got["renamed"]["b"].tolist() == [3, 4] and got["indexed"].index.tolist() == [1, 2]


def test_pandas(mapped):
    """Frames keep dtypes, categories, index names, attributes and time zones, and are writable."""
    pd = pytest.importorskip("pandas")
    np = pytest.importorskip("numpy")
    df = pd.DataFrame(
        {
            "n": np.arange(4.0),
            "i": pd.array([1, None, 3, 4], dtype="Int64"),
            "c": pd.Categorical(["a", "b", "a", "c"], categories=["c", "b", "a"], ordered=True),
            "s": ["x", None, "z", "w"],
            "t": pd.date_range("2026-01-01", periods=4, tz="Europe/Berlin"),
            "o": [[1], {"a": 1}, None, 4],
        },
        index=pd.MultiIndex.from_product([["p", "q"], [1, 2]], names=["one", "two"]),
    )
    df.attrs["unit"] = "m"
    got, _ = mapped(encode({"df": df, "again": df, "column": df["n"]}, namespace=None))
    pd.testing.assert_frame_equal(got["df"], df)
    assert got["df"] is got["again"] and got["df"].attrs == {"unit": "m"}
    assert got["df"].index.names == ["one", "two"]
    got["df"]["n"] += 1
    got["df"].iloc[0, 0] = 50
    assert df["n"].tolist() == [0, 1, 2, 3] and got["column"].tolist() == [0, 1, 2, 3]


def test_polars_arrow_scipy_sklearn(mapped):
    """Polars and Arrow tables, sparse matrices and fitted models are equal after a restore."""
    np = pytest.importorskip("numpy")
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    sparse = pytest.importorskip("scipy.sparse")
    linear = pytest.importorskip("sklearn.linear_model")
    x = np.arange(20.0).reshape(10, 2)
    table = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"]})
    value = {
        "pl": pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "lazy": pl.LazyFrame({"a": [1]}).select(pl.col("a") + 1),
        "pa": table,
        "slice": table.slice(1, 2),
        "sparse": sparse.random(5, 5, 0.5, "csr", random_state=1),
        "model": linear.LinearRegression().fit(x, x.sum(axis=1)),
    }
    got, _ = mapped(encode(value, namespace=None))
    assert got["pl"].equals(value["pl"]) and got["lazy"].collect().item() == 2
    assert got["pa"].equals(table) and got["slice"].equals(table.slice(1, 2))
    assert (got["sparse"] != value["sparse"]).nnz == 0
    got["sparse"].data[:] = 0
    assert np.allclose(got["model"].predict(x), x.sum(axis=1))


def test_a_drawn_figure_has_the_fingerprint_of_its_copy(monkeypatch):
    """What matplotlib notes of a drawing (which transforms are computed, what is stale) is no part of a figure."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    figure, axes = plt.subplots()
    axes.plot([1, 2], label="a")
    figure.savefig(io.BytesIO())
    plt.close(figure)
    drawn = fingerprint(figure)
    assert fingerprint(again(figure)) == drawn
    axes.set_xlim(0, 9)
    assert fingerprint(figure) != drawn


def test_matplotlib_figure_and_axes_stay_connected(monkeypatch):
    """A figure and its axes come back as one figure; one that pyplot managed is managed again."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3])
    plt.close(fig)
    fig2, ax2 = again((fig, ax))
    assert ax2.figure is fig2 and fig2.axes == [ax2]
    assert ax2.lines[0].get_ydata().tolist() == [1, 2, 3]
    assert plt.get_fignums() == []
    fig, ax = plt.subplots()
    fig2, _ = again((fig, ax))
    assert len(plt.get_fignums()) == 2
    plt.close("all")


def test_the_same_across_processes(across):
    """Arrays, frames and views restored in another process over private maps are connected."""
    pytest.importorskip("pandas")
    across(
        """
        import numpy as np, pandas as pd
        a = np.arange(10.0); v = a[2:5]; box = {"a": a}
        df = pd.DataFrame({"x": a * 2, "s": [str(i) for i in range(10)]}); alias = df
        """,
        "np pd a v box df alias",
        """
        assert box["a"] is a and alias is df and np.shares_memory(a, v)
        a[3] = -1
        assert v.tolist() == [2, -1, 4]
        df["y"] = df.x + 1; df.loc[0, "x"] = 5.0
        assert alias.y[9] == 19 and df.s.tolist()[-1] == "9" and df.x[0] == 5
        """,
    )


# -- sharing, in general

atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()


def containers(children):
    return (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(), children, max_size=4)
        | st.tuples(children, children)
        | st.builds(bytearray, st.binary(max_size=4))
    )


def skeleton(value, seen=None):
    """Describe structure and sharing: each mutable object by the order it is first met."""
    seen = {} if seen is None else seen
    if isinstance(value, (list, dict, bytearray)):
        if id(value) in seen:
            return ("seen", seen[id(value)])
        seen[id(value)] = len(seen)
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [skeleton(item, seen) for item in value])
    if isinstance(value, dict):
        return ("dict", [(key, skeleton(item, seen)) for key, item in value.items()])
    return (type(value).__name__, repr(value))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.recursive(atoms, containers, max_leaves=12), min_size=1, max_size=5), st.data())
def test_sharing_survives(parts, data):
    """Whatever shares an object still shares it, cycles included, and equal ones stay apart."""
    mixed = [parts[data.draw(st.integers(0, len(parts) - 1))] for _ in range(6)]
    mixed.append(mixed)
    got = again(mixed)
    assert skeleton(got) == skeleton(mixed)
    assert got[-1] is got


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=6), st.data())
def test_aliases_survive_in_any_mix(rows, data):
    """Any mix of inputs and new objects has exactly the inputs by reference."""
    size = len(rows)
    chosen = data.draw(st.sets(st.integers(0, size - 1)))
    picks = data.draw(st.lists(st.integers(0, size - 1), max_size=8))
    aliases = {id(rows[i]): ("rows", (("item", i),)) for i in chosen}
    got = again(
        [rows[i] for i in picks],
        aliases=aliases,
        alive=[rows[i] for i in chosen],
        roots={"rows": rows}.__getitem__,
    )
    assert got == [rows[i] for i in picks]
    for made, i in zip(got, picks, strict=True):
        assert (made is rows[i]) == (i in chosen)


@pytest.mark.filterwarnings("ignore:The copy keyword")
@pytest.mark.parametrize(
    "derive",
    [
        "df.copy(deep=False)", "df[:]", "df.rename(columns=str.upper)", "df.assign(z=1)", "df[['x', 'y']]",
        "df.set_axis(list(range(3)), axis=0)", "df.reset_index(drop=True)", "df.T.T", "df.iloc[:, :2]",
        "df['x'].to_frame()", "pd.concat([df], axis=1)", "df.set_index('c')", "df['x'].rename('y').to_frame()",
        "pd.DataFrame({'x': df['x'], 'y': df['y']})", "df.astype(float, copy=False)", "df.convert_dtypes()",
        "df[['x', 'y']].convert_dtypes().astype('Float64', copy=False).astype(float)",
    ],
)  # fmt: skip
def test_derived_frames_are_as_independent_as_they_were(derive):
    """A write to a frame or to one derived from it never shows in the other, as before saving."""
    pd = pytest.importorskip("pandas", minversion="3")
    df = pd.DataFrame({"x": [1.0, 2, 3], "y": [4.0, 5, 6], "c": [7.0, 8, 9]})
    derived = eval(derive, {"df": df, "pd": pd})
    expected = derived.copy()
    got = again({"df": df, "derived": derived})
    got["df"].iloc[0, 0] = -1
    got["df"].loc[1, "y"] = -2
    got["df"].loc[1, "c"] = -3
    pd.testing.assert_frame_equal(got["derived"], expected)
    got["derived"].iloc[2, 0] = -4
    assert got["df"].to_numpy().tolist() == [[-1, 4, 7], [2, -2, -3], [3, 6, 9]]


@pytest.mark.filterwarnings("ignore:The copy keyword")
@pytest.mark.parametrize("dtype", ["float64", "Float64", "str", "datetime64[ns]", "category"])
def test_an_index_made_of_a_column_stays_as_it_is(dtype):
    """A write to a column never shows in an index made of it, nor in a series that shares it."""
    pd = pytest.importorskip("pandas", minversion="3")
    series = pd.Series([1, 2, 3]).astype(dtype)
    for order in (1, -1):
        parts = {"s": series, "i": pd.Index(series), "t": series.astype(dtype, copy=False)}
        got = again(dict(list(parts.items())[::order]))
        got["s"].iloc[0] = series.iloc[2]
        assert list(got["i"]) == list(got["t"]) == list(series)
        assert list(got["s"]) == [series.iloc[2], *list(series)[1:]]


def test_indexes_of_several_levels_that_share_their_codes():
    """Two MultiIndexes over the same arrays, and frames that share one, are equal and independent."""
    pd = pytest.importorskip("pandas")
    index = pd.MultiIndex.from_product([["p", "q"], [1, 2]], names=["a", "b"])
    renamed = index.rename(["x", "y"])
    df = pd.DataFrame({"v": range(4)}, index=index)
    got = again({"df": df, "renamed": renamed, "index": index, "same": df.index})
    pd.testing.assert_frame_equal(got["df"], df)
    pd.testing.assert_index_equal(got["renamed"], renamed)
    pd.testing.assert_index_equal(got["index"], index)


def test_a_range_index_stays_a_range():
    """Saving a frame does not make the numbers of its range index, nor store them."""
    pd = pytest.importorskip("pandas")
    index = pd.RangeIndex(10**12)
    got = again({"i": index})["i"]
    assert type(got) is pd.RangeIndex and len(got) == 10**12
    assert "_data" not in index._cache


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "ab", "r+b", "x"])
def test_a_closed_file_stays_one(tmp_path, mode):
    """What ``with open(…) as f:`` leaves behind is saved: name, mode, and that it is closed."""
    path = tmp_path / "file"
    if mode[0] != "x":
        path.touch()
    with path.open(mode) as file:
        pass
    path.unlink()
    again = decode(encode(file, namespace={}).stream, [], namespace={}, roots={}.__getitem__)
    assert (type(again), again.name, again.mode, again.closed) == (type(file), str(path), file.mode, True)
    assert fingerprint(again) == fingerprint(file)
    assert not path.exists()


def test_a_class_that_is_made_again_is_none_that_lives():
    """Loading a class neither gives nor changes a live one that came from the same cell."""
    names = {"__name__": "__main__"}
    exec("class C:\n    made = []\nclass D(C):\n    pass", names)
    stream = encode({"C": names["C"], "D": names["D"]}, namespace=names).stream
    names["C"].scale = 5
    names["C"].made.append(1)
    first, second = (decode(stream, [], namespace=names, roots={}.__getitem__) for _ in range(2))
    assert len({names["C"], first["C"], second["C"]}) == 3
    assert first["D"].__base__ is first["C"]
    assert (first["C"].made, hasattr(first["C"], "scale")) == ([], False)
    assert (names["C"].made, names["C"].scale) == ([1], 5)
