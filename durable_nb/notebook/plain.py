"""Cells without ``%%step``: each is a scope, so that calls of ``@step`` functions in it are recorded and found."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import xxhash

from durable_nb.core.scope import Place, move_to
from durable_nb.store.records import CodeRecord

if TYPE_CHECKING:
    from durable_nb.core.passes import ScopePass
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.cells import Cell
    from durable_nb.notebook.notebook import Notebook


class PlainCells:
    """Enters a pass through a cell's scope when it begins, and ends it with the cell."""

    def __init__(self) -> None:
        self._pass: ScopePass | None = None
        self._source = ""

    def begin(self, notebook: Notebook, cell: Cell, code: CellCode | None = None) -> None:
        """Enter the scope of a cell that is no step; a step enters its own.

        Args:
            notebook: that it is in.
            cell: which one.
            code: its analysis, where there is one already.
        """
        self._source = cell.source
        digest = digest_of(notebook.namespace.transform(cell.source)) if code is None else _digest(code.tree)
        self._pass = notebook.origins.running.scope_pass = _begin_pass(notebook, cell, digest)
        move_to(Place(self._pass))

    def end(self, error: BaseException | None) -> ScopePass | None:
        """Leave the scope; returns the pass that ended."""
        ended, self._pass = self._pass, None
        move_to(None)
        if ended is not None and ended.session.usable:
            _end(ended, self._source, error)
        return ended


def note_unrecorded(
    notebook: Notebook, cell: Cell, tree: ast.Module, error: BaseException | None, untouched: tuple[str, ...]
) -> None:
    """Record that a cell ended which might have been a step and is none: it may have changed what steps bound.

    Args:
        notebook: that it is in.
        cell: which one.
        tree: its code after IPython's transform.
        error: what it raised.
        untouched: names that it read and is known to have left as they were.
    """
    _end(_begin_pass(notebook, cell, _digest(tree)), cell.source, error, untouched)


def _begin_pass(notebook: Notebook, cell: Cell, digest: str) -> ScopePass:
    return notebook.session.begin_pass(notebook.scopes.find(cell, "", digest))


def _end(ended: ScopePass, source: str, error: BaseException | None, untouched: tuple[str, ...] = ()) -> None:
    """Record that the cell ran, and its source: what ``%durable restore`` goes by. Nobody waits for it."""
    if not source.lstrip().startswith("%durable"):
        code = CodeRecord(ended.index.record.code_digest, source)
        ended.session.write(code, *ended.begin_records(untouched))
    if error is None:
        ended.end("completed")
    else:
        ended.end("failed" if isinstance(error, Exception) else "interrupted", error)


def digest_of(code: str) -> str:
    """Return a digest of the code; comments and layout do not count, unless it is no valid code."""
    try:
        return _digest(ast.parse(code))
    except SyntaxError:
        return xxhash.xxh3_128_hexdigest(code.encode())


def _digest(tree: ast.Module) -> str:
    return xxhash.xxh3_128_hexdigest(ast.dump(tree).encode())
