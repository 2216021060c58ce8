"""Runs the corpus, or the notebooks that are named, and prints a table: ``run.py [--json FILE] [NAME or FILE ...]``."""

from __future__ import annotations

import argparse
import compileall
import json
import sys
import tempfile
import tomllib
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "kernel")]

from cells import cells_of  # noqa: E402 - found only now
from harness import Harness  # noqa: E402
from sources import text_of  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Report

_ROW = "{:<42} {:>5} {:>9} {:>4} {:>8} {:>8} {:>6} {:>6} {:>8} {:>7} {:>6} {:>9} {:>8}"
_HEAD = ("notebook", "cells", "replayed", "own", "plain s", "auto s", "time", "cpu", "recorded", "KB")
_HEAD_OF_EVERY = ("every", "KB", "replay s")
_TIMES = "{:<42} {:>5} {:>8} {:>8} {:>7} {:>6} {:>11} {:>7}"
_HEAD_OF_TIMES = ("notebook", "cells", "plain s", "auto s", "time", "cpu", "ms per cell", "KB")


class Entry(NamedTuple):
    """A notebook of the corpus.

    Attributes:
        distribution: that it comes from; "" for a file of one's own.
        path: in there.
        every_boundary: kernels are killed before every cell, not at random instants.
    """

    distribution: str
    path: str
    every_boundary: bool

    @property
    def name(self) -> str:
        """The distribution and the file's name."""
        return f"{self.distribution}/{Path(self.path).name}"

    def cells(self) -> list[str]:
        """Return its code cells."""
        text = text_of(self.distribution, self.path) if self.distribution else Path(self.path).read_text()
        return cells_of(self.path, text)


def corpus() -> Iterator[Entry]:
    """Yield the notebooks of the corpus."""
    for distribution, listed in tomllib.loads((HERE / "corpus.toml").read_text()).items():
        for kind in ("boundaries", "instants"):
            yield from (Entry(distribution, path, kind == "boundaries") for path in listed.get(kind, ()))


def play(entry: Entry, folder: Path, only_time: int | None = None) -> Report:
    """Run one notebook through the harness."""
    harness = Harness(folder / entry.name.replace("/", "-"), entry.name, entry.cells())
    return harness.measure(only_time) if only_time else harness.run(every_boundary=entry.every_boundary)


def main() -> int:
    """Print a row for each as it is done, then what differs, what does not replay, and what the steps cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names, or files")
    parser.add_argument("--json", type=Path, help="also write the reports there")
    parser.add_argument("--overhead", type=int, metavar="TIMES", help="only time auto mode beside plain runs, so often")
    parser.add_argument("--boundaries", action="store_true", help="kill before every cell of them all")
    arguments = parser.parse_args()
    files = [Entry("", each, arguments.boundaries) for each in arguments.names if Path(each).is_file()]
    words = [each for each in arguments.names if not Path(each).is_file()]
    chosen = [each for each in corpus() if any(word in each.name for word in words) or not arguments.names]
    compileall.compile_dir(HERE.parents[1] / "durable_nb", quiet=1)  # as an installed package is
    print(_TIMES.format(*_HEAD_OF_TIMES) if arguments.overhead else _ROW.format(*_HEAD, *_HEAD_OF_EVERY))
    reports = []
    for entry in [*files, *(each._replace(every_boundary=each[2] or arguments.boundaries) for each in chosen)]:
        with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
            reports.append(play(entry, Path(folder), arguments.overhead))
        print((_times if arguments.overhead else _row)(reports[-1]), flush=True)
    if arguments.overhead:
        print(_costs_of_auto(reports))
    else:
        _summary(reports)
    if arguments.json:
        arguments.json.write_text(
            json.dumps([asdict(each) | {"overhead": each.overhead} for each in reports], indent=1)
        )
    return 1 if any(each.difference for each in reports) else 0


def _row(report: Report) -> str:
    row = _ROW.format(
        report.name[-42:],
        report.cells,
        f"{report.replayed}/{report.steps}",
        report.own[0] + len(report.own[1]),
        f"{report.plain_seconds:.2f}",
        f"{report.durable_seconds:.2f}",
        f"{report.overhead:+.0%}",
        f"{report.durable_cpu / report.plain_cpu - 1:+.0%}",
        report.recorded,
        report.stored_bytes // 1024,
        f"{report.overhead_of_every:+.0%}",
        report.every_bytes // 1024,
        f"{report.replay_seconds:.2f}",
    )
    why = [f"    cell {number} does not replay: {text}" for number, text in report.why.items()]
    return "\n".join([row, *why, *([f"  DIFFERS {report.difference}"] if report.difference else ["  equal"])])


def _times(report: Report) -> str:
    return _TIMES.format(
        report.name[-42:],
        report.cells,
        f"{report.plain_seconds:.3f}",
        f"{report.durable_seconds:.3f}",
        f"{report.overhead:+.1%}",
        f"{report.durable_cpu / report.plain_cpu - 1:+.0%}",
        f"{(report.durable_seconds - report.plain_seconds) / report.cells * 1000:.1f}",
        report.stored_bytes // 1024,
    )


def _costs_of_auto(reports: list[Report]) -> str:
    return f"auto mode: {_costs([each.overhead for each in reports], [each.stored_bytes for each in reports])}"


def _summary(reports: list[Report]) -> None:
    equal = sum(not each.difference for each in reports)
    print(f"{equal} of {len(reports)} equal; {sum(len(each.kills) for each in reports)} kernels killed")
    recorded, replayed = sum(each.recorded for each in reports), sum(each.replayed for each in reports)
    steps = sum(each.steps for each in reports)
    print(f"{_costs_of_auto(reports)}; {recorded} of {steps} steps are worth a checkpoint, the others run again")
    print(
        f"every cell: {_costs([each.overhead_of_every for each in reports], [each.every_bytes for each in reports])};",
        end=" ",
    )
    print(f"{replayed} of {steps} steps replay")


def _costs(overheads: list[float], stored: list[int]) -> str:
    return f"overhead median {median(overheads):+.1%}, worst {max(overheads):+.0%}, {sum(stored) >> 10} KB stored"


if __name__ == "__main__":
    sys.exit(main())
