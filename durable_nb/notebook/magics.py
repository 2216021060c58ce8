"""``%%step``: parses its line, and hands over to the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from durable_nb.core.engine import drive, drive_async, run_step
from durable_nb.errors import OptionError
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.body import CellBody, awaits
from durable_nb.notebook.cell_run import CellRun, StepOptions
from durable_nb.notebook.cell_step import CellStep
from durable_nb.notebook.interrupts import keyboard_interrupts
from durable_nb.notebook.options import step_options
from durable_nb.notebook.tracebacks import clean_traceback
from durable_nb.store.records import LABEL_LENGTH

if TYPE_CHECKING:
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.cells import Cell
    from durable_nb.notebook.extension import DurableNB
    from durable_nb.notebook.notebook import Notebook


@magics_class
class StepMagics(Magics):
    """The cell magic."""

    def __init__(self, extension: DurableNB) -> None:
        super().__init__(extension.shell)
        self._extension = extension

    @magic_arguments()
    @argument("name", nargs="?", help="Name of the step: shown, and used to find it; renaming keeps its checkpoints.")
    @argument("--max-attempts", type=int, help="Attempts in all, the first included; allows retries.")
    @argument("--retries-allowed", action="store_true", help="Try again when the cell raises an Exception.")
    @argument("--interval-seconds", type=float, help="Wait after the first failed attempt; 1 unless given.")
    @argument("--backoff-rate", type=float, help="Factor by which each wait is longer; 2 unless given.")
    @argument("--max-interval-seconds", type=float, help="Bound on one wait; 3600 unless given.")
    @argument("--jitter", type=float, help="Share of each wait that is random, 0 to 1; 0 unless given.")
    @argument("--timeout-seconds", type=float, help="Bound on one attempt; running longer counts as failed.")
    @argument("--should-retry", metavar="NAME", help="A function of the notebook: NAME(error) false ends the retries.")
    @argument("--rerun", action="store_true", help="Run even if a checkpoint holds.")
    @argument("--expires", metavar="TIME", help="Run if the checkpoint is older, e.g. 45s, 30m, 6h, 2d.")
    @argument(
        "--inputs", metavar="NAME", action="append", help="A variable the cell reads by dynamic code (repeatable)."
    )
    @argument(
        "--ephemeral",
        metavar="NAME",
        action="append",
        help="A variable that is not saved: the step replays without it; _ for what the last line yields (repeatable).",
    )
    @argument(
        "--keep", metavar="NAME", action="append", help="Save only this variable of those the cell binds (repeatable)."
    )
    @argument("--monitor", action="store_true", help="Show the retry monitor from the first attempt on.")
    @argument("--depends", metavar="PATH", action="append", help="A file the cell depends on (repeatable).")
    @no_var_expand
    @cell_magic
    def step(self, line: str, cell: str) -> None:
        """Run the cell once, and replay it after a kernel restart instead of running it again.

        Example::

            %%step load --max-attempts 5 --interval-seconds 1 --backoff-rate 2
            df = pd.read_json(get("https://…"))
            df.head()

        What the cell bound, showed and drew is checkpointed before the cell reports done. It runs again when its
        code, an input, a function it reaches or a file it read has changed; ``%durable why NAME`` says which.
        """
        if awaits(cell):
            raise UsageError(
                "durable_nb was loaded by this very cell, whose top-level await works from its next run on: "
                "run it again, or put %load_ext durable_nb into a cell before it"
            )
        with clean_traceback(self._extension.shell):
            drive(run_step(prepare(self._extension, line, cell)))


async def run_async_step(extension: DurableNB, line: str, cell: str) -> None:
    """Run a ``%%step`` cell whose body has a top-level await."""
    with clean_traceback(extension.shell), keyboard_interrupts():
        await drive_async(run_step(prepare(extension, line, cell)))


def prepare(extension: DurableNB, line: str, source: str) -> CellRun:
    """Return the step that a ``%%step`` cell is; a plain run, after a line that says why, where it cannot be one."""
    shell, notebook = extension.shell, extension.notebook
    body = CellBody.compile(shell, source)
    try:
        options = step_options(parse_argstring(StepMagics.step, line), shell.user_ns)
    except (OptionError, UsageError) as error:
        extension.display.line(f"%%step {line}: {error}; the cell runs without a checkpoint (see %%step?)")
        return CellRun(shell, StepOptions(), body, extension.bus, extension.clock)
    if options.monitor:
        extension.display.show_from_start()
    if notebook is None or not notebook.session.usable:
        return CellRun(shell, options, body, extension.bus, extension.clock)
    twice = extension.names_in_file.warning(options.name)
    if twice:
        extension.display.line(twice)
    return recorded(notebook, options, extension.cell, analyse_cell(source, transform=shell.transform_cell), body)


def recorded(notebook: Notebook, options: StepOptions, cell: Cell, code: CellCode, body: CellBody) -> CellStep:
    """Return the step that a cell is, to be run again where ``%durable rerun`` asked for it."""
    label = options.name or code.digest.hex()[:LABEL_LENGTH]
    if label in notebook.rerun:
        notebook.rerun.discard(label)
        options = replace(options, rerun=True)
    return CellStep(notebook, options, cell, code, body)


def name_on(line: str) -> str:
    """Return the explicit name on a ``%%step`` line, or ""."""
    try:
        return parse_argstring(StepMagics.step, line).name or ""
    except UsageError:
        return ""
