"""Local modules whose files were edited after this kernel loaded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.core.changes import ModuleChange
from durable_nb.values import modules

if TYPE_CHECKING:
    from durable_nb.notebook.inputs import CellInputs


def edited_modules(inputs: CellInputs) -> list[ModuleChange]:
    """Return the local modules among inputs, and those of their functions, whose files hold other code by now."""
    return [ModuleChange(name, loaded=False) for name in modules.edited_modules(inputs.values.values())]
