"""``durable-nb doctor``: a line per thing, with what to do."""

from __future__ import annotations

import os

import pytest

from durable_nb.cli import checks


def lines(text):
    return {line.split()[1]: line for line in text.splitlines()}


def test_each_line_tells_and_advises(run, tmp_path):
    """What is missing is not broken: the advice is to enable."""
    told = lines(run("doctor"))
    assert list(told) == ["package", "autoload", "server", "key", "store", "kernel"]
    assert told["autoload"].startswith("--")
    assert told["autoload"].endswith("durable-nb enable does without")
    assert told["server"].startswith("ok")
    assert f"{tmp_path}" in told["store"]
    assert not (tmp_path / ".durable_nb").exists(), "looking changes nothing"
    run("enable")
    assert lines(run("doctor"))["autoload"].endswith("loads at the first %%step or %durable")
    run("enable", "--always")
    assert lines(run("doctor"))["autoload"].endswith("loads when a kernel starts")


def test_a_server_extension_that_is_disabled(run, tmp_path):
    """The advice is the command that enables it."""
    config = tmp_path / "config"
    config.mkdir()
    text = '{"ServerApp": {"jpserver_extensions": {"durable_nb.server": false}}}'
    (config / "jupyter_server_config.json").write_text(text)
    told = lines(run("doctor", status=1, JUPYTER_CONFIG_DIR=str(config), JUPYTER_PREFER_ENV_PATH="0"))
    assert told["server"].startswith("no")
    assert told["server"].endswith("jupyter server extension enable durable_nb.server")


def test_the_key(run, tmp_path):
    """None yet is fine; one that others may read, or that is too short, is not."""
    key = tmp_path / "key"
    assert "will be made" in lines(run("doctor"))["key"]
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    assert f"chmod 600 {key}" in lines(run("doctor", status=1))["key"]
    key.chmod(0o600)
    assert lines(run("doctor"))["key"].startswith("ok")
    key.write_bytes(b"k")
    assert "has 1 bytes and needs 32" in lines(run("doctor", status=1))["key"]


def test_a_store_that_cannot_be_written(run, tmp_path):
    """It is named, and the setting that moves it."""
    (tmp_path / "file").write_text("")
    told = lines(run("doctor", status=1, DURABLE_NB_STORE="file/sub/"))["store"]
    assert told.startswith("no")
    assert told.endswith("set DURABLE_NB_STORE to a path that can be written")


@pytest.mark.parametrize(
    ("versions", "good", "says"),
    [
        (("7.4.0", "4.6.6", "7.6.5"), True, "in JupyterLab 4.6.6 and Notebook 7.6.5"),
        (("6.31.0", "", "7.6.5"), True, "in Notebook 7.6.5"),
        (("7.4.0", "4.3.9", ""), None, "wait for the cell's end"),
        (("7.4.0", "", ""), True, "no front end here"),
        (("6.4.0", "4.6.6", ""), False, "too old"),
        (("", "4.6.6", ""), False, "not installed"),
    ],
)
def test_whether_buttons_work(monkeypatch, versions, good, says):
    """It takes a kernel that answers and a front end that sends clicks while a cell runs."""
    installed = dict(zip(("ipykernel", "jupyterlab", "notebook"), versions, strict=True))
    monkeypatch.setattr(checks, "version", installed.__getitem__)
    check = checks._kernel()
    assert check.good is good
    assert says in check.tells
    assert os.linesep not in check.tells
