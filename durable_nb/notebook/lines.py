"""The extension's own lines (``↻ …``): in the notebook, in the terminal, never among a cell's outputs."""

from __future__ import annotations

import html as html_escaping
import io
import logging
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from durable_nb.notebook.news import LineNews, listens, send
from durable_nb.notebook.recording import OWN

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

logger = logging.getLogger("durable_nb")

MARK = "↻"
# the text begins where a cell's code and text outputs do; JupyterLab's colours follow its theme
_STYLE = (
    "color: var(--jp-ui-font-color2, gray); "
    "font-family: var(--jp-ui-font-family, sans-serif); "
    "font-size: var(--jp-ui-font-size1, 13px); "
    "line-height: 1.5; "
    "padding: 2px 0 2px calc(var(--jp-code-padding, 5px) + 1px)"
)
_MARK_STYLE = "color: var(--jp-brand-color1, #4a8fd9); padding-right: .4em"


class Line(Protocol):
    """A line that is shown with its first update and can still change."""

    @property
    def live(self) -> bool:
        """Whether it changes in place; else each update adds a line."""

    def update(self, text: str, html: str | None = None) -> None:
        """Show ``text`` (or ``html`` on a page; None is the text, muted) in its place; terminals add a line."""


def say(shell: InteractiveShell, text: str) -> Line:
    """Show a line of the extension's own, and return it.

    Args:
        shell: the shell whose cell runs.
        text: what to say; begins with ``↻``.
    """
    line = new_line(shell)
    line.update(text)
    return line


def new_line(shell: InteractiveShell) -> Line:
    """Return a line of the extension's own, to be shown; it is no part of what a step showed.

    In a front end it is a display, marked ``durable_nb`` in its metadata. A kernel that runs headless
    writes it to the real stderr of its process, or tells ``durable-nb run``; a terminal shows it on stderr.

    Args:
        shell: the shell whose cell runs.
    """
    if in_kernel(shell) and not is_headless(shell):
        return _DisplayedLine(shell)
    return _SentLine(shell) if in_kernel(shell) and listens(shell) else _PlainLine()


def in_kernel(shell: InteractiveShell) -> bool:
    """Say whether the shell's outputs are messages, rather than text in a terminal."""
    return getattr(shell.display_pub, "session", None) is not None


def is_headless(shell: InteractiveShell) -> bool:
    """Say whether a kernel runs this cell for nobody who watches: nbclient and its kind.

    Front ends with a page tell which cell they run (``cellId`` in the request's metadata), ``durable-nb run`` that
    it is no page.
    """
    return in_kernel(shell) and (not _cell_id(shell) or listens(shell))


def cell_id_of(info: ExecutionInfo) -> str:
    """Return the id of a cell as it is in the notebook's file; "" where the front end tells none.

    Args:
        info: what ``pre_run_cell`` is called with.
    """
    return str(getattr(info, "cell_id", None) or "")


def tags_of(info: ExecutionInfo) -> frozenset[str]:
    """Return the tags of a cell; none where the front end tells none.

    Args:
        info: what ``pre_run_cell`` is called with.
    """
    metadata = getattr(info, "cell_meta", None)
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return frozenset(each for each in tags if isinstance(each, str)) if isinstance(tags, list) else frozenset()


def request_of(shell: InteractiveShell) -> str:
    """Return the id of the request that runs a cell; "" in a terminal."""
    return str((_request(shell).get("header") or {}).get("msg_id") or "")


def running_source(shell: InteractiveShell) -> str:
    """Return the cell that a kernel runs, without space around it; "" while it starts."""
    return str((_request(shell).get("content") or {}).get("code") or "").strip()


def _cell_id(shell: InteractiveShell) -> str:
    return str((_request(shell).get("metadata") or {}).get("cellId") or "")


def _request(shell: InteractiveShell) -> dict[str, Any]:
    request: dict[str, Any] = getattr(shell, "get_parent", dict)() or {}
    return request


class _DisplayedLine:
    live = True

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell, self._id = shell, uuid.uuid4().hex
        self._shown = False

    def update(self, text: str, html: str | None = None) -> None:
        shown, self._shown = self._shown, True  # before it is sent: interrupted there, it must not be shown twice
        self._shell.display_pub.publish(
            {"text/plain": text, "text/html": html or muted(text)},
            {OWN: True},
            transient={"display_id": self._id},
            update=shown,
        )


class _PlainLine:
    live = False

    def __init__(self) -> None:
        self._text = ""

    def update(self, text: str, html: str | None = None) -> None:  # noqa: ARG002 - no page here
        if text != self._text:
            self._text = text
            self._write(text)

    def _write(self, text: str) -> None:
        write_to_stderr(text)


class _SentLine(_PlainLine):
    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__()
        self._shell = shell

    def _write(self, text: str) -> None:
        send(self._shell, LineNews(line=text))


def muted(text: str) -> str:
    """Return a line as HTML, in the theme's quiet colours."""
    mark, _, rest = text.partition(" ") if text.startswith(MARK) else ("", "", text)
    icon = f'<span style="{_MARK_STYLE}">{mark}</span>' if mark else ""
    return f'<div style="{_STYLE}">{icon}{html_escaping.escape(rest)}</div>'


def write_to_stderr(text: str) -> None:
    """Write a line to the real stderr of this process, past what records or redirects it.

    In a kernel ``sys.__stderr__`` does not do: ipykernel puts a pipe behind its descriptor and shows
    what comes out of it in the notebook; its own stream knows the real one.
    """
    stream: Any = sys.stderr
    data = (text + "\n").encode(getattr(sys.__stderr__, "encoding", None) or "utf-8", "replace")
    try:
        stream.flush()
        os.write(stream.fileno(), data)
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        logger.info("%s", text)  # no real stderr: pythonw, or a stream of the user's
