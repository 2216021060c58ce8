"""Which notebook is this, and where does its store belong?"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from durable_nb.notebook.file import metadata_of, sources_of
from durable_nb.notebook.lines import running_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

_ENV_NOTEBOOK: Final = "DURABLE_NB_NOTEBOOK"
_SUFFIX: Final = ".ipynb"


def notebook_path(shell: InteractiveShell, configured: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the notebook's path, or None when nothing tells it.

    In order (DESIGN §7): environment or configuration, what the front end tells (``JPY_SESSION_NAME``, VS Code's
    ``__vsc_ipynb_file__``), the command line of the process that started the kernel, the one notebook in the current
    folder. These two count only if the notebook has the cell that runs, and no other does.
    """
    told = (
        environ.get(_ENV_NOTEBOOK),
        configured,
        shell.user_ns.get("__vsc_ipynb_file__"),
        shell.user_ns.get("__session__"),
        environ.get("JPY_SESSION_NAME"),
    )
    for each in told:
        if isinstance(each, str) and each.endswith(_SUFFIX):
            return _absolute(each)
    if getattr(shell, "kernel", None) is None:
        return None  # a terminal has no notebook, and must not take one that happens to lie here
    source = running_source(shell)
    return the_one_with(source, _asked_of_parent()) or the_one_with(source, sorted(Path.cwd().glob(f"*{_SUFFIX}")))


def _absolute(told: str) -> Path:
    """Resolve a path that may be relative to the server's root: the kernel's folder is the notebook's own."""
    path = Path(told)
    return path if path.is_absolute() else Path.cwd() / path.name


def _asked_of_parent() -> list[Path]:
    """Return the notebooks that the process which started this kernel was asked to run."""
    try:
        import psutil  # ipykernel needs it as well
    except ImportError:
        return []
    try:
        parent = psutil.Process(os.getppid())
        words, folder = parent.cmdline(), parent.cwd()
    except psutil.Error:  # it is gone, or of another user
        return []
    return notebooks_on(words, Path(folder))


def notebooks_on(words: Sequence[str], folder: Path) -> list[Path]:
    """Return the notebooks that a command line asks to run: ``jupyter execute``, nbconvert, papermill and their kind.

    Args:
        words: the command line.
        folder: where it was given; the kernel's own folder may be another.
    """
    asked = [word for before, word in pairwise(words) if before != "--output"]
    found = [folder / word for word in asked if word.endswith(_SUFFIX) and not word.startswith("-")]
    there = [path for path in found if path.is_file()]
    is_papermill = any(Path(word).stem == "papermill" for word in words[:3])
    return there[:1] if is_papermill else there  # papermill's second one is what it writes


def the_one_with(source: str, notebooks: Iterable[Path]) -> Path | None:
    """Return the one notebook that has a cell; None where none has it, or several.

    A notebook without any code has not been saved yet, so that it may be the one. Of a notebook and what papermill
    made of it, it is the former.

    Args:
        source: of the cell; "" where it is not known.
        notebooks: paths.
    """
    distinct = dict.fromkeys(path.resolve() for path in notebooks if not path.name.startswith("."))
    found = [path for path in distinct if _may_hold(path, source)]
    if len(found) > 1:
        found = [path for path in found if not _was_made_by_papermill(path)]
    return found[0] if len(found) == 1 else None


def _may_hold(path: Path, source: str) -> bool:
    sources = [each for each in sources_of(path) if each]
    return not source or not sources or source in sources


def _was_made_by_papermill(path: Path) -> bool:
    return bool((metadata_of(path).get("papermill") or {}).get("input_path"))
