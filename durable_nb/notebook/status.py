"""The table that ``%durable`` shows: plain HTML, which the page makes sortable where its widgets are alive."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from durable_nb.core.history import Table
from durable_nb.core.table import html_table
from durable_nb.notebook.report import StepRow

if TYPE_CHECKING:
    from collections.abc import Iterable


class StatusTable(Table[StepRow]):
    """The steps of a notebook.

    Args:
        rows: one for each step.
        token: marks it for the buttons of this kernel; a saved notebook shows the table as it is.
    """

    def __init__(self, rows: Iterable[StepRow], token: str = "") -> None:
        super().__init__(rows)
        self._token = token

    def _repr_html_(self) -> str:
        if not self._token:
            return super()._repr_html_()
        return html_table(self, f' data-durable-table="{self._token}"', lambda row: f' data-step="{escape(row.step)}"')
