"""Files that are opened without an audit event: by C++ and by other processes, as Linux tells of them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import csv

from durable_nb.values.files import FileWatch
from durable_nb.values.opened import MAX_FOLDERS, OpenedFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.csv", "below/b.csv", ".hidden/c.csv", "venv/pyvenv.cfg", "venv/lib/d.csv", "e.py", "f.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x\n1\n")
    return tmp_path


@contextmanager
def looking(folder: Path, files: OpenedFiles | None = None) -> Iterator[list[str]]:
    files = files or OpenedFiles(folder)
    found: list[str] = []
    look = files.begin()
    yield found
    found += [path.removeprefix(f"{folder}/") for path in files.end(look)]
    files.close()


def test_a_reader_in_c_and_another_process_are_seen(folder: Path) -> None:
    """Also in folders below; what is hidden, code, notebooks and virtual environments are nobody's data."""
    with looking(folder) as opened:
        csv.read_csv(folder / "a.csv")
        subprocess.run(["cat", "below/b.csv"], cwd=folder, check=True, capture_output=True)
        for name in (".hidden/c.csv", "venv/lib/d.csv", "e.py", "f.ipynb"):
            (folder / name).read_text()
    assert opened == ["a.csv", "below/b.csv"]


def test_two_who_look_at_once_are_told_apart(folder: Path) -> None:
    """Each is told what was opened while it looked, in whatever order they end."""
    files = OpenedFiles(folder)
    first, second = files.begin(), files.begin()
    assert files.end(second) == []
    csv.read_csv(folder / "a.csv")
    third = files.begin()
    csv.read_csv(folder / "below/b.csv")
    assert files.end(first) == [str(folder / "a.csv"), str(folder / "below/b.csv")]
    assert files.end(third) == [str(folder / "below/b.csv")]
    files.close()


def test_what_is_written_is_not_read(folder: Path) -> None:
    """A file that was made, written to or moved there meanwhile is no input, though it was read as well."""
    with looking(folder) as opened:
        csv.write_csv(pa.table({"x": [2]}), folder / "made.csv")
        csv.read_csv(folder / "made.csv")
        csv.read_csv(folder / "a.csv")
        (folder / "a.csv").write_text("x\n2\n")
        (folder / "below/b.csv").rename(folder / "moved.csv")
        csv.read_csv(folder / "moved.csv")
    assert opened == []


def test_each_look_begins_anew(folder: Path) -> None:
    """What was opened before it counts no more, and a folder made since does; two looks at once see the same."""
    files = OpenedFiles(folder)
    first = files.begin()
    csv.read_csv(folder / "a.csv")
    assert files.end(first) == [str(folder / "a.csv")]
    csv.read_csv(folder / "a.csv")
    (folder / "new").mkdir()
    (folder / "new/g.csv").write_text("x\n1\n")
    one, other = files.begin(), files.begin()
    csv.read_csv(folder / "new/g.csv")
    assert files.end(other) == files.end(one) == [str(folder / "new/g.csv")]
    files.close()
    files.close()
    assert files.end(files.begin()) == []


def test_a_folder_that_is_too_large_costs_no_more(tmp_path: Path) -> None:
    """Beyond so many folders nobody looks; the outer ones come first."""
    for number in range(MAX_FOLDERS + 5):
        (tmp_path / f"many/{number}").mkdir(parents=True)
    (tmp_path / "a.csv").write_text("x\n1\n")
    with looking(tmp_path) as opened:
        csv.read_csv(tmp_path / "a.csv")
    assert opened == ["a.csv"]


def test_a_file_that_only_linux_told_of_is_a_dependency(folder: Path) -> None:
    """It is recorded as one that was opened; one that the watch knows already stays as it was seen."""
    with FileWatch(folder) as watch:
        csv.read_csv(folder / "a.csv")
    watch.opened_unseen(str(folder / "a.csv"))
    watch.opened_unseen(str(folder / ".ipynb_checkpoints" / "x.csv"))
    assert [(each.path, each.kind) for each in watch.reads()] == [("a.csv", "file")]
