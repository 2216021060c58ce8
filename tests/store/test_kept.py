"""Copies of files that a later step overwrites."""

from __future__ import annotations

import os

import pytest

from durable_nb.store import kept
from durable_nb.store.kept import KeptFiles, append_content, put_content
from durable_nb.values.dependencies import file_digest


@pytest.fixture
def folder(tmp_path):
    """The folder of a store."""
    (tmp_path / "store").mkdir()
    return tmp_path


def test_a_kept_content_is_found_by_its_bytes(folder):
    """Contents are found whole or as the beginning of a longer one, of the same path only."""
    files, path = KeptFiles(folder / "store" / "nb.files"), folder / "out.csv"
    path.write_bytes(b"abc")
    whole, start, end = file_digest(str(path)), file_digest(str(path), 0, 1), file_digest(str(path), 1, 3)
    assert files.keep(path)
    path.unlink()
    for stop, begin, digest in ((3, 0, whole), (1, 0, start), (3, 1, end)):
        found = files.find(path, begin, stop, digest)
        assert found is not None
        assert found.read_bytes() == b"abc"
    assert files.find(folder / "other.csv", 0, 3, whole) is None
    assert files.find(path, 0, 2, whole) is None
    assert files.size_bytes() == 3
    assert oct(files.folder.stat().st_mode)[-3:] == "700"


def test_damaged_contents_are_not_used(folder):
    """A kept file whose bytes changed answers nothing."""
    files, path = KeptFiles(folder / "store" / "nb.files"), folder / "out.csv"
    path.write_bytes(b"abc")
    assert files.keep(path)
    digest = file_digest(str(path))
    path.unlink()
    (only,) = files.folder.iterdir()
    only.write_bytes(b"abd")
    assert files.find(path, 0, 3, digest) is None


def test_space_is_bounded(folder, monkeypatch):
    """The oldest contents go first, and a file that is too large is not kept at all."""
    files, path = KeptFiles(folder / "store" / "nb.files", most_bytes=25), folder / "out.csv"
    digests = []
    for number in range(4):
        path.write_bytes(b"%d" % number * 10)
        digests.append(file_digest(str(path)))
        assert files.keep(path)
        os.utime(next(each for each in files.folder.iterdir() if each.name.endswith(digests[-1])))
    path.unlink()
    assert [files.find(path, 0, 10, digest) is not None for digest in digests] == [False, False, True, True]
    monkeypatch.setattr(kept, "LARGEST_BYTES", 5)
    path.write_bytes(b"123456")
    assert not files.keep(path)
    assert not files.keep(folder / "nothing")
    assert not files.keep(folder)


def test_contents_are_put_back(folder):
    """A file gets the first bytes of another, its own mode and the given time; bytes can be appended too."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(b"abcdef")
    target.write_bytes(b"something longer")
    target.chmod(0o640)
    put_content(source, 3, target, 5_000_000_000)
    assert target.read_bytes() == b"abc"
    assert (target.stat().st_mode & 0o777, target.stat().st_mtime_ns) == (0o640, 5_000_000_000)
    append_content(source, 3, 5, target, 6_000_000_000)
    assert target.read_bytes() == b"abcde"
    assert target.stat().st_mtime_ns == 6_000_000_000
    new = folder / "made" / "new"
    put_content(source, 6, new, 5_000_000_000)
    assert new.read_bytes() == b"abcdef"
    assert sorted(each.name for each in new.parent.iterdir()) == ["new"]


def test_a_link_stays_a_link(folder):
    """A file behind a symbolic link is put back behind it."""
    source, real, link = folder / "source", folder / "real", folder / "link"
    source.write_bytes(b"abc")
    real.write_bytes(b"x")
    link.symlink_to(real)
    put_content(source, 3, link, 5_000_000_000)
    assert link.is_symlink()
    assert real.read_bytes() == b"abc"
