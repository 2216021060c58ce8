"""How the demo tells what happened: one table per run, then each claim with its verdict."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from kernel import CellRun
    from run_demo import Run


class Report:
    """Prints to the terminal and remembers whether every claim held."""

    def __init__(self) -> None:
        # Not a terminal: wide enough that no line of a log is broken.
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        self.holds = True

    def opening(self, pages: int) -> None:
        """Say what is about to happen."""
        self.console.print(
            f"\n[bold]notebooks/quickstart.ipynb[/] fetches {pages} pages from a server that "
            "misbehaves.\nIts kernel is killed with SIGKILL in the loop and in the model step; "
            "each time\na fresh kernel runs all cells again.\n"
        )

    def run(self, run: Run) -> None:
        """Show what a kernel replayed and executed, cell by cell."""
        end = f", killed in the cell {run.killed_in}" if run.killed_in else ", to the end"
        self.console.rule(f"[bold]{run.title}{end}", align="left")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
        for cell in run.cells:
            table.add_row(cell.id, f"{cell.seconds:.2f} s", _story_of(run, cell))
            for line in cell.own_lines:
                table.add_row("", "", Text(line, "dim"))
        self.console.print(table)
        answers = Counter(request.answer for request in run.requests)
        said = ", ".join(f"{count} {kind}" for kind, count in answers.most_common())
        self.console.print(f"the server's log: {said or 'no request'}\n", style="dim")

    def claim(self, text: str, true: bool, otherwise: str = "") -> None:
        """Show a claim and whether it holds; ``otherwise`` is shown when it does not."""
        self.holds &= true
        detail = f" ({otherwise})" if otherwise and not true else ""
        mark = Text("✓ ", "green") if true else Text("✗ ", "bold red")
        self.console.print(mark + Text(text + detail), soft_wrap=True)

    def failed(self, traceback: str) -> None:
        """Show why the story could not be told to its end."""
        self.console.print("\n[bold red]a cell failed:[/]")
        self.console.print(Text.from_ansi(traceback))

    def closing(self, runs: list[Run], reference: Run) -> None:
        """Show the time saved and the verdict."""
        saved = sum(step.seconds for run in runs for step in run.replayed)
        whole = sum(cell.seconds for cell in reference.cells)
        again = sum(cell.seconds for cell in runs[-1].cells)
        self.console.print(
            f"\ntime saved: [bold]{saved:.1f} s[/] of step bodies were replayed rather than run;\n"
            f"the whole notebook takes {whole:.1f} s, replayed in a fresh kernel {again:.1f} s\n"
            + ("[bold green]all of it holds[/]" if self.holds else "[bold red]it does not hold[/]")
        )


def _story_of(run: Run, cell: CellRun) -> Text:
    """Say in a few words how the cell came to its result."""
    if cell.id == "loop":
        done = sum(step.kind == "call" for step in run.executed)
        replayed = sum(step.kind == "call" for step in run.replayed)
        told = Text(f"{replayed} calls replayed, {done} executed")
    elif any(step.name == cell.id for step in run.replayed if step.kind == "cell"):
        told = Text("replayed", "green")
    elif any(step.name == cell.id for step in run.executed if step.kind == "cell"):
        told = Text("executed")
    else:
        told = Text("" if cell.killed else "ran", "dim")
    if cell.killed:
        told.append("  ☠ killed", "bold red")
    return told
