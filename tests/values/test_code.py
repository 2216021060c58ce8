"""Facts of functions: a digest that only behaviour changes, global names, literals."""

from __future__ import annotations

import dis
import gc
import linecache
import os
import subprocess
import sys
import typing
from pathlib import Path
from textwrap import dedent
from types import FunctionType

import pytest

from durable_nb.errors import FingerprintError
from durable_nb.values import code as code_module
from durable_nb.values.code import CodeFacts, code_digest, encode_constant, function_facts
from durable_nb.values.flowgraph import operations
from durable_nb.values.tree import looks_like_path


def define(source: str, *, name: str = "f", filename: str = "<nowhere>") -> FunctionType:
    namespace: dict = {}
    exec(compile(dedent(source), filename, "exec", dont_inherit=True), namespace)
    return namespace[name]


def digest(source: str) -> bytes:
    return code_digest(define(source).__code__)


def facts(source: str) -> CodeFacts:
    return function_facts(define(source))


def facts_with_source(source: str, filename: str) -> CodeFacts:
    text = dedent(source)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return function_facts(define(text, filename=filename))


LAYOUTS = [
    ("def f(a): return g(a, b=1)", "\n\n# c\ndef f(a):\n\n    # c\n    return g(\n  a,\n\n  b=1)"),
    ("def f(a):\n  if a: pass\n  return 1", "def f(a):\n  if a:\n    pass\n  return 1"),
    ("def f(a, b): return a + b", "def f(\n a,\n b):\n  return (a\n   + b)"),
    ("def f(a, b): g(a, b)", "def f(a, b):\n  g(a,\n    b)"),
    ("def f(a):\n  for i in a: g(i)", "def f(a):\n  for i in (a):\n\n    g(\n\n i)"),
    ("def f(a):\n  while a: a = g(a)", "def f(a):\n  while (\n a):\n    a = \\\n g(a)"),
    (
        "def f(a):\n  try: g(a)\n  except E: return 1\n  finally: h()",
        "def f(a):\n  try:\n\n    g(\n a)\n  except E:\n    return 1\n  finally:\n\n    h()",
    ),
    ("def f(a, b, c): return a and b or c", "def f(a, b, c):\n  return (a\n  and b\n  or c)"),
    ("def f(a):\n  with a as b: return b", "def f(a):\n  with (\n a as b):\n\n    return b"),
    ("def f(a): return [x for x in a if x]", "def f(a):\n  return [\n x\n for x in a\n if x]"),
    ("def f():\n  class A:\n    x = 1\n  return A", "#\n\ndef f():\n  #\n  class A:\n\n    x = 1\n  return A"),
    ("def f(a): x = 1; y = a; return x, y", "def f(a):\n  x = 1\n  y = a\n  return x, y"),
    (
        "def f(a):\n  for i in a:\n    if i: continue\n    g(i)",
        "def f(a):\n  for i in a:\n    if i:\n\n      continue\n    g(\n i)",
    ),
    (
        "async def f(a):\n  async with a: return await a",
        "async def f(a):\n  async with (a):\n\n    return (await\n a)",
    ),
    ("def f(a):\n  match a:\n    case [x]: return x", "def f(a):\n  match (a):\n\n    case [x]:\n      return x"),
]


@pytest.mark.parametrize(("one", "other"), LAYOUTS)
def test_layout_does_not_change_the_digest(one: str, other: str) -> None:
    """Comments, blank lines, wrapping and the place in the file are no part of a digest."""
    assert digest(one) == digest(other)


def test_the_file_does_not_change_the_digest() -> None:
    """The name of the file is no part of a digest."""
    source = "def f():\n  def g(): return 1\n  return g"
    one, other = (define(source, filename=name).__code__ for name in ("<one>", "<other>"))
    assert code_digest(one) == code_digest(other)


BODIES = [
    "return 1",
    "return 1.0",
    "return True",
    "return 0.0",
    "return -0.0",
    "return 1j",
    "return '1'",
    "return b'1'",
    "return ...",
    "return None",
    "return (1, 2)",
    "return (1, 2.0)",
    "return (1, (2,))",
    "return ((1,), 2)",
    "return a in {1, 2}",
    "return a in {1, 3}",
    "return a in (1, 2)",
    "return a + b",
    "return a - b",
    "return b + a",
    "return a < b",
    "return a <= b",
    "return a is b",
    "return a is not b",
    "return a.x",
    "return a.y",
    "return a.x()",
    "return x",
    "return y",
    "return g(a)",
    "return g(a, b)",
    "return g(a, b=b)",
    "return g(a, c=b)",
    "return g(*a)",
    "return g(**a)",
    "if a: g(b)",
    "if not a: g(b)",
    "if a is None: g(b)",
    "if a is not None: g(b)",
    "while a: g(b)",
    "while not a: g(b)",
    "while True: g(b)",
    "while True: pass",
    "for c in a: g(b)",
    "for c in a: break",
    "for c in a: continue",
    "for c in b: g(b)",
    "try: g(a); g(b)\n  except E: pass",
    "g(a)\n  try: g(b)\n  except E: pass",
    "try: g(a)\n  except E: pass\n  g(b)",
    "try: g(a); g(b)\n  except D: pass",
    "try: g(a); g(b)\n  finally: pass",
    "with a: g(b)",
    "return lambda: a",
    "return lambda: b",
    "return lambda c=a: c",
    "return [c for c in a]",
    "return {c for c in a}",
    "return [c for c in b]",
    "return (c for c in a)",
    "yield a",
    "yield b",
    "yield from a",
    "'doc'",
    "'other doc'",
    "global x; x = a",
    "global y; y = a",
    "global x; del x",
    "a.x = b",
    "a[0] = b",
    "a[1] = b",
    "a[0:1] = b",
    "del a[0]",
    "raise a",
    "raise a from b",
    "assert a",
    "assert a, b",
    "a += b; return a",
    "return f'{a}'",
    "return f'{a!r}'",
    "return f'{a:>3}'",
    "return a and b",
    "return a or b",
    "return a and b or x",
    "return a or b and x",
    "return a if b else x",
    "return x if b else a",
    "import x",
    "import x as y",
    "from x import y",
    "from .x import y",
    "class A: x = 1",
    "class A: x = 2",
    "class A: y = 1",
    "class B: x = 1",
    "class A(a): x = 1",
    "class A:\n    def m(self): self.p = 1",
    "class A:\n    def m(self): self.q = 1",
]


def test_different_behaviour_has_a_different_digest() -> None:
    """No two of many small, slightly different functions share a digest."""
    sources = [f"def f(a, b):\n  {body}" for body in BODIES]
    sources += [
        "def f(b, a): return 1",
        "def f(a, b=0): return 1".replace("=0", ", /"),
        "def f(a, *, b): return 1",
        "def f(a, *b): return 1",
        "def f(a, **b): return 1",
        "async def f(a, b): return 1",
        "def f(a, b, c): return 1",
    ]
    assert len({digest(source) for source in sources}) == len(sources)


def test_the_digest_is_the_same_in_every_process() -> None:
    """Hash seeds do not reach the digest: sets, keyword names and class bodies included."""
    source = """
        def f(x):
            class A:
                def m(self):
                    self.one = self.two = self.three = self.four = 1
            return x in {"a", "b", "c", ("d", 1)}, [A for x in x if x not in {1.5, b"e", None}]
    """
    script = (
        "import sys; from durable_nb.values.code import code_digest; n = {};"
        f"exec({dedent(source)!r}, n); print(code_digest(n['f'].__code__).hex())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "2", "3")
    }
    assert seen == {digest(source).hex()}


def test_the_exception_table_is_part_of_the_digest() -> None:
    """The same instructions under other handlers are other code."""
    one = define("def f():\n  try: a(); b()\n  except E: pass").__code__
    other = define("def f():\n  a()\n  try: b()\n  except E: pass").__code__
    assert code_digest(one) != code_digest(other)
    assert code_digest(one.replace(co_exceptiontable=b"")) != code_digest(one)


def test_unknown_constants_are_refused() -> None:
    """A constant that no compiler makes has no digest."""
    code = define("def f(): return 'x'").__code__
    strange = code.replace(co_consts=tuple(object() if c == "x" else c for c in code.co_consts))
    with pytest.raises(FingerprintError, match="object"):
        code_digest(strange)


def test_constants_have_no_two_readings() -> None:
    """The encoding of nested constants is unambiguous and does not follow the order of sets."""
    values = [("a", "b"), ("ab",), (("a",), "b"), ("a", ("b",)), "ab", b"ab", (1,), 1, True, 1.0, ()]
    assert len({encode_constant(value) for value in values}) == len(values)
    one, other = frozenset("abcdefgh"), frozenset("hgfedcba")
    assert encode_constant(one) == encode_constant(other)


def test_facts_are_remembered_while_the_code_lives() -> None:
    """Asking twice computes once, and nothing is kept of code that is gone."""
    func = define("def f(): return 1")
    assert function_facts(func) is function_facts(func)
    key = id(func.__code__)
    assert key in code_module._facts._entries
    del func
    gc.collect()
    assert key not in code_module._facts._entries


@pytest.mark.parametrize(
    ("source", "reads", "writes", "imports"),
    [
        ("def f(a): return a + b", "b", "", ""),
        ("def f():\n  global x\n  x = y", "y", "x", ""),
        ("def f():\n  global x\n  del x", "", "x", ""),
        ("def f(): return [a for a in b if c]", "b c", "", ""),
        ("def f():\n  x = 1\n  def g(): return x + y\n  return g", "y", "", ""),
        ("def f():\n  def g():\n    global z\n    z = 1\n  return g", "", "z", ""),
        ("def f():\n  class A:\n    x = 1\n    y = x\n    z = w\n  return A", "w", "", ""),
        ("def f():\n  class A:\n    if c: x = 1\n    y = x\n  return A", "c x", "", ""),
        ("def f():\n  class A:\n    def m(self): return k\n  return A", "k", "", ""),
        ("def f():\n  class A:\n    global g\n    g = 1\n  return A", "", "g", ""),
        ("def f():\n  import a.b.c\n  from d import e, g\n  return a, e", "", "", "a a.b a.b.c d d.e d.g"),
        ("def f():\n  from . import h\n  from ..i import j", "", "", ". .h ..i ..i.j"),
    ],
)
def test_global_names(source: str, reads: str, writes: str, imports: str) -> None:
    """Global names are those of the function and of all code nested in it."""
    found = facts(source)
    assert found.reads == set(reads.split())
    assert found.writes == set(writes.split())
    assert found.imports == set(imports.split())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(): return eval('x')", {"eval"}),
        ("def f(): return list(map(exec, x))", {"exec"}),
        ("def f(): return globals()", {"globals"}),
        ("def f(): return locals(), vars(x)", set()),
        ("def f(df): return df.eval('x')", set()),
        ("def f(): return get_ipython().user_ns", {"user_ns"}),
        ("def f(): import __main__", {"__main__"}),
        ("def f(): return sys.modules['__main__']", {"__main__"}),
        ("def f():\n  if __name__ == '__main__': g()", set()),
        ("def f(): get_ipython().run_cell(x)", {"get_ipython().run_cell"}),
        ("def f(): return sys._getframe(1).f_locals", {"f_locals"}),
        ("def f(): return f.__globals__", {"__globals__"}),
        ("def f(): return getattr(frame, 'f_globals')", {"f_globals"}),
    ],
)
def test_dynamic(source: str, expected: set[str]) -> None:
    """Means to read names that cannot be known beforehand are reported."""
    assert facts(source).dynamic == expected


SPOKEN = """
    def f(df):
        "a docstring of words"
        x = df["column"]
        return df.query("a > @thr", engine="numexpr"), open("data"), "b/c.csv", {"key": 1}
"""


def test_mentions_and_paths_with_source() -> None:
    """With source that compiles to the same code only strings that reach a call are mentioned."""
    found = facts_with_source(SPOKEN, "<spoken>")
    assert found.mentions == {"a", "thr", "numexpr", "data"}
    assert found.paths == {"data", "b/c.csv", "a > @thr", "numexpr"}


def test_mentions_and_paths_without_source() -> None:
    """Without source every string but the docstring may be one; the digest is the same."""
    found = facts(SPOKEN)
    assert {"a", "thr", "numexpr", "data", "column", "b", "c", "csv"} <= found.mentions
    assert not {"docstring", "of", "words"} & found.mentions
    assert {"data", "b/c.csv"} <= found.paths
    assert found.digest == facts_with_source(SPOKEN, "<spoken again>").digest


def test_changed_source_is_not_trusted() -> None:
    """Source that has been edited since is not what the function runs: every string counts."""
    func = define("def f(x): return x['column']", filename="<edited>")
    text = "def f(x): return x['other']\n"
    linecache.cache["<edited>"] = (len(text), None, [text], "<edited>")
    assert function_facts(func).mentions == {"column"}


def test_source_of_decorated_functions_and_lambdas_is_found() -> None:
    """Decorators, `await` at top level and several lambdas on a line do not hide the source."""
    text = "def d(g): return g\n@d\ndef f(x): return x['no'], x('yes')\n"
    assert facts_with_source(text, "<decorated>").mentions == {"yes"}
    text = "f, g = lambda x: x('one')['no'], lambda x: x('two')\n"
    assert facts_with_source(text, "<lambdas>").mentions == {"one", "two"}


@pytest.mark.parametrize(
    ("text", "bare", "expected"),
    [
        ("a/b", False, True),
        ("*.csv", False, True),
        ("a\\b", False, True),
        ("word", False, False),
        ("word", True, True),
        ("a/b\nc", True, False),
        ("", True, False),
        ("/" * 4097, True, False),
        ("/" * 4096, True, True),
    ],
)
def test_what_looks_like_a_path(text: str, bare: bool, expected: bool) -> None:
    """A path has a separator, a dot or a star, or is a bare word where that is allowed."""
    assert looks_like_path(text, bare=bare) is expected


@pytest.mark.parametrize("module", [typing, dis, subprocess, linecache])
def test_operations_are_those_that_dis_tells(module) -> None:
    """The names that instructions are about come from this version of Python, modules of many names included."""
    many = "\n".join(f"name_{n}.attribute_{n} = other_{n}" for n in range(300))
    texts = [Path(module.__file__).read_text(), many, "class A(B):\n def f(self): return super().f(x)"]
    codes = [code for text in texts for code in code_module.all_codes(compile(text, "<text>", "exec"))]
    assert len(codes) > 8
    for code in codes:
        told = [each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
        named = [(each.opname, each.argval if each.opcode in dis.hasname else "") for each in told]
        assert [each for each in operations(code) if each[0] != "CACHE"] == named
