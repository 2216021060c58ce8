"""The breaks themselves: each finds what it switches off and the tests that must notice; a few are seen to."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from breaks.registry import PACKAGE, load
from breaks.run import FAILED, ROOT, broken

BREAKS = load()
SAMPLE = ("budgets_closed", "interrupted_changes", "adoption", "instance_kept")
"""Breaks whose tests are quick: a killed attempt, an interrupt, a renamed notebook, a forked child."""


def test_every_row_has_a_break():
    """Each row of DESIGN §5 has a mechanism that can be switched off."""
    assert {each.row for each in BREAKS.values()} == set(range(1, 26))


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_finds_what_it_switches_off(name):
    """The package still has the function under the name by which the break knows it, and the break says what is off."""
    each = BREAKS[name]
    _, _, found = each.found(importlib.import_module(each.module))
    assert each.off(found) is not found
    assert each.mechanism.endswith(".")
    assert each.tests


def test_the_tests_of_all_breaks_exist():
    """Each node id that a break names is collected."""
    wanted = {test for each in BREAKS.values() for test in each.tests}
    files = sorted({test.partition("::")[0] for test in wanted})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert wanted - set(done.stdout.splitlines()) == set()


def test_the_package_knows_nothing_of_breaks():
    """Breaks replace functions from outside: no module of the package names the variable or the folder."""
    sources = [path.read_text("utf-8") for path in (ROOT / PACKAGE).rglob("*.py")]
    assert not [source for source in sources if "TESTS_BREAK" in source or "sitecustomize" in source]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_mechanism_switched_off_is_noticed(name):
    """With the mechanism off the tests that name it fail, by an assertion; ``make breaks`` does this for all."""
    assert broken(BREAKS[name]) == dict.fromkeys(BREAKS[name].tests, FAILED)
