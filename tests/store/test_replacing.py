"""A file is replaced in one go."""

from __future__ import annotations

import os
import sys

import pytest

from durable_nb.store.replacing import replace_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX's")


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_file_of_the_users_keeps_its_mode_and_its_link(tmp_path):
    """What a link leads to is replaced, with the mode that it had; a new one gets what the umask leaves."""
    (tmp_path / "elsewhere").mkdir()
    real, link, new = tmp_path / "elsewhere" / "real", tmp_path / "link", tmp_path / "new"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    mask = os.umask(0o027)
    try:
        replace_file(link, "new ☃")
        replace_file(new, "new")
    finally:
        os.umask(mask)
    assert link.is_symlink()
    assert real.read_text("utf-8") == "new ☃"
    assert [mode(real), mode(new)] == [0o640, 0o640]
    assert len(list(tmp_path.rglob("*"))) == 4


def test_a_private_file_is_its_users_alone(tmp_path):
    """Whatever was in its place, a link to somewhere else too."""
    other, path = tmp_path / "other", tmp_path / "own"
    other.write_text("not ours")
    path.symlink_to(other)
    replace_file(path, "ours", private=True)
    assert [path.is_symlink(), path.read_text(), mode(path)] == [False, "ours", 0o600]
    assert other.read_text() == "not ours"


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    """And nothing else."""
    path = tmp_path / "own"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
