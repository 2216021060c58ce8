"""Runs a notebook plainly, and with every cell a step in kernels that are killed; tells whether it came to the same."""

from __future__ import annotations

import json
import os
import random
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import psutil
from cells import is_step
from compare import Seen, first_difference, own, shown
from driver import ROOT, Kernel, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
INSTANTS = 3
PATIENCE_SECONDS = 900.0
MOST_PLAIN = 60
"""So many are made before a difference is believed: of random numbers, say, a few digits are often the same."""
_SETUP = "__import__('probe').begin()"
AUTO = "%durable auto on"
"""As people use it: this is what the overhead is measured of."""
EVERY = f"{AUTO} --only-slow 0s"
"""Every cell is recorded, also those that are quicker to run again: more of them can come out wrong."""
_REPLAYED = "↻ replayed "
_WHY = re.compile(r"was not checkpointed and will run again: (.*)|↻ running \S+ again: (.*)")


@dataclass(frozen=True)
class Kill:
    """A point at which a kernel is killed: in a cell, some seconds after it began; or before it, where that is None."""

    cell: int
    seconds: float | None = None


@dataclass
class Played:
    """One run of all cells in one kernel, or of those before it was killed."""

    results: list[Result] = field(default_factory=list)
    left: dict[str, str] | None = None
    cpu_seconds: float = 0.0
    stored_bytes: int = 0

    @property
    def seconds(self) -> float:
        """How long the cells took."""
        return sum(each.seconds for each in self.results)

    @property
    def seen(self) -> Seen:
        """What is compared."""
        return Seen([shown(each) for each in self.results], self.left)


@dataclass
class Report:
    """What became of one notebook.

    Attributes:
        difference: the first one, and in which run; "" where all runs came to the same.
        cells: how many code cells it has.
        steps: how many of them are steps.
        replayed: how many of these replay once all have run, when every one is recorded.
        recorded: how many are recorded when they are chosen by what a checkpoint costs.
        why: of those that do not, cell -> what the lines say.
        own: outputs and names in which plain runs differ themselves.
        kills: where kernels were killed.
    """

    name: str
    cells: int
    steps: int
    difference: str = ""
    replayed: int = 0
    recorded: int = 0
    why: dict[int, str] = field(default_factory=dict)
    own: tuple[int, list[str]] = (0, [])
    kills: list[Kill] = field(default_factory=list)
    plain_seconds: float = 0.0
    durable_seconds: float = 0.0
    replay_seconds: float = 0.0
    plain_cpu: float = 0.0
    durable_cpu: float = 0.0
    stored_bytes: int = 0
    every_seconds: float = 0.0
    every_bytes: int = 0

    @property
    def overhead(self) -> float:
        """What auto mode costs, as a part of the plain run."""
        return self.durable_seconds / self.plain_seconds - 1

    @property
    def overhead_of_every(self) -> float:
        """The same when every cell is recorded."""
        return self.every_seconds / self.plain_seconds - 1


class Harness:
    """Compares runs of one notebook, each in a folder of its own.

    Args:
        folder: for all of them.
        name: of the notebook.
        cells: its code.
    """

    def __init__(self, folder: Path, name: str, cells: list[str]) -> None:
        self._folder = folder
        self._cells = cells
        self._plain: list[Played] = []
        self._unlike: list[str] = []
        self.report = Report(name, len(cells), sum(map(is_step, cells)))

    def run(self, *, every_boundary: bool) -> Report:
        """Run it all, until something differs."""
        report = self.report
        self._run_plainly_twice()
        end = Kill(len(self._cells))
        auto, resumed = self._run_durably("auto", AUTO, [end])
        for whole in (auto, *self._run_durably("auto-again", AUTO, [])):  # as it was run plainly: the better of two
            self._measure(whole, resumed)
        self._compare("auto mode", auto)
        self._compare("auto mode, resumed", resumed)
        whole, replay = self._run_durably("whole", EVERY, [end])
        self._note_replay(whole, replay)
        self._compare("with steps", whole)
        self._compare("replayed", replay)
        instants = self._instants(whole)
        self._kill("auto mode, ", AUTO, instants[:1])
        self._kill("", EVERY, self._boundaries() if every_boundary else instants)
        report.own = own([each.seen for each in self._plain])[0], self._unlike
        return report

    def measure(self, times: int) -> Report:
        """Only time it, plainly and in auto mode, cell by cell in turn; of so many pairs of runs the median one counts.

        A machine that others use as well is slow for seconds or for minutes at a time: of two runs that follow each
        other one may take twice the time of the other, of two that take turns it hardly does.
        """
        report = self.report
        pairs = [self._play_in_turn(number) for number in range(times)]
        _check_ran(report.name, pairs[0][0])
        plain, auto = sorted(pairs, key=lambda pair: pair[1].seconds / pair[0].seconds)[len(pairs) // 2]
        report.plain_seconds, report.durable_seconds = plain.seconds, auto.seconds
        report.plain_cpu, report.durable_cpu = plain.cpu_seconds, auto.cpu_seconds
        report.stored_bytes = auto.stored_bytes
        return report

    def _play_in_turn(self, number: int) -> tuple[Played, Played]:
        """Run each cell in a kernel without and in one with auto mode before the next; who is first changes, too."""
        plain, auto = Played(), Played()
        with self._kernel(f"plain-{number}") as one, self._kernel(f"auto-{number}") as other:
            turns = [(one, "pass", plain), (other, _loading(AUTO), auto)][:: -1 if number % 2 else 1]
            for kernel, first, played in turns:
                _begin(kernel, first)
                played.cpu_seconds = -_cpu(kernel)
            for place, cell in enumerate(self._cells):
                for kernel, _, played in turns:
                    played.results.append(kernel.run(cell, f"cell-{place}", timeout=PATIENCE_SECONDS))
            for kernel, _, played in turns:
                played.cpu_seconds += _cpu(kernel)
            auto.stored_bytes = _size(other.folder / ".durable_nb")
        return plain, auto

    def _kill(self, mode: str, turn_on: str, kills: list[Kill]) -> None:
        if self.report.difference:
            return
        self.report.kills += kills
        runs = self._run_durably(f"{mode}killed", turn_on, kills)
        for kill, played in zip([*kills, None], runs, strict=True):
            self._compare(f"{mode}up to {kill}" if kill else f"{mode}resumed", played)

    def _run_plainly_twice(self) -> None:
        """Run it plainly; what differs is the notebook's own, and is no part of what the names are together."""
        with self._kernel("plain-1") as first, self._kernel("plain-2") as second:
            self._plain = [_play(each, "pass", self._cells) for each in (first, second)]
            for each in self._plain:
                _check_ran(self.report.name, each)
            one, other = (_left(each, ()) for each in (first, second))
            self._unlike = sorted(each for each in {*one, *other} if one.get(each) != other.get(each))
            for kernel, played in zip((first, second), self._plain, strict=True):
                played.left = _left(kernel, self._unlike)

    def _run_plainly_again(self) -> None:
        """Run it plainly with other bytes in memory that nobody has set: as ``numpy.empty`` returns it."""
        number = len(self._plain) + 1
        with self._kernel(f"plain-{number}", {"MALLOC_PERTURB_": str(number)}) as kernel:
            played = _play(kernel, "pass", self._cells)
            played.left = _left(kernel, self._unlike)
            self._plain.append(played)

    def _run_durably(self, name: str, turn_on: str, kills: list[Kill]) -> list[Played]:
        """Run it with steps, in one more kernel than there are kills; all of them share a store."""
        runs = []
        with self._kernel(name) as kernel:
            for kill in [*kills, None]:
                if runs:
                    kernel.restart()
                played = _play(kernel, _loading(turn_on), self._cells, kill)
                runs.append(played)
                if kill is None or kill.cell >= len(self._cells):
                    played.left = _left(kernel, self._unlike)
                played.stored_bytes = _size(kernel.folder / ".durable_nb")
        return runs

    def _boundaries(self) -> list[Kill]:
        return [Kill(number) for number in range(1, len(self._cells))]

    def _instants(self, whole: Played) -> list[Kill]:
        """Choose instants at random over the time that the run with steps took; by the name, so always the same."""
        choose = random.Random(self.report.name)
        return [_at(whole, part) for part in sorted(choose.random() for _ in range(INSTANTS))]

    def _compare(self, run: str, played: Played) -> None:
        """Note the first difference, unless more plain runs have it as well: of few outcomes two are often alike."""
        if self.report.difference:
            return
        while found := first_difference(played.seen, [each.seen for each in self._plain]):
            if len(self._plain) >= MOST_PLAIN:
                break
            self._run_plainly_again()
        self.report.difference = f"{run}: {found}" if found else ""

    def _measure(self, whole: Played, replay: Played) -> None:
        report, plain = self.report, min(self._plain, key=lambda each: each.seconds)
        report.plain_seconds, report.plain_cpu = plain.seconds, min(each.cpu_seconds for each in self._plain)
        if not report.durable_seconds or whole.seconds < report.durable_seconds:
            report.durable_seconds, report.durable_cpu = whole.seconds, whole.cpu_seconds
        report.stored_bytes, report.recorded = whole.stored_bytes, sum(_replays(each) for each in replay.results)

    def _note_replay(self, whole: Played, replay: Played) -> None:
        report = self.report
        report.every_seconds, report.every_bytes = whole.seconds, whole.stored_bytes
        report.replay_seconds = replay.seconds
        report.replayed = sum(_replays(each) for each in replay.results)
        report.why = {
            number: why
            for number, (first, again) in enumerate(zip(whole.results, replay.results, strict=False))
            if is_step(self._cells[number]) and not _replays(again)
            for why in [_why(first) or _why(again) or "nothing is said"]
        }

    @contextmanager
    def _kernel(self, name: str, variables: Mapping[str, str] | None = None) -> Iterator[Kernel]:
        folder = self._folder / name
        folder.mkdir(parents=True)
        cells = [nbformat.v4.new_code_cell(each, id=f"cell-{number}") for number, each in enumerate(self._cells)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebook.ipynb")
        kernel = Kernel(folder, {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, HERE))), **(variables or {})})
        try:
            yield kernel
        finally:
            kernel.close()


def _play(kernel: Kernel, first: str, cells: list[str], kill: Kill | None = None) -> Played:
    """Run cells in a fresh kernel until they are done, or the kernel is killed in one or before one."""
    played = Played()
    _begin(kernel, first)
    before = _cpu(kernel)
    for number, cell in enumerate(cells):
        if kill is not None and kill.cell == number:
            if kill.seconds is not None:
                kernel.run_for(cell, kill.seconds, f"cell-{number}")
            break
        played.results.append(kernel.run(cell, f"cell-{number}", timeout=PATIENCE_SECONDS))
    else:
        played.cpu_seconds = _cpu(kernel) - before
    return played


def _begin(kernel: Kernel, first: str) -> None:
    kernel.ask(_SETUP)
    loaded = kernel.run(first, "first")
    if loaded.status != "ok":
        raise ValueError(loaded.error)


def _loading(turn_on: str) -> str:
    return f"%load_ext durable_nb\n{turn_on}"


def _check_ran(name: str, played: Played) -> None:
    """A notebook that does not run is none for the corpus."""
    for number, result in enumerate(played.results):
        if result.status != "ok":
            raise ValueError(f"{name}: cell {number} fails when it is run plainly:\n{result.error}")


def _left(kernel: Kernel, unlike) -> dict[str, str]:
    return json.loads(kernel.ask(f"__import__('probe').left({list(unlike)!r})"))


def _cpu(kernel: Kernel) -> float:
    times = psutil.Process(kernel.pid).cpu_times()
    return times.user + times.system


def _at(whole: Played, part: float) -> Kill:
    rest = part * whole.seconds
    for number, result in enumerate(whole.results):
        if rest < result.seconds:
            break
        rest -= result.seconds
    return Kill(number, round(rest, 3))


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _replays(result: Result) -> bool:
    return any(each.startswith(_REPLAYED) for each in result.own_lines)


def _why(result: Result) -> str:
    found = [each for line in result.own_lines for each in _WHY.finditer(line)]
    return (found[0][1] or found[0][2]) if found else ""
