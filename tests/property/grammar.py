"""Cells of generated notebooks: what a cell may do to lists, dicts, arrays, functions, classes and their instances.

Each name keeps to one kind of value, so that most statements succeed in most orders of the cells.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from hypothesis import strategies as st

SETUP = "import copy, random, sys\nimport numpy as np\nrandom.seed(7)"
TICK = "sys.audit('tick')"

NAMES = {
    "L": ("a", "b", "c"),  # lists of numbers and text
    "M": ("m", "q"),  # lists of lists
    "D": ("d", "e"),  # dicts of lists
    "N": ("n", "k"),  # numbers
    "F": ("f", "g"),  # functions of one number
    "O": ("o", "p"),  # instances of C, with a list v
    "X": ("x", "y"),  # arrays of six numbers
    "S": ("s",),  # sets
    "T": ("t",),  # tuples that begin with a list
    "I": tuple("0123456789"),  # numbers themselves
    "K": ("'one'", "'two'"),  # keys
}
_PLACE = re.compile(r"\{([A-Z])\}")

_COUNTER = """\
def make():
    box = []
    def counted(x):
        box.append(x)
        return len(box)
    return counted
{F} = make()"""
_SIMPLE = """\
class C:
    made = []
    def __init__(self, v):
        self.v = v
    def grow(self, x):
        self.v.append(x)
        return len(self.v)"""
_SCALED = """\
class C:
    made = []
    scale = {I}
    def __init__(self, v):
        self.v = v
    def grow(self, x):
        self.v.append(x * self.scale + {N})
        return {N}"""
_DERIVED = """\
class Base:
    def grow(self, x):
        return x
class C(Base):
    made = []
    def __init__(self, v):
        self.v = v
        self.made.append(v)"""

# One of each kind: a notebook begins by making everything that others use.
MAKERS = {
    "L": ["{L} = [{I}, {I}]", "{L} = [{I}]", "{L} = ['one', {I}]", "{L} = []"],
    "M": ["{M} = [[{I}], [{I}]]", "{M} = [[{I}]] * 2", "{M} = [{L}, {L}]", "{M} = [{L}, {L}.copy()]"],
    "D": ["{D} = {'one': [{I}], 'two': []}", "{D} = {'one': {L}, 'two': {L}}", "{D} = dict(one={L}, two=list({L}))"],
    "N": ["{N} = {I}", "{N} = len({L})", "{N} = 1000 + {I}", "{N} = round(random.random(), 6)"],
    "F": [
        "def {F}(x):\n    return x + {I}",
        "def {F}(x):\n    return x + {N}",
        "def {F}(x, seen=[]):\n    seen.append(x)\n    return len(seen)",
        "def {F}(x):\n    {L}.append(x)\n    return len({L})",
        "def {F}(x):\n    global {N}\n    {N} = x\n    return x",
        _COUNTER,
        "{F} = lambda x: x * {I}",
    ],
    "C": [_SIMPLE, _SCALED, _DERIVED],
    "O": ["{O} = C([{I}])", "{O} = C({L})"],
    "X": ["{X} = np.arange(6)", "{X} = np.zeros(6, dtype=int) + {I}", "{X} = np.arange(12)[::2]"],
    "S": ["{S} = {{I}, 'one'}", "{S} = set(map(str, {L}))"],
    "T": ["{T} = ({L}, {N})", "{T} = ([{I}], {N})"],
}
_MAKERS = tuple(each for group in MAKERS.values() for each in group)

_BINDERS = (
    "{L} = {L}",
    "{L} = {M}[0]",
    "{L} = {D}[{K}]",
    "{L} = {O}.v",
    "{L} = {T}[0]",
    "{L} = list({L})",
    "{L} = {L} + [{N}]",
    "{L} = [{F}(each) for each in range({I})]",
    "{M} = {M}",
    "{M} = copy.deepcopy({M})",
    "{M} = [list(each) for each in {M}]",
    "{M} = list({M})",
    "{M} = [{O}.v, {D}[{K}]]",
    "{D} = {D}",
    "{D} = dict({D})",
    "{D} = copy.deepcopy({D})",
    "{N} = {N} + 1",
    "{N} += {I}",
    "{N} = {F}({I})",
    "{N} = {F}({N})",
    "{N} = {F}({F}({I}))",
    "{N} = {O}.grow({I})",
    "{N} = len({M}[0]) + {N}",
    "{N} = int({X}.sum())",
    "{N} = len({S})",
    "{N} = random.randrange(1000)",
    "{F} = {F}",
    "{O} = {O}",
    "{O} = copy.copy({O})",
    "{O} = copy.deepcopy({O})",
    "{X} = {X}",
    "{X} = {X}[:]",
    "{X} = {X}[::-1]",
    "{X} = {X} + {I}",
    "{X} = {X}.copy()",
    "{T} = ({L}, {L})",
    "if {N} > {I}:\n    {L} = [{N}]",
    "for each in list({L}):\n    {N} = each",
    "try:\n    {N} = {L}[{I}]\nexcept IndexError:\n    {L} = []",
    "({N} := {I})",
)
_MUTATORS = (
    "{L}.append({N})",
    "{L}.append({I})",
    "{L} += [{I}]",
    "{L}[:] = [{I}]",
    "{L}.clear()",
    "{L}.reverse()",
    "{M}.append({L})",
    "{M}[0] = {L}",
    "{M}[0].append({I})",
    "{M}[-1].append({N})",
    "{D}[{K}] = {L}",
    "{D}[{K}].append({I})",
    "{D}['new'] = [{I}]",
    "{D}.pop('new', None)",
    "{D}.update(one={L})",
    "{O}.v = {L}",
    "{O}.v.append({I})",
    "{O}.grow({I})",
    "{O}.other = {O}",
    "C.made.append({I})",
    "C.scale = {N}",
    "{X}[0] = {I}",
    "{X}[2:4] += 1",
    "{X} += {I}",
    "{S}.add({N})",
    "{T}[0].append({I})",
    "{F}.note = {L}",
    "{F}({I})",
    "random.random()",
)
_DELETERS = ("del {L}", "del {N}", "del {O}", "del {D}[{K}]", "del {F}", "del C")
_SHOWERS = ("print({L}, {N})", "print({M}[0] is {L}, {M})", "print(type({O}) is C, {O}.v)", "print({F}({I}))")
_RESULTS = ("{L}", "{D}", "{M}", "{N}", "{X}.tolist()", "{O}.v", "{F}({I})", "{L} is {L}")


# Statements that differ in nothing but what is shared; each turns into the other.
_TWINS = (
    (r"([a-z](?:\.v)?) = ([a-z])", r"\1 = copy.copy(\2)"),
    (r"([a-z](?:\.v)?) = copy\.copy\(([a-z])\)", r"\1 = \2"),
    (r"([a-z]) = \[\[(\d)\]\] \* 2", r"\1 = [[\2] for _ in range(2)]"),
    (r"([a-z]) = \[\[(\d)\] for _ in range\(2\)\]", r"\1 = [[\2]] * 2"),
    (r"([a-z]) = C\(([a-z])\)", r"\1 = C(list(\2))"),
    (r"([a-z]) = C\(list\(([a-z])\)\)", r"\1 = C(\2)"),
    (r"([a-z]) = ([a-z])\[:\]", r"\1 = \2.copy()"),
    (r"([a-z]) = ([a-z])\.copy\(\)", r"\1 = \2[:]"),
)
# A statement that shares something, those of a step that change one and look at the other, and one that only looks:
# only the latter has nothing but the fingerprint of its inputs to tell it from an equal one.
_SHARINGS = (
    ("a = b", ("a.append(1)", "n = len(b)"), "n = int(a is b)"),
    ("d = e", ("d['one'] = [1]", "n = len(e['one'])"), "n = int(d is e)"),
    ("m = [[3]] * 2", ("m[0].append(1)", "n = len(m[1])"), "n = int(m[0] is m[1])"),
    ("o.v = c", ("o.v.append(1)", "n = len(c)"), "n = int(o.v is c)"),
    ("p = C(c)", ("p.v.append(1)", "n = len(c)"), "n = int(p.v is c)"),
    ("x = y[:]", ("x[0] = 9", "n = int(y.sum())"), "n = int(np.shares_memory(x, y))"),
)


@dataclass(frozen=True)
class Body:
    """The code of a cell.

    Attributes:
        statements: in order; one of them tells that the body really runs.
        layout: how it is written down; makes no difference to what it means.
    """

    statements: tuple[str, ...]
    layout: int = 0

    @property
    def source(self):
        """The code as written."""
        return _LAYOUTS[self.layout](self.statements)

    @property
    def twin(self):
        """The same code with a copy for what it shares, or the other way round; None where it does neither."""
        for number, statement in enumerate(self.statements):
            for pattern, other in _TWINS:
                found = re.fullmatch(pattern, statement)
                if found:
                    return Body((*self.statements[:number], found.expand(other), *self.statements[number + 1 :]))
        return None

    @property
    def meaning(self):
        """What two bodies have in common that differ in comments and layout only."""
        return ast.dump(ast.parse("\n".join(self.statements)))

    @property
    def mentions(self):
        """The names in it."""
        nodes = list(ast.walk(ast.parse("\n".join(self.statements))))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        return names | {name for node in nodes if isinstance(node, ast.Global) for name in node.names}


def _commented(statements):
    lines = "\n".join(statements).split("\n")
    return "# a note\n\n" + "\n".join(f"{line}  # {number}" for number, line in enumerate(lines))


def _requoted(statements):
    return "\n\n".join(each.replace("'", '"') for each in statements)


def _respaced(statements):
    return "\n".join(each.replace(", ", " ,").replace("    ", "  ") for each in statements) + "\n\n# the end"


_LAYOUTS = ("\n".join, _commented, _requoted, _respaced)
LAYOUTS = len(_LAYOUTS)


@st.composite
def _filled(draw, templates, **names):
    """Draw a statement; ``names`` are the choices for a kind where they are not all."""
    template = draw(st.sampled_from(templates))
    return _PLACE.sub(lambda place: draw(st.sampled_from(names.get(place[1], NAMES[place[1]]))), template)


def _mostly(common, rare):
    return st.integers(0, 9).flatmap(lambda n: rare if n == 9 else common)


_STATEMENT = st.one_of(
    _filled(_BINDERS),
    _filled(_MUTATORS),
    _filled(_BINDERS),
    _filled(_MAKERS),
    _mostly(_filled(_SHOWERS), _filled(_DELETERS)),
)


@st.composite
def bodies(draw, statement=_STATEMENT, largest=3):
    """Draw the code of a cell."""
    statements = draw(st.lists(statement, min_size=1, max_size=largest))
    statements.insert(draw(st.integers(0, len(statements))), TICK)
    if draw(st.booleans()):
        statements.append(draw(_filled(_RESULTS)))
    return Body(tuple(statements))


@st.composite
def beginnings(draw, cells=4):
    """Draw the cells that a notebook begins with: they make everything that others use."""
    kinds = [(kind, name) for kind in MAKERS for name in NAMES.get(kind, ("C",))]
    made = [draw(_filled(MAKERS[kind], **{kind: (name,)})) for kind, name in kinds]
    size = -(-len(made) // cells)
    return [Body((*made[at : at + size], TICK)) for at in range(0, len(made), size)]


@st.composite
def sharings(draw):
    """Draw two cells: one shares an object, or not, and the other tells."""
    shares, changes, looks = draw(st.sampled_from(_SHARINGS))
    sharing = Body((TICK, shares))
    tells = changes if draw(st.booleans()) else (looks,)
    return [sharing.twin if draw(st.booleans()) else sharing, Body((TICK, *tells))]
