"""Resumable notebooks: ``%load_ext durable_nb``, then ``%%step`` and ``@step``.

Completed steps are checkpointed to DuckDB and replay after a kernel restart instead of running again.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from durable_nb.core.history import fork_workflow, list_steps, list_workflows
    from durable_nb.core.scope import step_status
    from durable_nb.core.session import open_store
    from durable_nb.core.sleep import sleep as sleep
    from durable_nb.core.sleep import sleep_async as sleep_async
    from durable_nb.core.step import step
    from durable_nb.core.workflow import workflow, workflow_id
    from durable_nb.errors import DurableError, MaxStepRetriesExceeded, StepError, StepTimeout
    from durable_nb.notebook.views import Views
    from durable_nb.values.registry import register

__version__ = "0.1.0"
__all__ = [
    "DurableError",
    "MaxStepRetriesExceeded",
    "StepError",
    "StepTimeout",
    "fork_workflow",
    "list_steps",
    "list_workflows",
    "open_store",
    "register",
    "step",
    "step_status",
    "workflow",
    "workflow_id",
]

_ROOMS = {
    "core.history": ("fork_workflow", "list_steps", "list_workflows"),
    "core.scope": ("step_status",),
    "core.session": ("open_store",),
    "core.sleep": ("sleep", "sleep_async"),
    "core.step": ("step",),
    "core.workflow": ("workflow", "workflow_id"),
    "errors": ("DurableError", "MaxStepRetriesExceeded", "StepError", "StepTimeout"),
    "values.registry": ("register",),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its room when it is first asked for, which keeps the import light."""
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those not loaded yet."""
    return sorted({*globals(), *_HOME})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make a notebook resumable: called by ``%load_ext durable_nb``."""
    from durable_nb.notebook.extension import load

    load(shell, _live_views)


def _live_views() -> Views:
    """Return what makes widgets; loaded when the first one is shown, which keeps ``%load_ext`` light."""
    from durable_nb.widgets.views import LiveViews

    return LiveViews()


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Undo ``%load_ext durable_nb``."""
    from durable_nb.notebook.extension import unload

    unload(shell)
