"""Objects that refuse to be pickled though they are their attributes and no more: those of patsy.

It raises ``NotImplementedError`` where pickle asks for a state. statsmodels keeps what patsy made with each model.
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any

from durable_nb.values.kinds import attributes_of, class_name

if TYPE_CHECKING:
    from durable_nb.values.reducers import PicklerState


def may_refuse(kind: Any) -> bool:
    """Say whether instances of a class are such objects; an array of patsy's is none, it is not its attributes only."""
    plain = (kind.__reduce_ex__, kind.__reduce__) == (object.__reduce_ex__, object.__reduce__)
    return plain and class_name(kind)[0].startswith("patsy.")


def asked(obj: object) -> Any:
    """Return what an object is by the protocol of pickle; of one that refuses, what it would be if it did not."""
    reduce = copyreg.dispatch_table.get(type(obj))
    if reduce is not None:
        return reduce(obj)
    try:
        return obj.__reduce_ex__(5)
    except NotImplementedError:
        if not may_refuse(type(obj)):
            raise
        return copyreg.__newobj__, (type(obj),), attributes_of(obj), None, None  # type: ignore[attr-defined]


def reduce_refusing(_: PicklerState, obj: object) -> Any:
    """Save such an object."""
    return asked(obj)
