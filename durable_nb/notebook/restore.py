"""``%durable restore``: the last state of the notebook, bound without running its cells.

Steps are replayed in the order of the ledger, each only if it would replay in its cell: its code, inputs and all else
it depends on are as recorded. Cells without ``%%step`` that only set up (imports, definitions, literals) are made
again from their recorded source. What other plain cells may have changed is left out, for nobody knows its value.
Cells are known from the ledger; nothing of one that somebody else wrote is run or loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

from durable_nb.errors import CheckpointUntrusted
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.body import CellBody
from durable_nb.notebook.cell_run import StepOptions
from durable_nb.notebook.cell_step import CellStep
from durable_nb.notebook.cells import Cell
from durable_nb.notebook.looking import only_looks
from durable_nb.notebook.plain import digest_of
from durable_nb.notebook.report import Section, StepReport
from durable_nb.notebook.spans import span
from durable_nb.notebook.touched import can_be_set_up_again, may_have_changed
from durable_nb.store.records import COMPLETED, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord

_LOADS: Final = "load_ext durable_nb"


def restore(notebook: Notebook) -> StepReport:
    """Bind what the notebook's steps bound last, and say what could not be bound and which cell to run for it.

    Raises:
        UsageError: the store is not this user's; nothing is bound.
    """
    try:
        return _Restore(notebook).run()
    except CheckpointUntrusted as error:
        raise UsageError(f"nothing was restored: {error}") from None


@dataclass(frozen=True, slots=True)
class _Past:
    """A cell that ran.

    Attributes:
        code: what it is.
        step: its newest checkpoint; None for a cell that is no step.
        name: how people are told of it.
        cell_id: its cell's id, "" where it is not known.
        is_last: whether its cell ran with this code last.
        untouched: names that it read and left as they were, whenever it ran.
    """

    code: CellCode
    step: StepRecord | None
    name: str
    cell_id: str
    is_last: bool = True
    untouched: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Restore:
    notebook: Notebook
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    codes: dict[str, CellCode | None] = field(default_factory=dict)

    def run(self) -> StepReport:
        began = self.notebook.session.clock.now()
        self.notebook.session.ledger.flush()  # nobody waits for the note that a plain cell ran
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
                Section("Left out", tuple(_grouped(self.left_out))),
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
        """Yield cells that were no steps with the pass through each.

        Of one that was edited also what it was before, if that ran since the extension was loaded last before this
        kernel: it may have changed what is there, too.
        """
        scopes = {each.id: each for each in self.notebook.session.scopes()}
        last: dict[tuple[int, str], int] = {}
        untouched: dict[tuple[int, str], frozenset[str]] = {}
        loaded = 0
        for each, digest in self.notebook.session.ledger.passes_with_code():
            last[each.scope_id, digest] = each.id
            known = untouched.get((each.scope_id, digest), frozenset(each.untouched))
            untouched[each.scope_id, digest] = known.intersection(each.untouched)
            if each.started_at < self.notebook.journal.opened_at and _LOADS in self._source(digest):
                loaded = each.id
        for (scope_id, digest), pass_id in last.items():
            scope, code = scopes.get(scope_id), self._code(digest)
            if scope is None or scope.kind != "cell" or code is None or not self._was_plain(code, digest):
                continue
            if digest == scope.code_digest or pass_id > loaded:
                name = code.source.strip().partition("\n")[0]
                same = untouched[scope_id, digest]
                yield pass_id, _Past(code, None, name, scope.cell_id, digest == scope.code_digest, same)

    def _was_plain(self, code: CellCode, digest: str) -> bool:
        return digest == digest_of(self.notebook.shell.transform_cell(code.source))

    def _code(self, digest: str) -> CellCode | None:
        """Return the code of a digest; None where it is not recorded, by this user that is."""
        if digest not in self.codes:
            source = self._source(digest)
            try:
                found = analyse_cell(source, transform=self.notebook.shell.transform_cell) if source else None
            except SyntaxError:
                found = None
            self.codes[digest] = found
        return self.codes[digest]

    def _source(self, digest: str) -> str:
        if digest not in self.sources:
            self.sources |= {digest: ""} | self.notebook.session.ledger.sources([digest], trusted_only=True)
        return self.sources[digest]

    # -- making it again

    def _again(self, past: _Past) -> bool:
        if past.step is not None:
            return self._replay(past, past.step)
        if can_be_set_up_again(past.code, self.notebook.namespace):
            if past.is_last:
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
        self._not_bound(past.code)
        self.failed[past.name] = self._unbound(newest) or step.unrecordable or step.reason
        return False

    def _unbound(self, newest: StepRecord) -> str:
        names = self.notebook.namespace.names
        try:
            read = self.notebook.checkpoints.load(newest).inputs
        except CheckpointUntrusted:
            return ""  # which is why it was not replayed
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
        """Unbind what a plain cell that ran last bound or may have changed."""
        code, namespace = past.code, self.notebook.namespace
        looks = only_looks(code.tree, namespace.names)
        changed = code.binds & namespace.names.keys() if looks else may_have_changed(code, namespace, self.held)
        changed -= past.untouched - code.binds
        for name in sorted(changed):
            if namespace.is_user(name):
                del namespace.names[name]
                self.left_out[name] = f"may have been changed by the cell that begins {past.name!r}: run that cell"
        for name in code.binds - changed:
            self.left_out[name] = f"bound by the cell that begins {past.name!r}, which is no step: run that cell"
        self._not_bound(code)

    def _not_bound(self, code: CellCode) -> None:
        """Remember what the values of names that are not bound may hold on to."""
        for name in code.binds:
            self.held[name] = code.reads.union(*code.deferred.values())

    def _bound(self) -> set[str]:
        namespace = self.notebook.namespace
        return {name for name in namespace.names if namespace.is_user(name)}


def _grouped(left_out: dict[str, str]) -> Iterator[str]:
    """Yield a line for each reason, with the names that it is the reason of."""
    reasons: dict[str, list[str]] = {}
    for name, why in sorted(left_out.items()):
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield f"{', '.join(names)}: {why}"
