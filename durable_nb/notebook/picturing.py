"""``%durable timeline`` and ``%durable graph``: makes the picture that was asked for, saves it, or lets it live."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from IPython.core.error import UsageError

from durable_nb.errors import DurableError
from durable_nb.notebook.lines import in_kernel, is_headless

if TYPE_CHECKING:
    from durable_nb.notebook.extension import DurableNB
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.notebook.pictures.picture import Picture
    from durable_nb.notebook.pictures.timeline import Timeline

SAVE: Final = "--save"


def picture(extension: DurableNB, notebook: Notebook, words: list[str]) -> Picture | None:
    """Return the picture that a line asks for; None when it was saved instead.

    Raises:
        UsageError: the line has what there is not, or the file cannot be written.
    """
    file = _file(words)
    found: Picture
    if words[0] == "graph":
        from durable_nb.notebook.pictures.graph import graph_of

        found = graph_of(notebook)
    else:
        found = _timeline(extension, notebook)
    if file is None:
        return found
    try:
        path = found.save(file)
    except (DurableError, OSError) as error:
        raise UsageError(f"%durable {words[0]} --save: {error}") from None
    extension.display.line(f"saved {path}")
    return None


def _file(words: list[str]) -> str | None:
    """Return what follows ``--save``.

    Raises:
        UsageError: there is anything else, or no file.
    """
    command, *rest = words
    if not rest:
        return None
    if rest[0] != SAVE:
        raise UsageError(f"%durable {command}: {rest[0]} is unknown; there is {SAVE} FILE (see %durable?)")
    if len(rest) != 2:  # noqa: PLR2004 - the flag and its value
        raise UsageError(f"%durable {command} --save takes one file, e.g. %durable {command} --save {command}.svg")
    return rest[1]


def _timeline(extension: DurableNB, notebook: Notebook) -> Timeline:
    return _read(notebook, show=partial(_show, extension, notebook))


def _read(notebook: Notebook, live: str = "", **more: object) -> Timeline:
    from durable_nb.notebook.pictures.bars import lanes_of
    from durable_nb.notebook.pictures.timeline import Timeline

    return Timeline(lanes_of(notebook), live=live, **more)  # type: ignore[arg-type]


def _show(extension: DurableNB, notebook: Notebook) -> bool:
    """Show the timeline so that it follows what happens; says whether there is a page to do so on."""
    shell = extension.shell
    if not in_kernel(shell) or is_headless(shell) or notebook is not extension.notebook:
        return False
    from durable_nb.notebook.pictures.live import Live

    if extension.live is not None:
        extension.live.close()
    journal = notebook.journal
    extension.live = Live(shell, notebook.session, partial(_read, notebook), lambda: bool(journal.underway))
    extension.live.show()
    return True
