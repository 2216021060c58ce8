"""A store as seen from outside: what its owner's summary tells, if that can be believed; no ledger is opened."""

from __future__ import annotations

import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from durable_nb.store.believed import believed_summary, ours
from durable_nb.store.location import notebook_of, size_on_disk, summary_path
from durable_nb.store.processes import lives
from durable_nb.store.records import COMPLETED

if TYPE_CHECKING:
    from pathlib import Path

    from durable_nb.store.summary import AttemptSummary, StepSummary, Summary

State = Literal["interrupted", "running", "failed", "open", "saved", "unknown"]
"""``running``: a kernel is in a step; ``open``: a kernel holds the store and is in none; ``interrupted``: the kernel
ended in a step, or without closing the store; ``failed``: the last run of a step did; ``saved``: nothing is left over;
``unknown``: there is no summary that can be believed."""

_MAX_NAMED = 3


class StoreEntry(TypedDict):
    """A store as JSON: ``path`` is the notebook's, relative to the folder that was listed.

    ``newest`` is Unix seconds, 0 when nothing is checkpointed; ``bytes`` is what the store takes on disk; ``lives``
    tells of the owner's process ``pid`` on ``host``, None where nobody holds the store or that cannot be told.
    """

    path: str
    exists: bool
    state: State
    tells: str
    steps: int
    calls: int
    failed: list[str]
    newest: float
    bytes: int
    pid: int | None
    host: str
    lives: bool | None
    attempts: list[AttemptSummary]


@dataclass(frozen=True, slots=True)
class FoundStore:
    """A store and what is known of it.

    Attributes:
        notebook: the notebook that it lies beside, which may be gone.
        ledger: its file, which was not opened.
        summary: what its owner wrote; None when there is none that can be believed.
        doubt: why there is none; "" when there is.
        lives: whether the process that holds it lives; None when none does, or that cannot be told.
        size: bytes on disk.
    """

    notebook: Path
    ledger: Path
    summary: Summary | None
    doubt: str
    lives: bool | None
    size: int

    @property
    def steps(self) -> list[StepSummary]:
        """The newest row of each step, in the order of their ends."""
        return self.summary["steps"] if self.summary else []

    @property
    def attempts(self) -> list[AttemptSummary]:
        """The steps that have not ended."""
        return self.summary["attempts"] if self.summary else []

    @property
    def calls(self) -> int:
        """How many checkpoints calls have."""
        return sum(each["count"] for each in self.summary["calls"]) if self.summary else 0

    @property
    def checkpointed(self) -> list[StepSummary]:
        """The steps whose last run has a checkpoint."""
        return [each for each in self.steps if each["status"] in COMPLETED]

    @property
    def failed(self) -> list[str]:
        """The steps whose last run ended without a checkpoint, by an error or by hand."""
        return [each["name"] for each in self.steps if each["status"] not in COMPLETED]

    @property
    def newest(self) -> float:
        """When the newest checkpoint was made, in Unix seconds; 0.0 when there is none."""
        calls = self.summary["calls"] if self.summary else []
        return max((each["when"] for each in (*self.checkpointed, *calls)), default=0.0)

    @property
    def resumable(self) -> bool:
        """Whether there is anything to go on with; a killed owner may have recorded what it could not tell any more."""
        told = bool(self.steps or self.attempts or self.calls)
        return told or self.state in ("unknown", "interrupted")

    @property
    def state(self) -> State:
        """The state, in a word."""
        if self.summary is None or (self.summary["pid"] is not None and self.lives is None):
            return "unknown"
        if self.lives:
            return "running" if self.attempts else "open"
        if self.attempts or self.summary["pid"] is not None:
            return "interrupted"
        return "failed" if self.failed else "saved"

    @property
    def tells(self) -> str:
        """The state, in a sentence for people."""
        state, summary = self.state, self.summary
        if summary is None:
            return self.doubt
        if state == "unknown":
            return f"held by process {summary['pid']} on {summary['host']}, which cannot be asked from here"
        if state in ("running", "interrupted") and self.attempts:
            more = len(self.attempts) - 1
            return under_way(self.attempts[-1], ended=state == "interrupted") + (f", and {more} more" if more else "")
        if state == "failed":
            names = ", ".join(self.failed[:_MAX_NAMED])
            more = len(self.failed) - _MAX_NAMED
            return f"{names}{f' and {more} more' if more > 0 else ''} failed"
        return {
            "interrupted": "the kernel ended without closing its store",
            "open": f"open in a kernel, process {summary['pid']}",
        }.get(state, "everything that ran is checkpointed")

    def entry(self, folder: Path) -> StoreEntry:
        """Return the store as JSON, with paths relative to a folder above it."""
        return StoreEntry(
            path=self.notebook.relative_to(folder).as_posix(),
            exists=self.notebook.is_file(),
            state=self.state,
            tells=self.tells,
            steps=len(self.checkpointed),
            calls=self.calls,
            failed=self.failed,
            newest=self.newest,
            bytes=self.size,
            pid=self.summary["pid"] if self.summary else None,
            host=self.summary["host"] if self.summary else "",
            lives=self.lives,
            attempts=self.attempts,
        )


def shown_status(step: StepSummary) -> str:
    """Return how the last run of a step ended, in the word that ``%durable`` has for it."""
    return {"success": "saved", "partial": "partial"}.get(step["status"], "failed")


def attempt_text(attempt: AttemptSummary, number: int) -> str:
    """Return which attempt it is; "" for the only one of a step that is not retried."""
    most = attempt["max_attempts"]
    if max(number, most) <= 1:
        return ""
    return f"attempt {number} of {most}" if most else f"attempt {number}"


def under_way(attempt: AttemptSummary, *, ended: bool) -> str:
    """Return what a kernel does with a step, or did when it ended."""
    name, number = attempt["name"], attempt["number"]
    if attempt["state"] == "failed":
        following = attempt_text(attempt, number + 1)
        return f"the kernel ended before {following} of {name}" if ended else f"{name} waits for {following}"
    which = attempt_text(attempt, number)
    return f"{'the kernel ended during' if ended else 'running'} {name}{f', {which}' if which else ''}"


def look_at(ledger: Path) -> FoundStore | None:
    """Return what can be known of a store without opening it; None when it is somebody else's, or no file."""
    try:
        if not (ours(ledger.parent.lstat(), stat.S_ISDIR) and ours(ledger.lstat(), stat.S_ISREG)):
            return None
    except FileNotFoundError:
        return None
    notebook = notebook_of(ledger)
    summary, doubt = believed_summary(summary_path(ledger), notebook)
    owner_lives = None
    if summary is not None and summary["pid"] is not None and summary["host"] == socket.gethostname():
        owner_lives = lives(summary["pid"], summary["start"])
    return FoundStore(notebook, ledger, summary, doubt, owner_lives, size_on_disk(ledger))
