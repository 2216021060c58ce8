"""Tells, in the kernel, what a notebook has left: asked by silent requests, which no notebook sees."""

from __future__ import annotations

import json
import random
import sys

from IPython import get_ipython

from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.graph import counts
from durable_nb.values.hashing import overlap_digest

OF_A_LIBRARY = "a library"
"""Told of a constant of a module or of a class: a copy is as good, and is whose the copy is."""
_RESULTS = ("_", "__", "___")
_CONTAINERS = (list, tuple, dict, set, frozenset)


def begin():
    """Keep streams whole: a busy machine does not split one into two outputs."""
    sys.stdout.flush_interval = sys.stderr.flush_interval = 3600


def left(unlike):
    """Return, as JSON, name -> type and fingerprint of all that is left, and what the names share.

    Args:
        unlike: names of which only the type is told.
    """
    shell = get_ipython()
    names = shell.user_ns
    own = {name: value for name, value in names.items() if name not in shell.user_ns_hidden or name in _RESULTS}
    own |= {f"Out[{number}]": value for number, value in names["Out"].items()}
    found = _fingerprints(own, unlike)
    told = _told(own, found) | _told(dict(_beside()), _fingerprints(dict(_beside()), unlike))
    return json.dumps(told | _shared(found.graph, own, unlike))


def _fingerprints(values, unlike):
    kept = {name: value for name, value in values.items() if name not in unlike}
    return fingerprint_roots(kept, namespace=get_ipython().user_ns)


def _told(values, found):
    each = {name: digest.hex() for name, digest in found.each.items()}
    each |= {name: f"without a fingerprint: {opaque.reason}" for name, opaque in found.opaque.items()}
    return {name: f"{type(value).__qualname__} {each.get(name, '')}" for name, value in values.items()}


def _shared(graph, own, unlike):
    """Return where each object that the notebook's own names and containers hold occurs.

    Objects deeper inside count with the value they are in: figures of two cells share matplotlib's constants, which
    are no objects of the notebook, no more than those that its names hold.
    """
    constants = _constants()
    walks = {name: graph.walks[name] for name in sorted(own) if name in graph.walks and name not in unlike}
    held = {}
    for name, walk in walks.items():
        for number, obj in enumerate(_held(own[name])):
            if counts(walk, obj):
                held.setdefault(id(obj), (f"{name}, {number}", obj))
    arrays = [each for each in held.values() if type(each[1]).__name__ == "ndarray"]
    where = {label: [name for name, walk in walks.items() if id(obj) in walk.ids] for label, obj in held.values()}
    shared = {f"what holds ({label})": " ".join(names) for label, names in where.items() if len(names) > 1}
    shared |= {f"what holds ({label})": OF_A_LIBRARY for ident, (label, _) in held.items() if ident in constants}
    return shared | {"memory of arrays": overlap_digest(arrays).hex()}


def _constants():
    """Return the ids of what modules hold, and their classes."""
    loaded = [dict(vars(module)) for name, module in [*sys.modules.items()] if name != "__main__" and module]
    values = [value for each in loaded for value in each.values()]
    classes = [value for value in values if isinstance(value, type)]
    return {id(value) for each in classes for value in vars(each).values()}.union(map(id, values))


def _held(value):
    """Return a value, and what the containers among it hold."""
    found, seen = [value], {id(value)}
    for container in found:
        if type(container) in _CONTAINERS:
            items = container.values() if type(container) is dict else container
            new = [each for each in items if id(each) not in seen]
            seen.update(map(id, new))
            found += new
    return found


def _beside():
    """Yield what a notebook leaves outside of its names."""
    yield "random.getstate()", random.getstate()
    if "numpy" in sys.modules:
        yield "numpy.random.get_state()", sys.modules["numpy"].random.get_state()
    if "matplotlib" in sys.modules:
        yield "matplotlib.rcParams", dict(sys.modules["matplotlib"].rcParams)
