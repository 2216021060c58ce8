"""Local modules whose files were edited after this kernel loaded them."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

from durable_nb.core.changes import ModuleChange
from durable_nb.values.kinds import class_name
from durable_nb.values.modules import local_modules, stale_on_disk

if TYPE_CHECKING:
    from durable_nb.notebook.inputs import CellInputs


def edited_modules(inputs: CellInputs) -> list[ModuleChange]:
    """Return the local modules among inputs, and those of their functions, whose files hold other code by now."""
    modules: dict[str, ModuleType] = {}
    for value in inputs.values.values():
        modules |= local_modules(value if type(value) is ModuleType else _home(value))
    return [ModuleChange(name, loaded=False) for name, module in sorted(modules.items()) if stale_on_disk(module)]


def _home(value: object) -> ModuleType:
    """Return the module of a function or class; the interpreter's own for anything else."""
    name: object = None
    if type(value) is FunctionType:
        name = value.__module__
    elif issubclass(type(value), type):
        name = class_name(value)[0]  # type: ignore[arg-type]
    module = sys.modules.get(name) if type(name) is str and name != "__main__" else None
    return module if type(module) is ModuleType else sys
