"""What the notebook side asks of the widgets, which are above it: they are handed in, never imported from here."""

from __future__ import annotations

from typing import Protocol


class Views(Protocol):
    """Makes the live views of a page that shows widgets."""
