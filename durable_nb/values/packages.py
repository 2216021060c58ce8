"""The packages that Python has installed: which files are theirs, and their versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import sysconfig
from functools import cache
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN: Final = frozenset({"durable_nb", "builtins"})
"""What is of no version that would matter to a notebook."""
_VERSION: Final = re.compile(r"^Version:(.*)$", re.MULTILINE | re.IGNORECASE)
_MOST_LIKE: Final = 4
"""So many distributions are looked at first for a module of another name."""
_INSTALLED_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})


def installed_version(top: str) -> str:
    """Return the version of the distribution that a top-level module is of, loaded or not; "" where it is of none."""
    found = "" if top in OWN else _distribution_version(top)
    return "" if found == "unknown" else found


def named_version(module_name: str) -> str:
    """Return name and version of the package, or of the Python, that an installed module is of."""
    found = version(module_name)
    return found if " " in found else f"{top_of(module_name)} {found}"


def is_standard(module_name: str) -> bool:
    """Tell whether a module is of the standard library."""
    top = top_of(module_name)
    return top in sys.stdlib_module_names or top in sys.builtin_module_names


def version(name: str) -> str:
    """Return the version that a module says, else that of its distribution; Python's for the standard library."""
    if is_standard(name):
        return f"python {platform.python_version()}"
    top = top_of(name)
    names = getattr(sys.modules.get(top), "__dict__", {})
    declared = names.get("__version__")
    if type(declared) is str:
        return declared
    # Cython registers a module for its types that nobody can import, and that no distribution has.
    spec = names.get("__spec__", names)
    return "unknown" if spec is None else _version_as_loaded(top, spec)


_as_loaded: Final[dict[str, tuple[object, str]]] = {}


def _version_as_loaded(top: str, spec: object) -> str:
    """Return the version of a distribution as it was when a module of it was first asked for, until it is reloaded."""
    known = _as_loaded.get(top)
    if known is None or known[0] is not spec:
        known = _as_loaded[top] = (spec, _distribution_version(top))
    return known[1]


def _distribution_version(top: str) -> str:
    return _version_in(_installed_now(), top)


@cache
def _version_in(installed: tuple[tuple[str, int], ...], top: str) -> str:  # noqa: ARG001 - what the answer is kept for
    # Under the module's own name first: to look which distribution has it takes longer.
    return _version_of(_distribution_named(top)) or _version_of(_distribution_with(top)) or "unknown"


def _version_of(found: importlib.metadata.Distribution | None) -> str:
    """Return what a distribution says in the head of its metadata; to parse all of it would take twice the time."""
    if found is None:
        return ""
    told = _VERSION.search((found.read_text("METADATA") or "").partition("\n\n")[0])
    return told[1].strip() if told is not None else found.version or ""


def _distribution_named(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _distribution_with(top: str) -> importlib.metadata.Distribution | None:
    """Return the first distribution that has a top-level module; None where none has.

    ``importlib.metadata.packages_distributions`` would find it in ten times the time, as it parses what all have.
    """
    own = re.compile(rf"^{re.escape(top)}(?:/|\.py,|\.(?:[^/,]*\.)?(?:so|pyd),)", re.MULTILINE)
    for each in chain(_named_like(top), importlib.metadata.distributions()):
        declared = each.read_text("top_level.txt")
        if top in declared.split() if declared is not None else own.search(each.read_text("RECORD") or ""):
            return each
    return None


def _named_like(top: str) -> Iterator[importlib.metadata.Distribution]:
    """Yield the few distributions whose names begin and end most as a module's: scikit-image for skimage, say."""

    def likeness(folder: Path) -> int:
        name = folder.name.partition("-")[0].lower()
        ends = zip(name, top.lower(), strict=False), zip(name[::-1], top.lower()[::-1], strict=False)
        return sum(1 for each in ends for _ in takewhile(lambda pair: pair[0] == pair[1], each))

    folders = [each for path in sys.path if is_installed_path(path) for each in Path(path).glob("*.dist-info")]
    return map(importlib.metadata.Distribution.at, sorted(folders, key=likeness, reverse=True)[:_MOST_LIKE])


def _installed_now() -> tuple[tuple[str, int], ...]:
    """Return what changes when a package is installed, or when the import path does: then versions are read anew."""
    paths = map(str, sys.path)
    return tuple((path, size_and_time(Path(path))[1] if is_installed_path(path) else 0) for path in paths)


def size_and_time(source: Path) -> tuple[int, int]:
    """Return a file's bytes, and its modification time in nanoseconds; -1 where it is not there."""
    try:
        status = source.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def top_of(module_name: str) -> str:
    """Return the top-level package of a module."""
    return module_name.partition(".")[0]


@cache
def is_installed_path(file: str) -> bool:
    """Tell whether a file belongs to the interpreter or an installed package."""
    if file.startswith(_installed_prefixes()):  # at once, for there are thousands of them
        return True
    path = Path(file)
    return not _INSTALLED_FOLDERS.isdisjoint(path.parts) or any(_below(path, root) for root in _installed_roots())


def _below(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) or path.resolve().is_relative_to(root)


@cache
def _installed_prefixes() -> tuple[str, ...]:
    return ("<", *(f"{root}{os.sep}" for root in _installed_roots()))


@cache
def _installed_roots() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple(
        root
        for key in ("stdlib", "platstdlib", "purelib", "platlib")
        for root in {Path(paths[key]), Path(paths[key]).resolve()}
    )
