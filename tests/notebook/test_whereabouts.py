"""Which notebook is this?"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from durable_nb.notebook.whereabouts import notebook_path, notebooks_on, the_one_with


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Ask in an empty folder, as a kernel unless told."""
    monkeypatch.chdir(tmp_path)

    def ask(configured="", environ=None, names=None, *, kernel=True):
        shell = SimpleNamespace(user_ns=names or {}, **({"kernel": object()} if kernel else {}))
        return notebook_path(shell, configured, environ or {})

    return ask


def test_nothing_tells(find):
    """Without any sign the answer is that it is not known."""
    assert find() is None


def test_the_order_of_what_tells(find, tmp_path):
    """Environment, configuration, VS Code, the session's name in the namespace, and in the environment."""
    told = {
        "environ": {"DURABLE_NB_NOTEBOOK": "/a/env.ipynb", "JPY_SESSION_NAME": "/a/session.ipynb"},
        "configured": "/a/config.ipynb",
        "names": {"__vsc_ipynb_file__": "/a/code.ipynb", "__session__": "/a/lab.ipynb"},
    }
    assert find(**told) == Path("/a/env.ipynb")
    del told["environ"]["DURABLE_NB_NOTEBOOK"]
    assert find(**told) == Path("/a/config.ipynb")
    told["configured"] = ""
    assert find(**told) == Path("/a/code.ipynb")
    del told["names"]["__vsc_ipynb_file__"]
    assert find(**told) == Path("/a/lab.ipynb")
    del told["names"]["__session__"]
    assert find(**told) == Path("/a/session.ipynb")


def test_a_path_relative_to_the_server_is_in_the_kernels_folder(find, tmp_path):
    """Jupyter names a notebook relative to its root, and starts the kernel in the notebook's folder."""
    assert find(environ={"JPY_SESSION_NAME": "deep/down/here.ipynb"}) == tmp_path / "here.ipynb"


def test_a_session_that_is_no_notebook_does_not_count(find):
    """A console's session name is an id."""
    assert find(environ={"JPY_SESSION_NAME": "8f2b6c1e"}) is None


def test_the_only_notebook_in_the_folder(find, tmp_path):
    """One notebook in a kernel's folder is it; of two, or for a terminal, none is; hidden ones do not count."""
    (tmp_path / "one.ipynb").touch()
    (tmp_path / ".hidden.ipynb").touch()
    assert find() == tmp_path / "one.ipynb"
    assert find(kernel=False) is None
    (tmp_path / "two.ipynb").touch()
    assert find() is None


def notebook(path, *sources, **metadata):
    cells = [{"cell_type": "code", "source": source} for source in sources]
    path.write_text(json.dumps({"cells": cells, "metadata": metadata}))
    return path


def test_a_notebook_counts_only_if_it_has_the_cell_that_runs(tmp_path):
    """Of several the one that has it; none where no saved one does, or two; what was never saved may be it."""
    one, two = (
        notebook(tmp_path / "one.ipynb", "x = 1", "same"),
        notebook(tmp_path / "two.ipynb", ["x\n", "= 2"], "same"),
    )
    new = notebook(tmp_path / "new.ipynb", "")
    assert the_one_with("x = 1", [one, two]) == one
    assert the_one_with("x\n= 2", [one, two]) == two
    assert the_one_with("x = 3", [one, two]) is None
    assert the_one_with("same", [one, two]) is None
    assert the_one_with("same", [one, tmp_path / "." / "one.ipynb"]) == one
    assert the_one_with("x = 3", [new, one]) == new


def test_what_papermill_wrote_is_not_what_runs(tmp_path):
    """Beside the notebook that it was made of it does not count; alone it does."""
    report = notebook(tmp_path / "report.ipynb", "x")
    made = notebook(tmp_path / "made.ipynb", "x", papermill={"input_path": "report.ipynb"})
    assert the_one_with("x", [made, report]) == report
    assert the_one_with("x", [made]) == made


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("python /bin/jupyter-execute a.ipynb", ["a.ipynb"]),
        ("python /bin/jupyter-nbconvert --execute --output made.ipynb a.ipynb", ["a.ipynb"]),
        ("python /bin/jupyter-nbconvert --execute --output=made.ipynb a.ipynb", ["a.ipynb"]),
        ("python /bin/jupyter-execute a.ipynb made.ipynb", ["a.ipynb", "made.ipynb"]),
        ("python /bin/papermill a.ipynb made.ipynb", ["a.ipynb"]),
        ("python -m papermill -p day 3 a.ipynb made.ipynb", ["a.ipynb"]),
        ("python script.py gone.ipynb", []),
        ("jupyter-lab", []),
    ],
)
def test_what_a_command_line_asks_to_run(tmp_path, line, asked):
    """Notebooks that are there, relative to the folder of the command, without those that it writes."""
    notebook(tmp_path / "a.ipynb", "x")
    notebook(tmp_path / "made.ipynb", "x")
    assert notebooks_on(line.split(), tmp_path) == [tmp_path / name for name in asked]
