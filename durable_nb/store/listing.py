"""The stores below a folder: a walk that is bounded, follows no links, and opens no ledger."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.store.found import look_at
from durable_nb.store.location import FOLDER, SUFFIX, ledger_name, store_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from durable_nb.store.found import FoundStore

PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that hold many folders and no notebooks of the user's."""
_ORDER = ("interrupted", "running", "failed", "open", "unknown", "saved")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a walk may take: seconds, folders looked into, stores found."""

    seconds: float = 5.0
    folders: int = 50_000
    stores: int = 1_000


@dataclass(slots=True)
class Listing:
    """The stores below a folder.

    Attributes:
        folder: absolute, links resolved.
        stores: those with something to go on with; interrupted ones first, then the newest.
        refused: how many stores were left out because they are another user's, or their notebook lies elsewhere.
        cut: why the walk ended early; "" when it is complete.
    """

    folder: Path
    stores: list[FoundStore] = field(default_factory=list)
    refused: int = 0
    cut: str = ""


def list_stores(
    folder: Path,
    *,
    hidden: bool = False,
    bounds: Bounds | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Listing:
    """Return the stores of the notebooks in a folder and below.

    Args:
        folder: where to begin.
        hidden: whether to look into hidden folders and at hidden notebooks as well.
        bounds: of the walk.
        monotonic: the clock, in seconds.
    """
    bounds = bounds or Bounds()
    listing = Listing(folder.resolve())
    walk, end = _folders(listing.folder, hidden=hidden), monotonic() + bounds.seconds
    for number, each in enumerate(walk):
        listing.cut = _cut(listing, bounds, number, in_time=monotonic() < end)
        if listing.cut:
            break
        if each.name == FOLDER:
            _take(listing, each, hidden=hidden)
    listing.stores.sort(key=lambda found: (_ORDER.index(found.state), -found.newest))
    return listing


def find_store(notebook: Path) -> FoundStore | None:
    """Return the store beside a notebook; None when there is none of this user's."""
    return look_at(store_path(notebook, {}))


def _cut(listing: Listing, bounds: Bounds, folders: int, *, in_time: bool) -> str:
    if folders >= bounds.folders:
        return f"after {bounds.folders:,} folders"
    if len(listing.stores) >= bounds.stores:
        return f"after {bounds.stores:,} stores"
    return "" if in_time else f"after {bounds.seconds:g} s"


def _take(listing: Listing, folder: Path, *, hidden: bool) -> None:
    """Look at the stores of one folder; its own notebooks' only, a terminal's session has none."""
    for entry in _entries(folder):
        if not entry.name.endswith(SUFFIX) or entry.name == ledger_name(None):
            continue
        if entry.name.startswith(".") and not hidden:
            continue
        found = look_at(Path(entry.path))
        if found is None or not _inside(found.notebook, listing.folder):
            listing.refused += 1
        elif found.resumable and found.notebook.suffix == ".ipynb":
            listing.stores.append(found)


def _inside(notebook: Path, folder: Path) -> bool:
    """Say whether a notebook lies below a folder when links are followed."""
    return notebook.resolve().is_relative_to(folder)


def _folders(top: Path, *, hidden: bool) -> Iterator[Path]:
    """Yield folders, the shallow ones first; links are never followed, so that none leads out or in circles."""
    waiting = deque([top])
    while waiting:
        folder = waiting.popleft()
        yield folder
        if folder.name == FOLDER:
            continue
        for entry in _entries(folder):
            name = entry.name
            if name in PASSED_OVER or not (hidden or name == FOLDER or not name.startswith(".")):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # gone meanwhile, or a folder that this user may not read, and that holds no stores of theirs
