"""Kernels and terminals for tests, each in a folder of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests share the driver module

from driver import Kernel, Terminal


@pytest.fixture
def start_kernel(tmp_path):
    """Start kernels, ``start_kernel(env)``; all of them end with the test."""
    kernels = []

    def start(env=None, folder=tmp_path):
        kernels.append(Kernel(folder, env))
        return kernels[-1]

    yield start
    for each in kernels:
        each.close()


@pytest.fixture
def kernel(start_kernel):
    """A running kernel."""
    return start_kernel()


@pytest.fixture
def start_terminal(tmp_path):
    """Start terminal IPythons."""
    terminals = []

    def start(env=None):
        terminals.append(Terminal(tmp_path, env))
        return terminals[-1]

    yield start
    for each in terminals:
        each.kill()
