from __future__ import annotations

import itertools
import stat
import threading

import pytest

from durable_nb.errors import StoreUnusable
from durable_nb.store.keys import key_path, load_key, sign

ROW = (1, 2, "call", "head", "detail", b"body")


def test_the_key_is_made_once_and_private(tmp_path):
    """The first load makes 32 random bytes with mode 0600; later ones return the same."""
    env = {"DURABLE_NB_KEY_FILE": str(tmp_path / "deep" / "key")}
    key = load_key(env)
    assert len(key) == 32
    assert load_key(env) == key
    assert stat.S_IMODE((tmp_path / "deep" / "key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["key"]


def test_racing_processes_agree_on_one_key(tmp_path):
    """When many make the key at once all get the one that was first."""
    env = {"DURABLE_NB_KEY_FILE": str(tmp_path / "key")}
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(load_key(env))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_shared_key_may_be_longer(tmp_path):
    """Any file of at least 32 bytes is a key; a shorter one is refused by name and size."""
    path = tmp_path / "key"
    env = {"DURABLE_NB_KEY_FILE": str(path)}
    path.write_bytes(b"x" * 100)
    assert len(load_key(env)) == 32
    path.write_bytes(b"short")
    with pytest.raises(StoreUnusable, match=r"has 5 bytes.*DURABLE_NB_KEY_FILE"):
        load_key(env)


def test_a_key_that_cannot_be_made_says_what_to_do():
    """An unwritable place is a StoreUnusable naming the variable."""
    with pytest.raises(StoreUnusable, match="DURABLE_NB_KEY_FILE"):
        load_key({"DURABLE_NB_KEY_FILE": "/proc/durable_nb/key"})


def test_the_default_is_in_the_users_data_folder():
    """Without the variable the key is <user data>/durable_nb/key."""
    assert key_path({}).parts[-2:] == ("durable_nb", "key")


def test_each_part_and_each_boundary_is_signed():
    """Any other key, store or part, and the same bytes split elsewhere, give another signature."""
    rows = [
        (2, 2, "call", "head", "detail", b"body"),
        (1, 3, "call", "head", "detail", b"body"),
        (1, 2, "cell", "head", "detail", b"body"),
        (1, 2, "call", "heae", "detail", b"body"),
        (1, 2, "call", "head", "detaim", b"body"),
        (1, 2, "call", "head", "detail", b"bodz"),
        (1, 2, "call", "headd", "etail", b"body"),
        (1, 2, "call", "head", "detailb", b"ody"),
        (1, 2, "callh", "ead", "detail", b"body"),
        (1, 2, "call", "head", None, b"detailbody"),
        (1, 2, "call", "head", "", b"detailbody"),
        ROW,
    ]
    signatures = [sign(b"k" * 32, b"store", row) for row in rows]
    signatures += [sign(b"j" * 32, b"store", ROW), sign(b"k" * 32, b"other", ROW)]
    assert all(a != b for a, b in itertools.combinations(signatures, 2))
    assert sign(b"k" * 32, b"store", ROW) == sign(b"k" * 32, b"store", ROW)
