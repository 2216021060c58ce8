from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest
from samples import call

from durable_nb.errors import StoreLocked, StoreUnusable
from durable_nb.store import opening

ROOT = Path(__file__).parents[2]
HOLD = """
    import sys
    from pathlib import Path
    from durable_nb.store.ledger import Ledger
    ledger = Ledger.open(Path(sys.argv[1]), notebook="/home/me/first.ipynb", key=b"k" * 32)
    ledger.writer.wake()
    print("open", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the ledger of this test until its stdin ends."""
    path = tmp_path / ".durable_nb" / "nb.duckdb"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout.readline() == "open\n"
        while not path.with_suffix(".json").exists():
            time.monotonic()
        process.ledger = path
        yield process
        process.kill()


def test_a_held_store_names_its_owner(holder, open_ledger):
    """While another process holds the ledger, StoreLocked names its pid and notebook."""
    with pytest.raises(StoreLocked, match=r"first\.ipynb") as caught:
        open_ledger(holder.ledger, wait_seconds=0.1)
    assert (caught.value.pid, caught.value.notebook) == (holder.pid, "/home/me/first.ipynb")
    assert caught.value.path == str(holder.ledger)


def test_a_dying_owner_is_waited_for(holder):
    """The lock is tried again until the owner is gone."""
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            holder.kill()
            holder.wait()

    connection, _ = opening.connect(holder.ledger, notebook="", wait_seconds=20, sleep=sleep)
    connection.close()
    assert len(waits) == 2


def test_one_process_opens_a_store_once(ledger, open_ledger):
    """A second ledger on the same file in one process would give ids twice; it is refused."""
    with pytest.raises(StoreLocked) as caught:
        open_ledger()
    assert caught.value.pid == os.getpid()


def refused(open_ledger, path, match):
    with pytest.raises(StoreUnusable, match=match) as caught:
        open_ledger(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert caught.value.path == str(path)


def test_a_folder_is_refused(open_ledger, tmp_path):
    """A folder in place of the file says so."""
    refused(open_ledger, tmp_path, "is a folder.*DURABLE_NB_STORE")


def test_a_place_that_cannot_be_written_is_refused(open_ledger, tmp_path):
    """A parent that cannot be made, a file in place of a folder, a read-only file system."""
    (tmp_path / "file").write_text("x")
    refused(open_ledger, tmp_path / "file" / "nb.duckdb", "cannot be made.*DURABLE_NB_STORE")
    refused(open_ledger, Path("/proc/durable_nb/nb.duckdb"), "cannot be made.*DURABLE_NB_STORE")
    refused(open_ledger, Path("/proc/nb.duckdb"), "cannot be made.*DURABLE_NB_STORE")


@pytest.mark.parametrize("content", [b"", b"hello", b"hello" * 10_000])
def test_a_file_that_is_no_database_is_refused_and_kept(open_ledger, tmp_path, content):
    """It is neither changed nor deleted."""
    path = tmp_path / "nb.duckdb"
    path.write_bytes(content)
    refused(open_ledger, path, "is not a DuckDB file.*move it away")
    assert path.read_bytes() == content


def test_somebody_elses_database_is_refused_and_kept(open_ledger, tmp_path):
    """A DuckDB file without our meta table is left byte for byte."""
    path = tmp_path / "nb.duckdb"
    with duckdb.connect(str(path)) as raw:
        raw.execute("CREATE TABLE meta (name VARCHAR, value VARCHAR)")
        raw.execute("CREATE TABLE mine AS SELECT 42 AS x")
    before = path.read_bytes()
    refused(open_ledger, path, "not a ledger of durable_nb")
    assert path.read_bytes() == before


def test_a_newer_format_is_refused_and_kept(ledger, open_ledger):
    """A ledger of a newer durable_nb says to upgrade."""
    ledger.close()
    with duckdb.connect(str(ledger.path)) as raw:
        raw.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
    before = ledger.path.read_bytes()
    refused(open_ledger, ledger.path, "has format 2.*pip install -U durable_nb")
    assert ledger.path.read_bytes() == before


def test_a_newer_duckdb_says_to_upgrade_duckdb(ledger, open_ledger):
    """A file of an unknown storage version is told apart from a broken one."""
    ledger.close()
    content = bytearray(ledger.path.read_bytes())
    # The main header: checksum, magic "DUCK", version. The checksum is not checked before the version.
    content[12:20] = (5000).to_bytes(8, "little")
    ledger.path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"newer DuckDB: pip install -U duckdb|cannot be opened"):
        open_ledger(ledger.path)


def test_the_log_of_a_deleted_ledger_is_set_aside(ledger, open_ledger):
    """A write-ahead log without its ledger is kept under another name, never replayed into a new one."""
    ledger.commit(call(1))
    wal = ledger.path.with_name("nb.duckdb.wal")
    content = wal.read_bytes()
    ledger.close()
    ledger.path.unlink()
    wal.write_bytes(content)
    fresh = open_ledger()
    assert fresh.step_heads() == []
    [kept] = ledger.folder.glob("nb.duckdb.wal.orphan-*")
    assert kept.read_bytes() == content


def test_a_copied_ledger_opens_beside_its_original(ledger, open_ledger, tmp_path):
    """A copy of a closed store works, and has the same store id."""
    ledger.commit(call(1))
    ledger.close()
    shutil.copy(ledger.path, tmp_path / "copy.duckdb")
    copy = open_ledger(tmp_path / "copy.duckdb")
    original = open_ledger()
    assert copy.store_id == original.store_id
    assert copy.load(1) == original.load(1)
