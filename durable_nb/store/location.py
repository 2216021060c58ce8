"""Where the store of a notebook lives, and which setting wins."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = ".durable_nb"
SUFFIX = ".duckdb"
_OFF = frozenset({"", "0", "false", "no", "off"})


def disabled(env: Mapping[str, str]) -> bool:
    """Return whether ``DURABLE_NB_DISABLE`` turns everything off."""
    return switched_on(env, "DURABLE_NB_DISABLE")


def switched_on(env: Mapping[str, str], variable: str, *, default: bool = False) -> bool:
    """Return whether a variable is set to something other than ``0``, ``no`` and the like; ``default`` if it is not."""
    return env[variable].strip().lower() not in _OFF if variable in env else default


def first_set(*settings: str | os.PathLike[str] | None) -> str | None:
    """Return the first setting that is neither None nor empty, as text."""
    return next((os.fspath(setting) for setting in settings if setting), None)


def store_path(
    notebook: Path | None,
    env: Mapping[str, str],
    configured: str | os.PathLike[str] | None = None,
    *,
    flag: str | os.PathLike[str] | None = None,
    config_file: str | os.PathLike[str] | None = None,
) -> Path:
    """Return the absolute path of the ledger.

    Precedence: magic flag > ``%config`` > ``DURABLE_NB_STORE`` > config file > the default
    ``.durable_nb/<notebook>.duckdb`` beside the notebook. A setting with a trailing
    slash means the notebook's ledger inside that folder; a relative one is relative to the notebook.

    Args:
        notebook: the notebook's file, or None where unknown (then the working directory counts).
        env: the environment.
        configured: what ``%config`` says.
        flag: what a magic's flag says.
        config_file: what the config file says.
    """
    base = notebook.absolute().parent if notebook is not None else Path.cwd()
    setting = first_set(flag, configured, env.get("DURABLE_NB_STORE"), config_file)
    if setting is None:
        return base / FOLDER / ledger_name(notebook)
    path = base / Path(setting).expanduser()
    if setting.endswith(("/", os.sep)):
        path = path / ledger_name(notebook)
    return Path(os.path.normpath(path))


def ledger_name(notebook: Path | None) -> str:
    """Return the file name of a notebook's ledger; a script keeps its suffix, so none collide."""
    if notebook is None:
        return f"session{SUFFIX}"
    return (notebook.stem if notebook.suffix == ".ipynb" else notebook.name) + SUFFIX


def notebook_of(ledger: Path) -> Path:
    """Return the notebook that a ledger in ``.durable_nb`` belongs to, which may be gone."""
    stem = ledger.name.removesuffix(SUFFIX)
    script = ledger.parent.parent / stem
    return script if script.is_file() else script.with_name(f"{stem}.ipynb")


def blobs_folder(ledger: Path) -> Path:
    """Return the folder of the ledger's blob files, beside it."""
    return ledger.with_name(_stem(ledger) + ".blobs")


def kept_folder(ledger: Path) -> Path:
    """Return the folder of files that steps wrote and later steps overwrote, beside the ledger."""
    return ledger.with_name(_stem(ledger) + ".files")


def summary_path(ledger: Path) -> Path:
    """Return the path of the JSON summary that the owner of the ledger keeps beside it."""
    return ledger.with_name(_stem(ledger) + ".json")


def wal_path(ledger: Path) -> Path:
    """Return the path of DuckDB's write-ahead log of the ledger."""
    return ledger.with_name(ledger.name + ".wal")


def size_on_disk(ledger: Path) -> int:
    """Return the bytes that a ledger, its write-ahead log, its blobs and its kept files take; opens none of them."""
    files = (each for each in (ledger, wal_path(ledger)) if each.is_file())
    return sum(each.stat().st_size for each in files) + sum(
        map(folder_bytes, (blobs_folder(ledger), kept_folder(ledger)))
    )


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files of a folder take; 0 where there is no such folder."""
    if not folder.is_dir():
        return 0
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # its owner removed it meanwhile
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _stem(ledger: Path) -> str:
    # Only our own suffix is cut: "a.b" and "a.c" must not share their blobs.
    return ledger.name.removesuffix(SUFFIX)
