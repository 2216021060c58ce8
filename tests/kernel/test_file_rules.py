"""Every way of reading files that a step may use, over a kill in which the files changed or did not."""

from __future__ import annotations

import pickle

import pytest
from scenes import play, ran_again, shown, was_replayed

READERS = {
    # opened by Python: the path may be computed in any way
    "fstring": ("", "open(f'{\"da\"}ta_fstring.txt').read()"),
    "joined": ("import os", "open(os.path.join('.', 'da' + 'ta_joined.txt')).read()"),
    "pathlib": ("from pathlib import Path", "(Path('.') / ('da' + 'ta_pathlib.txt')).read_text()"),
    "variable": ("v_path = 'data_variable.txt'", "open(v_path).read()"),
    "numpy": ("import numpy as np", "int(np.load('da' + 'ta_numpy.npy')[0])"),
    "pickled": ("import pickle", "pickle.load(open('da' + 'ta_pickled.pkl', 'rb'))"),
    "pandas": ("import pandas as pd", "int(pd.read_csv('da' + 'ta_pandas.csv').a[0])"),
    "by_module": ("import readers", "readers.read('by_module')"),
    "by_thread": (
        (
            "import threading\ndef bt_read(into):\n    into.append(open('da' + 'ta_by_thread.txt').read())\n"
            "def bt():\n    into = []\n    t = threading.Thread(target=bt_read, args=(into,))\n"
            "    t.start()\n    t.join()\n    return into[0]"
        ),
        "bt()",
    ),
    "by_joblib": (
        "from joblib import Parallel, delayed\ndef jb_read(p):\n    return open(p).read()",
        "Parallel(2, backend='threading')(delayed(jb_read)('da' + f'ta_by_{each}.txt') for each in ['joblib'])[0]",
    ),
    "by_to_thread": (
        "import asyncio\nfrom pathlib import Path",
        "await asyncio.to_thread(Path('da' + 'ta_by_to_thread.txt').read_text)",
    ),
    "existing": ("import os", "os.path.exists('data_existing.txt')"),
    # opened by C++: the path is a literal, or in a value
    "polars": ("import polars as pl", "pl.read_csv('data_polars.csv')['a'][0]"),
    "lazy": ("import polars as pl", "pl.scan_csv('data_lazy.csv').collect()['a'][0]"),
    "polars_glob": ("import polars as pl", "pl.read_csv('data_polars_g*.csv')['a'].sum()"),
    "arrow": ("import pyarrow.csv as pcsv", "pcsv.read_csv('data_arrow.csv')['a'][0].as_py()"),
    "parquet": ("import pyarrow.parquet as pq", "pq.read_table('data_parquet.parquet')['a'][0].as_py()"),
    "dataset": ("import pyarrow.dataset as ds", "ds.dataset('data_dataset').to_table()['a'].to_pylist()"),
    "duck": ("import duckdb", "duckdb.sql(\"select a from 'data_duck.csv'\").fetchall()[0][0]"),
    "duck_function": (
        "import duckdb",
        "duckdb.sql(\"select a from read_csv('data_duck_function.csv')\").fetchall()[0][0]",
    ),
    "duck_glob": ("import duckdb", "duckdb.sql(\"select sum(a) from 'data_duck_gl*.csv'\").fetchall()[0][0]"),
    "duck_variable": (
        "import duckdb\ndv_query = \"select a from 'data_duck_variable.csv'\"",
        "duckdb.sql(dv_query).fetchall()[0][0]",
    ),
    "path_value": (
        "import polars as pl\nfrom pathlib import Path\npv = Path('data_path_value.csv')",
        "pl.read_csv(pv)['a'][0]",
    ),
    "listed_paths": (
        "import polars as pl\nlp = [f'data_listed_paths{i}.csv' for i in range(3)]",
        "sum(pl.read_csv(p)['a'][0] for p in lp)",
    ),
    "dict_of_paths": ("import polars as pl\ndp = {'x': 'data_dict_of_paths.csv'}", "pl.read_csv(dp['x'])['a'][0]"),
    "by_function": ("import polars as pl\ndef bf():\n    return pl.read_csv('data_by_function.csv')['a'][0]", "bf()"),
    "by_argument": ("import polars as pl\ndef ba(p):\n    return pl.read_csv(p)['a'][0]", "ba('data_by_argument.csv')"),
    "shell": ("", "get_ipython().getoutput('cat data_shell.txt')[0]"),
    "process": ("import subprocess", "subprocess.check_output(['cat', 'data_process.txt'], text=True)"),
    # names of files
    "listing": ("import os", "len(os.listdir('data_listing'))"),
    "walked": ("import os", "sum(len(files) for _, _, files in os.walk('data_walked'))"),
    "glob": ("import glob", "len(glob.glob('data_glob/*.txt'))"),
    "path_glob": ("from pathlib import Path", "len(list(Path('data_path_glob').glob('*.txt')))"),
    "rglob": ("from pathlib import Path", "len(list(Path('data_rglob').rglob('*.txt')))"),
    "missing": (
        "def mi():\n    try:\n        return open('data_missing.txt').read()\n    except OSError:\n        return 'no'",
        "mi()",
    ),
}
SUFFIXES = {"numpy": ".npy", "pickled": ".pkl", "parquet": ".parquet"}
FOLDERS = ("listing", "walked", "glob", "path_glob", "rglob")
PLAIN = {"numpy", "pickled", "parquet", "dataset", "missing", "existing", *FOLDERS}
UNTABLED = {"numpy", "pickled", "parquet", "dataset", "missing", "existing", *FOLDERS}
TABLES = [name for name in READERS if name not in UNTABLED] + [f"listed_paths{i}" for i in range(3)]


def scenes(mark):
    """Return a scene of each reader; in two plays, one with files that change and one with files that do not."""
    return {
        name: [
            setup or "pass",
            f"%%step {mark}_{name}\n{mark}_{name}_x = {expression}\ntally.hit('{mark}_' + '{name}')",
            f"{mark}_{name}_x",
        ]
        for name, (setup, expression) in READERS.items()
    }


def write_files(folder, number):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in READERS:
        suffix = SUFFIXES.get(name, ".txt")
        path = folder / f"data_{name}{suffix}"
        if name in FOLDERS:
            path = folder / f"data_{name}"
            path.mkdir(exist_ok=True)
            (path / f"{number}.txt").touch()
        elif name == "numpy":
            np.save(path, np.array([number]))
        elif name == "pickled":
            path.write_bytes(pickle.dumps(number))
        elif name == "parquet":
            pq.write_table(pa.table({"a": [number]}), path)
        elif name == "dataset":
            (folder / "data_dataset").mkdir(exist_ok=True)
            pq.write_table(pa.table({"a": [number]}), folder / "data_dataset" / f"{number}.parquet")
        elif name not in ("missing", "existing"):
            path.write_text(f"{number}")
    for name in TABLES:
        (folder / f"data_{name}.csv").write_text(f"a\n{number}\n")
    if number > 1:
        (folder / "data_missing.txt").write_text(f"{number}")


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    (folder / "readers.py").write_text("def read(name):\n    return open(f'data_{name}.txt').read()\n")
    write_files(folder, 1)
    return play(folder, scenes("ch"), between=lambda folder: write_files(folder, 2))


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unchanged")
    (folder / "readers.py").write_text("def read(name):\n    return open(f'data_{name}.txt').read()\n")
    write_files(folder, 1)
    return play(folder, scenes("un"))


@pytest.mark.parametrize("scene", [name for name in READERS if name != "existing"])
def test_a_changed_file_is_read_again(changed, scene):
    """Whatever opened, listed, matched or named it, a changed file runs its step again and is named."""
    ran_again(changed[scene], f"ch_{scene}", "")
    assert "data_" in changed[scene].lines
    assert changed[scene].value not in ("", shown(changed[scene].first[-1]))


@pytest.mark.parametrize("scene", READERS)
def test_an_unchanged_file_keeps_its_step(unchanged, scene):
    """The same readers replay while nothing changed."""
    was_replayed(unchanged[scene], f"un_{scene}")
    assert unchanged[scene].value == shown(unchanged[scene].first[-1])
