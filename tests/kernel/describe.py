"""Describes a notebook's variables so that two kernels can be compared: values, types, and what is the same object."""

from __future__ import annotations

import inspect
import sys
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

_ATOMS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range, slice)
_VALUES = (date, time, timedelta, tzinfo, Decimal, Fraction, PurePath)
_OF_A_CLASS = {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__"}
_CACHES = {"__slotnames__"}  # pickle's own, and copy's
_before: set[str] = set()


def bound(name):
    """Say whether a name of the notebook is bound, without making it an input of the step that asks."""
    return hasattr(sys.modules["__main__"], name)


def bind(name, value):
    """Bind a name of the notebook where no analysis can see it."""
    setattr(sys.modules["__main__"], name, value)


def begin():
    """Remember the names of the notebook; those that come are described by ``end``."""
    _before.clear()
    _before.update(vars(sys.modules["__main__"]))


def end():
    """Describe all that was bound since ``begin``, as one graph: a second mention of an object is its number."""
    namespace = vars(sys.modules["__main__"])
    names = sorted(name for name in namespace if name not in _before and not name.startswith("_"))
    walk = _Walk(namespace)
    return "\n".join(f"{name} = {walk.of(namespace[name])}" for name in names)


class _Walk:
    def __init__(self, namespace):
        self._namespace = namespace
        self._numbers = {}
        self._kept = []  # an id is that of one object only as long as it lives
        self._arrays = []

    def of(self, value):
        kind = type(value)
        if kind in _ATOMS or isinstance(value, _VALUES):
            return f"{kind.__name__}:{value!r}"
        if isinstance(value, (ModuleType, BuiltinFunctionType)):
            return f"{kind.__name__}:{value.__name__}"
        if id(value) in self._numbers:
            return f"#{self._numbers[id(value)]}"
        number = self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        return f"#{number}={self._new(value)}"

    def _new(self, value):  # noqa: PLR0911 - one kind, one line
        kind = type(value)
        if kind in (list, tuple):
            return f"{kind.__name__}[{self._all(value)}]"
        if kind is dict:
            return "{" + ", ".join(f"{self.of(key)}: {self.of(each)}" for key, each in value.items()) + "}"
        if kind in (set, frozenset):
            return f"{kind.__name__}[{self._all(sorted(value, key=repr))}]"
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, Enum):
            return f"{self.of(kind)}.{value.name}"
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, (MethodType, staticmethod, classmethod)):
            return f"{kind.__name__} {self.of(value.__func__)} of {self.of(getattr(value, '__self__', None))}"
        if isinstance(value, property):
            return f"property {self._all((value.fget, value.fset, value.fdel))}"
        return self._of_library(value) or self._object(value)

    def _all(self, values):
        return ", ".join(self.of(each) for each in values)

    def _class(self, value):
        name = f"class {value.__module__}.{value.__qualname__}"
        if value.__module__ != "__main__":
            return name
        members = {key: each for key, each in vars(value).items() if key not in _OF_A_CLASS | _CACHES}
        shown = ", ".join(f"{key}={self.of(members[key])}" for key in sorted(members) if not key.startswith("_abc"))
        return f"{name}({self._all(value.__bases__)}) {{{shown}}}"

    def _function(self, value):
        if value.__module__ != "__main__":
            return f"function {value.__module__}.{value.__qualname__}"
        cells = [each.cell_contents for each in value.__closure__ or ()]
        live = value.__globals__ is self._namespace
        state = self._all([value.__defaults__, value.__kwdefaults__, vars(value), value.__annotations__, cells])
        code = value.__code__
        try:
            source = inspect.getsource(code)
        except OSError:  # made by a library: a dataclass's methods
            source = f"{code.co_varnames} {code.co_names} {code.co_consts[1:]}"
        return f"function {value.__qualname__} live={live} {source!r} {state}"

    def _object(self, value):
        try:
            reduced = value.__reduce_ex__(4)
        except TypeError:
            return f"{type(value).__name__} that cannot be reduced"
        if isinstance(reduced, str):
            return f"{type(value).__name__}:{reduced}"
        make, arguments, *rest = reduced
        parts = [list(each) if hasattr(each, "__next__") else each for each in rest]
        return f"{type(value).__name__} {self.of(make)} {self.of(arguments)} {self._all(parts)}"

    def _of_library(self, value):
        library = type(value).__module__.partition(".")[0]
        describe = getattr(self, f"_of_{library}", None)
        return describe(value) if describe else None

    def _of_numpy(self, value):
        import numpy as np

        if not isinstance(value, np.ndarray):
            return f"{type(value).__name__}:{value!r}" if isinstance(value, (np.generic, np.dtype)) else None
        shared = [number for number, each in enumerate(self._arrays) if np.shares_memory(value, each)]
        self._arrays.append(value)
        flags = value.flags
        layout = f"{'F' if flags.fnc else ''}{'W' if flags.writeable else ''}"
        content = self._all(value.ravel()) if value.dtype == object else value.tolist()
        return f"array {value.dtype!r} {value.shape} {layout} shares={shared} {content}"

    def _of_pandas(self, value):
        import pandas as pd

        if isinstance(value, pd.DataFrame):
            columns = [(name, value[name].dtype, value[name].tolist()) for name in value]
            return f"frame {self.of(value.attrs)} {value.index!r} {value.columns!r} {columns!r}"
        if isinstance(value, pd.Series):
            return f"series {self.of(value.attrs)} {value.name!r} {value.dtype!r} {value.index!r} {value.tolist()!r}"
        return f"{type(value).__name__}:{value!r}"

    def _of_matplotlib(self, value):
        parts = value.axes if type(value).__name__ == "Figure" else ()
        return f"{type(value).__name__} {self._all(parts)}"

    def _of_polars(self, value):
        return f"{type(value).__name__}:{value.to_dict(as_series=False)!r} {value.schema!r}"

    def _of_pyarrow(self, value):
        return f"{type(value).__name__}:{value.to_pydict()!r} {value.schema!r}"

    def _of_scipy(self, value):
        return f"{type(value).__name__}:{value.format} {value.dtype} {value.toarray().tolist()}"
