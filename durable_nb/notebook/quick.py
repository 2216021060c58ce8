"""Quick cells in auto mode: what would take longer to save than to make again is made again.

A checkpoint of a few numbers costs next to nothing, one of a figure more than to draw it. So a cell that took no time
is recorded where what it read and made is small; and always where it did what is not to be done twice, or comes out
otherwise the second time: it wrote a file, reached another process or machine, or drew random numbers
that nobody seeded.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.body import last_result
from durable_nb.values.budget import Budget, TooLargeError
from durable_nb.values.fingerprint import graph_of
from durable_nb.values.reach import is_larger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_nb.notebook.cell_step import CellStep

QUICK_SECONDS: Final = 0.5
"""A cell that takes as long is always recorded."""
_MOST_OBJECTS: Final = 200
"""What a cell read may consist of, besides numbers and text: that many were looked at before it ran."""
_MOST_ITEMS: Final = 1000
_MOST_BYTES: Final = 1 << 20
_MOST_REFERENCES: Final = 1500
"""What it made may lead over: counted first, which is quick, and more than the items of what is small."""


class Worth(Enum):
    """What a cell that completed is worth: no checkpoint, one that nobody waits for, or one on disk before it is done.

    The second is for what is small and may as well run again, should the kernel die in the next milliseconds.
    """

    NOTHING = auto()
    LATER = auto()
    NOW = auto()


def worth(step: CellStep, took_seconds: float) -> Worth:
    """Say what a cell in auto mode is worth.

    Args:
        step: after its body ran.
        took_seconds: how long that took.
    """
    if took_seconds >= QUICK_SECONDS or _is_once_only(step):
        return Worth.NOW
    walks = step.inputs.fingerprints.graph.walks.values()
    if sum(len(walk.objects) for walk in walks) > _MOST_OBJECTS:
        return Worth.NOTHING
    bound = step.before.changes().bound
    made: dict[str, Any] = {name: step.notebook.namespace.names[name] for name in bound}
    small = _is_small({**made, "Out": last_result(step.shell)}, step.notebook.namespace.names)
    return Worth.LATER if small else Worth.NOTHING


def _is_once_only(step: CellStep) -> bool:
    """Say whether to run the cell again would do something twice, or make something else."""
    watch = step.watch
    drew = watch.advanced and not step.session.seeded()
    return bool(watch.outside or drew or step.inputs.fingerprints.clients)


def _is_small(values: Mapping[str, Any], namespace: dict[str, Any]) -> bool:
    if is_larger(values.values(), namespace, _MOST_REFERENCES):
        return False
    try:
        graph_of(values, namespace, Budget(_MOST_ITEMS, _MOST_BYTES))
    except TooLargeError:
        return False
    return True
