"""Scripts that kill themselves, run again until they are through, and the list of what their bodies did."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PRELUDE = '''
import asyncio, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from durable_nb import *
from durable_nb import sleep
from durable_nb.core.session import active_session
from durable_nb.testing import FakeClock, crash_at

mode = sys.argv[1]


class Runs:
    """Notes on disk what a body did; a note is there when the call returns, whatever kills the process then."""

    path = os.environ["RUNS"]

    def __durable_fingerprint__(self):
        return "runs"

    def __call__(self, text):
        with open(self.path, "a") as file:
            file.write(f"{text}\\n")


class Die:
    """Kills the process, in the mode that asks for it; the fingerprint hides which that is."""

    def __init__(self, mode):
        self.mode = mode
        self.wanted = mode != "live"

    def __durable_fingerprint__(self):
        return "die"

    def __call__(self, when):
        if self.mode == when:
            os.kill(os.getpid(), signal.SIGKILL)


class Interrupt:
    """Interrupts as a user does, in the mode that asks for it."""

    def __init__(self, mode):
        self.mode = mode

    def __durable_fingerprint__(self):
        return "interrupt"

    def __call__(self, when):
        if self.mode == when:
            raise KeyboardInterrupt


runs, die, interrupt = Runs(), Die(mode), Interrupt(mode)
'''


class Script:
    """A script in a folder of its own, with a store ``s.duckdb`` beside it."""

    def __init__(self, folder, source):
        self.folder = folder / "work"
        self.folder.mkdir()
        self._log = folder / "runs.txt"
        self._log.touch()
        self._file = self.folder / "script.py"
        self._file.write_text(PRELUDE + textwrap.dedent(source), "utf-8")

    def start(self, *args):
        """Start it; its output is a pipe."""
        return subprocess.Popen(
            [sys.executable, str(self._file), *map(str, args)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RUNS": str(self._log), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def run(self, *args):
        """Run it to its end, which must be a kill or a success; returns the exit code and its lines."""
        process = self.start(*args)
        out, err = process.communicate(timeout=180)
        assert process.returncode in (0, -9), err
        return process.returncode, out.splitlines()

    def ran(self):
        """Return what bodies noted since the last time."""
        text = self._log.read_text()
        self._log.write_text("")
        return text.splitlines()


@pytest.fixture
def script(tmp_path):
    """Write a script: ``script(source)``."""
    return lambda source: Script(tmp_path, source)
