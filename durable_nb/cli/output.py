"""What commands print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def say(text: str) -> None:
    """Print a line; what a terminal's encoding lacks is shown as an escape, never an error."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def say_table(rows: Sequence[Any]) -> None:
    """Print dataclasses as a table."""
    from durable_nb.core.table import plain_table

    say(plain_table(rows))


def say_json(value: object) -> None:
    """Print a value for programs."""
    say(json.dumps(value, indent=1))
