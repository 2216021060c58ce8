"""Buttons for the tables of steps: a model without a view, which works on the plain HTML that a page shows.

A view would be saved with the notebook, and JupyterLab shows "model not found" for one without its kernel. So the
table is an ordinary output, and the model's ``initialize`` adds to it what needs the kernel, and takes it away again.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, get_args

import traitlets
from anywidget import AnyWidget
from IPython.core.error import UsageError

from durable_nb.errors import DurableError
from durable_nb.notebook.report import StepReport
from durable_nb.notebook.views import RowAction

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE: Final = Path(__file__).parent


class Asked(TypedDict):
    """What a button sends: the ``id`` of the request, the action, and the step."""

    id: int
    action: RowAction
    step: str


class Answered(TypedDict):
    """What it is answered: the ``id`` of the request, what to show as HTML, and whether it was done."""

    id: int
    html: str
    done: bool


class _Model(AnyWidget):
    _esm = _HERE / "table.js"
    _css = _HERE / "table.css"
    token = traitlets.Unicode().tag(sync=True)


class TableButtons:
    """Answers the buttons of the tables that have its token.

    Attributes:
        token: what these tables are marked with.
    """

    def __init__(self, act: Callable[[RowAction, str], StepReport], cell_runs: Callable[[], bool]) -> None:
        self._act, self._cell_runs = act, cell_runs
        self.token = uuid.uuid4().hex
        self._model = _Model(token=self.token)
        self._model.on_msg(self._heard)

    def close(self) -> None:
        """End the model: the page takes the buttons away."""
        self._model.close()

    def _heard(self, _: object, asked: Asked, __: object) -> None:
        self._model.send(self.answer(asked))

    def answer(self, asked: Asked) -> Answered:
        """Do what a button says."""
        report, done = self._done(asked)
        return {"id": asked["id"], "html": report._repr_html_(), "done": done}

    def _done(self, asked: Asked) -> tuple[StepReport, bool]:
        action: Any = asked["action"]
        if action not in get_args(RowAction):
            return StepReport(f"{action} is unknown; there are {', '.join(get_args(RowAction))}", ()), False
        # Some kernels deliver messages in a thread while a cell runs: what it binds and records is in flux then.
        if self._cell_runs() and threading.current_thread() is not threading.main_thread():
            return StepReport("a cell is running: try again when it has ended", ()), False
        try:
            return self._act(action, asked["step"]), True
        except (UsageError, DurableError) as error:
            return StepReport(str(error), ()), False
