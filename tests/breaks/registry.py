"""Breaks: mechanisms of the package that the tests can switch off, each by replacing one function in a process."""

from __future__ import annotations

import functools
import importlib
import os
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "DURABLE_NB_TESTS_BREAK"
"""The environment variable that names the break; read by ``off/sitecustomize.py``, never by the package."""
FOLDER = Path(__file__).parent
TABLES = ("bindings", "objects", "kinds", "inputs", "process", "life", "store")
"""The modules of this folder that define breaks."""
PACKAGE = "durable_nb"


@dataclass(frozen=True)
class Break:
    """A mechanism, how it is switched off, and who must notice.

    Attributes:
        name: unique.
        row: of DESIGN §5.
        off: given what the package has there, returns what takes its place; its docstring says what is off.
        target: the function, class or table that is the mechanism, as ``core.streams:restore``.
        tests: node ids, each of a test that fails when it is off.
    """

    name: str
    row: int
    off: Callable[[Any], Any]
    target: str
    tests: tuple[str, ...]

    @property
    def mechanism(self) -> str:
        """What happens when it is off, in a sentence."""
        return (self.off.__doc__ or "").strip()

    @property
    def module(self) -> str:
        """The module that has the target."""
        return f"{PACKAGE}.{self.target.partition(':')[0]}"

    def found(self, module: types.ModuleType) -> tuple[Any, str, Any]:
        """Return where the target is: its owner, its name there, and itself as it is kept there.

        Raises:
            LookupError: it is not there any more.
        """
        *above, name = self.target.partition(":")[2].split(".")
        owner: Any = module
        for each in above:
            owner = vars(owner)[each]
        return owner, name, vars(owner)[name]

    def switch_off(self, module: types.ModuleType) -> None:
        """Put the replacement in the target's place; under its name, since checkpoints refer to functions by name."""
        owner, name, now = self.found(module)
        put = self.off(now)
        setattr(owner, name, functools.wraps(now)(put) if isinstance(now, types.FunctionType) else put)


class _Table(dict):
    def __missing__(self, name):
        raise LookupError(f"there is no break {name!r}; there are: {', '.join(self)}")


BREAKS: dict[str, Break] = _Table()


def breaks(
    row: int, target: str, *tests: str, name: str = ""
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register the decorated function as what switches a mechanism off; named like it unless told otherwise."""

    def add(off: Callable[[Any], Any]) -> Callable[[Any], Any]:
        each = Break(name or off.__name__, row, off, target, tests)
        if each.name in BREAKS:
            raise ValueError(f"two breaks are called {each.name}")
        BREAKS[each.name] = each
        return off

    return add


def load() -> dict[str, Break]:
    """Return all breaks by name, by row."""
    for table in TABLES:
        importlib.import_module(f"breaks.{table}")
    return BREAKS


def environment(name: str) -> dict[str, str]:
    """Return the environment of a process, and of those that it starts, in which a mechanism is off."""
    paths = [str(FOLDER / "off"), os.environ.get("PYTHONPATH", "")]
    own = {VARIABLE: name, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HYPOTHESIS_PROFILE": "breaks"}
    return os.environ | own


def tests_of(folder: str, file: str, *names: str) -> tuple[str, ...]:
    """Return node ids of a test file."""
    return tuple(f"tests/{folder}/test_{file}.py::test_{name}" for name in names)
