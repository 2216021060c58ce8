"""What the notebook side asks of the widgets, which are above it: they are handed in, never imported from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from durable_nb.core.clock import Clock
    from durable_nb.notebook.activity import Picture

Action = Literal["retry_now", "stop"]
"""What a person may ask of a run that is retried."""

Act = Callable[[Action, int | None], None]
"""Does what was asked: of one run, or of all of them (None). It may be called in any thread."""


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


class Views(Protocol):
    """Makes the live views of a page that shows widgets."""

    def monitor(self, act: Act, clicks: Clicks, clock: Clock) -> Panel | None:
        """Make a retry monitor; None where no widget can be shown."""
