"""Definite assignment over a cell: which names it may read before it has surely bound them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from durable_nb.notebook.scopes import (
    FunctionNode,
    ScopeNames,
    class_names,
    function_names,
    lambda_names,
    used_at_once,
)
from durable_nb.notebook.uses import Bound, Nested, Uses, join, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Words in the name of a context manager that may swallow what its body raises.
_SWALLOWING = [
    "suppress",
    "ignor",
    "swallow",
    "catch",
    "exitstack",
    "raises",
    "move_on",
    "attempt",
    "retry",
    "skip",
    "optional",
    "tolerat",
    "cancelscope",
    "cancel_scope",
]


@dataclass(slots=True)
class _Loop:
    node: ast.stmt
    breaks: list[Bound] = field(default_factory=list)
    continues: list[Bound] = field(default_factory=list)


class Flow(Uses):
    """Walks a cell's statements in the order they run and collects what they read and bind.

    Attributes:
        star_imports: modules imported with `*`.
        attributes: (name, attribute) pairs of `name.attribute = value` outside of functions.
    """

    def __init__(self, nested: Mapping[int, Nested], unsure: frozenset[str]) -> None:
        """Prepare for a cell; the arguments are those of `Uses`."""
        super().__init__(nested, unsure)
        self.star_imports: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self._loops: list[_Loop] = []

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Run through statements one after the other."""
        for statement in statements:
            getattr(self, f"_{type(statement).__name__.lower()}", self._expressions)(statement)

    # targets

    def _target(self, node: ast.expr) -> None:
        match node:
            case ast.Name():
                self._bind(node.id)
            case ast.Starred():
                self._target(node.value)
            case ast.Tuple() | ast.List():
                for element in node.elts:
                    self._target(element)
            case ast.Attribute():
                self._attribute(node)
                self._expression(node.value)
            case _:
                self._expressions(node)

    def _attribute(self, node: ast.Attribute) -> None:
        owner = _dotted(node.value)
        if owner:
            self.attributes.add((owner, node.attr))

    def _assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(node.value, ast.Lambda) and len(node.targets) == 1 and isinstance(target, ast.Name):
            self._defaults(node.value.args)
            self._define(target.id, node.value, lambda_names(node.value))
            return
        self._expression(node.value)
        for target in node.targets:
            self._target(target)

    def _annassign(self, node: ast.AnnAssign) -> None:
        self._expression(node.annotation)
        self._expression(node.value)
        if node.value is not None:
            self._target(node.target)
        elif not isinstance(node.target, ast.Name):
            self._expressions(node.target)

    def _augassign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._load(node.target.id)
        else:
            self._expressions(node.target)
        self._expression(node.value)
        self._target(node.target)

    def _delete(self, node: ast.Delete) -> None:
        pending: list[ast.expr] = node.targets[::-1]
        while pending:
            target = pending.pop()
            if isinstance(target, ast.Name):
                self._unbind(target.id)
            elif isinstance(target, ast.Tuple | ast.List):
                pending.extend(target.elts[::-1])
            else:
                self._target(target)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])

    def _importfrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star_imports.add("." * node.level + (node.module or ""))
            else:
                self._bind(alias.asname or alias.name)

    # definitions

    def _functiondef(self, node: FunctionNode) -> None:
        self._each(node.decorator_list)
        self._defaults(node.args)
        if not getattr(node, "type_params", None):
            self._each(arg.annotation for arg in _arguments(node.args))
            self._expression(node.returns)
        scope = function_names(node)
        self._definition(node, scope)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef) -> None:
        self._each(node.decorator_list)
        if not getattr(node, "type_params", None):
            self._each([*node.bases, *(keyword.value for keyword in node.keywords)])
        self._definition(node, class_names(node))

    def _definition(self, node: FunctionNode | ast.ClassDef, scope: ScopeNames) -> None:
        self._load(*scope.now_reads)
        self.binds |= scope.now_writes
        if used_at_once(node):
            self._use(scope)
        self._define(node.name, node, scope)

    def _typealias(self, node: ast.AST) -> None:  # Python 3.12: `type X[T] = …`, evaluated when used
        local = {getattr(p, "name", None) for p in getattr(node, "type_params", ())}
        names = [name for name in names_in(node) if name not in local]
        self._escaped |= set(names)
        self._bind(node.name.id)  # type: ignore[attr-defined]
        self._load(*names)

    # branches

    def _if(self, node: ast.If) -> None:
        self._either(node.test, lambda: self.block(node.body), lambda: self.block(node.orelse))

    def _while(self, node: ast.While) -> None:
        def once() -> Bound:
            self.bound, finished = self._test(node.test)
            self.block(node.body)
            return finished

        self._loop(node, once)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self._expression(node.iter)

        def once() -> Bound:
            before = self.bound
            self._target(node.target)
            self.block(node.body)
            ran = join(self.bound, *self._loops[-1].continues)
            return ran if _surely_iterates(node.iter) else before

        self._loop(node, once)

    _asyncfor = _for

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, once: Callable[[], Bound]) -> None:
        head = self._without(self.bound, node)
        for _ in range(2):  # twice: what the body defines, its next round may use further up
            known = self._known()
            self.bound = head
            self._loops.append(_Loop(node))
            self.bound = once()
            loop = self._loops.pop()
            self.block(node.orelse)
            self.bound = join(self.bound, *loop.breaks)
            if self._known() == known:
                return

    def _known(self) -> tuple[int, int]:
        return sum(map(len, self._deferred.values())), len(self._escaped)

    def _break(self, _node: ast.Break) -> None:
        loop = self._loops[-1]
        loop.breaks.append(self._without(self.bound, loop.node))  # a `finally` on the way may delete
        self.bound = None

    def _continue(self, _node: ast.Continue) -> None:
        loop = self._loops[-1]
        loop.continues.append(self._without(self.bound, loop.node))
        self.bound = None

    def _raise(self, node: ast.Raise) -> None:
        self._expressions(node)
        self.bound = None

    def _assert(self, node: ast.Assert) -> None:
        sure = self.bound  # `python -O` leaves asserts out
        self._expressions(node)
        self.bound = sure

    def _try(self, node: ast.Try) -> None:
        anywhere = self._without(self.bound, node)
        self.block(node.body)
        self.block(node.orelse)
        after = self.bound
        for handler in node.handlers:
            self.bound = anywhere
            self._expression(handler.type)
            if handler.name:
                self._bind(handler.name)
            self.block(handler.body)
            if handler.name and self.bound is not None:
                self.bound -= {handler.name}
            after = join(after, self.bound)
        self.bound = anywhere
        self.block(node.finalbody)
        self.bound = after
        self.block(node.finalbody)

    _trystar = _try

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        after: Bound = None
        for item in node.items:
            self._expression(item.context_expr)
            if self._may_swallow(item.context_expr):
                after = join(after, self._without(self.bound, node))
            if item.optional_vars:
                self._target(item.optional_vars)
        self.block(node.body)
        self.bound = join(after, self.bound)

    _asyncwith = _with

    def _may_swallow(self, manager: ast.expr) -> bool:
        names = {n.attr if isinstance(n, ast.Attribute) else n.id for n in _nameds(manager)}
        looped = {name for loop in self._loops for name in names_in(getattr(loop.node, "target", None))}
        if any(word in name.lower() for name in names for word in _SWALLOWING):
            return True
        return bool(names & looped) or any(name in self._deferred for name in names)

    def _match(self, node: ast.Match) -> None:
        self._expression(node.subject)
        after: Bound = None
        for case in node.cases:
            before = self.bound
            for pattern in ast.walk(case.pattern):
                if isinstance(pattern, ast.expr):
                    self._expression(pattern)
            for name in _captures(case.pattern):
                self._bind(name)
            unguarded = case.guard is None
            if case.guard is not None:
                self.bound, _ = self._test(case.guard)
            self.block(case.body)
            after = join(after, self.bound)
            self.bound = None if unguarded and _irrefutable(case.pattern) else before
        self.bound = join(after, self.bound)


def _nameds(node: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return owner and f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _arguments(args: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (args.vararg, args.kwarg) if arg]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


def _captures(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        name = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        if name and isinstance(node, ast.MatchMapping | ast.MatchAs | ast.MatchStar):
            yield name


def _irrefutable(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return any(map(_irrefutable, pattern.patterns))
    return isinstance(pattern, ast.MatchAs) and (pattern.pattern is None or _irrefutable(pattern.pattern))


def _surely_iterates(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(not isinstance(element, ast.Starred) for element in node.elts)
    return isinstance(node, ast.Constant) and bool(node.value)
