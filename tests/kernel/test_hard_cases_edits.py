"""Which edits before a step run it again, and which do not: pairs that a wrong key confuses (DESIGN §4, rows 5, 8).

All in one story: cells as they were, SIGKILL, cells as they are now, compared with an uninterrupted run of these. Where
an edit changes what the step would compute, a wrong replay shows in its value.
"""

from __future__ import annotations

import textwrap

import pytest
from hard_cases import Case, asked, holds, play

WRAP = "import functools\ndef d(f):\n    @functools.wraps(f)\n    def inner(): return f() + {0}\n    return inner\n@d\n"
FACTORY = (
    "import dataclasses\n@dataclasses.dataclass\nclass C:\n"
    "    x: list = dataclasses.field(default_factory=lambda: [{0}])"
)

# name -> the cell before the step as it was, the cell as it is now, and what the step computes
RUNS = {
    # -- sharing and values
    "alias": ("a = [1]\nb = a", "a = [1]\nb = a.copy()", "a is b"),
    "alias_inside": ("a = [[]] * 3", "a = [[] for _ in range(3)]", "a[0] is a[1]"),
    "alias_attribute": (
        "class C: pass\na, b = C(), [1]\na.v = b",
        "class C: pass\na, b = C(), [1]\na.v = [1]",
        "a.v is b",
    ),
    "alias_array": ("a = np.arange(3)\nb = a[:2]", "a = np.arange(3)\nb = a[:2].copy()", "np.shares_memory(a, b)"),
    "one_item": ("a = list(range(10000))", "a = list(range(10000))\na[5000] = -1", "sum(a)"),
    "one_cell": ("a = np.zeros(100000)", "a = np.zeros(100000)\na[77777] = 1", "a.sum()"),
    "int_float": ("a = 1", "a = 1.0", "repr(a)"),
    "bool_int": ("a = True", "a = 1", "repr(a)"),
    "minus_zero": ("a = 0.0", "a = -0.0", "repr(a)"),
    "text_bytes": ("a = 'x'", "a = b'x'", "repr(a)"),
    "tuple_list": ("a = (1, 2)", "a = [1, 2]", "repr(a)"),
    "dict_order": ("a = {1: 1, 2: 2}", "a = {2: 2, 1: 1}", "list(a)"),
    "subclass": ("class L(list): pass\na = [1]", "class L(list): pass\na = L([1])", "type(a).__name__"),
    "dtype": ("a = np.arange(3)", "a = np.arange(3).astype('i4')", "str(a.dtype)"),
    "column_order": ("a = pd.DataFrame({'x': [1], 'y': [2]})", "a = pd.DataFrame({'y': [2], 'x': [1]})", "list(a)"),
    "frame_attrs": ("a = pd.DataFrame({'x': [1]})", "a = pd.DataFrame({'x': [1]})\na.attrs['u'] = 1", "dict(a.attrs)"),
    "frame_attribute": (
        "a = pd.DataFrame({'x': [1]})\na.note = 1",
        "a = pd.DataFrame({'x': [1]})\na.note = 2",
        "a.note",
    ),
    "held_lock": (
        "import threading\na = threading.Lock()",
        "import threading\na = threading.Lock()\na.acquire()",
        "a.locked()",
    ),
    "categories": (
        "a = pd.Series(pd.Categorical(['x'], ['x']))",
        "a = pd.Series(pd.Categorical(['x'], ['x', 'y']))",
        "len(a.cat.categories)",
    ),
    "index_name": ("a = pd.Series([1])", "a = pd.Series([1])\na.index.name = 'k'", "a.index.name"),
    "array_order": ("a = np.zeros((2, 3))", "a = np.zeros((2, 3), order='F')", "a.flags.f_contiguous"),
    "cycle": ("a = [[]]\na[0].append(a)", "a = [[]]\na[0].append(a[0])", "a[0][0] is a"),
    # -- functions
    "default": ("def f(x=1): return x", "def f(x=2): return x", "f()"),
    "keyword_default": ("def f(*, x=1): return x", "def f(*, x=2): return x", "f()"),
    "default_by_name": ("k = 1\ndef f(x=k): return x", "k = 2\ndef f(x=k): return x", "f()"),
    "closure": ("def make(n): return lambda: n\nf = make(1)", "def make(n): return lambda: n\nf = make(2)", "f()"),
    "closure_list": (
        "def make(n): return lambda: n[0]\nf = make([1])",
        "def make(n): return lambda: n[0]\nf = make([2])",
        "f()",
    ),
    "late_binding": (
        "fs = [lambda: i for i in range(3)]",
        "fs = [lambda i=i: i for i in range(3)]",
        "[f() for f in fs]",
    ),
    "decorator": (
        "def d(f): return lambda: f() + 1\n@d\ndef f(): return 1",
        "def d(f): return lambda: f() + 2\n@d\ndef f(): return 1",
        "f()",
    ),
    "decorator_added": (
        "def d(f): return lambda: f() + 1\ndef f(): return 1",
        "def d(f): return lambda: f() + 1\n@d\ndef f(): return 1",
        "f()",
    ),
    "wrapped": (f"{WRAP.format(1)}def f(): return 1", f"{WRAP.format(2)}def f(): return 1", "f()"),
    "cached": (
        "import functools\n@functools.lru_cache\ndef f(): return 1",
        "import functools\n@functools.lru_cache\ndef f(): return 2",
        "f()",
    ),
    "attribute_of_function": ("def f(): return f.k\nf.k = 1", "def f(): return f.k\nf.k = 2", "f()"),
    "partial": (
        "import functools\nf = functools.partial(max, 1)",
        "import functools\nf = functools.partial(max, 3)",
        "f(2)",
    ),
    "partial_of_helper": (
        "import functools\ndef g(a, b): return a + b\nf = functools.partial(g, 1)",
        "import functools\ndef g(a, b): return a - b\nf = functools.partial(g, 1)",
        "f(2)",
    ),
    "dispatch": (
        "import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _i(x: int): return 1",
        "import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _i(x: int): return 2",
        "f(5)",
    ),
    "table_of_functions": ("t = {'f': lambda: 1}", "t = {'f': lambda: 2}", "t['f']()"),
    "passed_on": ("def key(x): return x", "def key(x): return -x", "sorted([1, 2], key=key)"),
    "made_by_exec": ("exec('def f(): return 1')", "exec('def f(): return 2')", "f()"),
    "generator_function": ("def g(): yield 1", "def g(): yield 2", "list(g())"),
    "async_function": ("async def f(): return 1", "async def f(): return 2", "await f()"),
    "async_generator": ("async def g(): yield 1", "async def g(): yield 2", "[x async for x in g()]"),
    "context_manager": (
        "import contextlib\n@contextlib.contextmanager\ndef c(): yield 1",
        "import contextlib\n@contextlib.contextmanager\ndef c(): yield 2",
        "\nwith c() as v:\n    r_{0} = v",
    ),
    # -- where a global is read
    "in_nested_function": (
        "k = 1\ndef f():\n    def g(): return k\n    return g()",
        "k = 2\ndef f():\n    def g(): return k\n    return g()",
        "f()",
    ),
    "in_lambda": ("k = 1\nf = lambda: (lambda: k)()", "k = 2\nf = lambda: (lambda: k)()", "f()"),
    "in_comprehension": ("k = 1\ndef f(): return [k for _ in 'x']", "k = 2\ndef f(): return [k for _ in 'x']", "f()"),
    "in_comprehension_of_step": ("k = 1", "k = 2", "[y for y in (k,) if k]"),
    "in_format": ("k, w = 1, 3", "k, w = 1, 5", "f'{{k:{{w}}}}'"),
    "in_class_body": ("k = 1", "k = 2", "\nclass Inner:\n    v = k\nr_{0} = Inner.v"),
    "in_default": ("k = 1", "k = 2", "\ndef inner(x=k):\n    return x\nr_{0} = inner()"),
    "in_decorator": ("def d(f): return 1", "def d(f): return 2", "\n@d\ndef made():\n    pass\nr_{0} = made"),
    "in_star": ("k = [1]", "k = [2]", "[*k]"),
    "in_double_star": ("k = {'a': 1}", "k = {'a': 2}", "dict(**k)"),
    "in_slice": ("k = 1", "k = 2", "'abc'[k:]"),
    "in_walrus": ("k = 1", "k = 2", "[z := k, z]"),
    "in_condition": ("k = False", "k = True", "'yes' if k else 'no'"),
    "in_match": (
        "class P:\n    __match_args__ = ('a', 'b')\np = P()\np.a, p.b = 1, 2",
        "class P:\n    __match_args__ = ('b', 'a')\np = P()\np.a, p.b = 1, 2",
        "\nmatch p:\n    case P(first):\n        r_{0} = first",
    ),
    "in_except": (
        "class E(ValueError): pass\ndef f(): raise E('x')",
        "class E(KeyError): pass\ndef f(): raise E('x')",
        "\ntry:\n    f()\nexcept ValueError:\n    r_{0} = 1\nexcept KeyError:\n    r_{0} = 2",
    ),
    "in_query": (
        "k = 1\na = pd.DataFrame({'x': [1, 2, 3]})",
        "k = 2\na = pd.DataFrame({'x': [1, 2, 3]})",
        "len(a.query('x > @k'))",
    ),
    "in_queries": (
        "k, asked = 1, ['x > @k', 'x < 9']\na = pd.DataFrame({'x': [1, 2, 3]})",
        "k, asked = 2, ['x > @k', 'x < 9']\na = pd.DataFrame({'x': [1, 2, 3]})",
        "len(a.query(' and '.join(asked)))",
    ),
    "in_eval_of_declared": ("k = 1", "k = 2", " --inputs k\nr_{0} = eval('k')"),
    "by_global_statement": (
        "k = 1\ndef f():\n    global k\n    return k",
        "k = 2\ndef f():\n    global k\n    return k",
        "f()",
    ),
    "by_method_of_object": (
        "k = 1\nclass C:\n    def f(self): return k\nc = C()",
        "k = 2\nclass C:\n    def f(self): return k\nc = C()",
        "c.f()",
    ),
    "conditional_binding": (
        "flag = True\nif flag:\n    def f(): return 1\nelse:\n    def f(): return 2",
        "flag = False\nif flag:\n    def f(): return 1\nelse:\n    def f(): return 2",
        "f()",
    ),
    "loop_variable": ("for lv in range(3): pass", "for lv in range(4): pass", "lv"),
    "unpacked": ("a, *b = 'xyz'", "*a, b = 'xyz'", "(a, b)"),
    "deleted": (
        "maybe = 1",
        "maybe = 1\ndel maybe",
        "\ntry:\n    r_{0} = maybe\nexcept NameError:\n    r_{0} = 'none'",
    ),
    "module_alias": ("import math as m", "import cmath as m", "str(m.sqrt(4))"),
    "other_import": ("from operator import add as op", "from operator import mul as op", "op(3, 4)"),
    "attribute_of_module": ("import colorsys\ncolorsys.K = 1", "import colorsys\ncolorsys.K = 2", "colorsys.K"),
    "star_import": (
        "pathlib.Path('starred.py').write_text('k = 1')\nfrom starred import *",
        "pathlib.Path('starred.py').write_text('k = 20')\nfrom starred import *",
        "k",
    ),
    # -- classes
    "class_attribute": ("class C:\n    k = 1", "class C:\n    k = 2", "C.k"),
    "inherited_method": (
        "class B:\n    def f(self): return 1\nclass C(B): pass",
        "class B:\n    def f(self): return 2\nclass C(B): pass",
        "C().f()",
    ),
    "inherited_by_super": (
        "class B:\n    def f(self): return 1\nclass C(B):\n    def f(self): return super().f()",
        "class B:\n    def f(self): return 2\nclass C(B):\n    def f(self): return super().f()",
        "C().f()",
    ),
    "order_of_bases": (
        "class A: k = 1\nclass B: k = 2\nclass C(A, B): pass",
        "class A: k = 1\nclass B: k = 2\nclass C(B, A): pass",
        "C.k",
    ),
    "property": (
        "class C:\n    @property\n    def p(self): return 1",
        "class C:\n    @property\n    def p(self): return 2",
        "C().p",
    ),
    "cached_property": (
        "import functools\nclass C:\n    @functools.cached_property\n    def p(self): return 1",
        "import functools\nclass C:\n    @functools.cached_property\n    def p(self): return 2",
        "C().p",
    ),
    "static_method": (
        "class C:\n    @staticmethod\n    def f(): return 1",
        "class C:\n    @staticmethod\n    def f(): return 2",
        "C.f()",
    ),
    "class_method": (
        "class C:\n    @classmethod\n    def f(cls): return 1",
        "class C:\n    @classmethod\n    def f(cls): return 2",
        "C.f()",
    ),
    "partial_method": (
        "import functools\nclass C:\n    def g(self, x): return x\n    f = functools.partialmethod(g, 1)",
        "import functools\nclass C:\n    def g(self, x): return x\n    f = functools.partialmethod(g, 2)",
        "C().f()",
    ),
    "metaclass": (
        "class M(type):\n    def f(cls): return 1\nclass C(metaclass=M): pass",
        "class M(type):\n    def f(cls): return 2\nclass C(metaclass=M): pass",
        "C.f()",
    ),
    "descriptor": (
        "class D:\n    def __get__(self, o, c): return 1\nclass C:\n    d = D()",
        "class D:\n    def __get__(self, o, c): return 2\nclass C:\n    d = D()",
        "C.d",
    ),
    "operator": (
        "class C:\n    def __add__(self, o): return 1\nc = C()",
        "class C:\n    def __add__(self, o): return 2\nc = C()",
        "c + c",
    ),
    "call": (
        "class C:\n    def __call__(self): return 1\nc = C()",
        "class C:\n    def __call__(self): return 2\nc = C()",
        "c()",
    ),
    "get_attribute": (
        "class C:\n    def __getattr__(self, n): return 1\nc = C()",
        "class C:\n    def __getattr__(self, n): return 2\nc = C()",
        "c.x",
    ),
    "patched_method": (
        "class C:\n    def f(self): return 1",
        "class C:\n    def f(self): return 1\nC.f = lambda s: 2",
        "C().f()",
    ),
    "patched_object": (
        "class C:\n    def f(self): return 1\nc = C()",
        "class C:\n    def f(self): return 1\nc = C()\nc.f = lambda: 2",
        "c.f()",
    ),
    "bound_method": (
        "class C:\n    def f(self): return self.v\nc = C()\nc.v = 1\nm = c.f",
        "class C:\n    def f(self): return self.v\nc = C()\nc.v = 2\nm = c.f",
        "m()",
    ),
    "class_of_object": (
        "class A: k = 1\nclass B: k = 2\nc = A()",
        "class A: k = 1\nclass B: k = 2\nc = A()\nc.__class__ = B",
        "c.k",
    ),
    "dataclass_default": (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 1",
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 2",
        "C().x",
    ),
    "dataclass_factory": (FACTORY.format(1), FACTORY.format(2), "C().x"),
    "dataclass_order": (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int\n    y: int",
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    y: int\n    x: int",
        "C(1, 2).x",
    ),
    "enum_value": (
        "import enum\nclass E(enum.Enum):\n    A = 1",
        "import enum\nclass E(enum.Enum):\n    A = 2",
        "E.A.value",
    ),
    "enum_member": (
        "import enum\nclass E(enum.Enum):\n    A = 1",
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2",
        "len(E)",
    ),
    "named_tuple_default": (
        "import typing\nclass N(typing.NamedTuple):\n    x: int = 1",
        "import typing\nclass N(typing.NamedTuple):\n    x: int = 2",
        "N().x",
    ),
    "nested_class": (
        "class C:\n    class I:\n        k = 1",
        "class C:\n    class I:\n        k = 2",
        "C.I.k",
    ),
    "registered": (
        "import abc\nclass A(abc.ABC): pass\nclass C: pass",
        "import abc\nclass A(abc.ABC): pass\nclass C: pass\nA.register(C)",
        "isinstance(C(), A)",
    ),
    "subclass_hook": (
        "class B:\n    def __init_subclass__(cls): cls.k = 1",
        "class B:\n    def __init_subclass__(cls): cls.k = 2",
        "\nclass Sub(B):\n    pass\nr_{0} = Sub.k",
    ),
    "type_alias": ("Alias = list[int]", "Alias = list[str]", "str(Alias)"),
    "annotations": (
        "import typing\ndef f(x: int): pass",
        "import typing\ndef f(x: str): pass",
        "str(typing.get_type_hints(f))",
    ),
    "context_variable": (
        "import contextvars\ncv = contextvars.ContextVar('cv')\nholder = [1]\ndef f(): return cv.get(holder[0])",
        "import contextvars\ncv = contextvars.ContextVar('cv')\nholder = [2]\ndef f(): return cv.get(holder[0])",
        "f()",
    ),
}

REPLAYS = {
    "comment": ("def f():\n    return 1", "def f():  # why\n    # because\n    return 1", "f()"),
    "layout": ("def f(): return [1, 2]", "def f():\n\n    return [\n        1,\n        2,\n    ]", "f()"),
    "quotes": ("def f(): return 'x'", 'def f(): return "x"', "f()"),
    "equal_value": ("a = 4", "a = 2 + 2", "a"),
    "equal_list": ("a = [0, 1]", "a = list(range(2))", "a"),
    "equal_set": ("a = {'x', 'y', 'z'}", "a = {'z', 'y', 'x'}", "sorted(a)"),
    "nan": ("a = [float('nan')]", "a = [float('n' + 'an')]", "len(a)"),
    "unrelated_variable": ("u, a = 1, 5", "u, a = 2, 5", "a"),
    "unrelated_function": ("def u(): return 1\ndef f(): return 5", "def u(): return 2\ndef f(): return 5", "f()"),
    "order_of_definitions": ("def g(): return 1\ndef f(): return g()", "def f(): return g()\ndef g(): return 1", "f()"),
    "local_shadows_global": (
        "k = 1\ndef f():\n    k = 5\n    return k",
        "k = 2\ndef f():\n    k = 5\n    return k",
        "f()",
    ),
    "parameter_shadows_global": ("k = 1\ndef f(k): return k", "k = 2\ndef f(k): return k", "f(5)"),
    "comprehension_shadows_global": ("k = 1", "k = 2", "[k for k in range(3)]"),
    "attribute_named_like_global": (
        "k = 1\nclass C: k = 5\nc = C()",
        "k = 2\nclass C: k = 5\nc = C()",
        "c.k",
    ),
    "keyword_named_like_global": ("k = 1", "k = 2", "dict(k=5)"),
    "key_named_like_global": ("k, d = 1, {'k': 5}", "k, d = 2, {'k': 5}", "d['k']"),
    "docstring_names_global": (
        "k = 1\ndef f():\n    'k'\n    return 5",
        "k = 2\ndef f():\n    'k'\n    return 5",
        "f()",
    ),
    "bound_before_read": ("k = 1", "k = 2", "\nk = 5\nr_{0} = k"),
    "same_alias": ("a = [1]\nb = [a, a]", "a = [1]\nb = [a] * 2", "b[0] is b[1]"),
    "shared_atoms": ("a = ('x' * 3, 'x' * 3)", "s = 'x' * 3\na = (s, s)", "a"),
    "module_imported_by_step": ("u = 1", "u = 2", "\nimport cmath as m_\nr_{0} = m_.pi"),
    "called_before": (
        "import functools\n@functools.lru_cache\ndef f(): return 1",
        "import functools\n@functools.lru_cache\ndef f(): return 1\nf()",
        "f()",
    ),
}

SHARES = {"alias", "alias_attribute", "alias_array"}  # nothing but what is shared between names is another


def case(name, table, expected):
    was, now, computed = (textwrap.dedent(each) for each in table[name])
    if computed.startswith(("\n", " --")):
        step = f"%%step {name}{computed.format(name)}"
    else:
        step = (
            f"%%step {name}\nr_{name} = {computed}"
            if "{{" not in computed
            else f"%%step {name}\nr_{name} = {computed.format()}"
        )
    cells = [f"{setup}\n# %%\n{step}\n# %%\nr_{name}" for setup in (now, was)]
    why = "which objects its inputs share changed" if name in SHARES else ""
    return Case(cells[0], None, before=cells[1], **{expected: {name: why} if expected == "runs" else (name,)})


CASES = {name: case(name, RUNS, "runs") for name in RUNS} | {name: case(name, REPLAYS, "replays") for name in REPLAYS}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    return play(tmp_path_factory.mktemp("edits"), asked(request, CASES))


@pytest.mark.parametrize("name", RUNS)
def test_an_edit_that_matters(stories, name):
    """A step runs again when anything that it reaches is edited, however it is reached, and then has the new value."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", REPLAYS)
def test_an_edit_that_does_not_matter(stories, name):
    """A step replays when what was edited is only written differently, or is nothing that the step reads."""
    holds(CASES[name], stories[name])
