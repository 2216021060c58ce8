"""One line about a value, without running any of its code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType

from durable_nb.values.kinds import class_name
from durable_nb.values.modules import module_version, package_version
from durable_nb.values.packages import is_standard

MAX_TEXT = 80


@dataclass(frozen=True, slots=True)
class Summary:
    """A value in a line: its type, what can be said of it, and about how many bytes it holds."""

    type: str
    text: str
    size: int


def summarise(value: object) -> Summary:
    """Describe a value: exact builtin types by length or text, arrays and frames by shape and dtype."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.").removeprefix("__main__.")
    if kind in (bool, int, float, complex, str, bytes, type(None)):
        text = repr(value[:MAX_TEXT] if isinstance(value, str | bytes) else value)[:MAX_TEXT]
        return Summary(name, text, sys.getsizeof(value))
    if kind in (list, tuple, dict, set, frozenset, bytearray):
        return Summary(name, f"{len(value):,} items", sys.getsizeof(value))  # type: ignore[arg-type]
    if kind is ModuleType:
        return Summary("module", module_version(value), 0)  # type: ignore[arg-type]
    return _of_library(value, name) or Summary(name, _version(value), 0)


def of_other_version(was: str, now: str) -> bool:
    """Tell whether two texts, of one value at two times, are of one package in two versions."""
    texts = (was.split(" "), now.split(" "))
    (package, *_), (other, *_) = texts
    return was != now and package == other and package[:1].isalpha() and {*map(len, texts)} == {2}


def _version(value: object) -> str:
    """Return name and version of the installed package that a definition is of, or the class of a value."""
    if isinstance(value, type):
        return package_version(class_name(value)[0])
    if isinstance(value, FunctionType | BuiltinFunctionType):
        return package_version(str(value.__module__))
    home = class_name(type(value))[0]
    return "" if is_standard(home) else package_version(home)


def _of_library(value: object, name: str) -> Summary | None:
    """Describe numpy, pandas, polars and arrow values: their ``shape`` and ``nbytes`` are plain attributes."""
    root = name.partition(".")[0]
    if root not in ("numpy", "pandas", "polars", "pyarrow", "torch"):
        return None
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    text = " × ".join(f"{each:,}" for each in shape) if shape is not None else ""
    text = f"{text} {dtype}".strip() if dtype is not None else text
    size = getattr(value, "nbytes", 0)
    if root == "pandas" and hasattr(value, "memory_usage"):
        used = value.memory_usage()  # of frames and series with the index
        size = int(used if isinstance(used, int) else used.sum())
    return Summary(name, text, size if isinstance(size, int) else 0)
