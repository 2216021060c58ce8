"""``%load_ext durable_nb``: opens the store, registers the magics, follows the cells; and undoes all of it."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Float, Int, Unicode
from traitlets.config import Configurable

from durable_nb.core.events import EventBus
from durable_nb.core.scope import move_to
from durable_nb.core.session import Session, enter, listen_without_store, wait_without_store
from durable_nb.errors import StoreError
from durable_nb.notebook.auto import AutoMode
from durable_nb.notebook.body import ASYNC_STEP_NAME, transform_async_step
from durable_nb.notebook.cells import Cell
from durable_nb.notebook.clicks import Clicks
from durable_nb.notebook.commands import DurableMagics
from durable_nb.notebook.completion import matcher_for
from durable_nb.notebook.display import Display
from durable_nb.notebook.file import LastCell, NamesInFile, SavedSources
from durable_nb.notebook.greeting import greeting
from durable_nb.notebook.lines import cell_id_of, is_headless, request_of, tags_of
from durable_nb.notebook.live_line import Screen
from durable_nb.notebook.magics import StepMagics, name_on, run_async_step
from durable_nb.notebook.monitor import Stage
from durable_nb.notebook.namespace import Namespace
from durable_nb.notebook.news import News, listens
from durable_nb.notebook.notebook import Notebook
from durable_nb.notebook.outputs import in_kernel
from durable_nb.notebook.plain import PlainCells
from durable_nb.notebook.renamed import look_for_store
from durable_nb.notebook.seeding import sets_a_stream
from durable_nb.notebook.waiting import KernelClock
from durable_nb.notebook.whereabouts import notebook_path
from durable_nb.store.location import disabled, store_path, switched_on
from durable_nb.values.kinds import is_atom

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.notebook.pictures.live import Live
    from durable_nb.notebook.report import StepReport
    from durable_nb.notebook.views import Buttons, RowAction, Views

_ATTRIBUTE = "_durable_nb"
_LASTING = (ModuleType, FunctionType, BuiltinFunctionType, type)


class DurableNB(Configurable):
    """The extension as one shell has it; its traits are what ``%config DurableNB`` shows.

    Attributes:
        notebook: what the cells share, or None while no store is open.
        cell: the cell that runs.
        clicks: whether buttons work while a cell runs, and what makes them work.
        clock: the clock whose waits hand clicks on.
        live_views: makes widgets where a page shows them; called only when one is to be shown.
        bus: tells listeners what happens to steps, in a store and without one.
        names_in_file: the names that two cells of the notebook's file have.
        live: the picture that follows what happens, where one was asked for.
    """

    store = Unicode("", help="Path of the ledger; empty: .durable_nb/<notebook>.duckdb beside the notebook.").tag(
        config=True
    )
    notebook_file = Unicode("", help="Path of the notebook, where the front end does not tell it.").tag(config=True)
    snapshot_mb = Int(
        256,
        min=0,
        help="Megabytes of its inputs that a step copies which may be retried: each attempt starts from the same.",
    ).tag(config=True)
    auto = Bool(default_value=False, help="Whether every cell is a step, without %%step.").tag(config=True)
    only_slow_seconds = Float(
        None,
        min=0.0,
        allow_none=True,
        help="In auto mode, record cells that take as long; None: those that are worth a checkpoint.",
    ).tag(config=True)
    execution_id = Unicode(
        "", help="Id of the execution that goes on here; empty: the notebook is one long execution."
    ).tag(config=True)
    reuse = Bool(default_value=False, help="Whether an execution with an id also uses checkpoints of others.").tag(
        config=True
    )
    enabled = Bool(default_value=True, help="Whether steps are recorded and replayed.").tag(config=True)

    def __init__(self, shell: InteractiveShell, live_views: Callable[[], Views]) -> None:
        super().__init__(parent=shell)
        self.shell: Any = shell
        self.live_views = live_views
        self.clicks = Clicks(shell)
        self.clock = KernelClock(self.clicks)
        self.notebook: Notebook | None = None
        self.bus = EventBus()
        self.display = Display(Stage(shell, self.clock, Screen(), live_views, self.clicks))
        self.cell = Cell("", "", 0, interactive=True)
        self._saved = SavedSources(None)
        self.names_in_file = NamesInFile(self._saved, name_on)
        self._last_cell = LastCell(self._saved)
        self._auto_mode = AutoMode(self)
        self.live: Live | None = None
        self._buttons: Buttons | None = None
        self._plain = PlainCells()
        self._running: object = None
        self._loading = True
        self._froze = False
        self._runs_in: str | None = None
        self._matcher = matcher_for(self)
        self._own_magics: dict[str, dict[str, Any]] = {}

    # -- loading

    def load(self) -> None:
        """Open the store and take part in the shell's life."""
        self.bus.subscribe(self.display.on_event)
        if in_kernel(self.shell):
            self.bus.subscribe(News(self.shell).on_event)
        listen_without_store(self.bus)
        wait_without_store(self.clock)
        self.execution_id = os.environ.get("DURABLE_NB_EXECUTION_ID", self.execution_id)
        self.reuse = switched_on(os.environ, "DURABLE_NB_REUSE", default=self.reuse)
        self._open_store()
        self._register()
        self.observe(self.reopen, names=["store", "notebook_file", "enabled", "execution_id", "reuse"])
        self.observe(self._resize_snapshots, names=["snapshot_mb"])
        self.observe(self._turn_auto, names=["auto"])
        self.auto = switched_on(os.environ, "DURABLE_NB_AUTO", default=self.auto)
        self._turn_auto()
        self._settle()

    def _settle(self) -> None:
        """Keep Python's collector of garbage from looking through what is there now each time: all of that stays.

        Loading makes a fifth more of it, and the collector runs most while a notebook imports its libraries. Where the
        notebook has values already nothing is kept from it, for these may go.
        """
        values = Namespace(self.shell).snapshot().values.values()
        if all(isinstance(value, _LASTING) or is_atom(value) for value in values):
            gc.collect(1)  # of what is young: all of it would be looked through once more
            gc.freeze()
            self._froze = True

    def unload(self) -> None:
        """Undo ``load``: no magic, no hook, no open store remains."""
        shell = self.shell
        self._auto_mode.turn_off()
        shell.events.unregister("pre_run_cell", self._before_cell)
        shell.events.unregister("post_run_cell", self._after_cell)
        shell.input_transformers_cleanup.remove(transform_async_step)
        if shell.Completer is not None:
            shell.Completer.custom_matchers.remove(self._matcher)
        for kind, magics in self._own_magics.items():
            for name in magics:
                shell.magics_manager.magics[kind].pop(name, None)
        shell.builtin_trap.auto_builtins.pop(ASYNC_STEP_NAME, None)
        shell.configurables[:] = [each for each in shell.configurables if each is not self]
        self._close_store()
        listen_without_store(None)
        wait_without_store(None)
        self.display.close()
        if self._froze:
            gc.unfreeze()

    def _register(self) -> None:
        shell = self.shell
        for magics in (StepMagics(self), DurableMagics(self)):
            shell.register_magics(magics)
            shell.configurables[:] = [each for each in shell.configurables if each is not magics]
            for kind, own in magics.magics.items():
                self._own_magics.setdefault(kind, {}).update(own)
        shell.configurables.append(self)
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)
        shell.input_transformers_cleanup.append(transform_async_step)
        if shell.Completer is not None:
            shell.Completer.custom_matchers.append(self._matcher)
        shell.builtin_trap.auto_builtins[ASYNC_STEP_NAME] = partial(run_async_step, self)

    def _open_store(self) -> None:
        if not self.enabled or disabled(os.environ):
            return
        path, root, file = self._place()
        try:
            from durable_nb.store.ledger import Ledger

            found = look_for_store(path, file, self.shell.transform_cell)
            if found:
                self.display.line(found)
            ledger = Ledger.open(path, notebook=str(file or ""))
        except StoreError as error:
            self.display.line(str(error))
            return
        self._saved = SavedSources(file)
        self.names_in_file, self._last_cell = NamesInFile(self._saved, name_on), LastCell(self._saved)
        session = Session(
            ledger,
            clock=self.clock,
            bus=self.bus,
            namespace=self.shell.user_ns,
            root=root,
            execution_id=self.execution_id,
            reuse=self.reuse,
        )
        session.begin_execution()
        session.warn = self._warn
        self.notebook = Notebook(self.shell, enter(session), self.snapshot_mb << 20, str(file or ""))
        line = greeting(session, headless=is_headless(self.shell) and not listens(self.shell))
        if line:
            self.display.line(line)

    def _place(self) -> tuple[Path, Path, Path | None]:
        """Return the ledger's path, the folder that file paths are relative to, and the notebook's path."""
        file = notebook_path(self.shell, self.notebook_file or str(self._saved.path or ""))  # it stays what it was
        root = file.parent if file is not None else Path.cwd()
        path = store_path(file, os.environ, self.store)
        if file is None and in_kernel(self.shell) and not (self.store or os.environ.get("DURABLE_NB_STORE")):
            self.display.line(
                f"cannot tell which notebook this is, so its checkpoints go to {path}: "
                "set DURABLE_NB_NOTEBOOK, or %config DurableNB.notebook_file = 'name.ipynb'"
            )
        return path, root, file

    def _warn(self, message: str) -> None:
        self.display.line(message)

    def _close_store(self) -> None:
        move_to(None)
        if self.live is not None:
            self.live.close()
            self.live = None
        if self._buttons is not None:
            self._buttons.close()
            self._buttons = None
        if self.notebook is not None:
            self.notebook.close()
            self.notebook = None

    def reopen(self, change: object = None) -> None:  # noqa: ARG002 - traitlets passes it
        """Open the store anew: another one, or what changed in it past this process."""
        self._close_store()
        self._open_store()

    def _resize_snapshots(self, change: Any) -> None:
        if self.notebook is not None:
            self.notebook.snapshot_bytes = change["new"] << 20

    def _turn_auto(self, change: object = None) -> None:  # noqa: ARG002 - traitlets passes it
        if self.auto:
            self._auto_mode.turn_on()
        else:
            self._auto_mode.turn_off()

    def table_token(self, act: Callable[[RowAction, str], StepReport]) -> str:
        """Return the mark of tables whose rows get buttons, where a page shows them and its widgets work; else ""."""
        if not in_kernel(self.shell) or is_headless(self.shell):
            return ""
        if self._buttons is None:
            self._buttons = self.live_views().table(act, lambda: self.cell_runs)
        return self._buttons.token

    @property
    def cell_runs(self) -> bool:
        """Whether a cell runs now."""
        return self._running is not None

    # -- cells

    def _before_cell(self, info: Any) -> None:
        request = request_of(self.shell)
        if info.silent or self._runs_in == request:
            return  # a cell that the one which runs runs itself, as %%capture does
        self._runs_in, self._running, self._loading = request, info, False
        self.cell = self._cell_of(info)
        self.display.cell_began(self.cell)
        if self.notebook is not None:
            self.notebook.namespace.cell_begins(self.cell.source, getattr(info, "transformed_cell", None))
        is_step = self._auto_mode.claim(self.cell) or self.cell.is_step
        if self.notebook is not None:
            if sets_a_stream(self.cell.source):
                self.notebook.session.note_seeding()
            code = self._auto_mode.seen
            self.notebook.origins.begin(self.cell.source, is_step=is_step, code=code)
            if not is_step:
                self._plain.begin(self.notebook, self.cell, code)

    def _cell_of(self, info: Any) -> Cell:
        return Cell(
            info.raw_cell or "",
            cell_id_of(info),
            self.shell.execution_count,
            interactive=not is_headless(self.shell),
            tags=tags_of(info),
        )

    def _after_cell(self, result: Any) -> None:
        if self._loading and self.notebook is not None and result.info is not None:
            # The cell that loads the extension began without it; its imports are made again by %durable restore.
            self._running = result.info
            self._plain.begin(self.notebook, self._cell_of(result.info))
        if result.info is None or not self._is_of_running(result.info):
            return
        self._runs_in, self._running, self._loading = None, None, False
        error = result.error_in_exec or result.error_before_exec
        if self.notebook is not None:
            self.notebook.origins.end()
        ended = self._plain.end(error)
        if self.notebook is not None:
            ended, self.notebook.step_pass = ended or self.notebook.step_pass, None
            self._explain(error, self.notebook)
            self._note_end(result.info.raw_cell, error, self.notebook)
        self.display.cell_ended(ended, error)
        if self.live is not None:
            self.live.changed()

    def _is_of_running(self, info: Any) -> bool:
        """Say whether it is the cell that runs, and none inside of it; an interrupted one is told anew."""
        running: Any = self._running
        return info is running or (running is not None and info.raw_cell == running.raw_cell)

    def _explain(self, error: BaseException | None, notebook: Notebook) -> None:
        """Say of a name that a cell missed that a replay went without it."""
        why = notebook.left_out.explain(error, notebook.namespace.names)
        if why:
            self.display.line(why)
        notebook.left_out.forget_bound(notebook.namespace.names)

    def _note_end(self, source: str, error: BaseException | None, notebook: Notebook) -> None:
        """Record that the execution completed, where a runner without a page has come to the last cell.

        ``durable-nb run`` knows by itself; what a person runs goes on.
        """
        if error is None and is_headless(self.shell) and not listens(self.shell) and self._last_cell.was(source or ""):
            notebook.session.complete_execution()


def load(shell: InteractiveShell, live_views: Callable[[], Views]) -> None:
    """Load the extension into a shell; loading it twice changes nothing."""
    if extension_of(shell) is None:
        extension = DurableNB(shell, live_views)
        setattr(shell, _ATTRIBUTE, extension)
        extension.load()


def unload(shell: InteractiveShell) -> None:
    """Undo ``load``."""
    extension = extension_of(shell)
    if extension is not None:
        extension.unload()
        delattr(shell, _ATTRIBUTE)


def extension_of(shell: InteractiveShell) -> DurableNB | None:
    """Return the extension as this shell has it, or None."""
    return getattr(shell, _ATTRIBUTE, None)
