"""The extension's own lines: what was replayed, why something ran again, how retrying goes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from durable_nb.notebook.lines import MARK, say

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.events import StepEvent
    from durable_nb.core.passes import ScopePass
    from durable_nb.notebook.lines import Line

LONG_SAVE_SECONDS = 1.0
MIN_UPDATE_SECONDS = 0.1
_MINUTE, _HOUR = 60, 3600
_KIB = 1024


class Display:
    """Listens to the events of steps and tells the user in quiet lines, each beginning with ``↻``."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._progress: Line | None = None
        self._updated_at = 0.0
        self._failed_attempts = 0
        self._body_finished_at = 0.0
        self._told: set[str] = set()

    def line(self, text: str) -> Line:
        """Say one line."""
        return say(self._shell, f"{MARK} {text}")

    def on_event(self, event: StepEvent) -> None:
        """Take in what happened to a step."""
        if event.kind == "attempt_failed":
            self._retrying(event)
        elif event.step_kind == "cell":
            self._on_cell(event)
        elif event.step_kind == "call" and event.kind == "attempt_started" and event.attempt == 1:
            self._on_call(event)

    def _on_cell(self, event: StepEvent) -> None:
        if event.kind == "replayed":
            note = f" · {event.reason}" if event.reason else ""
            self.line(f"replayed {event.name} · ran {moment(event.recorded_at)} in {span(event.took_seconds)}{note}")
        elif event.kind == "attempt_started" and event.attempt == 1 and event.reason:
            self.line(f"running {event.name} again: {event.reason}")
        elif event.kind == "attempt_started" and event.attempt > 1 and self._progress is None:
            self.line(f"{event.name} goes on at attempt {event.attempt} of {event.max_attempts}")
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
        if event.reason and event.name not in self._told:
            self._told.add(event.name)
            self.line(f"running {event.name} again: {event.reason}")

    def _retrying(self, event: StepEvent) -> None:
        """Show the newest failed attempt in one line that is updated, at most ten times a second."""
        self._failed_attempts += 1
        if self._progress is not None and event.at - self._updated_at < MIN_UPDATE_SECONDS:
            return
        self._updated_at = event.at
        kind, message = type(event.error).__name__, str(event.error)
        # some errors say their own name: IncompleteRead(…)
        error = (message if message.startswith(kind) else f"{kind}: {message}").split("\n")[0][:120]
        text = (
            f"{event.name}: attempt {event.attempt} of {event.max_attempts} failed ({error}); "
            f"next in {span(event.wait_seconds)}"
        )
        self._show_progress(text)

    def _show_progress(self, text: str) -> None:
        if self._progress is None:
            self._progress = self.line(text)
        else:
            self._progress.update(f"{MARK} {text}")

    def cell_ended(self, scope_pass: ScopePass | None) -> None:
        """Close what was live in the cell and say how many of its calls replayed."""
        if self._progress is not None:
            many = "" if self._failed_attempts == 1 else "s"
            self._show_progress(f"{self._failed_attempts} failed attempt{many} retried")
        self._progress, self._failed_attempts = None, 0
        self._told.clear()
        if scope_pass is not None and scope_pass.replayed:
            many = "" if scope_pass.replayed == 1 else "s"
            again = f"{scope_pass.replayed_name}.fresh(…) or --rerun" if scope_pass.replayed_name else "--rerun"
            self.line(f"{scope_pass.replayed} call{many} replayed ({again} to call again)")


def moment(unix_seconds: float) -> str:
    """Return a local date and time to the minute: absolute, so that a saved notebook does not change."""
    return datetime.fromtimestamp(unix_seconds).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - for a person


def span(seconds: float) -> str:
    """Return a duration as people say it: ``3 ms``, ``0.3 s``, ``42 s``, ``4 m 12 s``, ``2 h 5 m``."""
    if round(seconds, 3) < 0.1:  # noqa: PLR2004 - below, milliseconds say more
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} m"


def size(count: float) -> str:
    """Return a number of bytes as people say it: ``512 B``, ``3.4 KB``, ``2.0 GB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < _KIB:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return f"{count:.1f} TB"
