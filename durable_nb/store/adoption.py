"""A notebook that was renamed takes over the store that its old name left behind."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from durable_nb.errors import StoreError
from durable_nb.store.keys import load_key, publish
from durable_nb.store.location import FOLDER, SUFFIX, blobs_folder, kept_folder, ledger_name, summary_path, wal_path
from durable_nb.store.opening import connect, set_aside
from durable_nb.store.reader import LedgerReader

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_log = logging.getLogger("durable_nb")


class Orphan(NamedTuple):
    """A store whose notebook is gone, and that holds code of another notebook.

    Attributes:
        ledger: where it lies.
        overlap: how many cells of that notebook it has checkpoints of.
        trusted: whether it was written with this user's key.
    """

    ledger: Path
    overlap: int
    trusted: bool


def others(ledger: Path, notebook: Path) -> list[Path]:
    """Return the other stores beside a notebook's own one, newest first; none when that one is there already.

    Only the default place tells which notebook a store belongs to.
    """
    if ledger.exists() or ledger != notebook.absolute().parent / FOLDER / ledger_name(notebook):
        return []
    found = [
        each for each in ledger.parent.glob(f"*{SUFFIX}") if _has_one_name(each) and each.name != ledger_name(None)
    ]
    return sorted(found, key=lambda each: each.stat().st_mtime_ns, reverse=True)


def _has_one_name(ledger: Path) -> bool:
    """Leave out a ledger whose adopter was killed between its two names."""
    return ledger.is_file() and ledger.stat().st_nlink == 1


def adopt(ledger: Path, notebook: Path, orphans: Collection[Path], code: Collection[str]) -> Orphan | None:
    """Give the orphan that has most of a notebook's code the notebook's name; return it, or None.

    One that was not written with this user's key is returned too, but left where it is.

    Args:
        ledger: where the notebook's ledger belongs, and is not yet.
        notebook: the notebook's file.
        orphans: ledgers whose notebooks are gone. One that a live process holds is not touched.
        code: hex digests of the notebook's cells.

    Raises:
        StoreUnusable: the signing key cannot be used.
    """
    key = load_key()
    seen = [orphan for each in orphans if (orphan := _look(each, key, code)) is not None]
    best = max(seen, key=lambda each: (each.trusted, each.overlap), default=None)
    if best is None or not best.trusted:
        return best
    return best if _move(best.ledger, ledger, notebook) else None


def _look(ledger: Path, key: bytes, code: Collection[str]) -> Orphan | None:
    try:
        connection, meta = connect(ledger, notebook="", wait_seconds=0.0)
    except StoreError as error:
        _log.info("%s is not looked at: %s", ledger, error)
        return None
    with connection:
        try:
            found, trusted = LedgerReader(connection, ledger, meta, key).recorded_code()
        except StoreError as error:
            _log.info("%s cannot be read: %s", ledger, error)
            return None
    overlap = len(found.intersection(code))
    return Orphan(ledger, overlap, trusted) if overlap else None


def _move(old: Path, new: Path, notebook: Path) -> bool:
    """Rename all parts of a store, its ledger last: whoever is killed in between begins again with what is left."""
    try:
        connection, _ = connect(old, notebook="", wait_seconds=0.0)
        with connection:  # which holds DuckDB's lock until the ledger has its new name
            connection.execute("UPDATE meta SET value = ? WHERE name = 'notebook'", [str(notebook)])
            connection.execute("CHECKPOINT")  # so that there is no write-ahead log to rename
            if os.name == "nt":
                connection.close()  # an open file cannot be renamed there
            set_aside(wal_path(new))
            for part in (blobs_folder, kept_folder):
                _move_folder(part(old), part(new))
            with suppress(FileNotFoundError):
                summary_path(old).replace(summary_path(new))
            if publish(old, new):
                old.unlink(missing_ok=True)  # two names for a moment: a ledger made meanwhile is never replaced
                return True
    except (StoreError, OSError) as error:
        _log.warning("%s could not be renamed to %s: %s", old, new.name, error)
    return False


def _move_folder(old: Path, new: Path) -> None:
    """Rename a folder of content-addressed files, or move them into one that an earlier store of that name left."""
    if not old.exists():
        return
    if not new.exists():
        old.rename(new)
        return
    for file in old.iterdir():
        file.replace(new / file.name)
    old.rmdir()
