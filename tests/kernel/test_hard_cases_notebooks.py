"""Rows 16, 22 and 25 of DESIGN §5 and opaque values of §4: modules, names, notebooks that move, connections."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import nbformat
import pytest
from driver import Kernel
from hard_cases import Case, cells, holds, play
from scenes import SETUP, hits, prepare, replayed, run, shown

CASES = {
    # -- row 16
    "module_attribute": Case(
        """
        import colorsys
        shared_mode = [5]
        # %%
        %%step module_attribute
        colorsys.MODE = [3]
        kept_mode = colorsys.MODE
        colorsys.SHARED = shared_mode
        # %%
        %%step module_reader
        mode = colorsys.MODE[0] + 1
        # %%
        colorsys.MODE, mode, kept_mode is colorsys.MODE, colorsys.SHARED is shared_mode
        """,
        "([3], 4, True, True)",
        replays=("module_attribute", "module_reader"),
    ),
    # -- §4, opaque values: told by the cell that made them, and by what that cell depended on
    "connection_moved": Case(
        """
        import sqlite3
        made = None
        for name in ('a', 'b'):
            if not os.path.exists(f'{name}.db'):
                made = sqlite3.connect(f'{name}.db')
                made.execute('create table t (x)')
                made.execute('insert into t values (?)', [name])
                made.commit()
                made.close()
        del made
        # %%
        connection = sqlite3.connect('b.db')
        # %%
        %%step connection_moved
        found = connection.execute('select x from t').fetchone()
        # %%
        found
        """,
        "('b',)",
        before="""
        import sqlite3
        for name in ('a', 'b'):
            made = sqlite3.connect(f'{name}.db')
            made.execute('create table t (x)')
            made.execute('insert into t values (?)', [name])
            made.commit()
            made.close()
        del made
        # %%
        connection = sqlite3.connect('a.db')
        # %%
        %%step connection_moved
        found = connection.execute('select x from t').fetchone()
        """,
        runs={"connection_moved": ""},
    ),
    "connection_same": Case(
        """
        import duckdb
        duck = duckdb.connect('same.duckdb')
        _ = duck.execute('create table if not exists t as select 7 as x')
        # %%
        %%step connection_same
        seven = duck.execute('select x from t').fetchone()
        # %%
        seven
        """,
        "(7,)",
        replays=("connection_same",),
    ),
}


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    return play(tmp_path_factory.mktemp("notebooks"), CASES)


def test_row_16_module_attributes(stories):
    """Row 16: an attribute that a step assigns on a module is assigned again, and is an input of those who name it."""
    holds(CASES["module_attribute"], stories["module_attribute"])


@pytest.mark.parametrize("name", ["connection_moved", "connection_same"])
def test_connections(stories, name):
    """A query runs again after ``connect()`` moved to another database, and replays on the same one."""
    holds(CASES[name], stories[name])


NOTEBOOK = """
%%step load
rows = [1, 2, 3]
# %%
%%step total
total = sum(rows)
# %%
total
"""


def write(path, sources):
    found = [nbformat.v4.new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=found), path)


@contextmanager
def kernel_of(path):
    """Start the kernel of a notebook as a front end does, which tells its path."""
    kernel = Kernel(path.parent, {"JPY_SESSION_NAME": str(path)})
    try:
        yield kernel, [line for each in run(kernel, SETUP, "setup") for line in each.own_lines]
    finally:
        kernel.close()


def go_through(kernel, sources):
    """Run cells; return what each did, and all that they showed and left, to be compared with another time."""
    kernel.run("import describe\ndescribe.begin()", "begin")
    results = run(kernel, sources)
    return results, ([shown(each) for each in results], shown(kernel.run("print(describe.end())", "end")))


def test_row_22_two_cells_of_one_name(tmp_path):
    """Row 22: a live kernel warns, once, when the notebook's file has two cells of one name; each keeps its own."""
    both = ["%%step same\ntally.hit('one')\none = 1", "%%step same\ntally.hit('two')\ntwo = 2"]
    prepare(tmp_path)
    write(tmp_path / "notebook.ipynb", [*SETUP, *both])
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        results, whole = go_through(kernel, both)
        said = [line for each in results for line in each.own_lines]
        assert len([line for line in said if "same" in line and " running same again" not in line]) == 1
        kernel.kill()
    write(tmp_path / "notebook.ipynb", [*SETUP, *both])
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        results, again = go_through(kernel, both)
        assert all(any("replayed same" in line for line in each.own_lines) for each in results)
        assert again == whole
        kernel.kill()
    write(tmp_path / "notebook.ipynb", [*SETUP, both[0]])
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        assert replayed(kernel.run(both[0], "cell-0"), "same")
    assert hits(tmp_path) == {"one": 1, "two": 1}


def test_row_25_renamed(tmp_path):
    """Row 25: the store of a notebook that was renamed is adopted, and said."""
    prepare(tmp_path)
    write(tmp_path / "notebook.ipynb", [*SETUP, *cells(NOTEBOOK)])
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        _, whole = go_through(kernel, cells(NOTEBOOK))
        kernel.kill()
    (tmp_path / "notebook.ipynb").rename(tmp_path / "renamed.ipynb")
    with kernel_of(tmp_path / "renamed.ipynb") as (kernel, said):
        (load, total, _), again = go_through(kernel, cells(NOTEBOOK))
        assert again == whole
        assert any("notebook" in line for line in said)
        assert replayed(load, "load")
        assert replayed(total, "total")
    assert hits(tmp_path) == {"load": 1, "total": 1}


def test_row_25_copied(tmp_path):
    """Row 25: a copy starts empty, and one line names the store of the original, which keeps its checkpoints."""
    prepare(tmp_path)
    write(tmp_path / "notebook.ipynb", [*SETUP, *cells(NOTEBOOK)])
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        _, whole = go_through(kernel, cells(NOTEBOOK))
        kernel.kill()
    shutil.copy(tmp_path / "notebook.ipynb", tmp_path / "copied.ipynb")
    with kernel_of(tmp_path / "copied.ipynb") as (kernel, said):
        _, again = go_through(kernel, cells(NOTEBOOK))
        assert again == whole
        assert len([line for line in said if "notebook.duckdb" in line]) == 1
        kernel.kill()
    assert hits(tmp_path) == {"load": 2, "total": 2}
    with kernel_of(tmp_path / "notebook.ipynb") as (kernel, _):
        (load, total, _), again = go_through(kernel, cells(NOTEBOOK))
        assert again == whole
        assert replayed(load, "load")
        assert replayed(total, "total")
