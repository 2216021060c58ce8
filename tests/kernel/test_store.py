"""Where a notebook's store lies and what is in it, seen from outside the kernel."""

from __future__ import annotations

import json
import os
import shutil
import stat

import duckdb
import pytest
from driver import Kernel
from scenes import SETUP, hits, kernel_in, prepare, ready, replayed, run, shown

CELLS = [
    "import numpy as np",
    "%%step big\ntally.hit('big')\nbig_rows = np.arange(300_000.0)",
    "%%step small\ntally.hit('small')\nsmall = big_rows.sum()\nprint('sum')\nsmall",
    "@step\ndef call(i):\n    tally.hit(f'call{i}')\n    return i",
    "[call(i) for i in range(3)]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a notebook that was run and whose kernel was killed."""
    folder = tmp_path_factory.mktemp("store")
    with kernel_in(folder) as kernel:
        assert [each.status for each in run(kernel, CELLS)] == ["ok"] * len(CELLS)
        kernel.kill()
    return folder


def test_the_store_lies_beside_the_notebook(folder):
    """Ledger, blobs and summary are in ``.durable_nb``, for the user alone, and ignored by git."""
    store = folder / ".durable_nb"
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert (store / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE((store / "notebook.duckdb").stat().st_mode) == 0o600
    blobs = [path for path in (store / "notebook.blobs").rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in blobs] == [0o400]
    assert blobs[0].stat().st_size >= 2_400_000


def test_the_ledger_can_be_queried(folder, tmp_path):
    """After SIGKILL DuckDB itself opens the ledger, and its views have steps, inputs, outputs, displays and code."""
    shutil.copytree(folder / ".durable_nb", tmp_path / "copy")
    with duckdb.connect(str(tmp_path / "copy" / "notebook.duckdb")) as connection:

        def query(text):
            return connection.execute(text).fetchall()

        assert query("SELECT name, status, attempts FROM steps WHERE kind = 'cell' ORDER BY id") == [
            ("big", "success", 1),
            ("small", "success", 1),
        ]
        assert query("SELECT count(*) FROM steps WHERE kind = 'call' AND name = 'call'") == [(3,)]
        of_small = "step_id = (SELECT id FROM steps WHERE name = 'small')"
        assert ("big_rows",) in query(f"SELECT name FROM inputs WHERE {of_small}")
        assert query(f"SELECT name FROM outputs WHERE {of_small}") == [("small",)]
        assert query(f"SELECT msg_type FROM displays WHERE {of_small}") == [("stream",), ("execute_result",)]
        assert len(query("SELECT source FROM code WHERE source LIKE '%big_rows.sum()%'")) == 1


def test_a_renamed_folder_keeps_its_checkpoints(folder, tmp_path):
    """Paths in the store are relative to the notebook: a copy of its folder elsewhere replays."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    with kernel_in(moved) as kernel:
        results = run(kernel, CELLS)
        assert replayed(results[1], "big")
        assert replayed(results[2], "small")
        assert shown(results[2]).startswith("sum\n")
        assert results[4].own_lines[0].startswith("↻ 3 calls replayed")
    assert hits(moved) == hits(folder)


def test_a_lost_blob_runs_the_step_again(folder, tmp_path):
    """Without the buffer's file the step runs again and says why; nothing is raised in the cell."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / ".durable_nb" / "notebook.blobs")
    with kernel_in(copy) as kernel:
        results = run(kernel, CELLS[:3])
        assert results[1].status == "ok"
        assert "↻ running big again: " in results[1].own_lines[0]
        assert replayed(results[2], "small")


def test_a_changed_blob_runs_the_step_again(folder, tmp_path):
    """A buffer's file whose bytes were changed is not loaded."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    blob = next(path for path in (copy / ".durable_nb" / "notebook.blobs").rglob("*") if path.is_file())
    data = bytearray(blob.read_bytes())
    data[1_000_000] ^= 0xFF
    blob.chmod(0o600)
    blob.write_bytes(data)
    with kernel_in(copy) as kernel:
        results = run(kernel, [*CELLS[:3], "float(big_rows.sum()) == sum(range(300_000))"])
        assert "↻ running big again: " in results[1].own_lines[0]
        assert shown(results[3]) == "True"


def test_a_restored_array_is_private(folder, tmp_path):
    """Writing to a restored array changes neither the blob's file nor what the next kernel restores."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with kernel_in(copy) as kernel:
        for _ in range(2):
            results = run(
                kernel, [*CELLS[:2], "first = float(big_rows[1])\nbig_rows[:] = 7\nfirst, big_rows.flags.writeable"]
            )
            assert replayed(results[1], "big")
            assert shown(results[2]) == "(1.0, True)"
            kernel.restart()
            ready(kernel)


def test_the_summary_can_be_read_while_a_kernel_holds_the_ledger(tmp_path):
    """The JSON file beside the ledger names the owner and its steps."""
    with kernel_in(tmp_path) as kernel:
        kernel.run("%%step load\nx = 1", "load")
        kernel.run("%unload_ext durable_nb", "unload")
        summary = json.loads((tmp_path / ".durable_nb" / "notebook.json").read_text())
        assert [each["name"] for each in summary["steps"]] == ["load"]
        assert summary["pid"] is None
        kernel.run("%load_ext durable_nb", "load_ext")
        summary = json.loads((tmp_path / ".durable_nb" / "notebook.json").read_text())
        assert summary["pid"] == kernel.pid
        assert summary["notebook"] == str(tmp_path / "notebook.ipynb")


def test_two_notebooks_in_a_folder_have_a_store_each(tmp_path):
    """What the front end tells decides which notebook's store it is."""
    prepare(tmp_path)
    (tmp_path / "other.ipynb").write_text("{}")
    for name in ("notebook", "other"):
        kernel = Kernel(tmp_path, {"JPY_SESSION_NAME": str(tmp_path / f"{name}.ipynb")})
        try:
            run(kernel, SETUP)
            assert shown(kernel.run("%%step s\nx = 1\nx", "s")) == "1"
            assert "replayed" not in kernel.run("%durable", "d").text
        finally:
            kernel.close()
    assert sorted(path.name for path in (tmp_path / ".durable_nb").glob("*.duckdb")) == [
        "notebook.duckdb",
        "other.duckdb",
    ]


def test_a_forked_child_never_touches_the_store(tmp_path):
    """A step called in a forked child is a plain call; the parent's store works on."""
    fork = (
        "import os\nread, write = os.pipe()\npid = os.fork()\nif pid == 0:\n"
        "    os.write(write, str(call(5)).encode())\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\nos.read(read, 10)"
    )
    with kernel_in(tmp_path) as kernel:
        run(kernel, [CELLS[3]])
        assert shown(kernel.run(fork, "fork")) == "b'5'"
        assert shown(kernel.run("%%step after\nafter = 1\nafter", "after")) == "1"
        assert replayed(kernel.run("%%step after\nafter = 1\nafter", "after"), "after")
    assert os.path.getsize(tmp_path / ".durable_nb" / "notebook.duckdb") > 0
