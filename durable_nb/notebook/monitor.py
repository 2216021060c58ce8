"""Shows what the steps of a cell do, from the moment when that is worth showing until the cell has ended."""

from __future__ import annotations

import ast
import logging
import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.activity import Activity
from durable_nb.notebook.body import transformed
from durable_nb.notebook.failures import describe
from durable_nb.notebook.lines import MARK, in_kernel, is_headless, muted, new_line, say
from durable_nb.notebook.live_line import LiveLine
from durable_nb.notebook.loops import expected_calls
from durable_nb.notebook.monitor_text import counted, final_text, progress_text, run_text, status_text
from durable_nb.notebook.news import listens, send_calls
from durable_nb.notebook.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.clock import Clock
    from durable_nb.core.events import StepEvent
    from durable_nb.notebook.activity import Picture
    from durable_nb.notebook.lines import Line
    from durable_nb.notebook.live_line import Screen
    from durable_nb.notebook.monitor_text import End
    from durable_nb.notebook.views import Clicks, Panel, RetryAction, Views

logger = logging.getLogger("durable_nb")

LONG_SECONDS: Final = 2.0
"""Calls that go on for longer than this are shown by number."""
LIVE_SECONDS: Final = 0.1
"""What is live changes at most this often."""
SAVED_SECONDS: Final = 2.0
"""So often changes the text that a saved notebook would show in place of a widget."""
TOLD_SECONDS: Final = 1.0
"""So often ``durable-nb run`` is told of progress: it has a line of its own for that."""
LOGGED_SECONDS: Final = 30.0
"""So often a line about progress is added where lines cannot change."""


class Stage:
    """What monitors share in one shell.

    Attributes:
        shell: the shell.
        clock: where the time comes from.
        screen: the terminal.
        live_views: makes widgets.
        clicks: whether they are heard.
    """

    def __init__(
        self, shell: Any, clock: Clock, screen: Screen, live_views: Callable[[], Views], clicks: Clicks
    ) -> None:
        self.shell, self.clock, self.screen = shell, clock, screen
        self.live_views, self.clicks = live_views, clicks


class Monitor:
    """Follows one cell.

    Args:
        stage: what monitors share.
        source: the cell's code, to count its calls in advance.
        usual: how many calls the cell made the last time it completed.
    """

    def __init__(self, stage: Stage, source: str = "", usual: int | None = None) -> None:
        self._stage = stage
        self._source, self._usual = source, usual
        self._activity = Activity(partial(describe, stage.shell))
        self._pace = Pace(self._show_now)
        self._context = copy_context()
        self._lock = threading.RLock()
        self._line: Line | None = None
        self._panel: Panel | None = None
        self._counting = self._from_start = self._over = False
        self._at = self._shown_at = self._saved_at = self._told_at = self._next_at = 0.0
        self._tree: ast.Module | None = None
        self._said = ""

    def show_from_start(self) -> None:
        """Show the first attempt already."""
        self._from_start = True
        self._activity.keep_all = True

    @property
    def calls_made(self) -> int:
        """How many calls the cell made so far."""
        return self._activity.calls_made

    # -- what happens

    def take(self, event: StepEvent) -> None:
        """Take in what happened to a step."""
        self._activity.take(event)
        self._at = event.at
        if event.kind == "attempt_failed" or (event.kind == "attempt_started" and self._is_news(event)):
            self._show_soon(event.at)
        elif event.at >= self._next_at and (self._line is not None or self._activity.calls_made > 1):
            self._follow(event.at)

    def _is_news(self, event: StepEvent) -> bool:
        return event.attempt > 1 or (self._from_start and event.step_kind == "cell")

    def _show_soon(self, at: float) -> None:
        """Show it before the step goes on, unless that was done a moment ago."""
        if self._line is None or at - self._shown_at >= LIVE_SECONDS:
            self._show(at)
        else:
            self._pace.within(LIVE_SECONDS)

    def _follow(self, at: float) -> None:
        """Show what did not change much a little later, together with what follows."""
        wait = LIVE_SECONDS
        if self._line is None:
            wait = max(0.0, LONG_SECONDS - (at - self._activity.first_at))
        self._next_at = at + max(wait, LIVE_SECONDS)
        self._pace.within(wait)

    # -- showing it

    def _show_now(self) -> None:
        try:
            self._show(self._stage.clock.now())
        except Exception:  # in a thread of its own it would be a traceback in the user's cell
            logger.exception("the retry monitor could not be shown")

    def _show(self, at: float) -> None:
        # In the cell's own context: messages must be its outputs, from whatever thread they are sent.
        self._context.copy().run(self._show_here, at)

    def _show_here(self, at: float) -> None:
        with self._lock:
            if self._over:
                return
            self._counting = self._counting or self._goes_on(at)
            picture = self._picture(at)
            if not picture.rows and not self._counting:
                return
            self._shown_at = at
            self._render(picture)
            if isinstance(self._line, LiveLine) and any(each.deadline - at > 1.0 for each in picture.rows):
                self._pace.within(1.0)  # its countdown

    def _goes_on(self, at: float) -> bool:
        """Say whether there are several calls and they take long."""
        return self._activity.calls_made > 1 and at - self._activity.first_at >= LONG_SECONDS

    def _picture(self, at: float) -> Picture:
        return self._activity.picture(at, self._total() if self._counting else None)

    def _total(self) -> int | None:
        if self._tree is None:
            try:
                self._tree = ast.parse(transformed(self._stage.shell, self._source))
            except (SyntaxError, ValueError, RecursionError):
                self._tree = ast.Module([], [])
        total = expected_calls(self._tree, self._stage.shell.user_ns)
        if total is None or total < self._activity.calls_made:
            total = self._usual
        return total if total is not None and total >= self._activity.calls_made else None

    def _render(self, picture: Picture) -> None:
        text = f"{MARK} {status_text(picture, counting=self._counting)}"
        told = self._tell(picture)
        if self._line is None:
            self._panel = self._make_panel()
        if self._panel is not None:
            self._panel.update(picture, counting=self._counting)
        if self._line is None:
            self._begin(text if picture.rows or not told else "", picture.at)
        elif self._line.live:
            self._update(text, picture.at)
        else:
            self._log(picture, told=told)

    def _tell(self, picture: Picture) -> bool:
        """Tell ``durable-nb run`` how far the calls are; says whether it is there and needs no lines about that."""
        if not (self._counting and listens(self._stage.shell)):
            return False
        if picture.at - self._told_at >= TOLD_SECONDS:
            self._told_at = picture.at
            send_calls(self._stage.shell, picture.calls)
        return True

    def _update(self, text: str, at: float) -> None:
        """Change the text; behind a panel, where few see it, not as often."""
        wait = SAVED_SECONDS - (at - self._saved_at) if self._panel is not None else 0.0
        if text == self._said or self._line is None:
            return
        if wait > 0:
            self._pace.within(wait)
            return
        self._saved_at, self._said = at, text
        self._line.update(text, self._html(text))

    def _log(self, picture: Picture, *, told: bool) -> None:
        """Add a line about a failed attempt; about progress only now and then, unless that is ``told`` otherwise."""
        waiting = [each for each in picture.rows if each.state == "waiting"]
        if waiting:
            newest = max(waiting, key=lambda row: row.changed_at)
            text = run_text(newest, newest.changed_at)
        elif self._counting and not told and picture.at - self._saved_at >= LOGGED_SECONDS:
            text = progress_text(picture.calls)
        else:
            return
        if self._line is not None:
            self._saved_at = picture.at
            self._line.update(f"{MARK} {text}")

    def _begin(self, text: str, at: float) -> None:
        """Show the line for the first time; it is known before that, to be concluded after an interrupt just then."""
        stage = self._stage
        in_terminal = stage.screen.open_now and not in_kernel(stage.shell)
        self._saved_at, self._said = at, text
        self._line = LiveLine(stage.screen) if in_terminal else new_line(stage.shell)
        self._line.update(text, self._html(text))

    def _html(self, text: str) -> str | None:
        """Return the text inside of the place where the panel appears; what a page without it shows."""
        return None if self._panel is None else f'<div class="{self._panel.place}">{muted(text)}</div>'

    def _make_panel(self) -> Panel | None:
        stage = self._stage
        if not in_kernel(stage.shell) or is_headless(stage.shell):
            return None
        try:
            return stage.live_views().monitor(self._act, stage.clicks, stage.clock)
        except Exception:  # whatever is wrong with the kernel's widgets, retries are told of
            logger.exception("the retry monitor is text: its widget could not be made")
            return None

    def _act(self, action: RetryAction, run: int | None) -> None:
        """Do what a button says; in whatever thread, so nothing more than that."""
        if action == "stop":
            self._activity.stop(run)
        elif action == "retry_now":
            self._activity.retry_now(run)

    # -- the end

    def end(self, how: End, replayed_note: str = "") -> bool:
        """Leave one line, if anything was shown; says whether it tells of the calls by number.

        Args:
            how: how the cell ended.
            replayed_note: what to do to call replayed calls again.
        """
        with self._lock:
            self._over = True
        self._pace.stop()
        if self._line is None:
            return False
        picture = self._activity.picture(self._at)
        text = final_text(picture, how, counting=self._counting, replayed_note=replayed_note)
        if isinstance(self._line, LiveLine):
            self._stage.screen.make_way()
            say(self._stage.shell, f"{MARK} {text}")
        else:
            self._line.update(f"{MARK} {text}")
        if self._panel is not None:
            self._panel.close()
        return counted(picture, counting=self._counting)
