"""Kills the quickstart's kernel twice, resumes it, and checks the outcome against the server's log.

Five fresh kernels run the notebook from top to bottom: one is killed in the loop of calls, one in
the model step, one completes, one more replays it all, and one runs without a kill on a store and a
server of its own. Exits with 1 when anything that is claimed does not hold.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import evidence
from kernel import CellError, CellRun, Kernel, code_cells
from report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE.parent / "quickstart.ipynb"
DAYS = 365
KILL_AFTER_PAGES = 150
KILL_AFTER_MONTHS = 3
CELL_STEPS = ("clean", "model", "plot")


@dataclass(slots=True)
class Run:
    """One fresh kernel that ran the notebook from the top.

    Attributes:
        title: which one it is.
        cells: each cell's run, up to the kill.
        requests: the page requests the server got meanwhile.
        executed: the steps that this kernel completed; replayed: those it found complete.
    """

    title: str
    cells: list[CellRun] = field(default_factory=list)
    requests: list[evidence.Request] = field(default_factory=list)
    executed: list[evidence.Step] = field(default_factory=list)
    replayed: list[evidence.Step] = field(default_factory=list)

    @property
    def killed_in(self) -> str | None:
        """The cell in which the kernel was killed."""
        return next((cell.id for cell in self.cells if cell.killed), None)

    @property
    def outputs(self) -> dict[str, list[dict[str, Any]]]:
        """What each cell showed."""
        return {cell.id: cell.outputs for cell in self.cells}


class Server:
    """The flaky server, in a process of its own that ends with this one."""

    def __init__(self, log: Path) -> None:
        self.log = log
        command = [sys.executable, str(HERE / "server.py"), "--with-parent", "--log", str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if not ready:
            sys.exit("durable_nb demo: the server did not start (its message is above)")
        self.url = json.loads(ready)["url"]

    def mark(self, label: str) -> None:
        """Write a line into the server's log: what is accepted later has a higher number."""
        with urllib.request.urlopen(f"{self.url}/mark/{label}", timeout=10) as answer:
            answer.read()

    def full_pages(self) -> int:
        """Count the pages answered in full so far."""
        return len(evidence.full_answers(evidence.read_log(self.log)))

    def close(self) -> None:
        """Let the server finish its answers, and its log, and end."""
        self._process.communicate(timeout=30)


class Story:
    """One folder with a copy of the notebook, its store, its server, and the runs so far."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.notebook = Path(shutil.copy(NOTEBOOK, folder))
        self.server = Server(folder / "server.log")
        self.runs: list[Run] = []
        self._environment = {
            "DEMO_URL": self.server.url,
            "DURABLE_NB_KEY_FILE": str(folder / "key"),
            "IPYTHONDIR": str(folder / "ipython"),
            "MPLCONFIGDIR": str(folder.parent / "matplotlib"),
            "OMP_NUM_THREADS": "1",  # threads that spin for a core make a busy machine crawl
        }

    def run_all(self, title: str, kill_when: Callable[[CellRun], bool] = lambda _: False) -> Run:
        """Run every cell in a fresh kernel, to the end or to the kill."""
        run = Run(title)
        label = f"run-{len(self.runs)}"
        before = evidence.read_steps(self.notebook) if self.runs else []
        self.server.mark(label)
        kernel = Kernel(self.notebook, self._environment)
        try:
            for cell_id, source in code_cells(self.notebook).items():
                run.cells.append(kernel.run(cell_id, source, kill_when))
                if run.cells[-1].killed:
                    break
        finally:
            kernel.close()
        self._settle()
        run.requests = evidence.since_mark(evidence.read_log(self.server.log), label)
        after = evidence.read_steps(self.notebook)
        run.executed, run.replayed = after[len(before) :], _reached(run, before)
        self.runs.append(run)
        return run

    def _settle(self) -> None:
        """Wait until the log has each request up to now: an answer may still be under way."""
        self.server.mark("settled")
        while True:
            requests = evidence.read_log(self.server.log)
            if len(requests) == requests[-1].number:
                return
            time.sleep(0.02)


def _reached(run: Run, before: list[evidence.Step]) -> list[evidence.Step]:
    """Return the steps recorded before that this run came to."""
    started = {cell.id for cell in run.cells}
    return [s for s in before if ("loop" if s.kind == "call" else s.name) in started]


def in_the_loop(server: Server) -> Callable[[CellRun], bool]:
    """Kill when the server has answered so many pages."""
    return lambda run: run.id == "loop" and server.full_pages() >= KILL_AFTER_PAGES


def in_the_model(run: CellRun) -> bool:
    """Kill when the model step has shown the scores of its first months."""
    shown = "".join(output.get("text", "") for output in run.outputs)
    return run.id == "model" and shown.count("AUC") >= KILL_AFTER_MONTHS


def check(report: Report, story: Story, reference: Story) -> None:
    """Hold every claim against the server's log, the ledger and the uninterrupted run."""
    first, second, third, fourth = story.runs
    (whole,) = reference.runs
    report.claim("the first kernel was killed inside the loop", first.killed_in == "loop")
    report.claim("the second was killed inside the model step", second.killed_in == "model")
    check_requests(report, story.runs)
    calls = [step for run in story.runs for step in run.executed if step.kind == "call"]
    report.claim(f"{DAYS} calls were recorded, each once", len(calls) == DAYS, str(len(calls)))
    for name in CELL_STEPS:
        times = sum(step.name == name for run in story.runs for step in run.executed)
        report.claim(f"the step {name} was completed once, then replayed", times == 1, str(times))
    report.claim("the last run executed no step and asked for no page",
                 not fourth.executed and not fourth.requests)  # fmt: skip
    for label, run in [(third.title, third), (fourth.title, fourth)]:
        differing = [cell for cell, shown in whole.outputs.items() if run.outputs[cell] != shown]
        report.claim(
            f"{label}: shows what the uninterrupted run shows (text, table, plot, digest)",
            not differing,
            f"differs: {', '.join(differing)}",
        )


def check_requests(report: Report, runs: list[Run]) -> None:
    """No page that was answered in full and checkpointed may be asked for again."""
    days = [request.page for request in runs[0].requests]
    order = list(dict.fromkeys(days + [request.page for request in runs[1].requests]))
    answered: set[str] = set()
    recorded = 0
    for earlier, later in itertools.pairwise(runs):
        answered |= evidence.full_answers(earlier.requests)
        recorded += sum(step.kind == "call" for step in earlier.executed)
        # The loop is sequential: n recorded calls are those of the first n days.
        asked = {request.page for request in later.requests}
        again, twice = asked & set(order[:recorded]), asked & answered
        report.claim(
            f"{later.title}: asked for none of the {recorded} pages checkpointed before",
            not again and recorded > 0,
            f"again: {some(again)}",
        )
        # A kill can fall between the answer and its commit: that one page is asked for twice.
        allowed = 1 if earlier.killed_in == "loop" else 0
        report.claim(
            f"{later.title}: asked for {len(twice)} of the {len(answered)} pages answered before "
            f"(at most {allowed}, in flight at the kill)",
            len(twice) <= allowed,
            f"again: {some(twice)}",
        )


def some(pages: set[str]) -> str:
    """Name the first few pages, and how many more there are."""
    first, more = sorted(pages)[:3], len(pages) - 3
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="durable-nb-demo-") as folder:
        yield Path(folder).resolve()


def main() -> int:
    """Tell the story, check it, and return the exit status."""
    os.environ.pop("DURABLE_NB_STORE", None)
    os.environ.pop("DURABLE_NB_DISABLE", None)
    report = Report()
    report.opening(DAYS)
    with temporary_folder() as folder:
        story, reference = Story(folder / "killed"), Story(folder / "reference")
        try:
            loop = in_the_loop(story.server)
            report.run(story.run_all("run 1", loop))
            report.run(story.run_all("run 2", in_the_model))
            report.run(story.run_all("run 3"))
            report.run(story.run_all("run 4"))
            report.run(reference.run_all("reference"))
        except CellError as error:
            report.failed(str(error))
            return 1
        finally:
            story.server.close()
            reference.server.close()
        check(report, story, reference)
        report.closing(story.runs, reference.runs[0])
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
