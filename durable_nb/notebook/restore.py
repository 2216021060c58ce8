"""``%durable restore``: the last state of the notebook, bound without running its cells.

Steps are replayed in the order of the ledger, each only if it would replay in its cell: its code, inputs and all else
it depends on are as recorded. Cells without ``%%step`` that only set up (imports, definitions, literals) are made
again from their recorded source. What other plain cells may have changed is left out, for nobody knows its value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Number
from types import ModuleType
from typing import TYPE_CHECKING

from IPython.utils.capture import capture_output

from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.body import CellBody
from durable_nb.notebook.cell_run import StepOptions
from durable_nb.notebook.cell_step import CellStep
from durable_nb.notebook.cells import Cell
from durable_nb.notebook.looking import only_looks
from durable_nb.notebook.report import Section, StepReport
from durable_nb.notebook.setting_up import only_sets_up
from durable_nb.notebook.spans import span
from durable_nb.store.records import COMPLETED, label
from durable_nb.values.address import ATOMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import ScopeRecord, StepRecord


def restore(notebook: Notebook) -> StepReport:
    """Bind what the notebook's steps bound last, and say what could not be bound and which cell to run for it."""
    return _Restore(notebook).run()


@dataclass(frozen=True, slots=True)
class _Past:
    """A cell that ran.

    Attributes:
        code: what it is.
        step: its newest checkpoint; None for a cell that is no step.
        name: how people are told of it.
        cell_id: its cell's id, "" where it is not known.
    """

    code: CellCode
    step: StepRecord | None
    name: str
    cell_id: str


@dataclass(slots=True)
class _Restore:
    notebook: Notebook
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def run(self) -> StepReport:
        began = self.notebook.session.clock.now()
        waiting = list(self._past())
        while waiting:  # a step may need what one that ran later for the first time binds
            left = [each for each in waiting if not self._again(each)]
            if len(left) == len(waiting):
                break
            waiting = left
        bound = sorted(self._bound() - self.left_out.keys())
        took = span(self.notebook.session.clock.now() - began)
        count = f"{len(self.done)} of {len(self.done) + len(self.failed)} steps"
        return StepReport(
            f"restored {count} in {took}",
            (
                Section("Bound", (", ".join(bound),) if bound else ()),
                Section("Not restored", tuple(f"{name}: {why}; run its cell" for name, why in self.failed.items())),
                Section("Left out", tuple(f"{name}: {why}" for name, why in sorted(self.left_out.items()))),
            ),
        )

    # -- what ran, in the order of the last time

    def _past(self) -> Iterator[_Past]:
        found = [*self._steps(), *self._plain_cells()]
        for _, each in sorted(found, key=lambda pair: pair[0]):
            yield each

    def _steps(self) -> Iterator[tuple[int, _Past]]:
        for name, rows in self.notebook.checkpoints.steps().items():
            newest = rows[-1]
            code = self._code(newest.code_digest)
            if newest.status not in COMPLETED:
                self.failed[name] = "its last run failed"
            elif code is None:
                self.failed[name] = "its code is not recorded"
            else:
                yield newest.id, _Past(code, newest, label(newest), newest.cell_id)

    def _plain_cells(self) -> Iterator[tuple[int, _Past]]:
        scopes: dict[int, ScopeRecord] = {each.id: each for each in self.notebook.session.scopes()}
        steps = {row.cell_id for rows in self.notebook.checkpoints.steps().values() for row in rows if row.cell_id}
        for scope_id, pass_id in self.notebook.session.ledger.last_passes().items():
            scope = scopes.get(scope_id)
            if scope is None or scope.kind != "cell" or scope.name or scope.cell_id in steps:
                continue
            code = self._code(scope.code_digest)
            if code is not None:
                yield pass_id, _Past(code, None, code.source.strip().partition("\n")[0], scope.cell_id)

    def _code(self, digest: str) -> CellCode | None:
        source = self.notebook.checkpoints.source(digest)
        try:
            return analyse_cell(source, transform=self.notebook.shell.transform_cell) if source else None
        except SyntaxError:
            return None

    # -- making it again

    def _again(self, past: _Past) -> bool:
        if past.step is not None:
            return self._replay(past, past.step)
        if only_sets_up(past.code.tree, self.notebook.namespace.names):
            self._set_up(past)
        else:
            self._leave_out(past)
        return True

    def _replay(self, past: _Past, newest: StepRecord) -> bool:
        shell, number = self.notebook.shell, newest.sequence
        cell = Cell(past.code.source, past.cell_id, number, interactive=True)
        body = CellBody.compile(shell, past.code.source)
        step = CellStep(self.notebook, StepOptions(newest.name), cell, past.code, body)
        for checkpoint in step.candidates():
            if step.bind(checkpoint) is not None:
                self.failed.pop(past.name, None)
                self.done.append(past.name)
                return True
        self.failed[past.name] = self._unbound(newest) or step.unrecordable or step.reason
        return False

    def _unbound(self, newest: StepRecord) -> str:
        names = self.notebook.namespace.names
        read = self.notebook.checkpoints.load(newest).inputs
        missing = [each.name for each in read if not each.via and each.name.isidentifier() and each.name not in names]
        return (
            f"it reads {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not bound" if missing else ""
        )

    def _set_up(self, past: _Past) -> None:
        """Run imports and definitions again, quietly."""
        with capture_output():
            result = self.notebook.shell.run_cell(past.code.source, silent=True)
        if not result.success:
            error = result.error_in_exec or result.error_before_exec
            self.failed[past.name] = f"it raised {type(error).__name__}: {error}"

    def _leave_out(self, past: _Past) -> None:
        """Unbind what a plain cell that ran last may have changed."""
        names = self.notebook.namespace.names
        changed = past.code.binds if only_looks(past.code.tree, names) else past.code.binds | past.code.reads
        for name in sorted(changed & names.keys()):
            if self.notebook.namespace.is_user(name) and not _is_constant(names[name]):
                del names[name]
                self.left_out[name] = f"the cell that begins {past.name!r} may have changed it: run that cell"
        for name in past.code.binds - self.left_out.keys():
            self.left_out[name] = f"the cell that begins {past.name!r} binds it and is no step: run that cell"

    def _bound(self) -> set[str]:
        namespace = self.notebook.namespace
        return {name for name in namespace.names if namespace.is_user(name)}


def _is_constant(value: object) -> bool:
    """Say whether a cell that only reads a value cannot change it."""
    return type(value) in ATOMS or isinstance(value, (Number, str, bytes, ModuleType)) or callable(value)
