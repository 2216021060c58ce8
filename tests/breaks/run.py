"""Switches each mechanism off, and looks whether the tests that should notice do: ``make breaks``.

Usage: run.py [BREAK or row, ...]; all of them unless some are named. First all their tests run with everything on.
Prints a table, and fails where a test fails then, or does not fail with its mechanism off, or not by an assertion.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from breaks.registry import environment, load  # noqa: E402 - found only now

_ASSERTION = ("assert ", "AssertionError")
_SHOWN = 200
PASSED, FAILED = "passed", "failed"
"""How a test ended: so, or in the words of whatever else happened to it."""


def outcomes(tests, env=None):
    """Run tests in a process of their own; return node id -> ``PASSED``, ``FAILED`` (by an assertion), or other words.

    Args:
        tests: node ids.
        env: the environment of pytest and of all that it starts.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if not report.exists():
            return dict.fromkeys(tests, f"pytest ended with {done.returncode}: {done.stderr[-_SHOWN:]}")
        found = {_node_id(case): _ended(case) for case in ET.parse(report).iter("testcase")}
    return {test: found.get(test, "was not run") for test in tests}


def _node_id(case):
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def _ended(case):
    how = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
    if how is None:
        return PASSED
    message = how.get("message", "")
    by_assertion = how.tag == "failure" and message.startswith(_ASSERTION)
    return FAILED if by_assertion else f"{how.tag}: {message.partition(chr(10))[0][:_SHOWN]}"


def broken(each):
    """Run a break's tests with its mechanism off."""
    return outcomes(each.tests, environment(each.name))


def main(wanted):
    """Run the wanted breaks; return the exit code."""
    chosen = [each for each in load().values() if not wanted or each.name in wanted or str(each.row) in wanted]
    chosen.sort(key=lambda each: each.row)
    whole = outcomes(sorted({test for each in chosen for test in each.tests}))
    wrong = [f"{test} with nothing switched off: {how}" for test, how in whole.items() if how != PASSED]
    print("| row | switched off | what happens then | test | |\n|---|---|---|---|---|")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for each, ended in zip(chosen, pool.map(broken, chosen), strict=True):
            for test, how in ended.items():
                name = test.rpartition("/")[2].replace(".py::test_", " ")
                print(f"| {each.row} | {each.target} | {each.mechanism} | {name} | {how} |", flush=True)
                wrong += [f"{test} with {each.name} switched off: {how}"] if how != FAILED else []
    print("", f"{len(chosen)} breaks, {len(whole)} tests; wrong: {len(wrong)}", *wrong, sep="\n")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
