"""A bound on how much of a value is looked at, where an answer is welcome but may not take long."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.kinds import class_name

if TYPE_CHECKING:
    from collections.abc import Callable

_CELL: Final = 64
"""Bytes that an element of a frame is taken to have: it may be a text."""


class TooLargeError(Exception):
    """A value is larger than the budget."""


class Budget:
    """Counts down what may still be looked at.

    Args:
        items: objects, the items of containers included.
        nbytes: bytes of arrays and frames.
    """

    def __init__(self, items: int, nbytes: int) -> None:
        self._items: float = items
        self._bytes: float = nbytes

    def spend(self, items: int = 0, nbytes: int = 0) -> None:
        """Take so much.

        Raises:
            TooLargeError: there is not so much left.
        """
        self._items -= items
        self._bytes -= nbytes
        if self._items < 0 or self._bytes < 0:
            raise TooLargeError

    def lift(self) -> None:
        """Allow everything from now on: what there is has turned out to be small."""
        self._items = self._bytes = math.inf


def weight(obj: Any) -> int:
    """Return about how many bytes an array, frame, table or tensor has, without a look at them."""
    of_numbers = class_name(type(obj))[0].startswith(("numpy", "torch"))
    if of_numbers and isinstance(getattr(obj, "nbytes", None), int):
        return int(obj.nbytes)
    return math.prod(map(int, getattr(obj, "shape", (len(obj),)))) * _CELL


def weighed(reduce: Callable[[Any], tuple[Any, ...]], budget: Budget | None) -> Callable[[Any], tuple[Any, ...]]:
    """Return a reducer of arrays and the like that, within a budget, weighs them before it reads them."""
    if budget is None:
        return reduce

    def plan(obj: Any) -> tuple[Any, ...]:
        budget.spend(nbytes=weight(obj))
        return reduce(obj)

    return plan
