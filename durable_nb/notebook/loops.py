"""How many calls of steps a cell will make: counted where its code says so plainly, else not known.

Nothing is called or walked to find out: names are looked up, and only values whose length is known to be
cheap and safe to ask for are asked.
"""

from __future__ import annotations

import ast
import inspect
import sys
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.step import BoundStep, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SIZED: Final[tuple[type, ...]] = (list, tuple, dict, set, frozenset, range, str, bytes)
_SIZED_ELSEWHERE: Final = (
    ("numpy", "ndarray"),
    ("pandas", "DataFrame"),
    ("pandas", "Series"),
    ("pandas", "Index"),
    ("polars", "DataFrame"),
    ("polars", "Series"),
)
_SAME_LENGTH: Final = frozenset(
    {"enumerate", "list", "tuple", "reversed", "sorted", "tqdm", "trange", "iter", "track", "progress_bar"}
)
_ROWS: Final = frozenset({"items", "keys", "values", "itertuples", "iterrows", "iter_rows", "tolist", "to_list"})
_MAPPING: Final = frozenset({"map", "imap", "starmap"})
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_ONCE: Final = frozenset({"submit", "to_thread", "run_in_executor", "apply_async"})


class _UnknownError(Exception):
    """The code does not say how many."""


def expected_calls(tree: ast.Module, names: Mapping[str, Any]) -> int | None:
    """Return how many calls of steps the code will make; None when it does not say.

    Args:
        tree: a cell's code.
        names: the notebook's, as they are now.
    """
    try:
        return _Counter(names).total(tree.body) or None
    except _UnknownError:
        return None


class _Counter:
    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def total(self, nodes: list[Any]) -> int:
        return sum(map(self._count, nodes))

    def _count(self, node: ast.AST) -> int:
        """Return how many calls of steps come of a node."""
        if isinstance(node, _OWN_SCOPE):
            return 0
        if isinstance(node, ast.For | ast.AsyncFor):
            return self._loop(node)
        if isinstance(node, _COMPREHENSIONS):
            return self._comprehension(node)
        inner = self.total(list(ast.iter_child_nodes(node)))
        if isinstance(node, ast.While | ast.If | ast.IfExp | ast.Try | ast.Match | ast.BoolOp):
            if inner and not self._always(node):
                raise _UnknownError
        elif isinstance(node, ast.Call):
            inner += self._call(node)
        return inner

    def _always(self, node: ast.AST) -> bool:
        """Say whether the calls in a branching statement are made whatever happens: those in a ``try`` are."""
        return isinstance(node, ast.Try) and not self.total([*node.handlers, *node.orelse])

    def _loop(self, node: ast.For | ast.AsyncFor) -> int:
        once = self.total(node.body)
        if once and self._leaves_early(node):
            raise _UnknownError
        around = self.total([node.iter, *node.orelse])
        return around + (once * self._length(node.iter) if once else 0)

    def _leaves_early(self, node: ast.For | ast.AsyncFor) -> bool:
        """Say whether some rounds of a loop may make fewer calls than others."""
        inside = list(ast.walk(node))
        calls = [each.lineno for each in inside if isinstance(each, ast.Call) and self._is_step(each.func)]
        skips = [each.lineno for each in inside if isinstance(each, ast.Continue)]
        if any(isinstance(each, ast.Break) for each in inside):
            return True
        return bool(skips and calls and min(skips) < max(calls))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> int:
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        once = self.total(made)
        first = self.total([node.generators[0].iter])
        if not once:
            return first
        if any(each.ifs for each in node.generators):
            raise _UnknownError
        for each in node.generators:
            once *= self._length(each.iter)
        return once + first

    def _call(self, node: ast.Call) -> int:
        if self._is_step(node.func):
            return 1
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _MAPPING and len(node.args) > 1 and self._is_step(node.args[0]):
            return min(map(self._length, node.args[1:]))
        if any(self._is_step(each) for each in node.args):
            if name in _ONCE:
                return 1
            raise _UnknownError  # whoever is given a step may call it any number of times
        return 0

    # -- what names mean

    def _is_step(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute) and node.attr == "fresh":
            return self._is_step(node.value)
        return isinstance(self._value(node), Step | BoundStep)

    def _value(self, node: ast.expr) -> Any:
        """Return what a name or an attribute means, without running any code; None where that is not known."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._value(node.value)
            return None if owner is None else inspect.getattr_static(owner, node.attr, None)
        return None

    # -- how long it is

    def _length(self, node: ast.expr) -> int:
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return self._literal(node)
        if isinstance(node, ast.Call):
            return self._length_of_call(node)
        if isinstance(node, ast.Subscript):
            return self._length_of_part(node)
        value: Any = node.value if isinstance(node, ast.Constant) else self._value(node)
        if type(value) in _SIZED or _sized_elsewhere(value):
            return len(value)
        raise _UnknownError

    def _literal(self, node: ast.List | ast.Tuple | ast.Set) -> int:
        if any(isinstance(each, ast.Starred) for each in node.elts):
            raise _UnknownError
        return len(node.elts)

    def _length_of_call(self, node: ast.Call) -> int:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "range":
            return len(range(*map(self._whole, node.args)))
        if isinstance(function, ast.Name) and function.id == "zip" and node.args:
            return min(map(self._length, node.args))
        if isinstance(function, ast.Name) and function.id in _SAME_LENGTH and node.args:
            return self._length(node.args[0])
        if isinstance(function, ast.Attribute) and function.attr in _ROWS and not node.args:
            return self._length(function.value)
        raise _UnknownError

    def _length_of_part(self, node: ast.Subscript) -> int:
        """Return the length of ``rows[:100]`` and of ``frame["column"]``."""
        whole, part = self._length(node.value), node.slice
        if isinstance(part, ast.Slice):
            bounds = (None if each is None else self._whole(each) for each in (part.lower, part.upper, part.step))
            return len(range(whole)[slice(*bounds)])
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and _is_frame(self._value(node.value)):
            return whole
        raise _UnknownError

    def _whole(self, node: ast.expr) -> int:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._whole(node.operand)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and node.args:
            return self._length(node.args[0])
        value = node.value if isinstance(node, ast.Constant) else self._value(node)
        if type(value) is int:
            return value
        raise _UnknownError


def _sized_elsewhere(value: object) -> bool:
    return any(type(value) is kind for kind in _loaded(_SIZED_ELSEWHERE))


def _is_frame(value: object) -> bool:
    return type(value).__name__ == "DataFrame" and _sized_elsewhere(value)


def _loaded(kinds: tuple[tuple[str, str], ...]) -> Iterator[type]:
    """Yield the types that exist because their library is loaded; none is loaded for this."""
    for module, name in kinds:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type):
            yield found
