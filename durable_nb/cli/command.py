"""What a command of the command line is; each is a module of its own, imported light and working late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.errors import DurableError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: the word on the command line.
        help: a line in the list of commands.
        arguments: adds its arguments to a parser.
        run: does it, and returns the exit status; imports what it needs, so that the other commands start fast.
    """

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


class CommandError(DurableError):
    """A command cannot do what it was asked for; the message says why and what to do. Nothing was changed."""
