"""A namespace as text: values, types, and which objects are the same one; equal texts, equal notebooks."""

from __future__ import annotations

import json
import operator
import os
import random
import re
import signal
import sys
import types
from functools import cache, singledispatchmethod

import numpy as np

_ADDRESS = re.compile(r"0x[0-9a-f]+")
# The compiler's own, and what copyreg notes on a class when an instance is copied or pickled.
_HIDDEN_ATTRIBUTES = {
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
}


class Snapshot:
    """Writes objects down, each mutable one under a number, so that a second mention is only the number.

    Args:
        names: the namespace that functions of the notebook should see.

    Attributes:
        reached: the global names that functions among the objects mention.
    """

    def __init__(self, names):
        self._names = names
        self._numbers = {}
        self._alive = []
        self._arrays = []
        self.reached = set()

    def text(self, obj):
        """Return the text of an object."""
        if obj is None or type(obj) in {bool, int, float, complex, str, bytes, type(...)}:
            return repr(obj)
        if isinstance(obj, tuple):
            return f"({', '.join(map(self.text, obj))})"
        known = self._numbers.get(id(obj))
        if known is not None:
            return f"#{known}"
        number = self._numbers[id(obj)] = len(self._numbers)
        self._alive.append(obj)  # or its id could become that of another
        return f"#{number}{self._body(obj)}"

    @singledispatchmethod
    def _body(self, obj):
        if type(obj).__module__ == "__main__":
            return f"<{self.text(type(obj))} {self.text(vars(obj))}>"
        return f"<{type(obj).__qualname__} {_ADDRESS.sub('0x', repr(obj))}>"

    @_body.register
    def _(self, obj: list):
        return f"[{', '.join(map(self.text, obj))}]"

    @_body.register
    def _(self, obj: dict):
        return "{" + ", ".join(f"{self.text(key)}: {self.text(value)}" for key, value in obj.items()) + "}"

    @_body.register(set)
    @_body.register(frozenset)
    def _(self, obj):
        return f"{type(obj).__name__}{sorted(map(self.text, obj))}"

    @_body.register
    def _(self, obj: types.FunctionType):
        self.reached |= _mentioned(obj.__code__)
        live = "" if obj.__globals__ is self._names else " with other globals"
        parts = (obj.__defaults__, obj.__kwdefaults__, obj.__closure__, vars(obj))
        return f"<function {obj.__qualname__} {_code(obj.__code__)}{live} {self.text(parts)}>"

    @_body.register
    def _(self, obj: types.CellType):
        return f"<cell {self.text(obj.cell_contents)}>"

    @_body.register
    def _(self, obj: types.MethodType):
        return f"<method {self.text((obj.__func__, obj.__self__))}>"

    @_body.register
    def _(self, obj: types.ModuleType):
        return f"<module {obj.__name__}>"

    @_body.register
    def _(self, obj: type):
        if obj.__module__ != "__main__":
            return f"<class {obj.__qualname__}>"
        own = {key: value for key, value in sorted(vars(obj).items()) if key not in _HIDDEN_ATTRIBUTES}
        return f"<class {obj.__qualname__} {self.text(obj.__bases__)} {self.text(tuple(own.items()))}>"

    @_body.register
    def _(self, obj: np.ndarray):
        elements = _elements(obj)
        shared = [
            f"#{number}{_pairs(elements, other)}" for number, other in self._arrays if elements.keys() & other.keys()
        ]
        self._arrays.append((self._numbers[id(obj)], elements))
        return f"<array {obj.dtype} {obj.tolist()} {'writeable' if obj.flags.writeable else ''} {' '.join(shared)}>"


def of_notebook(names, hidden):
    """Return the text of everything a user can see: variables, ``Out`` and the last results."""
    seen = Snapshot(names)
    own = [name for name in sorted(names) if not name.startswith("_") and name not in hidden]
    return {name: seen.text(names[name]) for name in (*own, "Out", "_", "__", "___")}


def of_names(names, wanted):
    """Return the text of some names and of all that functions in them mention; what is unbound says so."""
    reached = set(wanted)
    while True:
        seen = Snapshot(names)
        texts = [f"{name} = {seen.text(names[name]) if name in names else 'unbound'}" for name in sorted(reached)]
        found = seen.reached & names.keys()
        if found <= reached:
            break
        reached |= found
    if "random" in reached:
        texts.append(repr(random.getstate()))
    return "\n".join(texts)


class Watch:
    """Notes what the cells of a real kernel do; asked by silent requests, which no notebook sees."""

    def __init__(self):
        self.ticks, self.dies_at_tick = 0, False
        sys.addaudithook(self._hear)

    def _hear(self, event, args):
        if event == "tick":
            self.ticks += 1
            if self.dies_at_tick:
                os.kill(os.getpid(), signal.SIGKILL)

    def look(self, shell, mentions):
        """Return, as JSON: the names mentioned, all names, and how often a body ran so far."""
        names = shell.user_ns
        return json.dumps([of_names(names, mentions), of_notebook(names, shell.user_ns_hidden), self.ticks])

    def die_at(self, point):
        """Let the next step that gets to ``point`` kill the process."""
        from durable_nb.testing import crash_at

        if point == "tick":
            self.dies_at_tick = True
        else:
            crash_at(point)


@cache
def watch():
    """Return the watch of this process."""
    return Watch()


def _elements(array):
    """Return where in memory each element lies; how far apart they are is no part of an array's value."""
    start = array.__array_interface__["data"][0]
    places = [start + sum(map(operator.mul, index, array.strides)) for index in np.ndindex(array.shape)]
    return {place: number for number, place in enumerate(places)}


def _pairs(elements, others):
    return [(number, others[place]) for place, number in elements.items() if place in others]


def _mentioned(code):
    names = set(code.co_names)
    return names.union(*(_mentioned(each) for each in code.co_consts if isinstance(each, types.CodeType)))


def _code(code):
    consts = [_code(each) if isinstance(each, types.CodeType) else each for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars} {consts!r}"
