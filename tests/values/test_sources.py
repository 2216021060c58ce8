"""The source of definitions, as this process runs them."""

from __future__ import annotations

import fractions
import functools
import importlib
import linecache
import os
import sys
import textwrap

import pytest

from durable_nb.values.sources import source_of


@pytest.fixture
def define():
    """Define things as a cell of a notebook does: in a source that only linecache has."""
    made = []

    def run(source, name="<cell 1>"):
        made.append(name)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        namespace = {"__name__": "__main__"}
        exec(compile(source, name, "exec"), namespace)
        return namespace

    yield run
    for name in made:
        linecache.cache.pop(name, None)


def test_functions_and_classes(define):
    """A function's lines with its decorators; a class from its first line to its last."""
    source = (
        "import functools\n\n@functools.lru_cache\ndef f(x):\n    # note\n    return x\n\nclass C:\n"
        "    limit = 3\n\n    def m(self):\n        return 1\n\nx = 2\n"
    )
    names = define(source)
    inner = names["f"].__wrapped__
    assert source_of(names["f"], [inner]) == "@functools.lru_cache\ndef f(x):\n    # note\n    return x\n"
    assert source_of(names["C"]) == "class C:\n    limit = 3\n\n    def m(self):\n        return 1\n"


def test_other_lines_at_its_place_are_never_taken_for_its_source(define):
    """Where the file holds something else by now, there is no source rather than a wrong one."""
    names = define("def f():\n    return 1\n")
    linecache.cache["<cell 1>"] = (20, None, ["def f():\n", "    return 2\n"], "<cell 1>")
    assert source_of(names["f"]) == ""
    assert source_of(functools.partial(print)) == ""


def test_what_a_package_defines_has_no_source(define):
    """A package's version tells of its code: its files are not read for it, not for the user's subclass either."""
    names = define("import fractions\n\nclass Mine(fractions.Fraction):\n    limit = 3\n\n    def m(self): pass\n")
    assert source_of(fractions.Fraction) == ""
    assert source_of(textwrap.dedent) == ""
    assert source_of(names["Mine"]).startswith("class Mine(fractions.Fraction):\n    limit = 3\n")


def test_local_modules(tmp_path, monkeypatch):
    """A module with the local ones it uses, as long as their files are what was loaded."""
    (tmp_path / "top_of_it.py").write_text("import below_it\n\nX = below_it.Y\n")
    (tmp_path / "below_it.py").write_text("Y = 1\n")
    for name in ("top_of_it.py", "below_it.py"):
        os.utime(tmp_path / name, (1e9, 1e9))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("top_of_it")
    assert source_of(module) == "# module below_it\nY = 1\n\n# module top_of_it\nimport below_it\n\nX = below_it.Y\n"
    (tmp_path / "below_it.py").write_text("Y = 22\n")
    assert "below_it\nY" not in source_of(module)
    assert source_of(sys) == ""
    for name in ("top_of_it", "below_it"):
        del sys.modules[name]
