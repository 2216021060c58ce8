"""Auto mode in a real kernel: every cell is a step, and behaves as a plain cell does."""

from __future__ import annotations

import re

import nbformat
import pytest
from driver import Kernel
from scenes import SETUP, hits, kernel_in, prepare, replayed, run, shown

CELLS = [
    "N = 3",
    "def f(x):\n    tally.hit('f')\n    return x * N",
    "tally.hit('bind')\nrows = [{'n': f(1)}]\nrow = rows[0]\nprint('bound')",
    "tally.hit('change')\nrow['m'] = 2\nrows",
    "# durable: skip\ntally.hit('skipped')\nlen(rows)",
    "import asyncio\ntally.hit('await')\nawait asyncio.sleep(0)\nlater = 1\nlater",
    "%%time\ntally.hit('time')\ntimed = 7",
    "%%capture out\ntally.hit('capture')\nprint('captured')",
    "out.stdout, row is rows[0], rows, later, timed",
]
STEPS = ("bind", "change", "await", "time", "capture")


def lines(results):
    return [line for result in results for line in result.own_lines]


@pytest.fixture
def kernel(tmp_path):
    with kernel_in(tmp_path) as kernel:
        kernel.run("%durable auto on", "on")
        yield kernel


def restart(kernel):
    kernel.restart()
    run(kernel, SETUP, "setup")
    kernel.run("%durable auto on", "on")


def test_a_notebook_resumes_without_magics(tmp_path, kernel):
    """After SIGKILL each cell that computes replays, the others run, and all show what they did."""
    first = run(kernel, CELLS)
    assert [each.status for each in first] == ["ok"] * len(CELLS)
    assert lines(first) == []
    before = hits(tmp_path)
    assert before == {"f": 1, "skipped": 1, **dict.fromkeys(STEPS, 1)}
    kernel.kill()
    restart(kernel)
    again = run(kernel, CELLS)
    assert [shown(each) for each in again] == [shown(each) for each in first]
    assert hits(tmp_path) - before == {"skipped": 1}
    assert len(lines(again)) == len(STEPS)  # the last cell only shows something: it runs again
    assert all(line.startswith("↻ replayed ") for line in lines(again))


def test_a_killed_cell_runs_again(tmp_path, kernel):
    """What was complete replays; the cell that was killed runs."""
    cells = ["tally.hit('one')\none = 1", "tally.hit('two')\ntally.block_once('blocked')\ntwo = one + 1", "one, two"]
    kernel.run(cells[0], "cell-0")
    kernel.run_until(cells[1], tmp_path / "blocked", "cell-1")
    restart(kernel)
    again = run(kernel, cells)
    assert shown(again[-1]) == "(1, 2)"
    assert hits(tmp_path) == {"one": 1, "two": 2}


def test_cells_look_as_plain_ones(kernel):
    """``In``, the history, line numbers and the traceback are those of a cell without the mode."""
    looks = ["value = 1 + 1\nvalue", "def g():\n    return 1 / 0\n\ng()", "In[-3:-1], list(Out), _i", "%history -n 1-9"]
    steps = run(kernel, looks, "auto")
    kernel.run("%durable auto off", "off")
    kernel.run("%reset -f in\n%reset -f out", "reset")
    plain = run(kernel, looks, "plain")
    numbered = re.compile(r"In\[\d+\]")
    assert numbered.sub("In", steps[1].error) == numbered.sub("In", plain[1].error)
    assert "----> 2     return 1 / 0" in steps[1].error
    assert "'value = 1 + 1" in shown(steps[2])
    assert "durable__" not in shown(steps[2]) + shown(steps[3])


def test_an_edited_cell_and_what_depends_on_it_run_again(tmp_path, kernel):
    """Only they do."""
    cells = ["tally.hit('a')\na = sum([1, 2])", "tally.hit('b')\nb = sum([a, 1])", "tally.hit('c')\nc = max(b, 9)"]
    run(kernel, cells)
    edited = [cells[0], "tally.hit('b')\nb = sum([a, 2])", cells[2]]
    kernel.kill()
    restart(kernel)
    again = run(kernel, edited)
    assert hits(tmp_path) == {"a": 1, "b": 2, "c": 2}
    assert "b" in again[2].own_lines[0]


def test_why_and_rerun(tmp_path, kernel):
    """A step without a magic is addressed by the beginning of its digest; ``why`` reads the saved file."""
    cell = "tally.hit('a')\na = sum([1, 2])"
    kernel.run(cell, "cell-a")
    kernel.kill()
    cells = [nbformat.v4.new_code_cell(each) for each in SETUP]
    cells.append(nbformat.v4.new_code_cell(cell.replace("2", "7"), id="cell-a"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    restart(kernel)
    label = kernel.run("%durable", "table").text.splitlines()[1].split()[0]
    assert "a = sum([1, 7])" in kernel.run(f"%durable why {label[:5]}", "why").text
    assert kernel.run(f"%durable rerun {label[:5]}", "rerun").own_lines
    kernel.run(cell, "cell-a")
    assert hits(tmp_path) == {"a": 2}


def test_only_slow_cells_are_recorded(tmp_path, kernel):
    """With ``--only-slow`` a quick cell runs again after a restart, and nothing is said of it."""
    cells = [
        "tally.hit('quick')\nquick = max(1, 2)",
        "tally.hit('slow')\nimport time\ntime.sleep(1.2)\nslow = max(3, quick)",
    ]
    kernel.run("%durable auto on --only-slow 1s", "slow")
    assert lines(run(kernel, cells)) == []
    kernel.kill()
    restart(kernel)
    again = run(kernel, cells)
    assert hits(tmp_path) == {"quick": 2, "slow": 1}
    assert again[0].own_lines == []
    assert len(again[1].own_lines) == 1


def test_a_quick_cell_that_fails_is_noted_as_failed(tmp_path, kernel):
    """A cell that was asked to call again and failed half-way still makes the other call, and replays no older one."""
    cell = "one = call(1)\nif os.path.exists('fails'):\n    raise OSError('failed')\none, call(2)"
    run(kernel, ["import os", "@step\ndef call(n):\n    return tally.nth(n)"])
    kernel.run("%durable auto on --only-slow 5s", "slow")
    assert shown(kernel.run(cell, "asked")) == "(1, 1)"
    (tmp_path / "fails").touch()
    assert kernel.run(f"%%step --rerun\n{cell}", "asked").error_name == "OSError"
    assert kernel.run(cell, "asked").error_name == "OSError"
    (tmp_path / "fails").unlink()
    assert shown(kernel.run(cell, "asked")) == "(2, 2)"
    assert shown(kernel.run(cell, "asked")) == "(2, 2)"  # that one completed, so its calls replay


INTRICATE = "[[n, {n: [n]}] for n in range(2000)]"


def test_quick_cells_run_again_where_a_checkpoint_costs_more(kernel):
    """What is small replays, what is large is made again; with ``--only-slow 0s`` it replays as well."""
    cells = ["small = max(1, 2)", f"large = {INTRICATE}", "last = large.pop()", "len(large), small, last[0]"]
    kernel.run("%durable auto on", "on")
    assert lines(run(kernel, cells)) == []
    kernel.kill()
    restart(kernel)
    again = run(kernel, cells)
    assert [len(each.own_lines) for each in again] == [1, 0, 0, 0]  # the others read the large one
    assert shown(again[-1]) == "(1999, 2, 1999)"
    kernel.run("%durable auto on --only-slow 0s", "every")
    run(kernel, cells)
    kernel.kill()
    restart(kernel)
    assert [len(each.own_lines) for each in run(kernel, cells)] == [1, 1, 1, 1]


def test_what_a_checkpoint_may_cost_grows_with_the_time_of_its_cell(kernel):
    """A cell of two seconds replays though it made what a quick cell makes again; one that made far more does not."""
    waits = "import time\ntime.sleep(2)"
    cells = [f"{waits}\nlarge = {INTRICATE}", f"{waits}\nhuge = [{INTRICATE} for _ in range(20)]"]
    run(kernel, cells)
    kernel.kill()
    restart(kernel)
    assert [len(each.own_lines) for each in run(kernel, cells)] == [1, 0]


@pytest.mark.parametrize(
    "doing",
    [
        "open('/dev/null', 'w').close()",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
        "import random; random.random()",
    ],
)
def test_quick_cells_that_are_not_to_be_run_twice_are_recorded(kernel, doing):
    """A cell that reached beyond the kernel, or would come out otherwise, replays however large what it made."""
    cell = f"{doing}\nlarge = {INTRICATE}"
    run(kernel, [cell])
    kernel.kill()
    restart(kernel)
    assert len(run(kernel, [cell])[0].own_lines) == 1


def test_what_an_import_does_is_done_again(tmp_path, kernel):
    """A module that writes a file when it is imported does so in each kernel: the cell is a quick one all the same."""
    (tmp_path / "writes.py").write_text("open('/dev/null', 'w').close()\n")
    cell = f"import writes\nlarge = {INTRICATE}"
    run(kernel, [cell])
    kernel.kill()
    restart(kernel)
    assert run(kernel, [cell])[0].own_lines == []


def test_steps_with_a_magic_keep_their_flags(tmp_path, kernel):
    """``%%step`` in auto mode names the step, and its flags hold."""
    cell = (
        "%%step flaky --max-attempts 2 --interval-seconds 0\ntally.hit('try')\nif tally.nth('try') == 1: 1 / 0\nok = 1"
    )
    assert kernel.run(cell, "flaky").status == "ok"
    assert hits(tmp_path) == {"try": 2}
    kernel.kill()
    restart(kernel)
    assert replayed(kernel.run(cell, "flaky"), "flaky")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sometimes", "%durable auto takes on or off"),
        ("on --only-slow", "%durable auto takes on or off"),
        ("on --only-slow soon", "--only-slow: must be a time such as 45s"),
    ],
)
def test_bad_words(kernel, words, message):
    """What has no meaning is refused in one line, and changes nothing."""
    result = kernel.run(f"%durable auto {words}", "bad")
    assert message in result.text
    assert kernel.run("%durable auto", "ask").own_lines[0].startswith("↻ auto mode is on: every cell is a step")


def test_a_tag_opts_out(tmp_path, kernel):
    """A cell with the tag ``durable-skip`` simply runs, where the front end tells tags."""
    cell = "tally.hit('tagged')\ntagged = max(1, 2)"
    for _ in range(2):
        kernel.run(cell, "tagged", tags=["durable-skip"])
    assert hits(tmp_path) == {"tagged": 2}


def test_the_environment_turns_it_on(tmp_path):
    """``DURABLE_NB_AUTO=1`` makes every cell a step from the beginning."""
    kernel = Kernel(prepare(tmp_path), {"DURABLE_NB_AUTO": "1"})
    try:
        run(kernel, SETUP, "setup")
        assert kernel.run("a = sum([1])", "a").own_lines == []
        assert len(kernel.run("a = sum([1])", "a").own_lines) == 1
    finally:
        kernel.close()
