"""What figures share with all others: the one thing that matplotlib keeps for itself, hands out, and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.values.kinds import class_dict

if TYPE_CHECKING:
    from durable_nb.values.reducers import PicklerState


def reduce_path(_: PicklerState, path: Any) -> Any:
    """Refer to the rectangle that all bars and square markers have: ``bar`` changes it wherever it is drawn."""
    kind = type(path)
    return (kind.unit_rectangle, ()) if path is class_dict(kind).get("_unit_rectangle") else NotImplemented
