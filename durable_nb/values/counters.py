"""Counters, ``itertools.count``: what they have counted to is all they are, and their ``repr`` tells it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import itertools


def counted(counter: itertools.count[Any]) -> tuple[Any, ...] | None:
    """Return the arguments that make an equal counter; None where it counts in other than plain numbers.

    Not by pickling, which Python 3.12 warns of and 3.14 has not.
    """
    try:
        arguments: tuple[Any, ...] = ast.literal_eval(f"({repr(counter)[len('count(') : -1]},)")
    except (SyntaxError, ValueError):
        return None
    return arguments
