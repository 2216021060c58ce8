"""Errors as text, for displays: type, first line, and the user's own frames."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.retrying import Failure
from durable_nb.notebook.tracebacks import user_frames

if TYPE_CHECKING:
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

MOST_CHARACTERS: Final = 4_000
_MOST_FRAMES: Final = 20
_PACKAGE = str(Path(__file__).resolve().parents[1])


def describe(shell: InteractiveShell, error: BaseException) -> Failure:
    """Describe an error with the traceback as a person wants it: from the user's code on."""
    frames = user_frames(error.__traceback__) or _outside(error.__traceback__)
    lines = _frame_lines(shell, frames)
    lines += [Failure.of(error).line, *(f"from {Failure.of(cause).line}" for cause in _causes(error))]
    return Failure.of(error, "\n".join(lines)[-MOST_CHARACTERS:])


def _outside(frames: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback after the last frame of ours at its beginning; a step's function is below them."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        frames = frames.tb_next
    return frames


def _frame_lines(shell: InteractiveShell, frames: TracebackType | None) -> list[str]:
    lines = []
    for frame in traceback.extract_tb(frames, limit=-_MOST_FRAMES):
        function = "" if frame.name == "<module>" else f", in {frame.name}"
        lines.append(f"{_place(shell, frame.filename)}, line {frame.lineno}{function}")
        if frame.line:
            lines.append(f"    {frame.line}")
    return lines


def _place(shell: Any, file: str) -> str:
    """Return what IPython calls the cell that a file name stands for; else the file, from the current folder."""
    found = shell.compile.format_code_name(file)
    if found is not None:
        return " ".join(found)
    path, here = Path(file), Path.cwd()
    return f"File {path.relative_to(here) if path.is_relative_to(here) else path}"


def _causes(error: BaseException) -> list[BaseException]:
    """Return what the error came of, as Python would show it, the nearest first."""
    found: list[BaseException] = []
    cause = error
    while True:
        following = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if following is None or following in found or len(found) >= _MOST_FRAMES:
            return found
        found.append(following)
        cause = following
