from __future__ import annotations

from pathlib import Path

import pytest

from durable_nb.store.location import blobs_folder, disabled, store_path, summary_path, wal_path

NOTEBOOK = Path("/home/me/work/My analysis.v2.ipynb")


def test_the_default_is_beside_the_notebook():
    """Without any setting the ledger is .durable_nb/<notebook>.duckdb."""
    assert store_path(NOTEBOOK, {}) == Path("/home/me/work/.durable_nb/My analysis.v2.duckdb")
    assert store_path(Path("/a/x.py"), {}) == Path("/a/.durable_nb/x.py.duckdb")


def test_without_a_notebook_it_is_in_the_working_directory(tmp_path, monkeypatch):
    """A session without a file has one ledger per folder."""
    monkeypatch.chdir(tmp_path)
    assert store_path(None, {}) == tmp_path / ".durable_nb" / "session.duckdb"


def test_flag_beats_config_beats_env_beats_file():
    """The first setting of magic flag, %config, environment and config file counts."""
    settings = {"flag": "/f.duckdb", "configured": "/c.duckdb", "config_file": "/o.duckdb"}
    env = {"DURABLE_NB_STORE": "/e.duckdb"}
    assert store_path(NOTEBOOK, env, **settings) == Path("/f.duckdb")
    settings.pop("flag")
    assert store_path(NOTEBOOK, env, **settings) == Path("/c.duckdb")
    settings.pop("configured")
    assert store_path(NOTEBOOK, env, **settings) == Path("/e.duckdb")
    assert store_path(NOTEBOOK, {}, **settings) == Path("/o.duckdb")


def test_a_trailing_slash_means_the_notebooks_ledger_in_that_folder(tmp_path):
    """A setting that ends in a slash is a folder; without it the path is the ledger's own."""
    assert store_path(NOTEBOOK, {}, "/new/") == Path("/new/My analysis.v2.duckdb")
    assert store_path(NOTEBOOK, {}, tmp_path) == tmp_path


def test_a_relative_setting_is_relative_to_the_notebook():
    """So that the store does not depend on where the kernel was started."""
    assert store_path(NOTEBOOK, {}, "../s.duckdb") == Path("/home/me/s.duckdb")


def test_companions_lie_beside_the_ledger():
    """Blobs, summary and write-ahead log are named after the ledger; other suffixes do not collide."""
    ledger = Path("/s/a.b.duckdb")
    assert blobs_folder(ledger) == Path("/s/a.b.blobs")
    assert summary_path(ledger) == Path("/s/a.b.json")
    assert wal_path(ledger) == Path("/s/a.b.duckdb.wal")
    assert blobs_folder(Path("/s/a.x")) != blobs_folder(Path("/s/a.y"))


@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_disabling(value, off):
    """DURABLE_NB_DISABLE counts unless it is empty or says no."""
    assert disabled({"DURABLE_NB_DISABLE": value}) is off
    assert disabled({}) is False
