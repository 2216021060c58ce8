"""What ``doctor`` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from durable_nb.errors import DurableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLDEST_KERNEL = (6, 29)
OLDEST_LAB = (4, 4)
OLDEST_NOTEBOOK = (7, 4)
_SCARCE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One line.

    Attributes:
        topic: what it is about.
        good: None where it is a matter of taste, or not installed and not needed.
        tells: what was found.
        advice: what to do; "" for nothing.
    """

    topic: str
    good: bool | None
    tells: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """``ok``, ``no``, or ``--`` where neither is meant."""
        return {True: "ok", False: "no", None: "--"}[self.good]


def checks(folder: Path, profile: str) -> Iterator[Check]:
    """Yield every line, in the order of what depends on what."""
    yield _installed()
    yield _autoload(profile)
    yield _server()
    yield _key()
    yield _store(folder)
    yield _kernel()


def version(package: str) -> str:
    """Return the version of an installed package, or ""."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())


def _installed() -> Check:
    import durable_nb

    others = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "ipython", "anywidget"))
    return Check("package", True, f"durable_nb {durable_nb.__version__}, Python {platform.python_version()}, {others}")


def _autoload(profile: str) -> Check:
    from durable_nb.cli import autoload

    if autoload.loads(autoload.template("always"), profile):
        return Check("autoload", True, "the extension loads when a kernel starts")
    if autoload.loads(autoload.template("lazy"), profile):
        return Check("autoload", True, "the extension loads at the first %%step or %durable")
    return Check("autoload", None, "each notebook needs %load_ext durable_nb", "durable-nb enable does without")


def _server() -> Check:
    try:
        from jupyter_core.paths import jupyter_config_path
        from jupyter_server import __version__ as installed
        from jupyter_server.extension.config import ExtensionConfigManager
    except ImportError:
        return Check("server", None, "jupyter_server is not installed here, and only its page of notebooks needs it")
    manager: Any = ExtensionConfigManager(read_config_path=jupyter_config_path())
    if manager.enabled("durable_nb.server"):
        return Check("server", True, f"jupyter_server {installed} shows your notebooks at /durable-nb")
    advice = "jupyter server extension enable durable_nb.server"
    return Check("server", False, f"jupyter_server {installed} does not load the extension", advice)


def _key() -> Check:
    from durable_nb.store.keys import key_path, load_key

    path = key_path()
    if not path.exists():
        return Check("key", None, f"{path} will be made by the first kernel")
    try:
        load_key()
    except DurableError as error:
        return Check("key", False, str(error))
    about = path.stat()
    if os.name != "nt" and about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check("key", False, f"{path} can be read by other users", f"chmod 600 {path}")
    return Check("key", True, f"{path} signs your checkpoints, and only you can read it")


def _store(folder: Path) -> Check:
    from durable_nb.notebook.spans import size
    from durable_nb.store.location import FOLDER, store_path

    place = store_path((folder / "notebook.ipynb").absolute(), os.environ).parent
    there = next(each for each in (place, *place.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        advice = "set DURABLE_NB_STORE to a path that can be written"
        return Check("store", False, f"{place} cannot be written ({error.strerror})", advice)
    free = shutil.disk_usage(there).free
    name = f"{folder.absolute()}{os.sep}{FOLDER}" if place.name == FOLDER else str(place)
    tells = f"{name} can be written, {size(free)} free"
    return Check("store", free >= _SCARCE_BYTES, tells, "" if free >= _SCARCE_BYTES else "free some space")


def _kernel() -> Check:
    """Say whether buttons work while a cell runs: it takes a front end that sends clicks, and a kernel to take them."""
    kernel = version("ipykernel")
    if not kernel:
        return Check("kernel", False, "ipykernel is not installed here", "pip install ipykernel")
    if _numbers(kernel) < OLDEST_KERNEL:
        return Check("kernel", False, f"ipykernel {kernel} is too old", "pip install -U ipykernel")
    lab, notebook = version("jupyterlab"), version("notebook")
    ready = [
        f"{name} {found}"
        for name, found, oldest in (("JupyterLab", lab, OLDEST_LAB), ("Notebook", notebook, OLDEST_NOTEBOOK))
        if found and _numbers(found) >= oldest
    ]
    if ready:
        return Check("kernel", True, f"ipykernel {kernel}: buttons work while a cell runs, in {' and '.join(ready)}")
    if lab or notebook:
        return Check(
            "kernel",
            None,
            f"ipykernel {kernel}: buttons wait for the cell's end in the front end installed here, ■ works",
            "pip install -U jupyterlab",
        )
    return Check("kernel", True, f"ipykernel {kernel}; no front end here: buttons need JupyterLab 4.4, Notebook 7.4")
