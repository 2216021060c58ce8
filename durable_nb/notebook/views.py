"""What the notebook side asks of the widgets, which are above it: they are handed in, never imported from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from durable_nb.core.clock import Clock
    from durable_nb.notebook.activity import Picture
    from durable_nb.notebook.report import StepReport

RetryAction = Literal["retry_now", "stop"]
"""What a person may ask of a run that is retried."""

Act = Callable[[RetryAction, int | None], None]
"""Does what was asked: of one run, or of all of them (None). It may be called in any thread."""

RowAction = Literal["why", "show", "rerun", "forget"]
"""What the buttons of a row in the table do."""


class Clicks(Protocol):
    """Whether clicks reach the kernel while a cell runs."""

    @property
    def works(self) -> bool:
        """Whether they do; else no button is shown."""

    def unpin(self, comm: Any) -> None:
        """Let messages of a comm be handled while the main thread runs a cell."""


class Panel(Protocol):
    """A live view of a cell's activity, inside of a display that shows text where it cannot be.

    Attributes:
        place: the class of the elements on the page in which it appears.
    """

    place: str

    def update(self, picture: Picture, *, counting: bool) -> None:
        """Show another picture; ``counting``: with the progress of all calls."""

    def close(self) -> None:
        """Take it off the page, and leave nothing of it in the kernel."""


class Buttons(Protocol):
    """Gives the tables of steps that a page shows their buttons."""

    token: str

    def close(self) -> None:
        """Take the buttons away: the tables stay."""


class Views(Protocol):
    """Makes the live views of a page that shows widgets."""

    def monitor(self, act: Act, clicks: Clicks, clock: Clock) -> Panel | None:
        """Make a retry monitor; None where no widget can be shown."""

    def table(self, act: Callable[[RowAction, str], StepReport], cell_runs: Callable[[], bool]) -> Buttons:
        """Return what gives the tables that have its token their buttons.

        Args:
            act: does what a button says for the step of its row.
            cell_runs: says whether a cell runs now.
        """
