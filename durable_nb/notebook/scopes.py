"""Which names of the notebook a function, lambda or class may touch: at once, and when it is used.

The compiler itself resolves the scopes: each definition is compiled alone and its code objects read.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.values.code import all_codes, code_names, nested_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_OPTIMIZED = 0x1  # CO_OPTIMIZED: set for functions, not for modules and class bodies
# Decorators that do not call what they decorate before somebody uses its name.
_LAZY_DECORATORS = frozenset(
    [
        "step",
        "workflow",
        "lru_cache",
        "cache",
        "njit",
        "jit",
        "property",
        "setter",
        "getter",
        "deleter",
        "staticmethod",
        "classmethod",
        "wraps",
        "dataclass",
        "contextmanager",
        "asynccontextmanager",
        "cached_property",
        "abstractmethod",
        "overload",
        "total_ordering",
        "singledispatch",
        "override",
        "final",
        "runtime_checkable",
        "no_type_check",
        "delayed",
    ]
)
# Base classes whose metaclass or __init_subclass__ calls no method of the class being defined.
_QUIET_BASES = frozenset(
    [
        "object",
        "Exception",
        "ValueError",
        "RuntimeError",
        "TypeError",
        "KeyError",
        "ABC",
        "Protocol",
        "NamedTuple",
        "TypedDict",
        "Generic",
        "Module",
        "dict",
        "list",
        "set",
        "tuple",
        "str",
        "int",
        "float",
        "Thread",
        "TestCase",
        "BaseEstimator",
        "TransformerMixin",
        "Dataset",
    ]
)


@dataclass(frozen=True, slots=True)
class ScopeNames:
    """Names a definition may touch when it is executed (`now_`) and when it is used (`reads`, `writes`).

    `writes` are bound or deleted, through `global` or in a class body's walrus.
    """

    now_reads: frozenset[str]
    now_writes: frozenset[str]
    reads: frozenset[str]
    writes: frozenset[str]


def function_names(node: FunctionNode) -> ScopeNames:
    """Return the names of a function definition; decorators and defaults are not looked at.

    Annotations are only when the function has type parameters, whose scope they then belong to.
    """
    bare = copy.copy(node)
    bare.decorator_list = []
    bare.args = _without_defaults(node.args)
    if not getattr(node, "type_params", None):
        bare.returns = None
        bare.args = _without_annotations(bare.args)
    return _compiled(bare)


def lambda_names(node: ast.Lambda) -> ScopeNames:
    """Return the names of a lambda; its defaults are not looked at."""
    bare = copy.copy(node)
    bare.args = _without_defaults(node.args)
    return _compiled(ast.copy_location(ast.Expr(bare), node))


def class_names(node: ast.ClassDef) -> ScopeNames:
    """Return the names of a class body, and of the bases only when it has type parameters."""
    bare = copy.copy(node)
    bare.decorator_list = []
    if not getattr(node, "type_params", None):
        bare.bases, bare.keywords = [], []
    return _compiled(bare)


def statement_names(body: list[ast.stmt]) -> ScopeNames:
    """Return the names of statements run as the body of a function, as `%timeit` does."""
    first = body[0]
    wrapper = ast.parse("async def f(): pass").body[0]
    assert isinstance(wrapper, ast.AsyncFunctionDef)  # noqa: S101 - what the line above parses to
    wrapper.body = body
    return _compiled(ast.copy_location(wrapper, first))


def used_at_once(node: FunctionNode | ast.ClassDef) -> bool:
    """Tell whether executing a definition may already call the functions in it."""
    if not all(_last_name(d) in _LAZY_DECORATORS for d in node.decorator_list):
        return True
    if not isinstance(node, ast.ClassDef):
        return False
    if node.keywords or not all(_last_name(base) in _QUIET_BASES for base in node.bases):
        return True
    methods = [n for n in ast.walk(node) if isinstance(n, FunctionNode | ast.ClassDef) and n is not node]
    return any(map(used_at_once, methods)) or _uses_own(node, {m.name for m in methods})


def _uses_own(node: ast.ClassDef, methods: set[str]) -> bool:
    """Tell whether a class body loads a method of its own, other than for `@x.setter`."""
    pending: list[ast.AST] = [*node.body]
    while pending:
        child = pending.pop()
        if isinstance(child, FunctionNode):
            pending.extend([*child.args.defaults, *(d for d in child.args.kw_defaults if d)])
        elif (isinstance(child, ast.Name) and child.id in methods) or isinstance(child, ast.Lambda):
            return True
        else:
            pending.extend(ast.iter_child_nodes(child))
    return False


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Subscript):  # Generic[T]
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _without_defaults(args: ast.arguments) -> ast.arguments:
    bare = copy.copy(args)
    bare.defaults, bare.kw_defaults = [], [None for _ in args.kwonlyargs]
    return bare


def _without_annotations(args: ast.arguments) -> ast.arguments:
    def bare(arg: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(arg.arg, None), arg)

    result = copy.copy(args)
    for field in ("posonlyargs", "args", "kwonlyargs"):
        setattr(result, field, [bare(arg) for arg in getattr(args, field)])
    result.vararg = args.vararg and bare(args.vararg)
    result.kwarg = args.kwarg and bare(args.kwarg)
    return result


def _compiled(statement: ast.stmt) -> ScopeNames:
    module = ast.Module([statement], type_ignores=[])
    code = compile(module, "<scope>", "exec", dont_inherit=True)
    own = {statement.name} if isinstance(statement, FunctionNode | ast.ClassDef) else set()
    now = list(_executed(code))
    seen = {id(part) for part in now}
    later = [part for part in all_codes(code) if id(part) not in seen]
    return ScopeNames(
        _union(code_names(part).reads for part in now),
        _union(code_names(part).writes for part in now) - own,
        _union(code_names(part).reads for part in later),
        _union(code_names(part).writes for part in later),
    )


def _executed(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and the nested ones which run with it: class bodies, comprehensions."""
    yield code
    for nested in nested_codes(code):
        hidden = nested.co_name.startswith("<") and nested.co_name != "<lambda>"
        if hidden or not nested.co_flags & _OPTIMIZED:
            yield from _executed(nested)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
