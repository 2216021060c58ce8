"""The live views, as the notebook side asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.clock import Clock
    from durable_nb.notebook.report import StepReport
    from durable_nb.notebook.views import Act, Clicks, Panel, RowAction
    from durable_nb.widgets.table import TableButtons


class LiveViews:
    """Makes the widgets."""

    def monitor(self, act: Act, clicks: Clicks, clock: Clock) -> Panel | None:
        """Make a retry monitor; None where no front end is behind the kernel's comms."""
        from durable_nb.widgets.monitor import RetryMonitor

        return RetryMonitor.make(act, clicks, clock)

    def table(self, act: Callable[[RowAction, str], StepReport], cell_runs: Callable[[], bool]) -> TableButtons:
        """Return what gives the tables of steps their buttons."""
        from durable_nb.widgets.table import TableButtons

        return TableButtons(act, cell_runs)
