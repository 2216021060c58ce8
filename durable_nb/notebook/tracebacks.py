"""Errors of a step's body, shown with the user's own frames only, as a plain cell would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.notebook.body import CellBody

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

_RUNS = (CellBody.run.__code__, CellBody.arun.__code__)


class clean_traceback:  # noqa: N801 - read as a verb: ``with clean_traceback(shell):``
    """Makes IPython show an error from the ``with`` block with the user's own frames only.

    Put everything that a magic does with a cell in the block, compiling its body included; the error
    passes on, so the cell fails as a plain one does, Run All stops, and ``%debug`` finds the user's
    frame. An error with no frame of a body is shown without frames.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Trim the error, if there is one."""
        if error is not None:
            trim(self._shell, error)


def trim(shell: InteractiveShell, error: BaseException) -> None:
    """Do what ``clean_traceback`` does, for an error that is about to leave the magic.

    Errors in its chain that came out of a body (the attempts behind ``MaxStepRetriesExceeded``) are
    trimmed as well.
    """
    from IPython.core.error import UsageError

    frames = user_frames(error.__traceback__)
    for chained in _chain(error):
        trimmed = user_frames(chained.__traceback__)
        if trimmed is not None:
            chained.with_traceback(trimmed)
    if type(error) is UsageError or hasattr(error, "_render_traceback_"):
        return  # IPython shows the one without a traceback; the other shows itself
    # not by assignment, which an exception that is a frozen dataclass refuses
    BaseException.__setattr__(error, "_render_traceback_", _Rendering(shell, error, frames))
    if isinstance(error, SyntaxError) or _has_group(error):
        _show_once(shell, error, frames)


def user_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in a body; None when no frame of it is in one."""
    while traceback is not None and traceback.tb_frame.f_code not in _RUNS:
        traceback = traceback.tb_next
    if traceback is None:
        return None
    name = traceback.tb_frame.f_locals["self"].name
    while traceback is not None and traceback.tb_frame.f_code.co_filename != name:
        traceback = traceback.tb_next
    return traceback


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it names as cause or context, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _has_group(error: BaseException | None) -> bool:
    # the condition under which IPython falls back to Python's own formatting
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return True
        error = error.__context__
    return False


class _Rendering:
    """What IPython calls for the lines to show; renders late, so that ``%tb Verbose`` works."""

    def __init__(self, shell: InteractiveShell, error: BaseException, frames: TracebackType | None) -> None:
        self._shell, self._error, self._frames = shell, error, frames

    def __call__(self) -> list[str]:
        renderer = self._shell.InteractiveTB
        return renderer.structured_traceback(type(self._error), self._error, self._frames, tb_offset=0)

    def __reduce__(self) -> tuple[Any, ...]:
        # An error that travels to another process must not drag the shell along.
        return _Rendered, (tuple(self()),)


class _Rendered:
    """The lines of a rendering that came from another process."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self._lines = lines

    def __call__(self) -> list[str]:
        return list(self._lines)


def _show_once(shell: InteractiveShell, error: BaseException, frames: TracebackType | None) -> None:
    """Trim the traceback at the moment when IPython shows ``error``, after the last frame was added.

    For syntax errors and exception groups IPython never asks for ``_render_traceback_``.
    """
    handled, handler = shell.custom_exceptions, shell.CustomTB
    if isinstance(error, handled):
        return  # the user's own handler shows it

    def show(
        shell: InteractiveShell, kind: type[BaseException], value: BaseException, *rest: Any, **kwargs: Any
    ) -> Any:
        shell.custom_exceptions, shell.CustomTB = handled, handler
        if isinstance(value, handled):
            return handler(kind, value, *rest, **kwargs)
        if value is error:
            value.with_traceback(frames)
            shell.showtraceback((kind, value, frames), running_compiled_code=frames is not None)
        else:
            shell.showtraceback(running_compiled_code=True)
        return []

    shell.set_custom_exc((type(error), *handled), show)
