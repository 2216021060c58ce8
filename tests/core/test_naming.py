"""Which decorated functions another process finds by their name."""

from __future__ import annotations

import sys
import types

import pytest

from durable_nb import step
from durable_nb.core.naming import importable_name


@step
def held(x):
    return x


@pytest.fixture
def main_module(monkeypatch):
    """A ``__main__`` as a notebook has it, holding a step."""
    module = types.ModuleType("__main__")
    exec("from durable_nb import step\n@step\ndef f(x):\n    return x\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_held_by_a_module():
    """What a module holds under its own name is found by it."""
    assert importable_name(held) == "held"


def test_shadowed(monkeypatch):
    """A name that leads to something else by now is none."""
    monkeypatch.setattr(sys.modules[__name__], "held", step(held.func))
    assert importable_name(step(held.func)) is None
    assert importable_name(held) == "held"


def test_local():
    """What a function made has no name to be found by."""
    assert importable_name(step(lambda: None)) is None


def test_notebook(main_module):
    """A notebook's own steps are found by nobody else; those of a script are."""
    assert importable_name(main_module.f) is None
    main_module.__file__ = "script.py"
    assert importable_name(main_module.f) == "f"
