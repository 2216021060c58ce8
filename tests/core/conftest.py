"""Stores that can be opened again, a clock that does not wait, and a record of what really ran."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from durable_nb import open_store
from durable_nb.testing import FakeClock


class Runs(list):
    """What bodies did, in order; invisible to fingerprints, so that noting it changes no key."""

    def __durable_fingerprint__(self):
        return "runs"

    def __call__(self, *what):
        self.append(what[0] if len(what) == 1 else what)

    def take(self):
        """Return what ran since the last time and forget it."""
        found = list(self)
        self.clear()
        return found


@pytest.fixture
def runs():
    """A list of what bodies did."""
    return Runs()


@pytest.fixture
def clock():
    """A clock whose waits are noted and take no time."""
    return FakeClock()


@pytest.fixture
def reopen(tmp_path, clock):
    """Open the test's store again and again, as after a restart; a context manager."""
    sessions = []

    def open_again(name="store.duckdb"):
        sessions.append(open_store(tmp_path / name, clock=clock))
        return sessions[-1]

    yield open_again
    for session in sessions:
        session.close()


@pytest.fixture
def store(reopen):
    """An open store."""
    with reopen() as session:
        yield session


@pytest.fixture
def run_script(tmp_path):
    """Run Python code in a process of its own; returns its exit code and what it printed."""
    count = 0

    def run(source, *args, env=None):
        nonlocal count
        count += 1
        file = tmp_path / "script.py"
        file.write_text(textwrap.dedent(source), "utf-8")
        done = subprocess.run(
            [sys.executable, str(file), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(env or {})},
        )
        if done.returncode > 0:
            raise AssertionError(done.stderr)
        return done.returncode, done.stdout.splitlines()

    return run
