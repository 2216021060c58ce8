"""Modules: a version when installed, the code as loaded when local."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from durable_nb.errors import FingerprintError
from durable_nb.values import modules
from durable_nb.values.modules import (
    edited_modules,
    is_local,
    local_modules,
    module_fingerprint,
    note_loaded,
    stale_on_disk,
)

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterator
    from pathlib import Path

Write = "Callable[[str, str], types.ModuleType]"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., types.ModuleType]]:
    """Write a module's source and import it, as it was an hour ago."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    made: list[str] = []

    def importing(name: str, source: str, age: int = 3600) -> types.ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
        importlib.invalidate_caches()
        made.append(name)
        known = sys.modules.get(name)
        return importlib.import_module(name) if known is None else known

    yield importing
    for name in made:
        sys.modules.pop(name, None)


def test_installed_and_local_modules_are_told_apart(write: Callable[..., types.ModuleType]) -> None:
    """Files outside the interpreter's folders are the user's own."""
    write("mine_a", "x = 1\n")
    assert is_local("mine_a")
    assert is_local("__main__")
    assert not any(is_local(name) for name in ("json", "sys", "numpy", "numpy.linalg", "durable_nb"))


def test_installed_modules_have_their_version() -> None:
    """Name and version tell them apart."""
    assert module_fingerprint(json) == module_fingerprint(json)
    assert module_fingerprint(json) != module_fingerprint(np)


def test_an_edit_counts_once_the_module_is_reloaded(write: Callable[..., types.ModuleType]) -> None:
    """The code as loaded is what counts; that the file differs is told separately."""
    module = write("mine_b", "def f(): return 1\n")
    before = module_fingerprint(module)
    assert not stale_on_disk(module)
    write("mine_b", "def f(): return 2\n", age=10)
    assert module_fingerprint(module) == before
    assert stale_on_disk(module)
    importlib.reload(module)
    assert module_fingerprint(module) != before
    assert not stale_on_disk(module)


def test_comments_do_not_count(write: Callable[..., types.ModuleType]) -> None:
    """A comment changes neither the fingerprint nor makes a module stale."""
    module = write("mine_c", "def f(): return 1\n")
    before = module_fingerprint(module)
    write("mine_c", "# hello\ndef f():\n    return 1  # there\n", age=10)
    assert not stale_on_disk(module)
    importlib.reload(module)
    assert module_fingerprint(module) == before


def test_modules_it_uses_and_its_data_count(write: Callable[..., types.ModuleType]) -> None:
    """Local modules among its globals, functions imported from them, and simple values are part of it."""
    write("mine_e", "def g(): return 1\n")
    module = write("mine_d", "from mine_e import g\nRATE = 2\nTABLE = {'a': [1]}\n_cache = {}\n")
    assert set(local_modules(module)) == {"mine_d", "mine_e"}
    before = module_fingerprint(module)
    module._cache["x"] = 1
    assert module_fingerprint(module) == before
    module.TABLE["a"].append(2)
    changed = module_fingerprint(module)
    module.RATE = 3
    assert len({before, changed, module_fingerprint(module)}) == 3


def test_a_file_edited_before_it_was_first_looked_at_is_unknown(
    write: Callable[..., types.ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file is not what was loaded there is no fingerprint, rather than that of other code."""
    monkeypatch.setattr(modules, "_FIRST_SIGHT", 0)
    module = write("mine_f", "def f(): return 1\n")
    monkeypatch.setattr(modules, "_load_times", {})
    write("mine_f", "def f(): return 2\n", age=10)
    with pytest.raises(FingerprintError) as raised:
        module_fingerprint(module)
    assert raised.value.path == "mine_f"
    assert stale_on_disk(module)


@pytest.mark.parametrize("noted", [True, False])
def test_without_bytecode_files_the_time_of_loading_decides(
    write: Callable[..., types.ModuleType], monkeypatch: pytest.MonkeyPatch, *, noted: bool
) -> None:
    """A file older than the moment its code was run is what was loaded; without that moment nobody knows."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(modules, "_FIRST_SIGHT", 0)
    module = write("mine_g", "LIMITS = object()\n", age=10)
    # A store that an earlier test opened in this process notes the loading by itself.
    monkeypatch.setattr(modules, "_load_times", {})
    if noted:
        note_loaded(str(module.__file__))
        assert len(module_fingerprint(module)) == 16
    else:
        with pytest.raises(FingerprintError):
            module_fingerprint(module)


def test_a_file_that_does_not_hold_the_loaded_functions_is_unknown(
    write: Callable[..., types.ModuleType],
) -> None:
    """However old the file is: code that runs but is not in it shows that it was edited."""
    module = write("mine_h", "def f(): return 1\n")
    write("mine_h", "def f(): return 2\n", age=7200)
    with pytest.raises(FingerprintError, match="differs"):
        module_fingerprint(module)


def test_a_definition_run_anew_in_its_module_counts(write: Callable[..., types.ModuleType]) -> None:
    """A function replaced by the file's new definition, as autoreload does, is the new file's code."""
    module = write("mine_p", "def f(): return 1\n")
    before = module_fingerprint(module)
    assert edited_modules([module, module.f]) == []
    write("mine_p", "def f(): return 2\n", age=10)
    assert edited_modules([module]) == edited_modules([module.f]) == ["mine_p"]
    assert edited_modules([json, 1, "mine_p"]) == []
    namespace: dict[str, types.FunctionType] = {}
    exec(compile("def f(): return 2", str(module.__file__), "exec", dont_inherit=True), vars(module), namespace)
    module.f.__code__ = namespace["f"].__code__
    note_loaded(str(module.__file__))
    patched = module_fingerprint(module)
    assert patched != before
    assert edited_modules([module]) == []
    importlib.reload(module)
    assert module_fingerprint(module) == patched


def test_a_function_put_into_a_module_counts(write: Callable[..., types.ModuleType]) -> None:
    """A function from elsewhere that was put into a module or into a class of it changes it, until it is taken out."""
    module = write("mine_q", "def f(): return 1\nclass C:\n    def m(self): return 1\n")
    before = module_fingerprint(module)
    two, three = (eval(f"lambda *_: {n}", {"__name__": "json"}) for n in (2, 3))
    own, module.f = module.f, two
    patched = module_fingerprint(module)
    assert patched != before
    module.f = three
    assert module_fingerprint(module) not in {patched, before}
    module.f = own
    assert module_fingerprint(module) == before
    module.C.m = two
    assert module_fingerprint(module) != before
