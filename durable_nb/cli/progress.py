"""How a run tells of itself: lines for people, a status line in a terminal, JSON for machines, or nothing."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from durable_nb.notebook.spans import cut, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbformat import NotebookNode

_FIRST_LINE = 60
_PLACE = 8
"""Columns of a terminal that the cell's place takes."""
_LOGGED_SECONDS = 30.0
"""So often a line tells how far a long loop is, where none can be written over."""


class Progress(Protocol):
    """Is told what happens in a run."""

    def kernel_started(self, restarts: int) -> None:
        """A kernel starts, after so many deaths."""

    def kernel_died(self, restarts: int, most: int, last_words: str) -> None:
        """The kernel died; its process wrote some last lines."""

    def cell_started(self, number: int, cell: NotebookNode) -> None:
        """A cell begins."""

    def cell_ended(self, number: int) -> None:
        """It completed."""

    def cell_failed(self, number: int, error: str, message: str) -> None:
        """It raised."""

    def news(self, news: Mapping[str, Any]) -> None:
        """The kernel tells something of its steps."""


class Told:
    """Puts what happens in a run into facts for machines: one mapping each.

    Args:
        tell: takes the facts.
        cells: numbers of the cells with code.
        expected: seconds that cells took in an earlier run, by id.
    """

    def __init__(
        self, tell: Callable[[dict[str, Any]], None], cells: Sequence[int], expected: Mapping[str, float]
    ) -> None:
        self._tell = tell
        self._places = {number: place for place, number in enumerate(cells, 1)}
        self._expected = expected
        self._began = 0.0
        self._ids: list[str] = []

    def kernel_started(self, restarts: int) -> None:
        """A kernel starts, after so many deaths."""
        self._tell({"event": "kernel_started", "restarts": restarts})

    def kernel_died(self, restarts: int, most: int, last_words: str) -> None:
        """The kernel died; its process wrote some last lines."""
        told = {"restarts": restarts, "max_restarts": most, "last_words": last_words}
        self._tell({"event": "kernel_died", **told})

    def cell_started(self, number: int, cell: NotebookNode) -> None:
        """A cell begins."""
        self._began = time.monotonic()
        lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
        self._tell(
            {
                "event": "cell_started",
                **self._place(number),
                "id": cell.get("id", ""),
                "source": lines[0][:_FIRST_LINE],
                "expected_seconds": self._expected.get(cell.get("id", "")),
            }
        )

    def cell_ended(self, number: int) -> None:
        """It completed."""
        self._tell({"event": "cell_ended", **self._place(number), "seconds": self._took()})

    def cell_failed(self, number: int, error: str, message: str) -> None:
        """It raised."""
        told = {"seconds": self._took(), "error": error, "message": message}
        self._tell({"event": "cell_failed", **self._place(number), **told})

    def news(self, news: Mapping[str, Any]) -> None:
        """The kernel tells something of its steps."""
        if "line" in news:
            self._tell({"event": "line", "text": news["line"]})
        else:
            self._tell({"event": "step" if "kind" in news else "calls", **news})

    def _place(self, number: int) -> dict[str, Any]:
        return {"cell": number, "place": self._places[number], "of": len(self._places)}

    def _took(self) -> float:
        return round(time.monotonic() - self._began, 3)


def say_nothing(facts: dict[str, Any]) -> None:
    """Tell nobody."""


def say_json(facts: dict[str, Any]) -> None:
    """Write the facts as a line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class People:
    """Writes lines for people; in a terminal the cell that runs stands in a last line that is written over.

    Args:
        expected: seconds that cells took in an earlier run, by id, in the order of the cells.
        terminal: whether a line can be written over.
    """

    def __init__(self, expected: Mapping[str, float], *, terminal: bool) -> None:
        self._left = dict(expected)
        self._terminal = terminal
        self._status = ""
        self._logged_at = 0.0

    def __call__(self, facts: dict[str, Any]) -> None:
        """Tell facts."""
        match facts["event"]:
            case "cell_started":
                left = sum(self._left.values())
                about = f" · about {span(left)} left" if left >= 1 else ""
                self._left.pop(facts["id"], None)
                self._status, self._logged_at = f"[{facts['place']}/{facts['of']}] {facts['source']}", 0.0
                self._show(about)
            case "calls":
                self._calls(facts["text"], facts["seconds"])
            case "cell_ended":
                self._line(f"{self._status} · {span(facts['seconds'])}")
            case "cell_failed":
                self._line(
                    f"{self._status} · failed after {span(facts['seconds'])}: {facts['error']}: {facts['message']}"
                )
            case "kernel_died":
                for line in facts["last_words"].splitlines():
                    self._line(f"  {line}")
                again = facts["restarts"] < facts["max_restarts"]
                self._line("the kernel died" + (": starting another, what was complete replays" if again else ""))
            case "line":
                self._line(facts["text"])

    def _calls(self, text: str, at: float) -> None:
        """Tell how far the calls of the cell are, so many seconds after the first one."""
        if self._terminal:
            self._show(f" · {text}")
        elif not self._logged_at or at - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = at
            self._line(f"{self._status} · {text}")

    def _show(self, about: str) -> None:
        """Show the cell that runs and something about it, in one row of the terminal: of the cell what fits."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = cut(cut(self._status, max(width - len(about), _PLACE)) + about, width)
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def _line(self, text: str) -> None:
        clear = "\r\x1b[K" if self._terminal else ""
        sys.stderr.write(f"{clear}{text}\n")
        sys.stderr.flush()
