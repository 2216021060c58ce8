"""``durable-nb doctor``: what is installed and set up, a line each, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.cli.command import Command
from durable_nb.cli.output import say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="of your notebooks (the current folder)")
    parser.add_argument("--profile", metavar="NAME", default="default", help="the IPython profile that kernels use")


def _run(options: Namespace) -> int:
    """Print every line, and fail when something is broken."""
    from durable_nb.cli.checks import checks

    found = list(checks(options.folder, options.profile))
    for each in found:
        say(f"{each.mark:<2}  {each.topic:<9} {each.tells}" + (f": {each.advice}" if each.advice else ""))
    return 1 if any(each.good is False for each in found) else 0


DOCTOR = Command("doctor", "say what is installed and set up, and what to do", _arguments, _run)
