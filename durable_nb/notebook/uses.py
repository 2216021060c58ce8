"""What the expressions of a cell use and bind, in the order in which they are evaluated."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.notebook.scopes import ScopeNames, lambda_names, statement_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# The names surely bound at a point of the cell; None where it cannot be reached.
Bound = frozenset[str] | None
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ORDERED = (ast.NamedExpr, ast.Lambda, *_COMPREHENSIONS)


@dataclass(frozen=True, slots=True)
class Nested:
    """Python code inside a magic's text.

    Attributes:
        tree: the code.
        how: "sequence" (as if written in the cell), "guarded" (its exceptions are swallowed) or
            "function" (its names are local to a function, as for `%timeit`).
    """

    tree: ast.Module
    how: str


class Uses(ABC):
    """Walks expressions and collects what they read and bind; a subclass knows the statements.

    Attributes:
        reads: names that may be read, or deleted, before the cell has surely bound them.
        binds: names that may be bound or deleted.
        bound: names surely bound at the present point.
    """

    def __init__(self, nested: Mapping[int, Nested], unsure: frozenset[str]) -> None:
        """Prepare for a cell.

        Args:
            nested: code in magics, by the `id` of the call node that runs it.
            unsure: names never to count as surely bound, because a function may delete them.
        """
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.bound: Bound = frozenset()
        self._nested = nested
        self._unsure = unsure
        self._deferred: dict[str, dict[int, ScopeNames]] = defaultdict(dict)
        self._defined_with: dict[str, frozenset[str]] = {}
        self._escaped: set[str] = set()  # names read by functions that somebody may call by now
        self._locals: list[set[str]] = []  # targets of the comprehensions around this point

    @abstractmethod
    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Run through statements one after the other."""

    def deferred(self) -> dict[str, frozenset[str]]:
        """Return, per function and class of the cell, what it reads when somebody else calls it."""
        return {name: frozenset(self._reached([name])) - self._defined_with[name] - {name} for name in self._deferred}

    # names

    def _bind(self, name: str) -> None:
        self.binds.add(name)
        if self.bound is not None and name not in self._unsure:
            self.bound |= {name}

    def _unbind(self, name: str) -> None:
        if self.bound is not None:
            if name not in self.bound:
                self.reads.add(name)  # deleting a missing name fails, so its presence is an input
            self.bound -= {name}
        self.binds.add(name)

    def _load(self, *names: str) -> None:
        """Note a use of names, and of all that the cell's functions behind them read."""
        used = [name for name in names if not any(name in scope for scope in self._locals)]
        if self.bound is None:
            return
        self.reads |= self._reached(used, escape=True) - self.bound

    def _reached(self, names: Iterable[str], *, escape: bool = False) -> set[str]:
        pending, seen = list(names), set[str]()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for scope in self._deferred.get(name, {}).values():
                pending.extend(scope.reads)
                if escape:
                    self._escaped |= scope.reads
                    self.binds |= scope.writes
        return seen

    def _use(self, scope: ScopeNames) -> None:
        """Note that a function without a name, or that somebody unknown may call, is around now."""
        self._escaped |= scope.reads
        self.binds |= scope.writes
        self._load(*scope.reads)

    def _define(self, name: str, node: ast.AST, scope: ScopeNames) -> None:
        self._deferred[name][id(node)] = scope
        bound = self.bound or frozenset()
        self._defined_with[name] = self._defined_with.get(name, bound) & bound
        self._bind(name)
        if name in self._escaped:
            self._load(name)

    # expressions

    def _expressions(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._expression(child)

    def _expression(self, node: ast.AST | None) -> None:
        if node is None:
            return
        parts = list(ast.walk(node))
        if not any(isinstance(part, _ORDERED) or id(part) in self._nested for part in parts):
            # Not by recursion: sums of a thousand terms are deeper than Python's stack.
            self._load(*(part.id for part in parts if isinstance(part, ast.Name)))
            return
        if id(node) in self._nested:
            self._magic(self._nested[id(node)])
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        else:
            handler = getattr(self, f"_on_{type(node).__name__.lower()}", self._expressions)
            handler(node)

    def _on_name(self, node: ast.Name) -> None:
        self._load(node.id)

    def _on_namedexpr(self, node: ast.NamedExpr) -> None:
        self._expression(node.value)
        self._bind(node.target.id)

    def _on_lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        self._use(lambda_names(node))

    def _on_boolop(self, node: ast.BoolOp) -> None:
        self.bound = join(*self._test(node))

    def _on_ifexp(self, node: ast.IfExp) -> None:
        self._either(node.test, lambda: self._expression(node.body), lambda: self._expression(node.orelse))

    def _on_compare(self, node: ast.Compare) -> None:
        self._expression(node.left)
        self._expression(node.comparators[0])
        sure = self.bound
        for comparator in node.comparators[1:]:
            self._expression(comparator)
        self.bound = sure

    def _on_dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._expression(key)
            self._expression(value)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._expression(node.generators[0].iter)
        sure = self.bound
        self._locals.append(set())
        for index, generator in enumerate(node.generators):
            if index:
                self._expression(generator.iter)
            self._locals[-1] |= set(names_in(generator.target))
            self._expression(generator.target)
            for condition in generator.ifs:
                self.bound, _ = self._test(condition)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for part in parts:
            self._expression(part)
        if isinstance(node, ast.GeneratorExp):  # it runs later, when functions it calls may be others
            self._escaped |= set(names_in(node)).difference(*self._locals)
        self._locals.pop()
        self.bound = sure

    def _test(self, node: ast.expr) -> tuple[Bound, Bound]:
        """Evaluate a condition; return what is bound when it is true, and when it is false."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            true, false = self._test(node.operand)
            return false, true
        if isinstance(node, ast.BoolOp):
            return self._bool(node)
        self._expression(node)
        if isinstance(node, ast.Constant):
            return (self.bound, None) if node.value else (None, self.bound)
        return self.bound, self.bound

    def _bool(self, node: ast.BoolOp) -> tuple[Bound, Bound]:
        left: Bound = None  # what is bound when a value before the last decides
        is_and = isinstance(node.op, ast.And)
        for value in node.values:
            true, false = self._test(value)
            self.bound, decided = (true, false) if is_and else (false, true)
            left = join(left, decided)
        return (self.bound, left) if is_and else (left, self.bound)

    def _either(self, test: ast.expr, body: Callable[[], None], orelse: Callable[[], None]) -> None:
        true, false = self._test(test)
        self.bound = true
        body()
        after = self.bound
        self.bound = false
        orelse()
        self.bound = join(after, self.bound)

    def _magic(self, nested: Nested) -> None:
        self._load("get_ipython")
        if nested.how == "function":
            if nested.tree.body:
                self._use(statement_names(nested.tree.body))
            return
        before = self._without(self.bound, nested.tree)
        self.block(nested.tree.body)
        if nested.how == "guarded":
            self.bound = join(before, self.bound)

    def _without(self, bound: Bound, node: ast.AST) -> Bound:
        """Return what of the bound names is certain to outlast a node that may stop anywhere."""
        return None if bound is None else bound - set(self._unbound_in(node))

    def _unbound_in(self, node: ast.AST) -> Iterator[str]:
        for child in ast.walk(node):
            if isinstance(child, ast.Delete):
                yield from (name for target in child.targets for name in names_in(target))
            elif isinstance(child, ast.ExceptHandler) and child.name:
                yield child.name
            elif id(child) in self._nested:
                yield from self._unbound_in(self._nested[id(child)].tree)

    def _defaults(self, args: ast.arguments) -> None:
        self._each([*args.defaults, *args.kw_defaults])

    def _each(self, nodes: Iterable[ast.expr | None]) -> None:
        for node in nodes:
            self._expression(node)


def join(*states: Bound) -> Bound:
    """Return what is surely bound where several ways come together."""
    reachable = [state for state in states if state is not None]
    return frozenset.intersection(*reachable) if reachable else None


def names_in(node: ast.AST | None) -> Iterator[str]:
    """Return the identifiers of all name nodes in a node, with repetitions."""
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name)) if node else iter(())
