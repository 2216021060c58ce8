"""The analysis of cells: what they read, bind and mention, and what makes two cells equal."""

from __future__ import annotations

import ast
import random
import sys
from contextlib import suppress
from textwrap import dedent
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from durable_nb.notebook.analysis import CellCode, analyse_cell

TRANSFORM = TransformerManager().transform_cell


def analyse(source: str) -> CellCode:
    return analyse_cell(dedent(source), transform=TRANSFORM)


def words(names: frozenset[str]) -> str:
    return " ".join(sorted(names))


# source, reads, binds, surely binds (None: the same as binds)
FLOW = [
    # straight lines
    ("", "", "", None),
    ("x = 1", "", "x", None),
    ("x = y", "y", "x", None),
    ("x = x + 1", "x", "x", None),
    ("x += 1", "x", "x", None),
    ("x = 1\nx += y", "y", "x", None),
    ("x, (y, *z) = w", "w", "x y z", None),
    ("x = y = z", "z", "x y", None),
    ("a = d[a] = v", "d v", "a", None),
    ("d[k] = v", "d k v", "", None),
    ("d.a[k].b += v", "d k v", "", None),
    ("x: int = y", "int y", "x", None),
    ("x: int", "int", "", None),
    ("a.b: int = c", "a c int", "", None),
    ("print(x, *y, k=z, **w)", "print w x y z", "", None),
    ("f'{x!r:{w}}'", "w x", "", None),
    ("x[y:z]", "x y z", "", None),
    ("assert x, y", "x y", "", None),
    ("assert (x := y), x", "y", "x", ""),
    ("raise x", "x", "", None),
    ("x = 1\nraise ValueError\ny = z", "ValueError", "x y", ""),
    # imports
    ("import a.b, c as d\nfrom e import f, g as h", "", "a d f h", None),
    ("from . import x", "", "x", None),
    ("from __future__ import annotations", "", "annotations", None),
    ("import np\nnp.x", "", "np", None),
    # deletion
    ("del x", "x", "x", ""),
    ("x = 1\ndel x", "", "x", ""),
    ("x = 1\ndel x\nx", "x", "x", ""),
    ("del (x, [y]), z.a, w[v]", "v w x y z", "x y", ""),
    ("x = 1\nif c: del x\nx", "c x", "x", ""),
    # branches
    ("if c: x = 1\nx", "c x", "x", ""),
    ("if c: x = 1\nelse: x = 2\nx", "c", "x", None),
    ("if c: x = 1\nelif d: x = 2\nelse: raise E\nx", "E c d", "x", None),
    ("x = 1 if c else y", "c y", "x", None),
    ("x = (y := 1) if c else (y := 2)\ny", "c", "x y", None),
    ("if True: x = 1\nx", "", "x", None),
    ("if (n := f()) and n > g: n", "f g", "n", None),
    ("if a and (n := f()): n", "a f", "n", ""),
    ("if a and (n := f()): pass\nelse: n", "a f n", "n", ""),
    ("if a or (n := f()): n", "a f n", "n", ""),
    ("if not (a and (n := f())): pass\nelse: n", "a f", "n", ""),
    ("(n := f()) and n\nn", "f", "n", None),
    ("a and (n := f())\nn", "a f n", "n", ""),
    ("a < (x := b) < (y := c)\nx, y", "a b c y", "x y", "x"),
    ("{1: a, (a := 2): 3}", "a", "a", None),
    # loops
    ("for i in xs: s = i\ni, s", "i s xs", "i s", ""),
    ("for i in [1, 2]: s = i\ni, s", "", "i s", None),
    ("for i in [1, 2]:\n  if c: continue\n  s = i\ns", "c s", "i s", "i"),
    ("for i in (*xs,): pass\ni", "i xs", "i", ""),
    ("for a.b in xs: pass", "a xs", "", None),
    ("for i in xs: t = t + i", "t xs", "i t", ""),
    ("for i in xs:\n  if i: break\nelse: x = 1\nx", "x xs", "i x", ""),
    ("for i in xs:\n  del y", "xs y", "i y", ""),
    ("y = 1\nfor i in xs:\n  print(y); del y", "print xs y", "i y", ""),
    ("while c: x = 1\nx", "c x", "x", ""),
    ("while True:\n  x = 1\n  if c: break\nx", "c", "x", None),
    ("while True:\n  if c: break\n  x = 1\nx", "c x", "x", ""),
    ("while (x := f()): x\nx", "f", "x", None),
    ("while True: pass\nx", "", "", None),
    # try
    ("try: x = f()\nexcept E: pass\nx", "E f x", "x", ""),
    ("try: x = f()\nexcept E: x = 1\nx", "E f", "x", None),
    ("try: x = f()\nexcept E: raise\nx", "E f", "x", None),
    ("try: f()\nexcept E as e: e\ne", "E e f", "e", ""),
    ("try: x = f()\nfinally: x", "f x", "x", None),
    ("try: f()\nfinally: x = 1\nx", "f", "x", None),
    ("try: f()\nexcept E: pass\nelse: x = 1\nx", "E f x", "x", ""),
    ("x = 1\ntry:\n  del x\n  f()\nexcept E: x", "E f x", "x", ""),
    ("e = 1\ntry: f()\nexcept E as e: pass\ne", "E e f", "e", ""),
    ("try: x = f()\nexcept* E: pass\nx", "E f x", "x", ""),
    ("while True:\n  try:\n    x = f(); break\n  except E: pass\nx", "E f", "x", None),
    ("x = 1\nwhile c:\n  try: break\n  finally: del x\nx", "c x", "x", ""),
    # with
    ("with open(p) as f: x = f.read()\nx", "open p", "f x", None),
    ("with suppress(E): x = 1\nx", "E suppress x", "x", ""),
    ("with contextlib.ExitStack() as s: x = s\nx, s", "contextlib s x", "s x", ""),
    ("for attempt in r:\n  with attempt: x = f()\nx", "f r x", "attempt x", ""),
    ("class C: pass\nwith C() as c: x = 1\nx", "x", "C c x", "C"),
    ("with a as (b, c), b: pass", "a", "b c", None),
    # match
    ("match v:\n  case 1: x = 1\n  case _: x = 2\nx", "v", "x", None),
    ("match v:\n  case [a, *b]: pass\n  case {'k': c, **d}: pass\na", "a v", "a b c d", ""),
    ("match v:\n  case P(x=1) | m.K: pass", "P m v", "", None),
    ("match v:\n  case x if x > n: y = x\ny", "n v y", "x y", ""),
    ("match v:\n  case x: y = x\ny", "v", "x y", None),
    # comprehensions
    ("[i for i in xs]", "xs", "", None),
    ("i = [i for i in i]", "i", "i", None),
    ("[j for i in xs for j in i if j > k]", "k xs", "", None),
    ("{k: v for k, v in d.items()}", "d", "", None),
    ("[y for x in xs if (y := f(x))]\ny", "f xs y", "y", ""),
    ("[(y := x) for x in xs]", "xs", "y", ""),
    ("[lambda: i + j for i in xs]", "j xs", "", None),
    ("any(x in y for x in xs)", "any xs y", "", None),
    # functions run later
    ("def f(): return helper()", "", "f", None),
    ("def f(): return helper()\ndef helper(): return 1\nx = f()", "", "f helper x", None),
    ("def f(): return helper()\nx = f()\ndef helper(): return 1", "helper", "f helper x", None),
    ("def f(): return g()\ndef g(): return y\nf()", "y", "f g", None),
    ("def f(): return g()\ndef g(): return f()\nf()", "", "f g", None),
    ("y = 1\ndef f(): return y\nf()", "", "f y", None),
    ("def f(): return y\ny = 1\nf()", "", "f y", None),
    ("def f(): return y\nf()\ny = 1", "y", "f y", None),
    ("def f(a, *b, c=d, **e) -> T:\n  x = a; return b, c, e, x", "T d", "f", None),
    ("def f(a: int): pass", "int", "f", None),
    ("def f():\n  x = 1\n  def g(): return x, y\n  return g\nf()", "y", "f", None),
    ("def f():\n  x = 1\n  def g():\n    nonlocal x; x = y\n  g()\nf()", "y", "f", None),
    ("def f():\n  global x; x = 1\nf()", "", "f x", "f"),
    ("def f():\n  global x; x = 1", "", "f", None),
    ("def f():\n  global x; del x\nx = 1\nf()\nx", "x", "f x", "f"),
    ("def f(): return [i for i in xs if i > k]\nf()", "k xs", "f", None),
    ("def f():\n  class A:\n    z = z\n  return A\nf()", "z", "f", None),
    ("async def f(): return await g()\nawait f()", "g", "f", None),
    ("def f(): return y\nfs = [f]", "y", "f fs", None),
    ("def f(): return y\ng = f\ng()", "y", "f g", None),
    ("def f(): return h()\ng = f\ndef h(): return y\ng()", "h y", "f g h", None),
    ("f = lambda a: a + y", "", "f", None),
    ("f = lambda a=z: a + y\nf()", "y z", "f", None),
    ("xs.sort(key=lambda a: a + y)", "xs y", "", None),
    ("if c:\n  def f(): return y\nelse:\n  def f(): return z\nf()", "c y z", "f", None),
    ("for i in xs:\n  if i: f()\n  def f(): return y", "f xs y", "f i", ""),
    ("@step\ndef f(): return y", "step", "f", None),
    ("@lru_cache(maxsize=n)\ndef f(): return y", "lru_cache n", "f", None),
    ("@register\ndef f(): return y", "register y", "f", None),
    # classes
    ("class A: pass", "", "A", None),
    ("class A(B, metaclass=M): x = y", "B M y", "A", None),
    ("class A:\n  x = 1\n  y = x", "", "A", None),
    ("class A:\n  def m(self): return y", "", "A", None),
    ("class A:\n  def m(self): return y\nA().m()", "y", "A", None),
    ("class A:\n  x = 1\n  def m(self): return x\nA()", "x", "A", None),
    ("class A:\n  x = 1\n  y = [x for _ in xs]", "x xs", "A", None),
    ("class A:\n  def m(self): return super().m(), A, __class__\nA()", "super", "A", None),
    ("class A:\n  @property\n  def p(self): return y", "property", "A", None),
    ("class A:\n  @reg\n  def p(self): return y", "reg y", "A", None),
    ("class A(Enum):\n  def m(self): return y", "Enum y", "A", None),
    ("class A:\n  def m(): return y\n  z = m()", "y", "A", None),
    ("class A:\n  global g\n  g = 1\n", "", "A g", "A"),
    ("class A:\n  if c: x = 1\n  y = x", "c x", "A", None),
    ("class A:\n  def __m(self): return __y\nA()", "_A__y", "A", None),
    ("@dataclass\nclass A:\n  x: int = 0\n  def m(self): return y", "dataclass int", "A", None),
    # IPython
    ("x = !ls {d}", "get_ipython", "x", None),
    ("%time x = y", "get_ipython y", "x", None),
    ("%timeit -n 10 -r3 x = y; x", "get_ipython y", "", None),
    ("%%time\nx = y\nx", "get_ipython y", "x", None),
    ("%%time\n%%capture out\nx = y", "get_ipython y", "out x", ""),
    ("%%timeit n = z\nx = n + y", "get_ipython y z", "", None),
    ("%prun -l 5 -s cumulative f(x)", "f get_ipython x", "", None),
    ("%%bash\necho $x", "get_ipython", "", None),
]


@pytest.mark.parametrize(("source", "reads", "binds", "surely"), FLOW)
def test_flow(source: str, reads: str, binds: str, surely: str | None) -> None:
    """A cell reads what it may use before it surely bound it, and binds what it may bind."""
    cell = analyse(source)
    assert (words(cell.reads), words(cell.binds)) == (reads, binds)
    if not (surely is None and cell.surely_binds == frozenset()):
        assert words(cell.surely_binds) == (binds if surely is None else surely)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
@pytest.mark.parametrize(
    ("source", "reads", "binds"),
    [
        ("def f[T: B](x: T) -> T: return y", "", "f"),
        ("def f[T](x: T, y: U) -> T: return x", "U", "f"),
        ("def f[T](x: T) -> T: return y\nf()", "y", "f"),
        ("class A[T](Base[T]): x: T", "Base", "A"),
        ("type X[T] = list[T] | Y", "Y list", "X"),
    ],
)
def test_type_parameters(source: str, reads: str, binds: str) -> None:
    """Type parameters are local to what they belong to."""
    cell = analyse(source)
    assert set(reads.split()) <= cell.reads
    assert "T" not in cell.reads | cell.binds
    assert words(cell.binds) == binds


def test_deep_expressions() -> None:
    """A sum of a thousand terms is analysed without exhausting the stack."""
    cell = analyse("x = " + " + ".join(f"y{n}" for n in range(900)))
    assert len(cell.reads) == 900


def test_deferred_reads_are_reported_for_functions_of_other_cells() -> None:
    """What a function of the cell reads is told per function, though the cell never uses it."""
    cell = analyse("k = 1\ndef helper(): return y + k\ndef f(): return helper()\nz = other()")
    assert words(cell.reads) == "other"
    assert {name: words(reads) for name, reads in cell.deferred.items()} == {
        "helper": "y",
        "f": "y",
    }


@pytest.mark.parametrize(
    "other",
    [
        "df  =  f( x )  # comment\n\n\ng(df)",
        "# above\ndf = f(\n    x,\n)\ng(\n  df  # why\n)",
        "df = (f(x))\ng(df)",
    ],
)
def test_layout_does_not_change_the_digest(other: str) -> None:
    """Comments, blank lines and layout are no part of a cell's digest."""
    assert analyse(other).digest == analyse("df = f(x)\ng(df)").digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = 0.0", "x = -0.0"),
        ("f(x)", "f(x);"),
        ("f(a, b)", "f(a), b"),
        ("f(['a', 'b'])", "f(['a'], 'b')"),
        ("x = 'y'", "x = y"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("%%time\nx = 1", "%%time\nx = 2"),
        ("%%time\nx = 1", "x = 1"),
        ("%%bash\nls", "%%bash\nls # c"),
    ],
)
def test_different_code_has_a_different_digest(one: str, other: str) -> None:
    """Whatever may change a result or what is shown changes the digest."""
    assert analyse(one).digest != analyse(other).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("%%time\nx = 1", "%%time\nx  =  1  # note\n"),
        ("%%capture out\nf(a,\n b)", "%%capture out\n# note\nf(a, b)"),
        ("%time f(a)", "%time  f( a )"),
        ("u'a'", "'a'"),
        ("x = 1; # note", "x = 1"),
    ],
)
def test_python_inside_magics_is_code(one: str, other: str) -> None:
    """Comments and layout do not count in the body of a Python magic either."""
    assert analyse(one).digest == analyse(other).digest


def test_huge_integers_have_a_digest() -> None:
    """An integer with more digits than Python prints is hashed all the same."""
    assert analyse("x = 0x" + "f" * 9000).digest != analyse("x = 0x" + "f" * 9001).digest


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("df.query('a > @thr')", "a thr"),
        ("df.query(expr='a > @thr')", "a thr"),
        ("f(f'select {x} from t')", "select from t"),
        ("f(['a', ('b', {'c': 'd'})])", "a b d"),
        ("f('a' + 'b' % x)", "a b"),
        ("f('from {t} where'.format(t=x))", "from t where"),
        ("f(d['key'])", ""),
        ("d['key'] = 1", ""),
        ("'a docstring'", ""),
        ("def f():\n  'a docstring'\n  return sql('tab')", "tab"),
        ("x = 'words'", ""),
        ("q = 'select tab'\nsql(q)", "select tab"),
        ("!train --lr {lr} $name", "train lr name"),
        ("%%sql\nselect tab", "sql select tab"),
        ("%%time\nsql('tab')", "tab"),
    ],
)
def test_mentions(source: str, expected: str) -> None:
    """Words of strings that reach a call are mentioned; docstrings, subscripts and keys are not."""
    found = analyse(source).mentions
    assert found == set(expected.split())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("open('data')", {"data"}),
        ("x = 'data'", set()),
        ("x = 'data/a.csv'", {"data/a.csv"}),
        ("x = {'a.csv': 1}", {"a.csv"}),
        ("f('a\\nb/c')", set()),
        (f"f('{'a/' * 3000}')", set()),
        ("!cat data/x.csv 'y.csv'", {"data/x.csv", "y.csv", "cat data/x.csv 'y.csv'"}),
    ],
)
def test_paths(source: str, expected: set[str]) -> None:
    """Strings that may name a file are found; a bare word only as a call's argument."""
    assert analyse(source).paths == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("eval('x')", "eval"),
        ("exec(code)", "exec"),
        ("globals()['x']", "globals"),
        ("list(map(eval, xs))", "eval"),
        ("locals()", "locals"),
        ("vars()", "vars"),
        ("vars(obj)", ""),
        ("dir = 'data'\nf(dir)", ""),
        ("def f(): return locals()", ""),
        ("def f(): return globals()", "globals"),
        ("df.eval('a + b')", ""),
        ("model.eval()", ""),
        ("get_ipython().user_ns['x']", "user_ns"),
        ("get_ipython().run_cell(code)", "get_ipython().run_cell"),
        ("import __main__", "__main__"),
        ("sys.modules['__main__'].x", "__main__"),
        ("if __name__ == '__main__': f()", ""),
        ("%run -i script.py", "%run"),
        ("%run script.py", ""),
        ("import builtins\nbuiltins.exec(c)", "exec"),
        ("%%time\nexec(c)", "exec"),
        ("inspect.currentframe().f_globals['x']", "f_globals"),
        ("f.__globals__['x']", "__globals__"),
        ("getattr(f, '__globals__')['x']", "__globals__"),
        ("inspect.currentframe().f_lineno", ""),
        ("%whos", "%whos"),
    ],
)
def test_dynamic(source: str, expected: str) -> None:
    """Means to read names that cannot be known beforehand are reported."""
    assert words(analyse(source).dynamic) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("await f()", True),
        ("async for x in y: pass", True),
        ("async with a: pass", True),
        ("[x async for x in y]", True),
        ("async def f(): await g()", False),
        ("x = 1", False),
    ],
)
def test_is_async(source: str, expected: bool) -> None:
    """A cell is asynchronous when it awaits at top level."""
    assert analyse(source).is_async is expected


def test_imports_and_attributes() -> None:
    """Imported modules, star imports and attributes assigned at top level are reported."""
    cell = analyse(
        """
        import a.b
        from c import d
        from e import *
        def f(): import g
        plt.style = 1
        pd.options.mode += 2
        def h(): plt.other = 3
        """
    )
    assert words(cell.imports) == "a a.b c c.d e g"
    assert cell.star_imports == {"e"}
    assert cell.module_attributes == {("plt", "style"), ("pd.options", "mode")}


@pytest.mark.parametrize("source", ["x = = 1", "return 1", "break", "def f(:", "%%time\nx\n)"][:4])
def test_bad_source_raises(source: str) -> None:
    """A cell that is not Python raises SyntaxError."""
    with pytest.raises(SyntaxError):
        analyse(source)


def test_bad_python_in_a_magic_is_text() -> None:
    """The body of a Python magic that does not parse is only text; the magic itself reports it."""
    cell = analyse("%%time\nx = = tab")
    assert words(cell.mentions) == "tab time x"
    assert isinstance(cell.tree, ast.Module)


# A random program runs in a namespace that notes which names are read while they still are as they
# were before the cell; the analysis must have foreseen all of them.


class Value:
    """Does what a program asks of it; the decisions come from a finite list."""

    decisions: list[int] = []

    @classmethod
    def decide(cls) -> int:
        return cls.decisions.pop() if cls.decisions else 0

    def __call__(self, *_args: object) -> Value:
        if self.decide() == 3:
            raise ValueError
        return Value()

    def __bool__(self) -> bool:
        return self.decide() > 1

    def __iter__(self):
        return iter([Value() for _ in range(self.decide())])

    def __add__(self, _other: object) -> Value:
        return Value()

    def __enter__(self):
        return Value()

    def __exit__(self, *_error: object) -> None:
        return None


class Traced(dict):
    """A namespace that notes the names read before the program changed them."""

    def __init__(self, initial: dict[str, object]) -> None:
        super().__init__(initial)
        self.initial = initial
        self.seen: set[str] = set()
        self.written: set[str] = set()

    def __setitem__(self, name: str, value: object) -> None:
        self.written.add(name)
        super().__setitem__(name, value)

    def __getitem__(self, name: str) -> object:
        if name in "abcde" and self.get(name) is self.initial.get(name):
            self.seen.add(name)
        return super().__getitem__(name)


class OutOfSteps(BaseException):
    """The program has run for long enough."""


def run(cell: CellCode, namespace: Traced) -> bool:
    """Run a program for at most 2,000 lines; tell whether it completed."""
    left = iter(range(2000))

    def trace(frame: FrameType, *_event: object) -> object:
        # Elsewhere it could be swallowed, in a generator that is being closed, and tracing end.
        if next(left, None) is None and frame.f_code.co_name == "<module>":
            raise OutOfSteps
        return trace

    code = compile(cell.tree, "<cell>", "exec")
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        exec(code, namespace)
    except (Exception, OutOfSteps):
        return False
    finally:
        sys.settrace(before)
    return True


class Programs:
    """Writes random programs over the names a to e."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    @property
    def name(self) -> str:
        return self.random.choice("abcde")

    def expression(self, depth: int = 2, *, walrus: bool = True) -> str:
        n, m, o = self.name, self.name, self.name
        if depth == 0:
            return n
        forms = [
            lambda: n,
            lambda: f"{n}()",
            lambda: f"{n}({sub()})",
            lambda: f"({sub()} + {sub()})",
            lambda: f"({sub()} if {sub()} else {sub()})",
            lambda: f"({sub()} and {sub()})",
            lambda: f"({sub()} or {sub()})",
            lambda: f"(not {sub()})",
            lambda: f"(lambda {n}={m}: {self.expression(1, walrus=False)})()",
            lambda: f"(lambda: {self.expression(1, walrus=False)})",
            lambda: f"[{n} for {n} in {m}]",
            lambda: f"[{n} for {m} in {o} if {self.name}]",
            lambda: f"[*({n}() for {m} in {o})]",
            lambda: f"({n}() for {m} in {o})",
        ]
        if walrus:
            forms += [
                lambda: f"({n} := {sub()})",
                lambda: f"[{n} for {m} in {o} if ({n} := {self.name})]" if n != m else n,
                lambda: f"{{1: {n}, ({m} := 1): {o}}}",
            ]

        def sub() -> str:
            return self.expression(depth - 1, walrus=walrus)

        return self.random.choice(forms)()

    def function(self) -> str:
        n, m, o = self.name, self.name, self.name
        lines = self.random.choice(
            [
                [],
                [],
                [f"global {n}", f"{n} = {m}()"],
                [f"global {n}", f"del {n}"],
                [f"def {n}(): return {m}()", f"{n}()"],
                ["class k:", f"  {n} = {m}", f"  def m(self): return {o}", f"k().m(); k.{n}"],
                [f"{n} = {m}"],
            ]
        )
        lines += [self.expression(1, walrus=False), f"return {self.expression(1, walrus=False)}"]
        decorator = self.random.choice(["", "", "", f"@{self.name}\n"])
        return f"{decorator}def {self.name}(*_):\n" + indent("\n".join(lines))

    def simple(self, *, loop: bool) -> str:
        n, m, o, value = self.name, self.name, self.name, self.expression()
        forms = [f"{n} = {value}", f"{n} = {value}", f"{n} += {value}", value, f"{n}()", f"del {n}"]
        forms += [f"{n} = lambda: {self.expression(1, walrus=False)}", f"import sys as {n}"]
        forms += [self.function(), self.function(), self.function(), f"{n} = {m}"]
        forms += [f"class {n}:\n  {m} = {o}\n  def m(self): return {self.name}\n{n}().m()"]
        forms += [f"class {n}:\n  def {m}(*_): return {o}\n  x = {self.name}()"]
        forms += [f"class {n}({m}):\n  def __init__(*_): {o}", f"assert ({n} := {m})"]
        forms += ["break", "continue", f"if {n}: break"] * loop
        return self.random.choice(forms)

    def program(self) -> str:
        """Return a block after some names have been bound, so that not all of them are inputs."""
        first = [f"{name} = value" for name in "abcde" if self.random.random() < 0.75]
        return "\n".join([*first, self.block()])

    def block(self, depth: int = 2, *, loop: bool = False) -> str:
        count = self.random.randint(1, 5 if depth == 2 else 2)
        return "\n".join(self.statement(depth, loop=loop) for _ in range(count))

    def statement(self, depth: int, *, loop: bool) -> str:
        if depth == 0 or self.random.random() < 0.5:
            return self.simple(loop=loop)
        n, value = self.name, self.expression()
        body, other = (indent(self.block(depth - 1, loop=loop)) for _ in range(2))
        looped, final = indent(self.block(depth - 1, loop=True)), indent(self.block(0))
        return self.random.choice(
            [
                f"if {value}:\n{body}",
                f"if {value}:\n{body}\nelse:\n{other}",
                f"while {value}:\n{looped}\nelse:\n{other}",
                f"while True:\n{looped}\n  if 1: break",
                f"for {n} in {value}:\n{looped}\nelse:\n{other}",
                f"for {n} in [1]:\n{looped}",
                f"try:\n{body}\nexcept Exception:\n{other}",
                f"try:\n{body}\nexcept Exception as {n}:\n{other}\nfinally:\n{final}",
                f"try:\n{body}\nfinally:\n{final}",
                f"with {value} as {n}:\n{body}",
                f"with suppress(Exception):\n{body}",
                f"match {value}:\n  case [{n}]:\n{indent(body)}\n  case {self.name}:\n{indent(other)}",
            ]
        )


def indent(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_every_observed_read_and_binding_was_foreseen(seed: int) -> None:
    """Whatever a program reads before changing it is in reads; what it changes is in binds."""
    programs = Programs(seed)
    try:
        cell = analyse_cell(programs.program(), transform=str)
    except SyntaxError:
        return
    for _ in range(4):
        chance = programs.random
        initial: dict[str, object] = {name: Value() for name in "abcde" if chance.random() < 0.8}
        namespace = Traced(initial | {"suppress": suppress, "Exception": Exception, "value": Value()})
        Value.decisions = [chance.choice([0, 0, 1, 2, 2, 3]) for _ in range(30)]
        completed = run(cell, namespace)
        names = set("abcde")
        changed = {n for n in names if namespace.get(n) is not initial.get(n)}
        assert namespace.seen <= cell.reads
        assert changed <= cell.binds
        if completed:
            assert cell.surely_binds & names <= set(namespace)
            if "global" not in cell.source and ":=" not in cell.source:  # STORE_GLOBAL: untraced
                assert cell.surely_binds & names <= namespace.written
