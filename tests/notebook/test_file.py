"""What the notebook's file tells: names that two cells have, read once per change."""

from __future__ import annotations

import json
import os

import pytest

from durable_nb.errors import DuplicateStepName
from durable_nb.notebook.file import LastCell, NamesInFile, SavedSources, named_twice, refuse_named_twice, sources_of
from durable_nb.notebook.magics import name_on


def write(path, *sources):
    cells = [{"cell_type": "code", "source": source} for source in sources]
    path.write_text(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": "%%step a"}]}))
    return path


@pytest.mark.parametrize(
    ("sources", "twice"),
    [
        (["%%step a\nx = 1", "%%step --max-attempts 3 a\ny = 1"], ["a"]),
        (["%%step a\nx = 1", "%%step b\nx = 1", "%%step\n", "%%step\n", "%%step --rerun"], []),
        (["%%step a --no-such", "%%step a", "# %%step a"], []),
    ],
)
def test_names_that_two_cells_have(sources, twice):
    """Names count wherever they stand on the line; cells without one, or with a bad line, are nobody's double."""
    assert named_twice(sources, name_on) == twice


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": [{}]}', '{"cells": 3}', '{"cells": [3]}'])
def test_a_file_that_is_no_notebook_is_no_error(tmp_path, text):
    """Half-written and foreign files have no cells."""
    (tmp_path / "nb.ipynb").write_text(text)
    assert sources_of(tmp_path / "nb.ipynb") == []


def test_a_warning_comes_once_and_follows_the_file(tmp_path):
    """A name is warned of once, and again never; a file that changes is read again, one that did not is not."""
    path = write(tmp_path / "nb.ipynb", ["%%step a\n", "x"], "%%step b")
    names = NamesInFile(SavedSources(path), name_on)
    assert names.warning("a") == ""
    stat = path.stat()
    same_size = write(path, ["%%step b\n", "x"], "%%step b")
    os.utime(same_size, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert names.warning("b") == ""
    os.utime(path, ns=(stat.st_mtime_ns + 1, stat.st_mtime_ns + 1))
    assert "two cells of nb.ipynb are named b" in names.warning("b")
    assert names.warning("b") == ""
    path.unlink()
    assert names.warning("a") == ""


def test_the_last_cell_is_told_when_all_its_like_have_run(tmp_path):
    """Equal cells before it do not count, nor blank ones after it; without a file no cell is the last."""
    last = LastCell(SavedSources(write(tmp_path / "nb.ipynb", "x", "y", ["x\n"], "")))
    assert [last.was(each) for each in ("x", "y", "x")] == [False, False, True]
    assert not LastCell(SavedSources(None)).was("")


def test_a_run_can_refuse(tmp_path):
    """What runs a whole notebook raises instead, with the name."""
    refuse_named_twice(write(tmp_path / "nb.ipynb", "%%step a", "%%step b"), name_on)
    with pytest.raises(DuplicateStepName, match="are named a: rename one") as found:
        refuse_named_twice(write(tmp_path / "nb.ipynb", "%%step a", "%%step a"), name_on)
    assert found.value.name == "a"
