"""The works that are measured: each runs in a process of its own and returns its rows.

Saving and restoring are measured through the public ``@step``, from the call to its return, less
the time of the body: so keys, capture, blob files, commit and events are all in the figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from baseline import pickle_load, pickle_save, seconds, single_row_commits

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1_000_000
OWN_LINES = "own-lines.txt"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that is allowed: of the baseline (``ratio``), or in the row's unit (``limit``)."""

    ratio: float | None = None
    limit: float | None = None


@dataclass(slots=True)
class Row:
    """One line of the table; samples in seconds, or in bytes where the unit says so."""

    work: str
    budget: Budget
    against: str
    unit: str = "s"
    baseline: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def add(self, baseline: Callable[[], float], ours: Callable[[], float]) -> None:
        """Take one sample of each; which of the two goes first alternates."""
        pair = [(self.baseline, baseline), (self.ours, ours)]
        for samples, measure in pair if len(self.ours) % 2 == 0 else reversed(pair):
            gc.collect()
            samples.append(measure())


class Body:
    """Listens to a store: how long the body of its newest step took, and how many steps ran or replayed.

    The step itself must not tell: what it would tell to is an input, and makes it dearer than what is measured.
    """

    def __init__(self, session):
        self.seconds, self.ran, self.replayed, self.peak = 0.0, 0, 0, 0
        session.bus.subscribe(self._hear)

    def _hear(self, event):
        if event.kind == "attempt_started":
            self._began = time.perf_counter()
        elif event.kind == "body_finished":
            self.seconds, self.ran, self.peak = time.perf_counter() - self._began, self.ran + 1, peak_bytes()
        elif event.kind == "replayed":
            self.replayed += 1


def make_array(size, seed):
    import numpy as np

    return np.random.default_rng(seed).random(size)


def make_frame(size, seed):
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "price": rng.random(size),
            "weight": rng.random(size, dtype=np.float32),
            "count": rng.integers(0, 1000, size),
            "city": rng.choice(["Berlin", "Lagos", "Lima", "Osaka"], size),
            "order": [f"order-{number:08}" for number in range(size)],
        }
    )


def make_dicts(size, seed):
    return [{"id": n, "name": f"user-{n}", "score": n * 0.5 + seed} for n in range(size)]


def make(kind, size, seed):
    if kind == "array":
        return make_array(size, seed)
    return make_frame(size, seed) if kind == "frame" else make_dicts(size, seed)


def values(kind: str, size: int, label: str, *, save: Budget, restore: Budget, repeat: int):
    """Save a value as a step's result, and replay it, against pickle to a file and back."""
    from durable_nb import open_store, step

    @step
    def build(kind, size, seed):
        return make(kind, size, seed)

    rows = [Row(f"{label}: save", save, "pickle + fsync"),
            Row(f"{label}: restore", restore, "pickle.load")]  # fmt: skip
    for repetition in range(repeat):
        with fresh_folder() as folder:
            value = make(kind, size, repetition)
            ledger, by_hand = folder / "ours.duckdb", folder / "plain.pickle"

            def save_ours(ledger=ledger, seed=repetition):
                with open_store(ledger) as session:
                    build(kind, 1, 0)
                    body = Body(session)
                    total = seconds(lambda: build(kind, size, seed))
                assert body.ran == 1
                return total - body.seconds

            def restore_ours(ledger=ledger, seed=repetition):
                with open_store(ledger) as session:
                    build(kind, 1, 0)
                    body = Body(session)
                    total = seconds(lambda: build(kind, size, seed))
                assert (body.ran, body.replayed) == (0, 1), "ran instead of being replayed"
                return total

            rows[0].add(
                lambda v=value, p=by_hand: seconds(lambda: pickle_save(v, p)),
                save_ours,
            )
            del value
            rows[1].add(lambda p=by_hand: seconds(lambda: pickle_load(p)), restore_ours)
    return rows


def calls(repeat: int, count: int):
    """One trivial call after the other, saved and replayed."""
    from durable_nb import open_store, step

    @step
    def double(number):
        return 2 * number

    save = Row("trivial @step call: save", Budget(ratio=1.2), "one DuckDB row, committed")
    restore = Row("trivial @step call: replay", Budget(limit=25e-6), "a plain call")
    for _ in range(repeat):
        with fresh_folder() as folder:

            def ours(folder=folder):
                with open_store(folder / "ours.duckdb"):
                    double(-1)
                    return seconds(lambda: [double(n) for n in range(count)]) / count

            save.add(lambda f=folder: single_row_commits(f, count), ours)
            restore.add(lambda: seconds(lambda: [double.func(n) for n in range(count)]) / count, ours)
    return [save, restore]


def concurrent(repeat: int, count: int):
    """Many calls at once in one event loop share commits."""
    from durable_nb import open_store, step

    @step
    async def double(number):
        return 2 * number

    async def gather(function):
        return await asyncio.gather(*(function(number) for number in range(count)))

    row = Row(f"{count:,} concurrent @step calls: each", Budget(limit=100e-6), "plain coroutines")
    for _ in range(repeat):
        with fresh_folder() as folder:

            def ours(folder=folder):
                with open_store(folder / "ours.duckdb"):
                    asyncio.run(double(-1))
                    return seconds(lambda: asyncio.run(gather(double))) / count

            row.add(lambda: seconds(lambda: asyncio.run(gather(double.func))) / count, ours)
    return [row]


def cells(repeat: int):
    """A trivial %%step cell in IPython, run and replayed."""
    save = Row("trivial %%step cell: run", Budget(limit=5e-3), "the cell without %%step")
    replay = Row("trivial %%step cell: replay", Budget(limit=3e-3), "the cell without %%step")
    with shell_with_store() as shell:
        run_cell(shell, "%%step\nwarm = 1")
        for repetition in range(repeat):
            body = f"number = {repetition}\nnumber"
            plain = partial(lambda body: seconds(lambda: run_cell(shell, body)), body)
            step = f"%%step trivial\n{body}"
            save.add(plain, partial(lambda cell: seconds(lambda: run_cell(shell, cell)), step))
            replay.add(plain, partial(replay_cell, shell, step))
    return [save, replay]


def big_input(repeat: int, size: int):
    """A cell that reads a large array that did not change is replayed, and writes nothing."""
    row = Row(f"unchanged {8 * size / MB:,.0f} MB input, warm", Budget(limit=0.1),
              "the cell without %%step")  # fmt: skip
    with shell_with_store() as shell:
        shell.user_ns["big"] = make_array(size, 1)
        cell = "%%step total\ntotal = float(big.sum())"
        run_cell(shell, cell)
        run_cell(shell, cell)
        before = stored_bytes()
        for _ in range(repeat):
            row.add(
                lambda: seconds(lambda: run_cell(shell, "total = float(big.sum())")),
                lambda: replay_cell(shell, cell),
            )
        assert stored_bytes() - before < size, "the unchanged input was written"
    return [row]


def whole_state(repeat: int, size: int):
    """``%durable restore`` of five arrays of five steps, each an input of the next, against loading them by hand."""
    row = Row(f"%durable restore of {5 * 8 * size / 1e9:g} GB in 5 steps", Budget(limit=2.0), "pickle.load of each")
    cells = [f"%%step\nimport numpy as np\na0 = np.random.default_rng(0).random({size})"]
    cells += [f"%%step\na{number} = a{number - 1} + 1" for number in range(1, 5)]
    with shell_with_store() as shell, fresh_folder() as by_hand:
        for number, cell in enumerate(cells):
            run_cell(shell, cell)
            pickle_save(shell.user_ns[f"a{number}"], by_hand / str(number))

        def ours():
            run_cell(shell, "%unload_ext durable_nb")
            shell.reset(new_session=False)
            run_cell(shell, "%load_ext durable_nb")
            took = seconds(lambda: run_cell(shell, "%durable restore"))
            assert [shell.user_ns[f"a{number}"].size for number in range(5)] == [size] * 5
            return took

        for _ in range(repeat):
            row.add(lambda: seconds(lambda: [pickle_load(by_hand / str(number)) for number in range(5)]), ours)
    return [row]


def imports(repeat: int):
    """How long the package and the extension take to load in a fresh process, their bytecode there as pip leaves it."""
    rows = [Row("import durable_nb", Budget(limit=60e-3), "import json"),
            Row("%load_ext durable_nb", Budget(limit=250e-3), "import json")]  # fmt: skip
    shell = "from IPython.core.interactiveshell import InteractiveShell as S\ns = S.instance()"
    load = "s.run_line_magic('load_ext', 'durable_nb')"
    with fresh_folder() as bytecode:
        plain = partial(in_fresh_process, "", "import json", bytecode)
        ours = [partial(in_fresh_process, "", "import durable_nb", bytecode),
                partial(in_fresh_process, shell, load, bytecode)]  # fmt: skip
        for fresh in (plain, *ours):
            fresh()  # writes the bytecode
        for _ in range(repeat):
            for row, measure in zip(rows, ours, strict=True):
                row.add(plain, measure)
    return rows


def command_line(repeat: int):
    """How long the command line takes from its start to its end, as a person waits for it."""
    row = Row("durable-nb --help", Budget(limit=150e-3), "python -c pass")
    program = [str(Path(sys.executable).with_name("durable-nb")), "--help"]
    for _ in range(repeat):
        row.add(partial(whole_process, [sys.executable, "-c", "pass"]), partial(whole_process, program))
    return [row]


def whole_process(command: list[str]) -> float:
    """Return the seconds from a command's start to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def memory(repeat: int, size: int):
    """Peak memory beyond the value itself while it is saved."""
    save = "import baseline, pathlib; baseline.pickle_save(value, pathlib.Path('plain.pickle'))"
    step_code = (
        "import durable_nb, numpy, works\n"
        "@durable_nb.step\n"
        "def build(size):\n"
        "    return works.make_array(size, 1)\n"
        "with durable_nb.open_store('ours.duckdb') as session:\n"
        "    build(1)\n"
        "    body = works.Body(session)\n"
        "    build({size})\n"
        "print(works.peak_bytes() - body.peak)"
    )
    pickle_code = (
        "import works\nvalue = works.make_array({size}, 1)\nbefore = works.peak_bytes()\n"
        f"{save}\nprint(works.peak_bytes() - before)"
    )
    row = Row(f"peak extra memory, saving {8 * size / MB:,.0f} MB",
              Budget(limit=0.1 * 8 * size + 64 * MB), "pickle + fsync", unit="B")  # fmt: skip
    for _ in range(repeat):
        row.add(lambda: run_python(pickle_code.format(size=size)),
                lambda: run_python(step_code.format(size=size)))  # fmt: skip
    return [row]


# fmt: off
WORKS: dict[str, Callable[[bool], list[Row]]] = {
    "array-100MB": lambda quick: values(
        "array", 12_500_000, "100 MB float array",
        save=Budget(ratio=1.1), restore=Budget(ratio=0.05), repeat=2 if quick else 7),
    "array-1GB": lambda quick: [] if quick else values(
        "array", 125_000_000, "1 GB float array",
        save=Budget(ratio=1.1), restore=Budget(ratio=0.05), repeat=3),
    "frame": lambda quick: values(
        "frame", 1_000_000, "1e6-row frame",
        save=Budget(ratio=1.5), restore=Budget(ratio=0.3), repeat=2 if quick else 5),
    "dicts": lambda quick: values(
        "dicts", 1_000_000, "list of 1e6 dicts",
        save=Budget(ratio=2.0), restore=Budget(ratio=1.2), repeat=2 if quick else 5),
    "big-input": lambda quick: big_input(3 if quick else 7, 12_500_000 if quick else 125_000_000),
    "whole-state": lambda quick: whole_state(2 if quick else 5, 12_500_000 if quick else 125_000_000),
    "cells": lambda quick: cells(10 if quick else 40),
    "calls": lambda quick: calls(2 if quick else 5, 200),
    "concurrent": lambda quick: concurrent(2 if quick else 5, 1000),
    "imports": lambda quick: imports(3 if quick else 9),
    "command-line": lambda quick: command_line(5 if quick else 15),
    "memory": lambda quick: memory(1 if quick else 3, 12_500_000 if quick else 64_000_000),
}
# fmt: on


def fresh_folder():
    """Give a folder that is gone afterwards."""
    return _Folder()


class _Folder:
    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="durable-nb-bench-")
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def stored_bytes() -> int:
    """Sum up what lies in the working folder, which holds the shell's store."""
    return sum(path.stat().st_size for path in Path.cwd().rglob("*") if path.is_file())


@contextlib.contextmanager
def shell_with_store():
    """An in-process IPython shell whose store is in a folder that is gone afterwards.

    Lines of the extension go to the real stderr; it is a file meanwhile, ``OWN_LINES``.
    """
    from IPython.core.interactiveshell import InteractiveShell

    home, stderr = Path.cwd(), os.dup(2)
    with fresh_folder() as folder, (folder / OWN_LINES).open("wb") as own_lines:
        os.chdir(folder)
        os.dup2(own_lines.fileno(), 2)
        os.environ["DURABLE_NB_STORE"] = str(folder / "bench.duckdb")
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "durable_nb")
        try:
            yield shell
        finally:
            shell.run_line_magic("unload_ext", "durable_nb")
            os.dup2(stderr, 2)
            os.chdir(home)


def run_cell(shell, source: str) -> None:
    """Run a cell with its output kept off the terminal; an error in it ends the bench."""
    with contextlib.redirect_stdout(io.StringIO()):
        shell.run_cell(source, store_history=True).raise_error()


def replay_cell(shell, source: str) -> float:
    """Return the seconds that a recorded cell takes, which must replay rather than run."""
    before = replays()
    took = seconds(lambda: run_cell(shell, source))
    assert replays() == before + 1, f"ran instead of being replayed: {source}"
    return took


def replays() -> int:
    """Count the replays that the extension has told of so far."""
    return Path(OWN_LINES).read_text("utf-8").count("↻ replayed")


def peak_bytes() -> int:
    """Return the most memory this process ever had resident.

    Not ``ru_maxrss`` where there is a choice: Linux hands the parent's over at fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_fresh_process(setup: str, statement: str, bytecode: Path) -> float:
    """Return the seconds that a statement takes in a new Python, whose bytecode lies in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return run_python(
        f"{setup}\nimport time\nbegan = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)",
        {**environment, "PYTHONPYCACHEPREFIX": str(bytecode)},
    )


def run_python(code: str, environment: dict[str, str] | None = None) -> float:
    """Run code in a new Python in an empty folder; return the number on its last line."""
    here = Path(__file__).parent
    path = f"import sys; sys.path.insert(0, {str(here)!r})\n"
    with fresh_folder() as folder:
        command = [sys.executable, "-c", path + code]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(done.stdout.splitlines()[-1])
