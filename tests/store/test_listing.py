"""The stores below a folder: what they tell, which are believed, and where the walk does not go."""

from __future__ import annotations

import json
import os
import socket
from itertools import count

import pytest
from samples import KEY, call

from durable_nb.store.found import look_at
from durable_nb.store.ledger import Ledger
from durable_nb.store.listing import Bounds, find_store, list_stores
from durable_nb.store.location import store_path, summary_path
from durable_nb.store.records import AttemptRecord
from durable_nb.store.summary import read_summary


def cell(name="load", **changes):
    return call(1, kind="cell", scope_id=0, name=name, **changes)


def attempt(number=2, state="started", **changes):
    fields = {"key": b"a" * 16, "name": "train", "pass_id": 0, "number": number, "state": state, "at": 5.0}
    return AttemptRecord(**(fields | {"max_attempts": 5} | changes))


@pytest.fixture
def make_store(tmp_path):
    """Make a notebook with a store that holds some records; left open when asked, as by a kernel."""
    opened = []

    def make(name="nb.ipynb", *records, close=True):
        notebook = tmp_path / name
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_text("{}")
        ledger = Ledger.open(store_path(notebook, {}), notebook=str(notebook), key=KEY)
        opened.append(ledger)
        ledger.commit(*(records or (cell(),)))
        if close:
            ledger.close()
        else:
            ledger._summary.write(os.getpid())
        return ledger

    yield make
    for ledger in opened:
        ledger.close()


def rewrite(ledger, **changes):
    """Change what a summary says, as only its owner could."""
    path = summary_path(ledger.path)
    path.write_text(json.dumps(read_summary(path) | changes))


def names(listing):
    return [each.notebook.name for each in listing.stores]


def test_what_a_closed_store_tells(make_store, tmp_path):
    """Steps and calls with a checkpoint are counted; the newest and the size on disk are told."""
    failed = cell("plot", id=2, status="error", key=b"2" * 16)
    make_store("sub/nb.ipynb", cell(), failed, call(3), call(4, ended_at=1_700_000_009.0))
    [found] = list_stores(tmp_path).stores
    entry = found.entry(tmp_path)
    assert entry["path"] == "sub/nb.ipynb"
    assert (entry["steps"], entry["calls"], entry["failed"]) == (1, 2, ["plot"])
    assert (entry["state"], entry["tells"]) == ("failed", "plot failed")
    assert entry["newest"] == 1_700_000_009.0
    assert entry["bytes"] == sum(each.stat().st_size for each in (tmp_path / "sub/.durable_nb").glob("*.duckdb"))
    assert (entry["pid"], entry["lives"], entry["exists"]) == (None, None, True)


def test_a_store_that_is_held(make_store, tmp_path):
    """While its owner lives the store is open, or running where a step has not ended."""
    ledger = make_store("nb.ipynb", cell(), close=False)
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.tells) == ("open", f"open in a kernel, process {os.getpid()}")
    ledger.commit(attempt())
    ledger._summary.write(os.getpid())
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.lives, found.tells) == ("running", True, "running train, attempt 2 of 5")


@pytest.mark.parametrize(
    ("last", "tells"),
    [
        (attempt(), "the kernel ended during train, attempt 2 of 5"),
        (attempt(1, max_attempts=1), "the kernel ended during train"),
        (attempt(2, max_attempts=0), "the kernel ended during train, attempt 2"),
        (attempt(2, "failed"), "the kernel ended before attempt 3 of 5 of train"),
    ],
)
def test_a_store_whose_owner_died_in_a_step(make_store, tmp_path, last, tells):
    """It tells in which attempt of how many."""
    make_store("nb.ipynb", last)
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.tells) == ("interrupted", tells)


def test_a_store_whose_owner_died_between_steps(make_store, tmp_path):
    """The pid is another process's by now, or nobody's."""
    ledger = make_store()
    rewrite(ledger, pid=os.getpid(), start="1")
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.tells) == ("interrupted", "the kernel ended without closing its store")


def test_a_store_whose_owner_died_before_it_told(make_store, tmp_path):
    """The summary is up to a second behind, so a killed owner's store is listed though it tells of no step."""
    ledger = make_store()
    rewrite(ledger, pid=os.getpid(), start="1", steps=[])
    assert [each.state for each in list_stores(tmp_path).stores] == ["interrupted"]


def test_a_store_of_another_machine(make_store, tmp_path):
    """Whether its owner lives cannot be told from here, and is not guessed."""
    ledger = make_store()
    rewrite(ledger, pid=os.getpid(), host="elsewhere")
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.lives) == ("unknown", None)
    assert found.tells == f"held by process {os.getpid()} on elsewhere, which cannot be asked from here"
    assert socket.gethostname() != "elsewhere"


def test_the_urgent_ones_come_first(make_store, tmp_path):
    """Interrupted ones, then failed ones, then the newest."""
    make_store("old.ipynb", cell(ended_at=1_700_000_001.0))
    make_store("new.ipynb", cell(ended_at=1_700_000_002.0))
    make_store("failed.ipynb", cell(status="error"))
    make_store("killed.ipynb", attempt())
    assert names(list_stores(tmp_path)) == ["killed.ipynb", "failed.ipynb", "new.ipynb", "old.ipynb"]


def test_nothing_to_go_on_with_is_not_listed(make_store, tmp_path):
    """A store without a row, a terminal's session, and a script's store are left out."""
    ledger = make_store("empty.ipynb")
    rewrite(ledger, steps=[])
    (tmp_path / "script.py").write_text("")
    for name in ("session.duckdb", "script.py.duckdb"):
        (ledger.folder / name).write_bytes(b"")
    assert list_stores(tmp_path).stores == []


def test_a_store_whose_notebook_is_gone(make_store, tmp_path):
    """It is listed and says so: it takes room, and a renamed notebook may adopt it."""
    make_store()
    (tmp_path / "nb.ipynb").unlink()
    [found] = list_stores(tmp_path).stores
    assert found.entry(tmp_path)["exists"] is False


def test_a_folder_of_the_notebooks_name_is_no_script(make_store, tmp_path):
    """train.duckdb belongs to train.ipynb, though there is a folder train."""
    make_store("train.ipynb")
    (tmp_path / "train").mkdir()
    assert names(list_stores(tmp_path)) == ["train.ipynb"]


# ---- what is not believed


@pytest.mark.parametrize("told", ["/etc/passwd", "../other.ipynb", "", "a\0b"])
def test_a_summary_of_another_notebook_is_not_believed(make_store, tmp_path, told):
    """A summary that was copied or made up cannot make this notebook look like that one."""
    rewrite(make_store(), notebook=told)
    [found] = list_stores(tmp_path).stores
    assert (found.state, found.summary, found.steps) == ("unknown", None, [])
    assert "load the extension in this one once" in found.tells


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_summary_that_others_may_write_is_not_believed(make_store, tmp_path, mode):
    """Group and others must not have been able to write it."""
    summary_path(make_store().path).chmod(mode)
    [found] = list_stores(tmp_path).stores
    assert (found.summary, found.tells) == (None, "its summary can be written by other users")


def link_to_itself(path):
    """Put a link in the place of a file that is as it should be."""
    os.symlink(path.with_name("moved.json"), path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, link_to_itself])
def test_a_summary_that_is_no_file_is_not_believed(make_store, tmp_path, make):
    """A pipe is not waited for, and a link is not followed, wherever it leads."""
    path = summary_path(make_store().path)
    path.rename(path.with_name("moved.json"))
    make(path)
    [found] = list_stores(tmp_path).stores
    assert found.summary is None
    assert found.tells.startswith("its summary")


def test_a_summary_that_is_missing_or_huge(make_store, tmp_path):
    """Both are told, and the store is listed all the same."""
    path = summary_path(make_store().path)
    path.write_bytes(b" " * (5 << 20))
    path.chmod(0o600)
    assert "none of this version" in find_store(tmp_path / "nb.ipynb").tells
    path.unlink()
    assert "no summary yet" in find_store(tmp_path / "nb.ipynb").tells


as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@as_root
@pytest.mark.parametrize("what", ["ledger", "folder"])
def test_other_users_stores_are_left_out(make_store, tmp_path, what):
    """They are counted, and nothing of them is read."""
    ledger = make_store()
    os.chown(ledger.path if what == "ledger" else ledger.folder, 12345, -1)
    listing = list_stores(tmp_path)
    assert (listing.stores, listing.refused) == ([], 1)
    assert look_at(ledger.path) is None


@as_root
def test_a_summary_of_another_user_is_not_believed(make_store, tmp_path):
    """Whoever could put it there, it was not this user's kernel."""
    os.chown(summary_path(make_store().path), 12345, -1)
    assert find_store(tmp_path / "nb.ipynb").tells == "its summary is no file of yours"


# ---- the walk


def test_hidden_folders_and_notebooks_are_passed_over(make_store, tmp_path):
    """Unless they are asked for, as by a server that shows hidden files."""
    for name in (".git/a.ipynb", ".b.ipynb", "node_modules/c.ipynb", "d.ipynb"):
        make_store(name)
    assert names(list_stores(tmp_path)) == ["d.ipynb"]
    assert sorted(names(list_stores(tmp_path, hidden=True))) == [".b.ipynb", "a.ipynb", "d.ipynb"]


def test_links_are_not_followed(make_store, tmp_path):
    """Neither out of the folder, nor in a circle; a notebook that is a link out of it is left out."""
    make_store("outside/a.ipynb")
    make_store("root/b.ipynb")
    root = tmp_path / "root"
    (root / "circle").symlink_to(root)
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "sub").mkdir()
    (root / "sub/.durable_nb").symlink_to(tmp_path / "outside/.durable_nb")
    assert names(list_stores(root)) == ["b.ipynb"]
    (root / "b.ipynb").unlink()
    (root / "b.ipynb").symlink_to(tmp_path / "outside/a.ipynb")
    listing = list_stores(root)
    assert (names(listing), listing.refused) == ([], 1)


@pytest.mark.parametrize(
    ("bounds", "cut"),
    [
        (Bounds(folders=3), "after 3 folders"),
        (Bounds(stores=2), "after 2 stores"),
        (Bounds(seconds=4.5), "after 4.5 s"),
        (Bounds(), ""),
    ],
)
def test_the_walk_is_bounded_and_says_so(make_store, tmp_path, bounds, cut):
    """It ends after so many folders, stores or seconds; what was found until then is listed."""
    for name in "abc":
        make_store(f"{name}/{name}.ipynb")
    listing = list_stores(tmp_path, bounds=bounds, monotonic=count().__next__ if cut.endswith(" s") else lambda: 0.0)
    assert listing.cut == cut
    assert (len(listing.stores) < 3) == bool(cut)


def test_it_is_measured_against_links_in_the_way(make_store, tmp_path):
    """A folder that is reached by a link lists the same stores, which know their notebooks by another path."""
    make_store("real/nb.ipynb")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    [found] = list_stores(tmp_path / "link").stores
    assert found.state == "saved"
