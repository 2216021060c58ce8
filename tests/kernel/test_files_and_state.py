"""What else a step depends on or does: files, random streams, the process; and what is never replayed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scenes import kernel_in, play, ran_again, replayed, run, shown, was_not_recorded, was_replayed

_NAMED = "def {0}_read():\n    return open('{0}.txt').read()"

SCENES = {
    # -- files: all but the first are changed between the plays
    "same": ["%%step same\nsame = open('same.txt').read()\ntally.hit('same')", "same"],
    "opened": ["%%step opened\nopened = open('opened.txt').read()\ntally.hit('opened')", "opened"],
    "by_helper": [_NAMED.format("by_helper"), "%%step by_helper\nbh = by_helper_read()\ntally.hit('by_helper')", "bh"],
    "touched": ["%%step touched\ntouched = open('touched.txt').read()\ntally.hit('touched')", "touched"],
    "appeared": [
        "import os",
        (
            "%%step appeared\ntry:\n    ap = open('appeared.txt').read()\n"
            "except FileNotFoundError:\n    ap = 'none'\ntally.hit('appeared')"
        ),
        "ap",
    ],
    "listed": ["%%step listed\nli = sorted(os.listdir('listed'))\ntally.hit('listed')", "li"],
    "globbed": [
        "import glob",
        "%%step glb\ngb = sorted(glob.glob('globbed/*.csv'))\ntally.hit('glb')",
        "len(gb)",
    ],
    "globbed_same": [
        "%%step globbed_same\ngs = sorted(glob.glob('globbed/*.json'))\ntally.hit('globbed_same')",
        "len(gs)",
    ],
    "pandas": ["import pandas as pd", "%%step csv\ncsv = int(pd.read_csv('t.csv').a.sum())\ntally.hit('csv')", "csv"],
    "parquet": [
        "import pyarrow.parquet as pq",
        "%%step pqt\npqt = pq.read_table('t.parquet').num_rows\ntally.hit('pqt')",
        "pqt",
    ],
    "parquet_by_name": [
        "where = 'named.parquet'",
        "%%step pqn\npqn = pq.read_table(where).num_rows\ntally.hit('pqn')",
        "pqn",
    ],
    "depends": ["%%step dep --depends dep.bin\ndep = 1\ntally.hit('dep')"],
    "written": [
        (
            "%%step written\nwith open('written.txt', 'w') as f:\n    f.write('x')\n"
            "del f\nwr = open('written.txt').read()\ntally.hit('written')"
        ),
        "wr",
    ],
    # -- random streams
    "seeded_first": [
        "import random\nimport numpy as np",
        "%%step sf\nnp.random.seed(0)\nsf = float(np.random.rand())\ntally.hit('sf')",
        "after = float(np.random.rand())\nsf, after",
    ],
    "chain": [
        "np.random.seed(3)",
        "%%step ch1\nch1 = float(np.random.rand())\ntally.hit('ch1')",
        "%%step ch2\nch2 = float(np.random.rand())\ntally.hit('ch2')",
        "ch1, ch2",
    ],
    "reseeded": (
        ["random.seed(1)", "%%step rs\nrs = random.random()\ntally.hit('rs')"],
        ["random.seed(2)", "%%step rs\nrs = random.random()\ntally.hit('rs')", "rs == random.Random(2).random()"],
    ),
    "no_draw": ["random.seed(5)", "%%step nd\nnd = 1\ntally.hit('nd')", "random.random() == random.Random(5).random()"],
    # -- the process
    "environ": ["%%step en\nos.environ['EN_V'] = '1'\ntally.hit('en')", "os.environ['EN_V']"],
    "path": ["import sys", "%%step sp\nsys.path.append('/nowhere/x')\ntally.hit('sp')", "sys.path.count('/nowhere/x')"],
    "cwd": [
        "%%step cw\nos.chdir('listed')\ntally.hit('cw')",
        "here = os.getcwd().split('/')[-1]\nos.chdir('..')\nhere",
    ],
    "filters": [
        "import warnings",
        "%%step wf\nwarnings.filterwarnings('ignore', message='quux')\ntally.hit('wf')",
        "sum(f[1] is not None and f[1].pattern == 'quux' for f in warnings.filters)",
    ],
    "options": [
        "%%step op\npd.options.display.max_rows = 7\ntally.hit('op')",
        "max_rows = pd.options.display.max_rows\npd.reset_option('display.max_rows')\nmax_rows",
    ],
    "module": ["%%step mo\ntally.LEVEL = 3\ntally.hit('mo')", "tally.LEVEL"],
    "module_inner": ["%%step mn\nos.path.LEVEL = 3\ntally.hit('mn')", "os.path.LEVEL"],
    "module_by_function": [
        "import colorsys\ndef mf():\n    colorsys.MODE = 3",
        "%%step mf_s\nmf()\ntally.hit('mf_s')",
        "colorsys.MODE",
    ],
    # -- never replayed
    "dynamic": ["dy_x = 4", "%%step dy\ndy = eval('dy_x + 1')\ntally.hit('dy')", "dy"],
    "dynamic_helper": [
        "def dh_f():\n    return globals()['dh_x']\ndh_x = 3",
        "%%step dh\ndh = dh_f()\ntally.hit('dh')",
        "dh",
    ],
    "star": ["%%step star\nfrom math import *\ntally.hit('star')", "round(tau, 2)"],
    "last_value": ["7 * 6", "%%step lv\nlv = _ + 1\ntally.hit('lv')", "lv"],
    "generator": ["ge_g = (i for i in range(5))", "%%step ge\nge = next(ge_g)\ntally.hit('ge')", "ge"],
    "open_file": ["of_f = open('same.txt')", "%%step of\nof = of_f.read()\ntally.hit('of')", "of"],
    "connection": [
        "import sqlite3\nco_c = sqlite3.connect(':memory:')",
        "%%step co\nco = co_c.execute('select 1').fetchone()\ntally.hit('co')",
        "co",
    ],
    "mutation": ["mu = [1]", "%%step mu_s\nmu.append(2)\ntally.hit('mu_s')", "mu"],
    "mutation_alias": [
        "ma = [1]\nbox = {'d': ma}",
        "%%step ma_s\nbox['d'].append(2)\ntally.hit('ma_s')",
        "ma",
    ],
    "mutation_frame": ["fr = pd.DataFrame({'a': [1]})", "%%step fr_s\nfr['b'] = 2\ntally.hit('fr_s')", "list(fr)"],
    "mutation_class": [
        "class Cc:\n    n = 0\n    def up(self):\n        Cc.n += 1",
        "%%step cc\nCc().up()\ntally.hit('cc')",
        "Cc.n",
    ],
    "view": ["vi = np.arange(5)", "%%step vi_s\nvi_part = vi[1:3]\ntally.hit('vi_s')", "vi_part[0] = 9\nint(vi[1])"],
    "thread": [
        "import threading\nstop = threading.Event()\ndef wait_on():\n    stop.wait()",
        "%%step th\nthreading.Thread(target=wait_on, daemon=True, name='waits').start()\nth_done = 1\ntally.hit('th')",
        "stop.set()",
    ],
    "task": [
        "import asyncio\nasync def late():\n    await asyncio.sleep(30)",
        "%%step ta\nasyncio.ensure_future(late()).set_name('late')\nawait asyncio.sleep(0)\ntally.hit('ta')",
        "[each.cancel() for each in asyncio.all_tasks() if each.get_name() == 'late']",
    ],
    # -- dynamic code that says what it reads is replayed
    "declared": ["dd_x = 4", "%%step dd --inputs dd_x\ndd = eval('dd_x + 1')\ntally.hit('dd')", "dd"],
    "declared_changed": (
        ["de_x = 4", "%%step de --inputs de_x\nde = eval('de_x + 1')\ntally.hit('de')"],
        ["de_x = 5", "%%step de --inputs de_x\nde = eval('de_x + 1')\ntally.hit('de')", "de"],
    ),
}
TEXTS = ("same", "opened", "by_helper", "touched", "dep")


def write_files(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in TEXTS:
        (folder / f"{name}.{'bin' if name == 'dep' else 'txt'}").write_text("one")
    (folder / "listed").mkdir()
    (folder / "listed" / "a").touch()
    (folder / "globbed").mkdir()
    (folder / "globbed" / "a.csv").touch()
    (folder / "globbed" / "a.json").touch()
    (folder / "t.csv").write_text("a\n1\n")
    for name in ("t.parquet", "named.parquet"):
        pq.write_table(pa.table({"a": [1]}), folder / name)


def change_files(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("opened.txt", "by_helper.txt", "dep.bin", "appeared.txt"):
        (folder / name).write_text("two")
    os.utime(folder / "touched.txt", (1, 1))
    (folder / "listed" / "b").touch()
    (folder / "globbed" / "b.csv").touch()
    (folder / "t.csv").write_text("a\n2\n")
    for name in ("t.parquet", "named.parquet"):
        pq.write_table(pa.table({"a": [1, 2]}), folder / name)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    write_files(folder)
    return play(folder, SCENES, between=change_files)


# -- files


@pytest.mark.parametrize("scene", ["same", "touched", "written", "globbed_same"])
def test_unchanged_files_keep_a_step(story, scene):
    """Equal content holds, whatever the time stamp; so does a file that the step wrote itself before it read it."""
    was_replayed(story[scene], scene)
    assert story[scene].value == shown(story[scene].first[-1])


@pytest.mark.parametrize(
    ("scene", "name", "file", "value"),
    [
        ("opened", "opened", "opened.txt", "'two'"),
        ("by_helper", "by_helper", "by_helper.txt", "'two'"),
        ("appeared", "appeared", "appeared.txt", "'two'"),
        ("listed", "listed", "folder listed", "['a', 'b']"),
        ("globbed", "glb", "pattern globbed/*.csv", "2"),
        ("pandas", "csv", "t.csv", "2"),
        ("parquet", "pqt", "t.parquet", "2"),
        ("parquet_by_name", "pqn", "named.parquet", "2"),
        ("depends", "dep", "dep.bin", ""),
    ],
)
def test_a_changed_file_runs_a_step_again(story, scene, name, file, value):
    """What was opened, listed, globbed, looked for in vain, read by C++ code or declared is named when it changes."""
    ran_again(story[scene], name, file)
    assert story[scene].value == value


# -- random streams


def test_a_step_that_seeds_first_replays(story):
    """It replays whatever the stream's state was before, and the stream goes on from where the step left it."""
    was_replayed(story["seeded_first"], "sf")
    assert story["seeded_first"].value == shown(story["seeded_first"].first[-1])


def test_steps_of_a_seeded_stream_replay_in_their_order(story):
    """Each finds the stream as it was when the step ran, because the one before has put it there."""
    was_replayed(story["chain"], "ch1", "ch2")
    assert story["chain"].value == shown(story["chain"].first[-1])


def test_another_seed_runs_a_step_again(story):
    """A seeded stream in another state is another input."""
    ran_again(story["reseeded"], "rs", "the random stream random is in another state")
    assert story["reseeded"].value == "True"


def test_a_step_that_drew_nothing_leaves_streams_alone(story):
    """Its replay does not touch the state of a stream."""
    was_replayed(story["no_draw"], "nd")
    assert story["no_draw"].value == "True"


def test_a_stream_whose_library_the_step_imports(tmp_path):
    """A step that imports numpy, seeds and draws leaves the stream where it did, also when it is replayed."""
    cells = [
        "%%step sf\nimport numpy as np\nnp.random.seed(0)\nsf = float(np.random.rand())",
        "float(np.random.rand())",
    ]
    played = play(tmp_path, {"seeds": cells})["seeds"]
    assert replayed(played.again[0], "sf")
    assert played.value == shown(played.first[1])


@pytest.mark.parametrize(
    ("imports", "also"), [("import numpy as np", "1"), ("numpy_is = 'imported by the step'", "import numpy as np")]
)
def test_a_stream_that_numpy_loads_late(tmp_path, imports, also):
    """Numpy loads its stream when somebody draws; the step that does leaves it where it did when it is replayed."""
    cells = [imports, f"%%step late\n{also}\nlate = float(np.random.rand(312)[0])", "float(np.random.rand())"]
    played = play(tmp_path, {"late": cells})["late"]
    assert replayed(played.again[1], "late")
    assert played.value == shown(played.first[2])


def test_a_stream_of_another_generator(tmp_path):
    """Numpy's stream may be another than Mersenne's twister: a step that puts it there, or draws, leaves it there."""
    cells = [
        "import numpy as np",
        "%%step put\nnp.random.set_bit_generator(np.random.PCG64(3))\nput = float(np.random.rand())",
        "%%step drawn\ndrawn = float(np.random.rand())",
        "float(np.random.rand())",
    ]
    played = play(tmp_path, {"other": cells})["other"]
    assert replayed(played.again[1], "put")
    assert replayed(played.again[2], "drawn")
    assert played.value == shown(played.first[3])


def test_a_stream_that_nobody_loads(tmp_path):
    """To look for draws loads no library: numpy's stream takes longer to import than a cell takes to record."""
    loaded = "'numpy.random' in __import__('sys').modules"
    cells = ["import numpy as np", "%%step none\nnone = float(np.ones(3).sum())", loaded]
    played = play(tmp_path, {"none": cells})["none"]
    assert replayed(played.again[1], "none")
    assert [shown(each[2]) for each in (played.first, played.again)] == ["False", "False"]


# -- the process


@pytest.mark.parametrize(
    ("scene", "value"),
    [
        ("environ", "'1'"),
        ("path", "1"),
        ("cwd", "'listed'"),
        ("filters", "1"),
        ("options", "7"),
        ("module", "3"),
        ("module_inner", "3"),
        ("module_by_function", "3"),
    ],
)
def test_what_a_step_changed_in_the_process_holds_after_a_restart(story, scene, value):
    """The environment, folder, import path, filters, options and module attributes are as the step left them."""
    assert shown(story[scene].first[-1]) == value
    assert story[scene].value == value


# -- never replayed


@pytest.mark.parametrize(
    ("scene", "name", "why", "value"),
    [
        ("dynamic", "dy", "it calls eval()", "5"),
        ("dynamic_helper", "dh", "it calls globals()", "3"),
        ("star", "star", "from math import * binds names that cannot be known", "6.28"),
        ("last_value", "lv", "it reads _,", "43"),
        ("generator", "ge", "its input ge_g cannot be compared (ge_g: builtins.generator", "0"),
        ("open_file", "of", "its input of_f cannot be compared (of_f: _io.TextIOWrapper", "'one'"),
        ("connection", "co", "its input co_c cannot be compared (co_c: sqlite3.Connection", "(1,)"),
        ("thread", "th", "thread waits still runs code of the notebook", ""),
        ("task", "ta", "task late still runs code of the notebook", "[True]"),
    ],
)
def test_what_cannot_be_replayed_runs_again_and_says_why(story, scene, name, why, value):
    """The step runs in every kernel, its effect is there, and a line names the reason the first time already."""
    was_not_recorded(story[scene], name, why)
    assert story[scene].value == value


@pytest.mark.parametrize(
    ("scene", "name", "value"),
    [
        ("mutation", "mu_s", "[1, 2]"),
        ("mutation_alias", "ma_s", "[1, 2]"),
        ("mutation_frame", "fr_s", "['a', 'b']"),
        ("mutation_class", "cc", "1"),
        ("view", "vi_s", "9"),
    ],
)
def test_what_a_step_changes_in_place_is_changed_again(story, scene, name, value):
    """A replay changes the live object: what holds it, here and elsewhere, sees what the step did."""
    was_replayed(story[scene], name)
    assert story[scene].value == value


def test_inputs_declares_what_dynamic_code_reads(story):
    """With ``--inputs`` the step replays, until a declared name changes."""
    was_replayed(story["declared"], "dd")
    ran_again(story["declared_changed"], "de", "de_x changed")
    assert story["declared_changed"].value == "6"


def test_a_local_module_counts_as_loaded(tmp_path):
    """An edited module runs dependants again once it is reloaded; while it is not, the old code's result holds."""
    (tmp_path / "lib.py").write_text("def f():\n    return 1\n")
    with kernel_in(tmp_path) as kernel:
        cells = ["import lib, importlib", "%%step use\nuse = lib.f()\ntally.hit('lib')", "use"]
        assert shown(run(kernel, cells)[-1]) == "1"
        (tmp_path / "lib.py").write_text("def f():\n    return 22\n")
        body = kernel.run(cells[1], "cell-1")
        assert "↻ replayed use" in "".join(body.own_lines)
        reloaded = run(kernel, ["importlib.reload(lib);"], "reload")
        assert reloaded[0].status == "ok"
        assert "↻ running use again: lib changed" in "".join(kernel.run(cells[1], "cell-1").own_lines)
        assert shown(kernel.run("use", "cell-2")) == "22"
    assert Path(tmp_path / "tally.log").read_text() == "lib\nlib\n"
