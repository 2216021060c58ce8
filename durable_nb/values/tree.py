"""What string literals and calls in a syntax tree say about inputs that no name analysis can see."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

N = TypeVar("N", bound=ast.AST)

MAX_PATH = 4096
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"'([^'\n]+)'|\"([^\"\n]+)\"")
# What these are given is shown, never run: a word in it is no variable.
_SHOWING = frozenset({"print"})
_MATCHERS = frozenset({"glob", "iglob", "rglob"})
_PATH_SIGNS = frozenset("/\\.*")
# Whoever holds one of these can read any global, also when it is passed on (`map(eval, rows)`).
DYNAMIC_NAMES = frozenset({"eval", "exec", "globals"})
# These read the module's names only when called without arguments outside of a function.
_SCOPE_READERS = frozenset({"locals", "vars", "dir"})
# The notebook's names by way of the shell, of a frame, or of any function; also as text, for `getattr`.
DYNAMIC_ATTRIBUTES = frozenset({"user_ns", "user_global_ns", "user_module", "f_globals", "f_locals", "__globals__"})
SHELL_ATTRIBUTES = frozenset({"ev", "ex", "run_cell", "run_cell_async", "run_code", "push"})
# What notebooks call the shell: `ip = get_ipython()`.
_SHELLS = frozenset({"ip", "ipython", "shell"})
_DYNAMIC_MAGICS = frozenset({"rerun", "recall", "macro", "store", "pylab", "who", "who_ls", "whos"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_MAIN = "__main__"
# Whether something is loaded or stored stands beside the name, an operator beside its operands.
_TELL_NOTHING = frozenset({"ctx", "op", "ops", "kind", "type_comment", "type_ignores"})
_DYNAMIC_TEXTS = DYNAMIC_ATTRIBUTES | {_MAIN}


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """What a piece of code may depend on beside the names it reads.

    Attributes:
        mentions: identifiers inside string literals that reach a call as an argument.
        dynamic: the means by which the code can read names that cannot be known beforehand.
        paths: string literals that may name a file, a directory or a glob.
    """

    mentions: frozenset[str]
    dynamic: frozenset[str]
    paths: frozenset[str]


def tree_facts(tree: ast.AST, *, skip: Collection[ast.AST] = ()) -> TreeFacts:
    """Collect the facts of a module, a function or any other node.

    Args:
        tree: the node; statements in it that are only a string (docstrings) never count.
        skip: nodes of the tree not to look into, compared by identity.

    Returns:
        The facts of the node and everything below it.
    """
    nodes = _Nodes(tree, skip)
    patterns = list(_patterns(nodes))
    outside = _Nodes(tree, (*skip, *patterns)) if patterns else nodes
    spoken = list(_spoken(nodes))
    mentions = {word for text in spoken for word in identifiers(text)}
    paths = {text for text in _literals(outside) if looks_like_path(text)}
    paths |= {text for text in spoken if looks_like_path(text, bare=True)}
    paths |= {word for text in spoken for word in quoted_paths(text)}
    return TreeFacts(frozenset(mentions), frozenset(_dynamic(tree, nodes)), frozenset(paths))


def unknown_reads(dynamic: Collection[str]) -> str:
    """Say that what code reads cannot be known, and by which of the dynamic means that it has."""
    name = min(dynamic)
    how = f"reads {name}" if name in _DYNAMIC_TEXTS else f"runs {name}" if name[0] == "%" else f"calls {name}()"
    return f"it {how}, so what it reads cannot be known"


def identifiers(text: str) -> set[str]:
    """Return every identifier that occurs in a text."""
    return set(_IDENTIFIER.findall(text))


def quoted_paths(text: str) -> list[str]:
    """Return the quoted words in a text that may be paths: ``select * from 'data.csv'`` names a file."""
    words = (single or double for single, double in _QUOTED.findall(text))
    return [word for word in words if looks_like_path(word)]


def looks_like_path(text: str, *, bare: bool = False) -> bool:
    """Tell whether a string may name a file, a directory or a glob.

    Args:
        text: the string.
        bare: whether a single word without any sign of a path is enough.
    """
    if not text.strip() or len(text) > MAX_PATH or any(sign in text for sign in "\n\r\0"):
        return False
    return bare or not _PATH_SIGNS.isdisjoint(text)


class _Nodes:
    """The nodes of a tree by their types: most questions are about few of them."""

    def __init__(self, tree: ast.AST, skip: Collection[ast.AST]) -> None:
        self._by_type: dict[type, list[Any]] = {}
        skipped = {id(node) for node in skip}
        pending: list[Any] = [tree]
        while pending:
            node = pending.pop()
            if (skipped and id(node) in skipped) or _is_text(node):
                continue
            self._by_type.setdefault(type(node), []).append(node)
            for name in _inner_fields(type(node)):  # type: ignore[arg-type]  # a class can be hashed
                value = getattr(node, name, None)
                if isinstance(value, list):
                    pending += [each for each in value if isinstance(each, ast.AST)]
                elif isinstance(value, ast.AST):
                    pending.append(value)

    def of(self, kind: type[N]) -> list[N]:
        """Return the nodes of a type."""
        return self._by_type.get(kind, [])


@cache
def _inner_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields in which a node may have others that tell something."""
    return tuple(name for name in kind._fields if name not in _TELL_NOTHING)


def _is_text(node: ast.AST) -> bool:
    """Tell whether a node is a statement that is only a string: a docstring or a comment."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _literals(nodes: _Nodes) -> list[str]:
    return [node.value for node in nodes.of(ast.Constant) if isinstance(node.value, str)]


def _patterns(nodes: _Nodes) -> Iterator[ast.AST]:
    """Yield what Python's own matching is given: it is seen when it happens, in the right folder."""
    for call in nodes.of(ast.Call):
        if _matches(call):
            yield from (each for each in call.args if isinstance(each, ast.Constant | ast.JoinedStr))


def _matches(call: ast.Call) -> bool:
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in _MATCHERS


def _spoken(nodes: _Nodes) -> Iterator[str]:
    """Yield string literals which are, or through one variable become, an argument of a call."""
    calls = [call for call in nodes.of(ast.Call) if not (_only_shows(call) or _matches(call))]
    passed: set[str] = set()
    for call in calls:
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            yield from _texts(argument)
            passed |= {n.id for n in ast.walk(argument) if isinstance(n, ast.Name)}
    for name, value in _assignments(nodes):
        # `q = "select * from df"; sql(q)` speaks of df as `sql("select * from df")` does.
        if name in passed:
            yield from _texts(value)


def _only_shows(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in _SHOWING


def _assignments(nodes: _Nodes) -> Iterator[tuple[str, ast.expr]]:
    assigned = [(target, node.value) for node in nodes.of(ast.Assign) for target in node.targets]
    assigned += [(node.target, node.value) for node in nodes.of(ast.AugAssign)]
    assigned += [(node.target, node.value) for node in nodes.of(ast.NamedExpr)]
    assigned += [(node.target, node.value) for node in nodes.of(ast.AnnAssign) if node.value is not None]
    for target, value in assigned:
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                yield name.id, value


def _texts(expression: ast.expr) -> Iterator[str]:
    """Yield the string literals an expression's value is made of; no subscripts, no dict keys."""
    pending: list[ast.expr | None] = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif node is not None:
            pending.extend(_parts(node))


def _parts(node: ast.expr) -> list[ast.expr | None]:  # noqa: PLR0911 - one line per node
    match node:
        case ast.JoinedStr():
            return [part for part in node.values if isinstance(part, ast.Constant)]
        case ast.List() | ast.Tuple() | ast.Set():
            return [*node.elts]
        case ast.Dict() | ast.BoolOp():
            return [*node.values]
        case ast.BinOp():
            return [node.left, node.right]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.Starred() | ast.NamedExpr() | ast.Await():
            return [node.value]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return [node.elt]
        case ast.Call(func=ast.Attribute(value=receiver)):  # f("… {}".format(x))
            return [receiver]
    return []


def _dynamic(tree: ast.AST, nodes: _Nodes) -> Iterator[str]:
    names = nodes.of(ast.Name)
    yield from (name.id for name in names if name.id in DYNAMIC_NAMES and _is_load(name))
    for attribute in nodes.of(ast.Attribute):
        yield from _dynamic_attribute(attribute)
    imports: list[ast.Import | ast.ImportFrom] = [*nodes.of(ast.Import), *nodes.of(ast.ImportFrom)]
    for statement in imports:
        yield from _dynamic_import(statement)
    texts = [node for node in nodes.of(ast.Constant) if isinstance(node.value, str) and node.value in _DYNAMIC_TEXTS]
    compared = {id(each) for node in nodes.of(ast.Compare) for each in (node.left, *node.comparators)}
    yield from (str(text.value) for text in texts if id(text) not in compared)
    for call in nodes.of(ast.Call):
        yield from _dynamic_magic(call)
    if any(name.id in _SCOPE_READERS for name in names):
        yield from _scope_readers(tree)


def _is_load(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def _dynamic_attribute(node: ast.Attribute) -> Iterator[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else None
    if node.attr in DYNAMIC_ATTRIBUTES or (node.attr in DYNAMIC_NAMES and owner in {"builtins", "__builtins__"}):
        yield node.attr
    elif node.attr in SHELL_ATTRIBUTES and (_is_shell(node.value) or owner in _SHELLS):
        yield f"get_ipython().{node.attr}"


def _is_shell(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"


def _dynamic_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    modules = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
    if _MAIN in modules:
        yield _MAIN
    if "builtins" in modules and isinstance(node, ast.ImportFrom):
        yield from (a.name for a in node.names if a.name in DYNAMIC_NAMES)


def _dynamic_magic(node: ast.Call) -> Iterator[str]:
    """Yield magics that run or bring back code which the cell does not show."""
    function, arguments = node.func, node.args
    if not (isinstance(function, ast.Attribute) and _is_shell(function.value) and arguments):
        return
    texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if function.attr == "run_line_magic" and texts:
        name, line = texts[0], " ".join(texts[1:])
        if name in _DYNAMIC_MAGICS or (name == "run" and re.search(r"(^|\s)-\w*i", line)):
            yield f"%{name}"


def _scope_readers(tree: ast.AST) -> Iterator[str]:
    """Yield `locals`, `vars` and `dir` where they read the module's names, not a function's."""
    if isinstance(tree, _FUNCTIONS):
        return
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    readers = _SCOPE_READERS - {name.id for name in names if not _is_load(name)}  # `dir = "data"`
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, has_arguments = pending.pop()
        if isinstance(node, ast.Name) and node.id in readers and not has_arguments:
            yield node.id
        for child in ast.iter_child_nodes(node):
            if isinstance(node, _FUNCTIONS) and child in _body(node):
                continue
            called = isinstance(node, ast.Call) and child is node.func and bool(node.args)
            pending.append((child, called))


def _body(node: ast.AST) -> list[ast.AST]:
    body = getattr(node, "body", [])
    return body if isinstance(body, list) else [body]
