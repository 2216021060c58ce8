"""The live views, as the notebook side asks for them."""

from __future__ import annotations


class LiveViews:
    """Makes the widgets."""
