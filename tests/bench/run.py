"""Measures durable_nb against plain pickle and plain DuckDB, in the same run, and prints ratios."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from works import WORKS, Budget, Row

PREFIXES = {"s": [(1, "s"), (1e-3, "ms"), (1e-6, "µs")], "B": [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")]}


def measure(name: str, quick: bool) -> list[Row]:
    """Run one work in a process of its own, so that no other's memory or caches are in it."""
    command = [sys.executable, __file__, "--one", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    return [Row(**{**row, "budget": Budget(**row["budget"])}) for row in rows]


def amount(value: float, unit: str) -> str:
    """Write a quantity with the prefix that suits it."""
    scale, name = next(
        ((scale, name) for scale, name in PREFIXES[unit] if abs(value) >= scale),
        PREFIXES[unit][-1],
    )
    return f"{value / scale:.3g} {name}"


def spread(samples: list[float], unit: str) -> str:
    """Write the median and, in brackets, the least and the most."""
    return (f"{amount(median(samples), unit)} "
            f"\\[{amount(min(samples), unit)} – {amount(max(samples), unit)}]")  # fmt: skip


def within(row: Row) -> bool:
    """Say whether the median keeps to the budget."""
    ours = median(row.ours)
    if row.budget.ratio is not None:
        return ours <= row.budget.ratio * median(row.baseline)
    return ours <= row.budget.limit


def budget(row: Row) -> str:
    """Write the budget as it is meant."""
    if row.budget.ratio is not None:
        return f"≤ {row.budget.ratio:g}×"
    return f"≤ {amount(row.budget.limit, row.unit)}"


def table(rows: list[Row]) -> Table:
    """Lay the rows out: medians, in brackets least and most."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("work", "baseline", "ours", "ratio", "budget", "ok", "baseline is"):
        shown.add_column(heading, justify="right" if heading == "ratio" else "left", no_wrap=True)
    for row in rows:
        base = median(row.baseline)
        ratio = f"{median(row.ours) / base:.2f}×" if base > 0 else "–"
        shown.add_row(
            row.work, spread(row.baseline, row.unit), spread(row.ours, row.unit), ratio,
            budget(row), "yes" if within(row) else "[bold red]NO[/]", row.against,
        )  # fmt: skip
    return shown


def main() -> None:
    """Measure every work, or the chosen ones, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions, no 1 GB")
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    parser.add_argument("--one", choices=WORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.works) - set(WORKS):
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    if options.one:
        print(json.dumps([asdict(row) for row in WORKS[options.one](options.quick)]))
        return
    rows = []
    errors = Console(stderr=True)
    for name in options.works or WORKS:
        errors.print(f"measuring {name} …", style="dim")
        rows += measure(name, options.quick)
    python = platform.python_version()
    print(f"Python {python}, duckdb {version('duckdb')}, {os.cpu_count()} cores; median [min – max]")
    Console(width=max(160, Console().width), highlight=False).print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
