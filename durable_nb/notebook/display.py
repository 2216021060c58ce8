"""The extension's own lines: what was replayed, why something ran again, how retrying goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.notebook.lines import MARK, say
from durable_nb.notebook.monitor import Monitor
from durable_nb.notebook.spans import moment, plural, size, span

if TYPE_CHECKING:
    from durable_nb.core.events import StepEvent
    from durable_nb.core.passes import ScopePass
    from durable_nb.notebook.cells import Cell
    from durable_nb.notebook.lines import Line
    from durable_nb.notebook.monitor import Stage
    from durable_nb.notebook.monitor_text import End

LONG_SAVE_SECONDS = 1.0


class Display:
    """Listens to the events of steps and tells the user in quiet lines, each beginning with ``↻``."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._monitor = Monitor(stage)
        self._cell = ""
        self._usual: dict[str, int] = {}
        self._body_finished_at = 0.0
        self._told: set[str] = set()

    def line(self, text: str) -> Line:
        """Say one line."""
        self._stage.screen.make_way()
        return say(self._stage.shell, f"{MARK} {text}")

    def cell_began(self, cell: Cell) -> None:
        """Follow a cell; what steps in the background showed so far stays as it is."""
        self._monitor.end("completed")
        self._cell = cell.cell_id or cell.source
        source = cell.source.partition("\n")[2] if cell.source.lstrip().startswith("%%") else cell.source
        self._monitor = Monitor(self._stage, source, self._usual.get(self._cell))
        self._stage.screen.open()

    def show_from_start(self) -> None:
        """Show the retry monitor of the running cell from its first attempt on."""
        self._monitor.show_from_start()

    def on_event(self, event: StepEvent) -> None:
        """Take in what happened to a step."""
        if event.step_kind == "cell":
            self._on_cell(event)
        elif event.kind == "attempt_started" and event.reason and event.step_kind == "call":
            self._on_call(event)
        self._monitor.take(event)

    def _on_cell(self, event: StepEvent) -> None:
        if event.kind == "replayed":
            note = f" · {event.reason}" if event.reason else ""
            self.line(f"replayed {event.name} · ran {moment(event.recorded_at)} in {span(event.took_seconds)}{note}")
        elif event.kind == "attempt_started" and event.attempt == 1 and event.reason:
            self.line(f"running {event.name} again: {event.reason}")
        elif event.kind == "unrecorded":
            self.line(f"{event.name} was not checkpointed and will run again: {event.reason}")
        elif event.kind == "partial":
            self.line(f"{event.name} will run again, its checkpoint is {event.reason}")
        elif event.kind == "body_finished":
            self._body_finished_at = event.at
        elif event.kind == "completed":
            took = event.at - self._body_finished_at
            if took > LONG_SAVE_SECONDS:
                self.line(f"saved {size(event.size_bytes)} in {span(took)}")

    def _on_call(self, event: StepEvent) -> None:
        """Say once in a cell, for each step, why its calls run again."""
        if event.attempt == 1 and event.name not in self._told:
            self._told.add(event.name)
            self.line(f"running {event.name} again: {event.reason}")

    def close(self) -> None:
        """Show nothing any more."""
        self._monitor.end("completed")
        self._stage.screen.close()

    def cell_ended(self, scope_pass: ScopePass | None, error: BaseException | None = None) -> None:
        """Close what was live in the cell and say how many of its calls replayed."""
        self._told.clear()
        if error is None:
            self._usual[self._cell] = self._monitor.calls_made
        how_to = ""
        if scope_pass is not None and scope_pass.replayed:
            again = f"{scope_pass.replayed_name}.fresh(…) or --rerun" if scope_pass.replayed_name else "--rerun"
            how_to = f"({again} to call again)"
        ended: End = "completed" if error is None else "failed" if isinstance(error, Exception) else "interrupted"
        told = self._monitor.end(ended, f" {how_to}" if how_to else "")
        self._monitor = Monitor(self._stage)
        if how_to and not told and scope_pass is not None:
            self.line(f"{plural(scope_pass.replayed, 'call')} replayed {how_to}")
        self._stage.screen.close()
