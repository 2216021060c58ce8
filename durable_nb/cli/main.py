"""Takes a command line apart and hands it to the command."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import durable_nb
from durable_nb.cli.command import CommandError
from durable_nb.cli.doctor import DOCTOR
from durable_nb.cli.enable import DISABLE, ENABLE
from durable_nb.cli.ls import LS
from durable_nb.cli.run import RUN
from durable_nb.cli.show import SHOW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

COMMANDS = (RUN, LS, SHOW, ENABLE, DISABLE, DOCTOR)
_FAILED = 1
_MISTAKE = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process when None) and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except CommandError as error:
        print(f"durable-nb {options.command}: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # whoever read the output has seen enough; the interpreter must not flush into the pipe at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as commands do; the usage of all options would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(_MISTAKE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    program = "jupyter durable" if sys.argv[0].endswith("jupyter-durable") else "durable-nb"
    top = _Parser(prog=program, description="Notebooks that resume: what is checkpointed, and set-up.")
    top.add_argument("--version", action="version", version=f"durable_nb {durable_nb.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return top
