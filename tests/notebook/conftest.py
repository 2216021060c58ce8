"""IPython shells in this process: cheap where a real kernel adds nothing."""

from __future__ import annotations

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture
def make_shell(tmp_path, monkeypatch):
    """Make shells in a folder of their own, as terminal IPython has them; ``make()`` ends the one before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DURABLE_NB_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    for name in ("DURABLE_NB_STORE", "DURABLE_NB_DISABLE", "DURABLE_NB_NOTEBOOK", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    shells = []

    def end_last():
        if shells and "durable_nb" in shells[-1].extension_manager.loaded:
            shells[-1].extension_manager.unload_extension("durable_nb")

    def make(*, load=True):
        end_last()
        shell = InteractiveShell(
            config=Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        )
        shells.append(shell)
        if load:
            assert shell.extension_manager.load_extension("durable_nb") is None
        return shell

    yield make
    end_last()


@pytest.fixture
def shell(make_shell):
    """A shell with the extension loaded."""
    return make_shell()
