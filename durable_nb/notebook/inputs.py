"""What a cell reads: its inputs by analysis and fingerprint, and the key that follows from them."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.reached import Reached
from durable_nb.core.recording import texts_in
from durable_nb.notebook.namespace import CONSTANT_NAMES, Namespace
from durable_nb.values.dependencies import named_files
from durable_nb.values.fingerprint import Fingerprints, fingerprint_roots
from durable_nb.values.garbage import gc_paused
from durable_nb.values.imports import imported
from durable_nb.values.tree import unknown_reads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import CodeType

    from durable_nb.core.watch import NamedFiles
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.store.records import InputRecord
    from durable_nb.values.budget import Budget

KEY_FORMAT = b"durable_nb cell 1"


@dataclass(frozen=True)
class CellInputs:
    """What goes into a cell.

    Attributes:
        values: the names it may read that are bound, and their objects; through functions reached ones included.
        fingerprints: of all of them.
        unknowable: why the cell's reads cannot be known or compared, or "".
    """

    values: dict[str, Any]
    fingerprints: Fingerprints
    unknowable: str

    def base_key(self, code: CellCode) -> bytes:
        """Return the cell's key without its occurrence: no name, cell id or flag is in it."""
        return xxhash.xxh3_128_digest(KEY_FORMAT + code.digest + self.fingerprints.digest)

    def codes(self) -> list[CodeType]:
        """Return the code of every function that the inputs reach."""
        walks = self.fingerprints.graph.walks.values()
        return [each.__code__ for walk in walks for each in walk.objects if type(each) is FunctionType]

    @cached_property
    def records(self) -> dict[str, InputRecord]:
        """The rows that tell of the inputs, by name, as they are when first asked for."""
        return Reached(self.values, self.fingerprints).records()

    def source(self, digest: str) -> str:
        """Return the source of the function, class or local module of a fingerprint; "" where it is none of them."""
        found = next((each for each in self.records.values() if each.fingerprint == digest), None)
        return Reached(self.values, self.fingerprints).source(found) if found is not None and digest else ""

    def may_bind(self, code: CellCode) -> frozenset[str]:
        """Return the names that the cell or a function it reaches may bind or delete."""
        return code.binds.union(*(facts.writes for facts in self.fingerprints.facts))


NO_INPUTS = CellInputs({}, fingerprint_roots({}, namespace=None), "its inputs were not looked at")
"""What a cell has before its inputs are known."""


def files_named(code: CellCode, inputs: CellInputs, root: Path) -> NamedFiles:
    """Return the files that text and paths among a cell's literals and inputs name.

    Readers written in C++ open files unseen: a path that is a value counts as read (DESIGN §4).
    """
    literals = [*code.paths, *(path for facts in inputs.fingerprints.facts for path in facts.paths)]
    return named_files([*literals, *texts_in(inputs.values.values())], root)


@gc_paused()
def read_inputs(
    code: CellCode,
    namespace: Namespace,
    declared: Iterable[str],
    *,
    dynamic_is_declared: bool | None = None,
    budget: Budget | None = None,
) -> CellInputs:
    """Fingerprint what a cell reads.

    Args:
        code: the cell's analysis.
        namespace: the user's names.
        declared: names given with ``--inputs``.
        dynamic_is_declared: whether these say all that dynamic code reads; if there are any, unless told.
        budget: how much may be looked at; no bound unless given.

    Raises:
        TooLargeError: there is more than the budget allows.
    """
    declared = frozenset(declared)
    direct = namespace.pick(code.reads | declared) | dict(imported(code.imports, None))
    mentioned = namespace.pick(code.mentions - direct.keys())
    found = fingerprint_roots({**direct, **mentioned}, namespace=namespace.names, budget=budget)
    if mentioned.keys() & found.opaque.keys():
        # A word in a text is only perhaps a variable: it never makes a step unknowable.
        mentioned = {name: value for name, value in mentioned.items() if name not in found.opaque}
        found = fingerprint_roots({**direct, **mentioned}, namespace=namespace.names, budget=budget)
    own = namespace.pick(_reads_of_own_functions(code, found) - found.each.keys() - found.opaque.keys())
    if own:
        return read_inputs(code, namespace, declared | own.keys(), dynamic_is_declared=bool(declared), budget=budget)
    values = {**direct, **mentioned, **found.reached}
    dynamic_is_declared = bool(declared) if dynamic_is_declared is None else dynamic_is_declared
    return CellInputs(values, found, _unknowable(code, namespace, found, dynamic_is_declared=dynamic_is_declared))


def _reads_of_own_functions(code: CellCode, found: Fingerprints) -> frozenset[str]:
    """Return what functions of the cell read that only functions from other cells call."""
    called = {name for facts in found.facts for name in facts.reads} & code.deferred.keys()
    return frozenset().union(*(code.deferred[name] for name in called))


def _unknowable(code: CellCode, namespace: Namespace, found: Fingerprints, *, dynamic_is_declared: bool) -> str:
    if code.star_imports:
        return f"from {min(code.star_imports)} import * binds names that cannot be known: import them by name"
    dynamic = code.dynamic.union(*(facts.dynamic for facts in found.facts))
    if dynamic and not dynamic_is_declared:
        return f"{unknown_reads(dynamic)}: name it with --inputs NAME"
    internal = {name for name in code.reads if not namespace.is_user(name) and name in namespace.names}
    odd = sorted(internal - CONSTANT_NAMES - vars(builtins).keys())
    if odd:
        return f"it reads {odd[0]}, which changes with every cell that runs: give the value a name of its own"
    for name, opaque in found.opaque.items():
        return f"its input {name} cannot be compared ({opaque})"
    return ""
