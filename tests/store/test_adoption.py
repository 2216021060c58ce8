"""A renamed notebook takes over its store: only its own user's, never one in use, whenever it was killed before."""

from __future__ import annotations

import pytest
from samples import KEY, call

from durable_nb.store.adoption import adopt, others
from durable_nb.store.ledger import Ledger
from durable_nb.store.location import blobs_folder, kept_folder, notebook_of, summary_path
from durable_nb.store.records import Payload


@pytest.fixture(autouse=True)
def key(tmp_path, monkeypatch):
    (tmp_path / "key").write_bytes(KEY)
    monkeypatch.setenv("DURABLE_NB_KEY_FILE", str(tmp_path / "key"))


@pytest.fixture
def old(tmp_path):
    """Make the store of a notebook that is gone: one large value, one kept file."""
    path = tmp_path / ".durable_nb" / "old.duckdb"
    with_step(path)
    kept_folder(path).mkdir()
    (kept_folder(path) / "a-b").write_text("kept")
    return path


@pytest.fixture
def new(old):
    return old.with_name("new.duckdb")


def with_step(path, key=KEY, code="c0de"):
    ledger = Ledger.open(path, notebook="old.ipynb", key=key)
    payload = Payload(b"stream", (ledger.put_buffer(b"x" * 100_000),))
    ledger.commit(call(ledger.new_id(), kind="cell", scope_id=0, code_digest=code, payload=payload))
    ledger.close()


def adopted(new, code=("c0de", "other")):
    notebook = new.parent.parent / "new.ipynb"
    return adopt(new, notebook, [each for each in others(new, notebook) if not notebook_of(each).exists()], code)


def whole(new, open_ledger):
    ledger = open_ledger(new)
    [head] = ledger.step_heads()
    [buffer] = ledger.load(head.id).payload.buffers
    kept = (kept_folder(new) / "a-b").read_text()
    return ledger.meta["notebook"].endswith("new.ipynb") and bytes(ledger.get_buffer(buffer)) == b"x" * 100_000, kept


def test_all_parts_of_the_store_are_renamed(old, new, open_ledger):
    """Ledger, blobs, kept files and summary have the new name, and nothing has the old one."""
    assert adopted(new).ledger == old
    assert whole(new, open_ledger) == (True, "kept")
    assert list(old.parent.glob("old.*")) == []


@pytest.mark.parametrize("done", [1, 2, 3])
def test_whoever_was_killed_in_between_begins_again(old, new, open_ledger, done):
    """What was renamed before the kill stays, the rest follows: also where the folder had a file by then."""
    for part in (blobs_folder, kept_folder, summary_path)[:done]:
        part(old).rename(part(new))
    if done == 1:
        blobs_folder(old).mkdir()
        (blobs_folder(old) / ("f" * 64)).touch()
    assert adopted(new).trusted
    assert whole(new, open_ledger) == (True, "kept")
    assert list(old.parent.glob("old.*")) == []


def test_a_store_in_use_is_not_touched(old, new, open_ledger):
    """What a live kernel holds keeps its name and its folders."""
    open_ledger(old)
    assert adopted(new) is None
    # hidden ones may be drafts of the summary, which the writer replaces just now
    assert sorted(each.name for each in old.parent.glob("[!.]*.*")) == [
        "old.blobs", "old.duckdb", "old.files", "old.json",
    ]  # fmt: skip


def test_a_foreign_store_is_named_and_stays(old, new):
    """Rows that another key signed: the store is not adopted."""
    with_step(old, key=b"f" * 32)
    assert adopted(new) == (old, 1, False)
    assert (old.exists(), new.exists(), blobs_folder(old).exists()) == (True, False, True)


def test_other_code_is_not_adopted(old, new):
    """A notebook that shares no recorded cell with the store begins with its own."""
    assert adopted(new, code=["other"]) is None
    assert (old.exists(), new.exists()) == (True, False)


def test_a_notebook_with_a_store_adopts_none(old, new):
    """The own store wins, and so does one at another place than the default."""
    with_step(new)
    assert others(new, new.parent.parent / "new.ipynb") == []
    assert others(new.with_name("set.duckdb"), new.parent.parent / "new.ipynb") == []


def test_the_store_with_most_of_the_code_is_adopted(old, new, open_ledger):
    """Of two orphans the one wins that has more of the notebook's cells."""
    more = old.with_name("more.duckdb")
    with_step(more)
    with_step(more, code="other")
    assert adopted(new).ledger == more
    assert len(open_ledger(new).step_heads()) == 2
    assert old.exists()


def test_the_session_store_of_unknown_notebooks_is_nobodys(old, new):
    """Checkpoints of kernels that could not tell their notebook are never taken."""
    old.rename(old.with_name("session.duckdb"))
    assert adopted(new) is None
