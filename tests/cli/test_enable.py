"""``durable-nb enable`` and ``disable``: what they put into IPython's configuration, and what they leave alone."""

from __future__ import annotations

import json
import os
import stat

import pytest

LAZY = {"MagicsManager": {"lazy_magics": {"step": "durable_nb", "durable": "durable_nb"}}}
ALWAYS = {"InteractiveShellApp": {"extra_extensions": ["durable_nb"]}}


@pytest.fixture
def config(ipython):
    """The user's configuration of the default profile."""
    folder = ipython / "profile_default"
    folder.mkdir(parents=True)
    return folder / "ipython_config.json"


def test_it_makes_the_file_and_takes_it_away(run, config):
    """Where there was none there is one afterwards, and none again; twice is once."""
    assert run("enable").startswith("enabled: ")
    assert json.loads(config.read_text()) == LAZY
    before = config.stat()
    assert run("enable").startswith("was enabled already: ")
    assert config.stat().st_mtime_ns == before.st_mtime_ns
    assert run("disable").startswith("disabled: ")
    assert not config.exists()
    assert run("disable").startswith("was not enabled: ")


THEIRS = {
    "version": 1,
    "InteractiveShellApp": {
        "extensions": ["autoreload"],
        "extra_extensions": ["other"],
        "exec_lines": ["%autoreload 2"],
    },
    "MagicsManager": {"lazy_magics": {"other": "some.package"}, "auto_magic": False},
    "Ünicode": {"x": "é"},
}


@pytest.mark.parametrize("always", [(), ("--always",)])
def test_nothing_of_the_users_is_lost(run, config, always):
    """What is there stays, in its order; disable takes out exactly what enable put in."""
    config.write_text(json.dumps(THEIRS))
    run("enable", *always)
    merged = json.loads(config.read_text())
    assert list(merged) == list(THEIRS)
    if always:
        assert merged["InteractiveShellApp"]["extra_extensions"] == ["other", "durable_nb"]
        assert merged["MagicsManager"] == THEIRS["MagicsManager"]
    else:
        assert merged["MagicsManager"]["lazy_magics"] == {
            "other": "some.package",
            "step": "durable_nb",
            "durable": "durable_nb",
        }
        assert merged["InteractiveShellApp"] == THEIRS["InteractiveShellApp"]
    assert "é" in config.read_text()
    run("disable")
    assert json.loads(config.read_text()) == THEIRS


def test_both_ways_are_undone_together(run, config):
    """Disable takes out whichever enable put in."""
    run("enable")
    run("enable", "--always")
    assert json.loads(config.read_text()) == {**LAZY, **ALWAYS}
    run("disable")
    assert not config.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "holds a list, not an object"),
        ('{"MagicsManager": []}', "MagicsManager is a list, not an object"),
        ('{"MagicsManager": {"lazy_magics": "step"}}', "MagicsManager.lazy_magics is a text, not an object"),
        ('{"MagicsManager": {"lazy_magics": {"step": "other"}}}', "MagicsManager.lazy_magics.step is 'other' already"),
    ],
)
def test_a_file_that_it_cannot_merge_into_is_refused(run, config, content, says):
    """It is named, what is wrong with it is said, and not a byte of it changes."""
    config.write_text(content)
    said = run("enable", status=1)
    assert said.startswith("durable-nb enable: ")
    assert str(config) in said
    assert says in said
    assert "Traceback" not in said
    assert config.read_text() == content
    assert [each.name for each in config.parent.iterdir()] == [config.name]


def test_disable_leaves_what_is_not_its_own(run, config):
    """Another package's magic of the same name, and sections that are empty without enable's doing."""
    content = {"MagicsManager": {"lazy_magics": {"step": "other"}}, "Empty": {}}
    config.write_text(json.dumps(content))
    assert run("disable").startswith("was not enabled")
    assert json.loads(config.read_text()) == content


@pytest.mark.parametrize(
    ("line", "words", "advice"),
    [
        ("c.MagicsManager.lazy_magics = {'a': 'b'}", (), "c.MagicsManager.lazy_magics.update("),
        (
            "c.InteractiveShellApp.extra_extensions = ['a']",
            ("--always",),
            "c.InteractiveShellApp.extra_extensions.extend(",
        ),
    ],
)
def test_a_python_file_that_the_json_would_replace(run, config, line, words, advice):
    """IPython lets the JSON file win; so it refuses, and says what to add to the Python file."""
    config.with_suffix(".py").write_text(f"c = get_config()\n{line}\n")
    said = run("enable", *words, status=1)
    assert advice in said
    assert not config.exists()


def test_a_python_file_that_sets_other_things_is_none_of_its_business(run, config):
    """The extensions that it loads stay loaded."""
    config.with_suffix(".py").write_text("c = get_config()\nc.InteractiveShellApp.extensions = ['autoreload']\n")
    run("enable", "--always")
    assert json.loads(config.read_text()) == ALWAYS


def test_a_profile_by_name(run, ipython):
    """Only that profile changes; one that does not exist is not made up."""
    assert "ipython profile create work" in run("enable", "--profile", "work", status=1)
    (ipython / "profile_work").mkdir(parents=True)
    run("enable", "--profile", "work")
    assert json.loads((ipython / "profile_work/ipython_config.json").read_text()) == LAZY
    assert not (ipython / "profile_default/ipython_config.json").exists()
    assert "not allowed with" in run("enable", "--profile", "work", "--sys-prefix", status=2)


def test_the_users_setting_wins_over_the_environments(run, config, monkeypatch, tmp_path):
    """When a file that counts more sets the same, enable says that it will not help."""
    from durable_nb.cli import autoload

    monkeypatch.setenv("IPYTHONDIR", str(config.parent.parent))
    monkeypatch.setattr(autoload.sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setattr("IPython.core.application.ENV_CONFIG_DIRS", [str(tmp_path / "env/etc/ipython")])
    wanted = autoload.template("lazy")
    assert autoload.enable(autoload.environment_file(), wanted)
    assert autoload.overridden(wanted, "default") == []
    config.with_suffix(".py").write_text("c = get_config()\nc.MagicsManager.lazy_magics = {'a': 'b'}\n")
    assert len(autoload.overridden(wanted, "default")) == 1


@pytest.mark.skipif(os.name == "nt", reason="links and modes are POSIX's")
def test_a_link_stays_one_and_the_mode_stays(run, config, tmp_path):
    """Files that are kept elsewhere and linked here are changed there."""
    kept = tmp_path / "dotfiles.json"
    kept.write_text("{}")
    kept.chmod(0o640)
    config.symlink_to(kept)
    run("enable")
    assert config.is_symlink()
    assert json.loads(kept.read_text()) == LAZY
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


def test_a_failed_write_changes_nothing(config, monkeypatch):
    """A full disk leaves the old file, and no draft."""
    from durable_nb.cli import autoload
    from durable_nb.cli.command import CommandError

    config.write_text(json.dumps(THEIRS))

    def full(draft, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(autoload.Path, "replace", full)
    with pytest.raises(CommandError, match="No space left on device"):
        autoload.enable(config, LAZY)
    assert json.loads(config.read_text()) == THEIRS
    assert [each.name for each in config.parent.iterdir()] == [config.name]
