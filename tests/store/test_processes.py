"""Which process lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from durable_nb.store import processes
from durable_nb.store.processes import lives, start_of


@pytest.fixture
def child():
    """A process that waits for its end."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_process_lives_until_it_is_killed(child):
    """It is dead as soon as it was killed, also while its parent has not waited for it."""
    start = start_of(child.pid)
    assert lives(child.pid, start) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lives(child.pid, start) is False
    child.wait()
    assert lives(child.pid, start) is False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process began")
def test_a_later_process_of_the_same_pid_is_another(child):
    """The pid alone does not make it the owner."""
    assert lives(child.pid, start_of(os.getpid())) is False
    assert lives(child.pid, "") is True


def test_without_proc_a_signal_tells(child, monkeypatch):
    """Where there is no /proc a process is asked by signal 0, which does nothing to it."""
    monkeypatch.setattr(processes, "_stat", lambda pid: [])
    monkeypatch.setattr(processes.Path, "exists", lambda path: False)
    assert lives(child.pid, "") is True
    child.kill()
    child.wait()
    assert lives(child.pid, "") is False
