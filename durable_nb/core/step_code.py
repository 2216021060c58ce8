"""What the code of a ``@step`` function tells, with that of all it reaches: found out once for many calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.core.codes import Codes
from durable_nb.core.rebinding import writes_of
from durable_nb.core.streams import any_seeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from durable_nb.values.callkey import Reach


class StepCode:
    """The code of a step as a call finds it.

    Args:
        func: the step's function.
        reach: the function and what it reaches.

    Attributes:
        reach: the same.
        codes: the code of all these functions.
        dynamic: a means in it to read what cannot be known; "" without any.
        paths: the texts in it that may name files.
        writes: the globals that it may bind or delete: where they are, and their names.
        seeds: whether the function itself names something that sets a random stream.
    """

    def __init__(self, func: Callable[..., Any], reach: Reach) -> None:
        self.reach = reach
        self.codes = Codes(each.__code__ for each in reach.functions)
        self.dynamic = min((name for facts in reach.facts for name in facts.dynamic), default="")
        self.paths = tuple(sorted({path for facts in reach.facts for path in facts.paths}))
        self.writes = writes_of(reach.functions)
        self.seeds = any_seeds(Codes([func.__code__]).names)
