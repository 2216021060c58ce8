"""The cells of the notebook's file."""

from __future__ import annotations

import json

import pytest

from durable_nb.notebook.saved import saved_body


@pytest.fixture
def file(tmp_path):
    """Write a notebook of code cells, by id."""

    def write(**cells):
        made = [{"cell_type": "code", "id": own, "source": source} for own, source in cells.items()]
        made.append({"cell_type": "markdown", "id": "m", "source": "%%step load\nno code"})
        path = tmp_path / "n.ipynb"
        path.write_text(json.dumps({"cells": made}))
        return str(path)

    return write


def test_a_step_is_found_by_name_or_id(file):
    """By its name where it has one, else by its cell's id; the source may be a list of lines."""
    path = file(
        a="%%step load --max-attempts 3\nx = 1\ny = 2",
        b=["%%step\n", "z = 1"],
        c="%%step --rerun\nw = 1",
        d="print('%%step load')",
    )
    assert saved_body(path, "load", "other") == "x = 1\ny = 2"
    assert saved_body(path, "", "b") == "z = 1"
    assert saved_body(path, "", "c") == "w = 1"
    assert saved_body(path, "", "d") == "print('%%step load')"  # a step of auto mode
    assert saved_body(path, "", "") is None


def test_what_cannot_be_told_is_none(file, tmp_path):
    """Two cells of one name, a file that is gone or no notebook."""
    assert saved_body(file(a="%%step load\nx = 1", b="%%step load\nx = 2"), "load", "a") is None
    (tmp_path / "bad.ipynb").write_text("{")
    (tmp_path / "odd.ipynb").write_text('{"cells": 3}')
    for name in ("bad.ipynb", "odd.ipynb", "none.ipynb", "script.py"):
        assert saved_body(str(tmp_path / name), "load", "") is None
    assert saved_body("", "load", "") is None
