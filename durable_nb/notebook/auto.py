"""Auto mode: every cell is a step, without a magic line (``%durable auto on``).

IPython has transformed, stored and parsed the cell as ever when its statements come here, so that ``In``, the
history, line numbers and tracebacks are those of a plain cell; only how the statements are run is another.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from durable_nb.core.engine import drive, drive_async, run_step
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.body import CellBody
from durable_nb.notebook.cell_run import StepOptions
from durable_nb.notebook.interrupts import keyboard_interrupts
from durable_nb.notebook.magics import recorded
from durable_nb.notebook.options import duration
from durable_nb.notebook.setting_up import only_sets_up
from durable_nb.notebook.tracebacks import clean_traceback

if TYPE_CHECKING:
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.cell_run import CellRun
    from durable_nb.notebook.cells import Cell
    from durable_nb.notebook.extension import DurableNB

USAGE: Final = "%durable auto takes on or off, and on may be followed by --only-slow TIME, e.g. --only-slow 2s"
AUTO_STEP_NAME: Final = "__durable_auto__"
"""What a cell's statements are run through; ``shell.builtin_trap`` keeps it out of the user's namespace."""
SKIP_TAG: Final = "durable-skip"
_SKIP: Final = re.compile(r"^\s*#\s*durable:\s*skip\b", re.MULTILINE)


class AutoMode:
    """Stands in for the shell's ``run_ast_nodes`` while it is on.

    Attributes:
        seen: the analysis of the cell that began last, if it was looked at, be it a step or not.
    """

    def __init__(self, extension: DurableNB) -> None:
        self._extension = extension
        self._shell: Any = extension.shell
        self.seen: CellCode | None = None
        self._claimed: CellCode | None = None
        self._step: CellRun | None = None
        self._run_nodes: Any = None

    def turn_on(self) -> None:
        """Make each cell from the next on a step."""
        if self._run_nodes is None:
            self._run_nodes = self._shell.run_ast_nodes
            self._shell.run_ast_nodes = self._run_ast_nodes
            self._shell.builtin_trap.auto_builtins[AUTO_STEP_NAME] = self

    def turn_off(self) -> None:
        """Let cells run by themselves again; what was recorded stays."""
        if self._run_nodes is not None:
            self._run_nodes = None
            del self._shell.run_ast_nodes
            self._shell.builtin_trap.auto_builtins.pop(AUTO_STEP_NAME, None)

    # -- which cells

    def claim(self, cell: Cell) -> bool:
        """Decide whether the cell that begins is to be a step."""
        self.seen = None
        self._claimed = self._code_of(cell) if self._run_nodes is not None else None
        return self._claimed is not None

    def _code_of(self, cell: Cell) -> CellCode | None:
        notebook = self._extension.notebook
        if (
            notebook is None
            or not notebook.session.usable
            or cell.is_step
            or SKIP_TAG in cell.tags
            or _SKIP.search(cell.source)
        ):
            return None
        try:
            code = self.seen = analyse_cell(cell.source, transform=notebook.namespace.transform)
        except (SyntaxError, ValueError, RecursionError):
            return None  # IPython says so
        return None if only_sets_up(code.tree, notebook.namespace.names) else code

    # -- running one

    async def _run_ast_nodes(
        self,
        nodelist: list[ast.stmt],
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: Any = None,
    ) -> Any:
        """Run the statements of a cell: of the claimed one as a step, of cells that run inside of it as ever."""
        code, self._claimed, notebook = self._claimed, None, self._extension.notebook
        body = self._body(code, nodelist, cell_name, result)
        if code is None or body is None or notebook is None:
            return await self._run_nodes(nodelist, cell_name, interactivity, compiler, result)
        options = StepOptions(only_slow_seconds=self._extension.only_slow_seconds)
        self._step = recorded(notebook, options, self._extension.cell, code, body)
        call = ast.parse(f"{'await ' if body.is_async else ''}{AUTO_STEP_NAME}()").body
        return await self._run_nodes(call, cell_name, "none", compiler, result)

    def _body(self, code: CellCode | None, nodelist: list[ast.stmt], name: str, result: Any) -> CellBody | None:
        if code is None or result is None or result.info is None:
            return None
        try:
            return CellBody.of(self._shell, nodelist, name, result.info.transformed_cell)
        except SyntaxError:
            return None  # IPython runs what comes before it, and shows it

    def __call__(self) -> Any:
        """Run the step of this cell; an awaitable for a cell that awaits."""
        step, self._step = self._step, None
        assert step is not None  # noqa: S101 - set just before the call was compiled
        return self._drive_async(step) if step.is_async else self._drive(step)

    def _drive(self, step: CellRun) -> None:
        with clean_traceback(self._shell):
            drive(run_step(step))

    async def _drive_async(self, step: CellRun) -> None:
        with clean_traceback(self._shell), keyboard_interrupts():
            await drive_async(run_step(step))


def steer(extension: DurableNB, words: list[str]) -> str:
    """Turn auto mode on or off as ``%durable auto`` asks, and say what holds now.

    Args:
        extension: holds whether it is on.
        words: what follows ``%durable auto``; none ask what holds.

    Raises:
        UsageError: the words have no meaning.
        OptionError: the time has none.
    """
    match words:
        case []:
            pass
        case ["on"]:
            extension.auto, extension.only_slow_seconds = True, None
        case ["on", "--only-slow", text]:
            extension.only_slow_seconds, extension.auto = duration("--only-slow", text), True
        case ["off"]:
            extension.auto = False
        case _:
            raise UsageError(USAGE)
    if not extension.auto:
        return "auto mode is off: cells with %%step are steps"
    least = extension.only_slow_seconds
    which = f" that takes {least:g} s or more" if least else ""
    unless = " unless it is quicker to run again" if least is None else ""
    return f"auto mode is on: every cell{which} is a step{unless}, but for those with a line # durable: skip"
