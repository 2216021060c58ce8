"""Switches one mechanism of the package off in every Python process that has this folder on ``PYTHONPATH``.

The module that has the mechanism is patched when its own code has run, before anybody can import names from it.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path


class _Patch(importlib.abc.MetaPathFinder):
    def __init__(self, which):
        self._which = which

    def find_spec(self, name, path=None, target=None):
        if name != self._which.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            self._which.switch_off(module)

        spec.loader.exec_module = exec_module
        return spec


def _load(name):
    """Return the break; the kernel must not find the modules of the tests among its own."""
    tests = str(Path(__file__).parents[2])
    sys.path.insert(0, tests)
    try:
        from breaks import registry

        return registry.load()[name]
    finally:
        sys.path.remove(tests)
        for module in [each for each in sys.modules if each.partition(".")[0] == "breaks"]:
            del sys.modules[module]


sys.meta_path.insert(0, _Patch(_load(os.environ["DURABLE_NB_TESTS_BREAK"])))
