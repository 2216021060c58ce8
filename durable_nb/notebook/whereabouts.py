"""Which notebook is this, and where does its store belong?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

_ENV_NOTEBOOK = "DURABLE_NB_NOTEBOOK"


def notebook_path(shell: InteractiveShell, configured: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the notebook's path, or None when nothing tells it.

    In order (DESIGN §7): environment or configuration, what the front end tells (``JPY_SESSION_NAME``, VS Code's
    ``__vsc_ipynb_file__``), the command line of the process that started the kernel, the only notebook in the
    current folder.
    """
    told = (
        environ.get(_ENV_NOTEBOOK),
        configured,
        shell.user_ns.get("__vsc_ipynb_file__"),
        shell.user_ns.get("__session__"),
        environ.get("JPY_SESSION_NAME"),
    )
    for each in told:
        if isinstance(each, str) and each.endswith(".ipynb"):
            return _absolute(each)
    if getattr(shell, "kernel", None) is None:
        return None  # a terminal has no notebook, and must not take one that happens to lie here
    return _from_parent_command_line() or _only_notebook_here()


def _absolute(told: str) -> Path:
    """Resolve a path that may be relative to the server's root: the kernel's folder is the notebook's own."""
    path = Path(told)
    return path if path.is_absolute() else Path.cwd() / path.name


def _from_parent_command_line() -> Path | None:
    """Find the notebook that ``jupyter execute``, nbconvert or papermill was asked for."""
    try:
        raw = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return None  # no /proc here: the other ways remain
    words = [word.decode(errors="replace") for word in raw.split(b"\0")]
    found = [word for word in words[1:] if word.endswith(".ipynb") and not word.startswith("-")]
    path = Path(found[0]) if found else None
    if path is None:
        return None
    candidates = (path, Path.cwd() / path.name)
    return next((each.absolute() for each in candidates if each.exists()), None)


def _only_notebook_here() -> Path | None:
    found = [path for path in Path.cwd().glob("*.ipynb") if not path.name.startswith(".")]
    return found[0].absolute() if len(found) == 1 else None
