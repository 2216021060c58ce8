"""Quick cells in auto mode: what would take longer to save than to make again is made again.

A checkpoint of a few numbers costs next to nothing, one of a figure as much as to draw it. So a cell is recorded where
what it read and made is small beside the time that it took; and always where that was long, or where it did what is
not to be done twice, or comes out otherwise the second time: it wrote a file, reached another process or machine, or
drew random numbers that nobody seeded.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.body import last_result
from durable_nb.notebook.looking import calls_for_effect
from durable_nb.values.budget import Budget, TooLargeError
from durable_nb.values.clients import MOST_REFERENCES
from durable_nb.values.fingerprint import fingerprint_roots, graph_of
from durable_nb.values.reach import extent

if TYPE_CHECKING:
    from durable_nb.notebook.cell_step import CellStep

QUICK_SECONDS: Final = 0.5
"""Nobody waits for the checkpoint of a cell that took less."""
_ALWAYS_SECONDS: Final = 10.0
"""A cell that takes as long is always recorded."""
_REFERENCES_PER_SECOND: Final = 7_200
_BYTES_PER_SECOND: Final = 20 << 20
"""What may be saved for each second that a cell took: about a twentieth of a second's worth of work."""
_LEAST_REFERENCES: Final = 600
_LEAST_BYTES: Final = 1 << 20
"""So much is always small."""
_MOST_COMPARED: Final = 200
_MOST_BYTES_COMPARED: Final = 8 << 20
"""Of so many objects and bytes a value may consist to be compared with what it was before a cell of no checkpoint."""
_REFERENCES_OF_AN_INPUT: Final = 4
"""What the objects that it read cost, which are fingerprinted before and after; more or less their attributes."""


class Worth(Enum):
    """What a cell that completed is worth.

    Attributes:
        NOTHING: all that it did was to show something, so that nothing depends on it.
        NOTE: no checkpoint, but a note that it ran, since it may have changed what others made.
        LATER: a checkpoint that nobody waits for: it may as well run again, should the kernel die in the next moment.
        NOW: one that is on disk before the cell is done.
    """

    NOTHING = auto()
    NOTE = auto()
    LATER = auto()
    NOW = auto()


def worth(step: CellStep, took_seconds: float) -> Worth:
    """Say what a cell in auto mode is worth.

    Args:
        step: after its body ran.
        took_seconds: how long that took.
    """
    if took_seconds >= _ALWAYS_SECONDS or _is_once_only(step):
        return Worth.NOW
    if not _is_cheap(step, took_seconds):
        return Worth.NOTE
    if took_seconds >= QUICK_SECONDS:
        return Worth.NOW
    if step.changes.bound or calls_for_effect(step.code.tree, shows=last_result(step.shell) is not None):
        return Worth.LATER
    return Worth.NOTHING if step.left_nothing() else Worth.LATER


def untouched(step: CellStep) -> tuple[str, ...]:
    """Return the names that a cell read and left as they were, but for values that would take long to compare.

    Args:
        step: after its body ran.
    """
    before = step.inputs.fingerprints
    walks = {name: before.graph.walks[name] for name in before.each}
    small = {name: walk.objects[0] for name, walk in walks.items() if 0 < len(walk.objects) <= _MOST_COMPARED}
    try:
        budget = Budget(_LEAST_REFERENCES, _MOST_BYTES_COMPARED)
        after = fingerprint_roots(small, namespace=step.notebook.namespace.names, budget=budget)
    except TooLargeError:
        return ()
    same = {name for name in small if after.each.get(name) == before.each[name]}
    return tuple(sorted(same - step.states.relinked(same)))


def _is_once_only(step: CellStep) -> bool:
    """Say whether to run the cell again would do something twice, or make something else."""
    watch = step.watch
    drew = watch.advanced and not step.session.seeded()
    return bool(watch.outside or drew or step.inputs.fingerprints.clients)


def _is_cheap(step: CellStep, took_seconds: float) -> bool:
    """Say whether what a cell read and made takes little time to save beside the time that it took."""
    names = step.notebook.namespace.names
    read = sum(len(walk.objects) for walk in step.inputs.fingerprints.graph.walks.values())
    most = max(_LEAST_REFERENCES, int(took_seconds * _REFERENCES_PER_SECOND)) - read * _REFERENCES_OF_AN_INPUT
    made = {name: names[name] for name in sorted(step.changes.bound)} | {"Out": last_result(step.shell)}
    found = extent(made.values(), names, most)  # first, for it is quick
    if not found.meets_client and (most >= MOST_REFERENCES or not found.is_larger):
        step.notebook.origins.running.holding_none = frozenset(made)
    if found.is_larger:
        return False
    try:
        budget = Budget(most, max(_LEAST_BYTES, int(took_seconds * _BYTES_PER_SECOND)))
        step.made = graph_of(made, names, budget)
    except TooLargeError:
        return False
    return True
