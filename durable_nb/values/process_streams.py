"""The random streams of the process itself: steps record their states, and objects only refer to them."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def process_stream(stream: object) -> tuple[ModuleType, str] | None:
    """Return the module and the name that a stream is found under; None for one that somebody made."""
    numpy = sys.modules.get("numpy.random.mtrand")
    for module, name in ((random, "_inst"), (numpy, "_rand")):
        if module is not None and stream is getattr(module, name, None):
            return module, name
    return None
