"""Times, sizes and counts as people say them."""

from __future__ import annotations

from datetime import datetime

_MINUTE, _HOUR = 60, 3600
_KIB = 1024


def moment(unix_seconds: float) -> str:
    """Return a local date and time to the minute: absolute, so that a saved notebook does not change."""
    return datetime.fromtimestamp(unix_seconds).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - for a person


def span(seconds: float) -> str:
    """Return a duration as people say it: ``3 ms``, ``0.3 s``, ``42 s``, ``4 m 12 s``, ``2 h 5 m``."""
    if round(seconds, 3) < 0.1:  # noqa: PLR2004 - below, milliseconds say more
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} m"


def size(count: float) -> str:
    """Return a number of bytes as people say it: ``512 B``, ``3.4 KB``, ``2.0 GB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < _KIB:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return f"{count:.1f} TB"


def cut(text: str, width: int) -> str:
    """Return a text that is no longer than ``width``: one that is too long ends in an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 call``, ``1,000 calls``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
