"""Files that steps write: written, read, overwritten and appended to by others, over a kill (DESIGN §4, Files)."""

from __future__ import annotations

import pytest
from scenes import kernel_in, play, ran_again, ready, replayed, run, shown, was_replayed

_WRITE = "with open('{0}', '{1}') as f:\n    _n = f.write('{2}')\ndel f"


def step(name, *lines):
    """Return a step that tallies that it ran."""
    return "\n".join([f"%%step {name}", *lines, f"tally.hit('{name}')"])


def write(path, text, mode="w"):
    """Return lines that write a file."""
    return _WRITE.format(path, mode, text)


def read(name, path):
    """Return a line that reads a file."""
    return f"{name} = open('{path}').read()"


SCENES = {
    # A writes, B reads, C writes again, D reads; a plain cell looks in between
    "overwritten": [
        step("ow_a", write("ow.csv", "a")),
        step("ow_b", read("ow_b", "ow.csv")),
        "ow_plain = open('ow.csv').read()",
        step("ow_c", write("ow.csv", "cc")),
        step("ow_d", read("ow_d", "ow.csv")),
        "ow_b, ow_plain, ow_d, open('ow.csv').read()",
    ],
    "appended": [
        step("ap_a", write("ap.csv", "a")),
        step("ap_b", read("ap_b", "ap.csv")),
        "ap_plain = open('ap.csv').read()",
        step("ap_c", write("ap.csv", "c", "a")),
        step("ap_e", write("ap.csv", "e", "a")),
        step("ap_d", read("ap_d", "ap.csv")),
        "ap_b, ap_plain, ap_d, open('ap.csv').read()",
    ],
    "removed": [
        step("rm_a", write("rm.csv", "a")),
        step("rm_b", read("rm_b", "rm.csv")),
        step("rm_c", "import os\nos.remove('rm.csv')"),
        "rm_b, os.path.exists('rm.csv')",
    ],
    "replaced": [
        step("rp_a", write("rp.csv", "a")),
        step("rp_b", read("rp_b", "rp.csv")),
        step("rp_c", write("rp.tmp", "cc"), "import os\nos.replace('rp.tmp', 'rp.csv')"),
        "rp_b, open('rp.csv').read()",
    ],
    # the step's own files
    "counter": [
        "open('counter.txt', 'w').write('1') if not __import__('os').path.exists('counter.txt') else None",
        step(
            "counter",
            "n = int(open('counter.txt').read()) + 1",
            "with open('counter.txt', 'w') as f:\n    f.write(str(n))\ndel f",
        ),
        "n, open('counter.txt').read()",
    ],
    "cached": [
        step(
            "cached",
            "try:\n    ca = open('ca.txt').read()\nexcept FileNotFoundError:\n    ca = 'made'",
            write("ca.txt", "made"),
        ),
        "ca",
    ],
    "log": [
        step("log_a", write("steps.log", "a", "a")),
        step("log_b", read("log_b", "steps.log")),
        step("log_c", write("steps.log", "c", "a")),
        "log_b, open('steps.log').read()",
    ],
    "log_of_all": [
        step("all_a", write("all.log", "a", "a")),
        "with open('all.log', 'a') as f:\n    f.write('plain')\ndel f",
        step("all_b", write("all.log", "b", "a")),
        "1",
    ],
    # folders
    "parts": [
        "import os, glob\nos.makedirs('parts', exist_ok=True)",
        step("pt_a", "for i in range(3):\n    with open(f'parts/a{i}', 'w') as f:\n        f.write(str(i))\ndel f, i"),
        step("pt_b", "pt_b = [open(p).read() for p in sorted(glob.glob('parts/*'))]"),
        step("pt_l", "pt_l = sorted(os.listdir('parts'))"),
        step("pt_c", "for i in range(2):\n    with open(f'parts/c{i}', 'w') as f:\n        f.write('c')\ndel f, i"),
        step("pt_d", "pt_d = len(os.listdir('parts'))"),
        "pt_b, pt_l, pt_d",
    ],
    # calls write, cells read
    "calls": [
        (
            "@step\ndef save(i):\n    tally.hit('save')\n"
            "    with open('calls.csv', 'a' if i else 'w') as f:\n        f.write(str(i))"
        ),
        "for i in range(4):\n    save(i)",
        step("calls_b", read("calls_b", "calls.csv")),
        (
            "@step\ndef clear():\n    tally.hit('clear')\n"
            "    with open('calls.csv', 'w') as f:\n        f.write('-')\nclear()"
        ),
        "calls_b, open('calls.csv').read()",
    ],
    "threads": [
        (
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def read_part(i):\n    return open('by_th' + f'reads/{i}.txt').read()"
        ),
        step("threads", "with ThreadPoolExecutor(2) as pool:\n    th = list(pool.map(read_part, range(3)))\ndel pool"),
        "th",
    ],
    # writers in C++
    "parquet": [
        "import pyarrow as pa, pyarrow.parquet as pq",
        step("pq_a", "pq.write_table(pa.table({'x': [1]}), 'made.parquet')"),
        step("pq_b", "pq_b = pq.read_table('made.parquet').num_rows"),
        "pq_b",
    ],
    # not recorded: a plain cell writes
    "plain": (
        ["_ = open('pl.txt', 'w').write('1')", step("pl", read("pl", "pl.txt")), "pl"],
        ["_ = open('pl.txt', 'w').write('2')", step("pl", read("pl", "pl.txt")), "pl"],
    ),
    "plain_writes_what_a_step_left": (
        [
            "_ = open('ps.txt', 'w').write('1')",
            step("ps", read("ps", "ps.txt")),
            step("ps_c", write("ps.txt", "2")),
            "ps",
        ],
        [
            "_ = open('ps.txt', 'w').write('2')",
            step("ps", read("ps", "ps.txt")),
            step("ps_c", write("ps.txt", "2")),
            "ps",
        ],
    ),
    # changed by somebody else while no kernel ran
    "edited": [
        step("ed_a", write("ed.csv", "a")),
        step("ed_b", read("ed_b", "ed.csv")),
        step("ed_c", write("ed.csv", "cc")),
        step("ed_d", read("ed_d", "ed.csv")),
        "ed_b, ed_d, open('ed.csv').read()",
    ],
    "edited_input": [
        step("ei_b", read("ei_b", "ei.csv")),
        step("ei_c", write("ei.csv", "cc")),
        "ei_b, open('ei.csv').read()",
    ],
    "input": [
        step("in_b", read("in_b", "in.csv")),
        step("in_c", write("in.csv", "cc")),
        "in_b, open('in.csv').read()",
    ],
    "gone": [step("go_a", write("go.csv", "a")), step("go_b", read("go_b", "go.csv")), "go_b"],
    "gone_parquet": [
        "import pyarrow as pa, pyarrow.parquet as pq",
        step("gp_a", "pq.write_table(pa.table({'x': [1]}), 'gone.parquet')"),
        "pq.read_table('gone.parquet').num_rows",
    ],
    "log_cut": [
        step("lc_a", write("cut.log", "a", "a")),
        step("lc_b", write("cut.log", "b", "a")),
        "open('cut.log').read()",
    ],
}


def prepare_files(folder):
    (folder / "by_threads").mkdir()
    for i in range(3):
        (folder / "by_threads" / f"{i}.txt").write_text(str(i))
    for name in ("ei.csv", "in.csv"):
        (folder / name).write_text("x")


def between(folder):
    (folder / "by_threads" / "1.txt").write_text("one")
    (folder / "ed.csv").write_text("somebody")
    (folder / "ei.csv").write_text("somebody")
    (folder / "go.csv").unlink()
    (folder / "gone.parquet").unlink()
    (folder / "cut.log").write_text("x")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    prepare_files(folder)
    return play(folder, SCENES, between=between)


@pytest.mark.parametrize(
    ("scene", "names", "value"),
    [
        ("overwritten", "ow_a ow_b ow_c ow_d", "('a', 'a', 'cc', 'cc')"),
        ("appended", "ap_a ap_b ap_c ap_e ap_d", "('a', 'a', 'ace', 'ace')"),
        ("removed", "rm_a rm_b rm_c", "('a', False)"),
        ("replaced", "rp_a rp_b rp_c", "('a', 'cc')"),
        ("input", "in_b in_c", "('x', 'cc')"),
        ("counter", "counter", "(2, '2')"),
        ("cached", "cached", "'made'"),
        ("log", "log_a log_b log_c", "('a', 'ac')"),
        ("log_of_all", "all_a", "1"),
        ("parts", "pt_a pt_b pt_l pt_c pt_d", "(['0', '1', '2'], ['a0', 'a1', 'a2'], 5)"),
        ("parquet", "pq_a pq_b", "1"),
    ],
)
def test_steps_replay_over_what_later_steps_made_of_their_files(story, scene, names, value):
    """Writers and readers of a file replay in their order, and everybody finds the file as in the first run."""
    assert shown(story[scene].first[-1]) == value
    assert story[scene].value == value
    was_replayed(story[scene], *names.split())


def test_calls_that_write(story):
    """Calls that write one file replay in their order, and a cell between them and a later writer replays too."""
    scene = story["calls"]
    assert (scene.hits_first["save"], scene.hits_again["save"]) == (4, 0)
    assert (scene.hits_first["clear"], scene.hits_again["clear"]) == (1, 0)
    was_replayed(scene, "calls_b")
    assert scene.value == "('0123', '-')"


def test_what_somebody_else_wrote_is_a_change(story):
    """A file edited by hand makes its first writer run again, and what cannot be put back after that."""
    scene = story["edited"]
    ran_again(scene, "ed_a", "ed.csv, which it wrote, changed")
    was_replayed(scene, "ed_b")
    assert scene.hits_again["ed_c"] == 1
    assert scene.value == "('a', 'cc', 'cc')"


def test_an_input_that_somebody_else_changed_is_read_again(story):
    """A file from outside that a step overwrote holds for its reader until somebody edits it."""
    ran_again(story["edited_input"], "ei_b", "ei.csv changed")
    assert story["edited_input"].value == "('somebody', 'cc')"


@pytest.mark.parametrize(
    ("scene", "name", "why", "value"),
    [
        ("gone", "go_a", "go.csv, which it wrote, is gone", "'a'"),
        ("gone_parquet", "gp_a", "gone.parquet, which it wrote, is gone", "1"),
        ("log_cut", "lc_a", "cut.log does not hold what it appended", "'xab'"),
        ("plain", "pl", "pl.txt changed", "'2'"),
        ("plain_writes_what_a_step_left", "ps", "ps.txt changed", "'2'"),
        ("threads", "threads", "by_threads/1.txt changed", "['0', 'one', '2']"),
    ],
)
def test_a_step_whose_files_are_others_runs_again(story, scene, name, why, value):
    """Files that are gone, cut, written by a plain cell, or changed though only a thread read them, are changes."""
    ran_again(story[scene], name, why)
    assert story[scene].value == value


def test_in_one_kernel_a_reader_sees_what_was_written_since(tmp_path):
    """Within one kernel a step that reads a file runs again once a later step wrote it, as a variable would do."""
    (tmp_path / "x.txt").write_text("x")
    reader, writer = step("reader", read("found", "x.txt")), step("writer", write("x.txt", "w"))
    with kernel_in(tmp_path) as kernel:
        run(kernel, [reader, writer])
        again = kernel.run(reader, "cell-0")
        assert any("↻ running reader again: x.txt changed" in line for line in again.own_lines), again.own_lines
        assert shown(kernel.run("found", "cell-2")) == "'w'"


def test_a_kill_between_replays_loses_nothing(tmp_path):
    """Killed after a file was put back and before its next writer's turn, the next Run All still replays all of it."""
    cells = [step("a", write("f.csv", "a")), step("b", read("found", "f.csv")), step("c", write("f.csv", "cc"))]
    with kernel_in(tmp_path) as kernel:
        run(kernel, cells)
        kernel.restart()
        run(ready(kernel), cells[:2])
        assert (tmp_path / "f.csv").read_text() == "a"
        kernel.restart()
        results = run(ready(kernel), cells)
        lines = [each.own_lines for each in results]
        assert [replayed(each, name) for each, name in zip(results, "abc", strict=True)] == [True] * 3, lines
        assert (tmp_path / "f.csv").read_text() == "cc"
