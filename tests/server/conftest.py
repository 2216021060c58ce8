"""Servers, stores and kernels for the tests of the server extension."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))  # tests share the driver module
sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))  # and the browser

from driver import Kernel
from running import Server
from stores import make_store


@pytest.fixture(scope="module")
def start_server(tmp_path_factory):
    """Start servers, ``start_server(root, *options)``; they end with the module."""
    started = []

    def start(root, *options, config="", **settings):
        home = tmp_path_factory.mktemp("home")
        (home / "jupyter_server_config.py").write_text(config)
        started.append(Server(root, home, *options, **settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder that the module's server serves."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def server(start_server, root):
    """A server behind a prefix, as on a hub."""
    return start_server(root, base_url="/user/me/")


@pytest.fixture
def store(root):
    """Make a closed store below the root."""
    return lambda name, **options: make_store(root / name, **options)


@pytest.fixture
def start_kernel(tmp_path):
    """Start a kernel of a notebook."""
    kernels = []

    def start(notebook):
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_text("{}")
        kernels.append(Kernel(tmp_path, {"DURABLE_NB_NOTEBOOK": str(notebook)}))
        return kernels[-1]

    yield start
    for each in kernels:
        each.close()
