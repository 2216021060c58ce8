from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest
from blake3 import blake3

from durable_nb.errors import CheckpointUntrusted
from durable_nb.store.blobs import BlobStore

MEGABYTE = 1_000_000


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "nb.blobs")


def names(blobs):
    return sorted(path.name for path in blobs.folder.iterdir())


def change(path, content):
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)


@pytest.mark.parametrize("size", [0, 1, 100_000, 8 * 1024 * 1024, 20 * MEGABYTE + 7])
def test_content_comes_back_from_where_it_was_put(blobs, size):
    """A blob is named by the blake3 of its content and maps to equal bytes, of any size."""
    content = os.urandom(size)
    ref = blobs.put(content)
    assert (ref.address, ref.size) == (blake3(content).hexdigest(), size)
    assert bytes(blobs.map(ref)) == content
    assert blobs.read(ref) == content
    assert names(blobs) == [ref.address]


def test_a_map_is_writable_and_private(blobs):
    """Writing into a map changes neither the file nor another map."""
    ref = blobs.put(b"a" * MEGABYTE)
    first, second = blobs.map(ref), blobs.map(ref)
    first[:3] = b"xyz"
    assert bytes(second[:3]) == b"aaa"
    assert blobs.read(ref) == b"a" * MEGABYTE


def test_a_map_survives_unlink(blobs):
    """Gc may remove a blob while it is mapped."""
    ref = blobs.put(b"a" * MEGABYTE)
    view = blobs.map(ref)
    assert blobs.unlink_unreferenced(set()) == MEGABYTE
    assert bytes(view) == b"a" * MEGABYTE
    with pytest.raises(CheckpointUntrusted, match="cannot be read"):
        blobs.map(ref)


def test_equal_content_is_written_once(blobs, monkeypatch):
    """The second put of equal content leaves the file as it is, and no draft behind."""
    ref = blobs.put(b"a" * MEGABYTE)
    assert BlobStore(blobs.folder).put(bytearray(b"a" * MEGABYTE)) == ref
    assert blobs.put(memoryview(b"a" * MEGABYTE)) == ref
    assert names(blobs) == [ref.address]


def test_a_damaged_file_is_not_taken_for_equal_content(blobs):
    """A file of the right name and size and of wrong content is replaced, never signed as sound."""
    ref = blobs.put(b"a" * MEGABYTE)
    change(blobs.folder / ref.address, b"b" * MEGABYTE)
    again = blobs.put(b"a" * MEGABYTE)
    assert again != ref
    assert bytes(blobs.map(again)) == b"a" * MEGABYTE


def test_changed_content_is_found(blobs):
    """A changed byte, a cut file and a missing one raise CheckpointUntrusted."""
    ref = blobs.put(b"a" * MEGABYTE)
    path = blobs.folder / ref.address
    change(path, b"a" * (MEGABYTE - 1) + b"b")
    for get in (blobs.map, blobs.read, blobs.verify):
        with pytest.raises(CheckpointUntrusted, match="has changed"):
            get(ref)
    change(path, b"a" * 10)
    for get in (blobs.map, blobs.read, blobs.verify):
        with pytest.raises(CheckpointUntrusted, match="has changed"):
            get(ref)
    path.unlink()
    for get in (blobs.map, blobs.read, blobs.verify):
        with pytest.raises(CheckpointUntrusted, match="cannot be read"):
            get(ref)


def test_a_copied_store_is_hashed_and_accepted(blobs):
    """When inode and times differ the content decides."""
    ref = blobs.put(b"a" * MEGABYTE)
    path = blobs.folder / ref.address
    path.rename(path.with_suffix(".old"))
    path.write_bytes(b"a" * MEGABYTE)
    assert bytes(BlobStore(blobs.folder).map(ref)) == b"a" * MEGABYTE


def test_unchanged_files_are_mapped_without_hashing(blobs, monkeypatch):
    """While inode, size, mtime and ctime are the signed ones no content is read."""
    ref = blobs.put(b"a" * MEGABYTE)
    monkeypatch.setattr("durable_nb.store.blobs._hash_handle", None)
    assert len(BlobStore(blobs.folder).map(ref)) == MEGABYTE
    for other in (replace(ref, mtime_ns=1), replace(ref, ctime_ns=1), replace(ref, inode=1)):
        with pytest.raises(TypeError):
            BlobStore(blobs.folder).map(other)


@pytest.mark.parametrize("address", ["../../etc/passwd", "", "A" * 64, "a" * 63])
def test_an_address_is_never_a_path(blobs, address):
    """Only 64 hex digits name a blob."""
    ref = blobs.put(b"a")
    with pytest.raises(CheckpointUntrusted, match="no valid address"):
        blobs.map(replace(ref, address=address))


def test_network_files_are_read_instead_of_mapped(blobs):
    """On a network file system the view is a copy, so that a vanishing file cannot crash the kernel."""
    ref = blobs.put(b"a" * MEGABYTE)
    blobs._network = True
    view = blobs.map(ref)
    assert isinstance(view.obj, bytearray)
    assert bytes(view) == b"a" * MEGABYTE


def test_only_unreferenced_files_are_removed(blobs):
    """unlink_unreferenced keeps what it is told and frees the rest, left-over drafts included."""
    keep, drop = blobs.put(b"k" * 1000), blobs.put(b"d" * 500)
    (blobs.folder / ".draft-left").write_bytes(b"x" * 30)
    assert blobs.size_bytes() == 1530
    assert blobs.unlink_unreferenced([keep.address]) == 530
    assert names(blobs) == [keep.address]
    assert drop.address != keep.address


def test_a_failed_write_leaves_nothing(blobs, monkeypatch):
    """When the disk is full the error is told and no draft or half blob remains."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("durable_nb.store.blobs._write_all", fail)
    with pytest.raises(OSError, match="No space"):
        blobs.put(b"a" * MEGABYTE)
    assert names(blobs) == []


def test_threads_may_put_the_same_content_at_once(blobs):
    """Concurrent puts of equal content all succeed, and one file remains."""
    refs = []
    threads = [threading.Thread(target=lambda: refs.append(blobs.put(b"a" * MEGABYTE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {ref.address for ref in refs} == set(names(blobs))
    assert [bytes(blobs.map(ref)) == b"a" * MEGABYTE for ref in refs] == [True] * 8


def test_saving_copies_nothing(blobs):
    """Saving 200 MB takes less than 64 MB of extra memory."""
    resource = pytest.importorskip("resource")
    content = bytearray(200 * MEGABYTE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blobs.put(content)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 64 * 1024 * 1024
