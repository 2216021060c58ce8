"""What a checkpoint depends on besides its key."""

from __future__ import annotations

import os

import pytest

from durable_nb import step
from durable_nb.core.codes import Codes
from durable_nb.core.environ import changed_variable, variables_named
from durable_nb.core.settings import ALL, SettingsWatch, apply


def test_a_written_file_must_be_as_the_step_left_it(reopen, runs, tmp_path, monkeypatch):
    """A call replays while the file it wrote is unchanged, and runs again when that was changed or removed."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out.txt"

    @step
    def write(text):
        runs(text)
        out.write_text(text)

    for prepare, ran in ((None, ["a"]), (None, []), (lambda: out.write_text("edited"), ["a"]), (out.unlink, ["a"])):
        if prepare:
            prepare()
        with reopen():
            write("a")
        assert runs.take() == ran, prepare
        assert out.read_text() == "a"


def test_a_relative_path_depends_on_the_folder(reopen, runs, tmp_path, monkeypatch):
    """A call that read a file by a relative path runs again in another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.txt").write_text(name)

    @step
    def read():
        runs("read")
        with open("data.txt") as file:
            return file.read()

    for folder, ran in (("one", ["read"]), ("one", []), ("two", ["read"])):
        monkeypatch.chdir(tmp_path / folder)
        with reopen():
            assert read() == folder
        assert runs.take() == ran


def test_environment_variables_that_code_names(monkeypatch):
    """Code that can read variables depends on those it names, unset ones included; other code on none."""
    reads = compile("import os\nx = os.environ.get('DNB_A', os.getenv('DNB_B'))", "c", "exec")
    other = compile("x = {'DNB_A': 1}", "c", "exec")
    shell = compile("run('echo $DNB_C ${DNB_D}.x $5 $')", "c", "exec")
    monkeypatch.setenv("DNB_A", "secret")
    monkeypatch.delenv("DNB_B", raising=False)
    found = variables_named(Codes([reads]))
    assert found["DNB_B"] == ""
    assert found["DNB_A"] != ""
    assert "secret" not in found["DNB_A"]
    assert variables_named(Codes([other])) == {}
    assert variables_named(Codes([shell])).keys() == {"DNB_C", "DNB_D"}
    assert changed_variable(found) is None
    monkeypatch.setenv("DNB_B", "now set")
    assert changed_variable(found) == "DNB_B"


def test_settings_are_found_and_made_again(monkeypatch, tmp_path):
    """What changed of the environment, the folder and the import path is found, undone, and made again."""
    monkeypatch.setenv("DNB_GONE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("first")
    (tmp_path / "below").mkdir()
    watch = SettingsWatch(ALL)
    path = ["elsewhere", *__import__("sys").path]
    os.environ["DNB_NEW"] = "2"
    del os.environ["DNB_GONE"]
    os.chdir(tmp_path / "below")
    __import__("sys").path[:] = path
    changes = watch.changes()
    assert changes["environment variables"] == {"DNB_NEW": "2", "DNB_GONE": None}
    monkeypatch.undo()
    os.environ.pop("DNB_NEW", None)
    here = os.getcwd()
    before = list(__import__("sys").path)
    try:
        apply(changes)
        assert os.environ["DNB_NEW"] == "2"
        assert os.getcwd() == str(tmp_path / "below")
        assert __import__("sys").path == path
    finally:
        os.chdir(here)
        os.environ.pop("DNB_NEW", None)
        __import__("sys").path[:] = before


def test_numpy_and_pandas_options(monkeypatch):
    """Options of libraries are found changed and are made again."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    precision, width = np.get_printoptions()["precision"], pd.get_option("display.width")
    watch = SettingsWatch(ALL)
    np.set_printoptions(precision=3)
    pd.set_option("display.width", 123)
    changes = watch.changes()
    np.set_printoptions(precision=precision)
    pd.set_option("display.width", width)
    try:
        apply(changes)
        assert np.get_printoptions()["precision"] == 3
        assert pd.get_option("display.width") == 123
        assert changes["pandas options"] == {"display.width": 123}
    finally:
        np.set_printoptions(precision=precision)
        pd.set_option("display.width", width)


def test_a_call_that_changes_the_process_changes_it_again(reopen, runs, tmp_path, monkeypatch):
    """The replay of a call sets the variables and the folder that it set, and removes what it removed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()

    @step
    def configure():
        runs("configured")
        os.environ["DNB_SET"] = "1"
        os.environ.pop("DNB_GONE", None)
        os.chdir(tmp_path / "below")

    for ran in (["configured"], []):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DNB_SET", raising=False)
        monkeypatch.setenv("DNB_GONE", "1")
        with reopen():
            configure()
        assert runs.take() == ran
        assert (os.environ.get("DNB_SET"), os.environ.get("DNB_GONE")) == ("1", None)
        assert os.getcwd() == str(tmp_path / "below")
