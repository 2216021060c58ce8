"""The wheel, installed into an environment of its own: everything is enabled with no further step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, folder, ROOT], check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(install, check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # a .pth in a folder that is itself named by one is not read: the project in the tests' environment is not seen
    (site / "tests.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run(environment, *words, status=0):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHONPATH"))}
    home = {"HOME": str(environment / "home"), "IPYTHONDIR": str(environment / "home/ipython")}
    done = subprocess.run(
        [environment / "bin/python", *words],
        cwd=environment,
        env=clean | home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def test_the_wheel_holds_what_is_read_at_run_time(wheel):
    """Page, script, style, and the configurations at the places that Jupyter and the command line look at."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "durable_nb/server/page.html",
        "durable_nb/server/static/page.css",
        "durable_nb/server/static/page.js",
    } <= names
    data = sorted(name.partition(".data/data/")[2] for name in names if ".data/data/" in name)
    assert data == [
        "etc/jupyter/jupyter_server_config.d/durable_nb.json",
        "share/durable_nb/ipython/always.json",
        "share/durable_nb/ipython/lazy.json",
    ]
    assert not [name for name in names if name.endswith("ipython_config.json")], "that would replace the user's"


def test_a_server_serves_the_page_after_install(environment, start_server, tmp_path):
    """No step but installing: the extension is listed as enabled, and a server answers, with its token only."""
    assert Path(run(environment, "-c", "import durable_nb; print(durable_nb.__file__)").strip()).is_relative_to(
        environment
    )
    listed = run(environment, "-m", "jupyter_server.extension.serverextension", "list")
    assert "durable_nb.server enabled" in listed.replace("\x1b[32m", "").replace("\x1b[0m", ""), listed
    assert "validation failed" not in listed
    server = start_server(tmp_path, python=environment / "bin/python")
    assert "Nothing to resume" in server.get("durable-nb").text
    assert server.get("durable-nb/static/page.js").status == 200
    assert server.get("durable-nb/api/notebooks").json == {"folder": "", "notebooks": [], "refused": 0, "cut": ""}
    assert server.get("durable-nb/api/notebooks", token="wrong").status == 403


def test_the_environment_can_be_enabled(environment):
    """For all who use it: IPython there knows %%step without %load_ext, and not after disable."""
    script = environment / "bin/durable-nb"
    cell = "get_ipython().run_cell_magic('step', 'one', 'x = 1'); print('x is', x)"
    file = environment / "etc/ipython/ipython_config.json"
    run(environment, script, "enable", "--sys-prefix")
    assert set(json.loads(file.read_text())["MagicsManager"]["lazy_magics"]) == {"step", "durable"}
    assert "x is 1" in run(environment, "-m", "IPython", "-c", cell)
    assert "loads at the first %%step" in run(environment, script, "doctor")
    run(environment, script, "disable", "--sys-prefix")
    assert not file.exists()
    assert "Cell magic `%%step` not found" in run(environment, "-m", "IPython", "-c", cell, status=1)
