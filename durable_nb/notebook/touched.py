"""What a cell that is no step may have changed, found without running it: what ``%durable restore`` must not bind."""

from __future__ import annotations

import ast
from numbers import Number
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.inputs import read_inputs
from durable_nb.notebook.magics_code import is_shell_call
from durable_nb.notebook.setting_up import magic_of, only_sets_up, runs_unseen_code
from durable_nb.values.address import ATOMS
from durable_nb.values.fingerprint import graph_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.namespace import Namespace
    from durable_nb.values.graph import Graph

_LINE: Final = frozenset({"run_line_magic"})
_ANY: Final = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})
_SETTINGS: Final = frozenset(
    {"aimport", "alias", "autoreload", "config", "load_ext", "matplotlib", "precision", "pylab", "xmode"}
)
"""Line magics that set the shell up. What others do may not be to be done twice: ``%pip``, ``%cd``, ``%%bash``."""


def may_have_changed(code: CellCode, namespace: Namespace, held: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the user's bound names that a cell may have bound anew, or whose values it may have changed in place.

    That is what it and the functions it reaches bind, what they read, and whatever shares an object or memory with
    that. Code that can reach any name may have changed all of them.

    Args:
        code: of the cell.
        namespace: with the values as they were before the cell.
        held: of names that are not bound now the names whose values theirs may hold on to.
    """
    own = {name: value for name, value in namespace.names.items() if namespace.is_user(name)}
    reads = _with_held(code.reads.union(*code.deferred.values()), own, held)
    inputs = read_inputs(code, namespace, reads, dynamic_is_declared=False)
    if runs_unseen_code(code.tree) or code.dynamic.union(*(facts.dynamic for facts in inputs.fingerprints.facts)):
        return frozenset(own)
    mutable = {name: value for name, value in own.items() if not _is_constant(value)}
    if inputs.fingerprints.opaque.keys() & mutable.keys():  # nobody knows what it holds on to
        return frozenset(mutable) | (inputs.may_bind(code) & own.keys())
    graph = inputs.fingerprints.graph
    sharing = set()
    for name in mutable.keys() - inputs.values.keys():
        if _shares(graph, graph_of({name: mutable[name]}, namespace.names)):
            sharing.add(name)
    return frozenset((inputs.may_bind(code) & own.keys()) | (inputs.values.keys() & mutable.keys()) | sharing)


def _shares(graph: Graph, other: Graph) -> bool:
    """Say whether two graphs have an object in common that can change, or look at the same memory."""
    objects = [each for walk in other.walks.values() for each in walk.objects]
    constant = {id(each) for each in objects if _is_constant(each)}
    can_change = other.outside(constant) - constant
    return not can_change.isdisjoint(graph.shared_with(other)) or bool(graph.views_in(other))


def _with_held(reads: frozenset[str], own: Mapping[str, object], held: Mapping[str, frozenset[str]]) -> set[str]:
    """Add what names that are not bound may hold on to, and so on."""
    found: set[str] = set()
    pending = set(reads)
    while pending:
        name = pending.pop()
        found.add(name)
        if name not in own:
            pending |= held.get(name, frozenset()) - found
    return found


def can_be_set_up_again(code: CellCode, namespace: Namespace) -> bool:
    """Say whether a cell may be run again to bind what it bound: it only sets up, and from constants.

    Args:
        code: of the cell.
        namespace: with the values as they were before the cell.
    """
    names = namespace.names
    if any(not is_shell_call(call, _LINE) or magic_of(call) not in _SETTINGS for call in _magics(code.tree)):
        return False
    calls = [node.value for node in code.tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    calls = [call for call in calls if not is_shell_call(call, _ANY)]
    arguments = [each for call in calls for each in (*call.args, *(keyword.value for keyword in call.keywords))]
    return (
        only_sets_up(code.tree, names)
        and all(_is_constant(names[name]) for name in code.reads if name in names and namespace.is_user(name))
        and not any(isinstance(node, ast.Call) for node in _inside(arguments))
    )


def _magics(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_shell_call(node, _ANY)]


def _inside(trees: Iterable[ast.AST]) -> Iterable[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


def _is_constant(value: object) -> bool:
    """Say whether whoever uses a value cannot change it, classes and functions that keep nothing included."""
    if isinstance(value, FunctionType):
        return value.__closure__ is None or hasattr(value, "__wrapped__")
    if isinstance(value, type):
        return not any(isinstance(each, dict | list | set | bytearray) for each in vars(value).values())
    constants = (Number, str, bytes, ModuleType, BuiltinFunctionType)
    return type(value) in ATOMS or isinstance(value, constants) or (callable(value) and hasattr(value, "__wrapped__"))
