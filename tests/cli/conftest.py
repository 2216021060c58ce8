"""Runs the command line as people do, with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))  # tests share the driver of kernels
sys.path.insert(0, str(Path(__file__).parents[1] / "server"))  # and the stores

from driver import Kernel

PROGRAM = Path(sys.executable).with_name("durable-nb")


@pytest.fixture
def ipython(tmp_path):
    """The folder of IPython's profiles, where kernels of this test look as well."""
    return tmp_path / ".ipython"


@pytest.fixture
def run(tmp_path, ipython):
    """Run a command line in the test's folder; return what it printed, or the whole outcome where it must fail."""

    def runner(*words, status=0, program=(PROGRAM,), **env):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "DURABLE"))}
        places = {"IPYTHONDIR": str(ipython), "HOME": str(tmp_path), "DURABLE_NB_KEY_FILE": str(tmp_path / "key")}
        done = subprocess.run(
            [*program, *words], cwd=tmp_path, env=clean | places | env, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    return runner


@pytest.fixture
def start_kernel(tmp_path):
    """Start kernels in the test's folder, which read the configuration there."""
    kernels = []

    def start():
        kernels.append(Kernel(tmp_path, {"DURABLE_NB_NOTEBOOK": str(tmp_path / "nb.ipynb")}))
        return kernels[-1]

    yield start
    for each in kernels:
        each.close()
