"""Headless runners: no cell ids, nobody watches; the extension's lines go to the process's stderr."""

from __future__ import annotations

import nbformat
import pytest
from driver import PATIENCE_SECONDS
from nbclient import NotebookClient
from scenes import SETUP, hits, kernel_in, prepare, ready, run, shown

CELLS = [
    *SETUP,
    "import uuid",
    "%%step\ntally.hit('one')\none = uuid.uuid4().hex\none",
    "first = one\ndel one",
    "%%step\ntally.hit('one')\none = uuid.uuid4().hex\none",
    "second = one\ndel one",
    "@step\ndef call(i):\n    tally.hit(f'call{i}')\n    return i",
    "[call(i) for i in range(3)]",
    "%%step bad --max-attempts 0\nprint('ran')",
    "first != second",
]


def test_equal_cells_without_ids(tmp_path):
    """Each run of a cell is the next one of its like: two equal cells have a checkpoint each, in order."""
    with kernel_in(tmp_path) as kernel:
        first = kernel.run_notebook(CELLS, cell_ids=False)
        assert hits(tmp_path) == {"one": 2, "call0": 1, "call1": 1, "call2": 1}
        kernel.kill()
        kernel.restart()
        again = kernel.run_notebook(CELLS, cell_ids=False)
    assert hits(tmp_path) == {"one": 2, "call0": 1, "call1": 1, "call2": 1}
    assert [each.text for each in again[1:]] == [each.text for each in first[1:]]
    assert again[-1].text == "True"
    assert all(each.own_lines == [] for each in again)


def test_lines_go_to_the_stderr_of_the_process(tmp_path):
    """The notebook's outputs have none of them; what the kernel process writes has all."""
    with kernel_in(tmp_path) as kernel:
        kernel.run_notebook(CELLS, cell_ids=False)
        kernel.kill()
        assert "↻ replayed" not in kernel.stderr
        kernel.restart()
        results = kernel.run_notebook(CELLS, cell_ids=False)
        assert not any("↻" in each.text for each in results)
        assert kernel.stderr.count("↻ replayed ") == 2
        assert "↻ 2 steps and 3 calls checkpointed" in kernel.stderr
        assert "↻ 3 calls replayed" in kernel.stderr
        assert "--max-attempts: must be a whole number of at least 1, not 0" in kernel.stderr


def test_lab_then_headless(tmp_path):
    """Checkpoints made with cell ids are found without, and the other way round, each by its own cell."""
    with kernel_in(tmp_path) as kernel:
        first = run(kernel, CELLS)
        kernel.kill()
        kernel.restart()
        headless = kernel.run_notebook(CELLS, cell_ids=False)
        assert [each.text for each in headless[2:7]] == [shown(each) for each in first[2:7]]
        kernel.kill()
        kernel.restart()
        ready(kernel)
        back = run(kernel, CELLS)
    assert [shown(each) for each in back[2:7]] == [shown(each) for each in first[2:7]]
    assert hits(tmp_path) == {"one": 2, "call0": 1, "call1": 1, "call2": 1}


def test_headless_then_lab(tmp_path):
    """What a runner without ids recorded, JupyterLab finds; two equal cells take one each."""
    with kernel_in(tmp_path) as kernel:
        first = kernel.run_notebook(CELLS, cell_ids=False)
        kernel.kill()
        kernel.restart()
        back = run(kernel, CELLS)
    assert [shown(each) for each in back[2:7]] == [each.text for each in first[2:7]]
    assert hits(tmp_path) == {"one": 2, "call0": 1, "call1": 1, "call2": 1}


@pytest.fixture
def execute(tmp_path, monkeypatch):
    prepare(tmp_path)
    from driver import _environment

    for name, value in _environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)

    def run_notebook(cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        NotebookClient(notebook, timeout=PATIENCE_SECONDS, resources={"metadata": {"path": str(tmp_path)}}).execute()
        return notebook

    return run_notebook


def test_nbclient(tmp_path, execute):
    """A notebook that nbclient ran twice has the same outputs both times, and no line of the extension."""
    first = execute(CELLS)
    again = execute(CELLS)
    assert hits(tmp_path) == {"one": 2, "call0": 1, "call1": 1, "call2": 1}
    assert [cell.outputs for cell in again.cells] == [cell.outputs for cell in first.cells]
    assert [cell.execution_count for cell in again.cells] == list(range(1, len(CELLS) + 1))
    assert "↻" not in nbformat.writes(again)
