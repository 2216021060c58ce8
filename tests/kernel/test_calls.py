"""Calls of ``@step`` functions in cells: a loop that was killed goes on where it died."""

from __future__ import annotations

import re

import pytest
from scenes import hits, kernel_in, play, ready, run, shown

LOOP = "rows = []\nfor i in range(12):\n    rows.append(fetch(i))\nrows"
FETCH = (
    "@step\ndef fetch(i):\n    if i == 7:\n        tally.block_once('at7')\n    tally.hit(f'f{i}')\n    return i * 10"
)


@pytest.fixture(scope="module")
def killed_loop(tmp_path_factory):
    """A loop that was killed in its 8th call, run again, run with its cell edited, and again after another kill."""
    folder = tmp_path_factory.mktemp("loop")
    results = {}
    with kernel_in(folder) as kernel:
        run(kernel, [FETCH], "fetch")
        kernel.run_until(LOOP, folder / "at7", "loop")
        results["before"] = hits(folder)
        kernel.restart()
        ready(kernel)
        run(kernel, [FETCH], "fetch")
        results["resumed"] = kernel.run(LOOP, "loop")
        results["after"] = hits(folder)
        results["edited"] = kernel.run(LOOP.replace("12", "14") + "[-1]", "loop")
        results["after edit"] = hits(folder)
        kernel.kill()
        kernel.restart()
        ready(kernel)
        run(kernel, [FETCH], "fetch")
        results["again"] = kernel.run(LOOP.replace("12", "14") + "[-1]", "loop")
        results["at last"] = hits(folder)
    return results


def test_a_killed_loop_goes_on_where_it_died(killed_loop):
    """Calls that were completed before SIGKILL replay; the one that was killed and those after it are made."""
    assert killed_loop["before"] == {f"f{i}": 1 for i in range(7)}
    assert killed_loop["after"] == {f"f{i}": 1 for i in range(12)}
    assert shown(killed_loop["resumed"]) == str([i * 10 for i in range(12)])


def test_one_line_tells_how_many_calls_replayed(killed_loop):
    """The line counts the calls, and names how to make them anew."""
    expected = "↻ 7 calls replayed (fetch.fresh(…) or --rerun to call again)"
    assert killed_loop["resumed"].own_lines == [expected]


def test_calls_replay_though_their_cell_was_edited(killed_loop):
    """The code of the cell around a call is no part of the call."""
    assert shown(killed_loop["edited"]) == "130"
    assert killed_loop["edited"].own_lines[0].startswith("↻ 12 calls replayed")
    assert killed_loop["after edit"] == {f"f{i}": 1 for i in range(14)}
    assert killed_loop["again"].own_lines[0].startswith("↻ 14 calls replayed")
    assert killed_loop["at last"] == killed_loop["after edit"]


SCENES = {
    "dice": [
        "import random\n@step\ndef dice():\n    tally.hit('dice')\n    return random.random()",
        "d1, d2 = dice(), dice()\nd1 != d2, d1, d2",
    ],
    "handled": [
        "@step\ndef hd(i):\n    tally.hit(f'hd{i}')\n    if i == 1:\n        raise ValueError('no', i)\n    return i",
        (
            "got = []\nfor i in range(3):\n    try:\n        got.append(hd(i))\n"
            "    except ValueError as e:\n        got.append(e.args)\ngot"
        ),
    ],
    "fatal": [
        "@step\ndef ft(i):\n    tally.hit(f'ft{i}')\n    if i == 1:\n        raise KeyError('no')\n    return i",
        "[ft(i) for i in range(3)]",
    ],
    "threads": [
        "from concurrent.futures import ThreadPoolExecutor\n@step\ndef th(i):\n    tally.hit(f'th{i}')\n    return -i",
        "with ThreadPoolExecutor(4) as pool:\n    out = list(pool.map(th, range(6)))\nout",
    ],
    "thread": [
        "import threading\nbox = []",
        "t = threading.Thread(target=lambda: box.append(th(100)))\nt.start()\nt.join()\nbox",
    ],
    "gather": [
        (
            "import asyncio\n@step\nasync def ga(i):\n"
            "    await asyncio.sleep(0.001 * (5 - i))\n    tally.hit(f'ga{i}')\n    return i + 1"
        ),
        "await asyncio.gather(*(ga(i) for i in range(5)))",
    ],
    "method": [
        (
            "class Client:\n    def __init__(self, base):\n        self.base = base\n    @step\n"
            "    def get(self, i):\n        tally.hit(f'me{self.base}{i}')\n        return f'{self.base}/{i}'"
        ),
        "[Client('a').get(1), Client('b').get(1)]",
    ],
    "global_edit": (
        ["ge_rate = 2", "@step\ndef ge(i):\n    tally.hit('ge')\n    return i * ge_rate", "ge(4)"],
        ["ge_rate = 3", "@step\ndef ge(i):\n    tally.hit('ge')\n    return i * ge_rate", "ge(4)"],
    ),
    "code_edit": (
        ["@step\ndef co(i):\n    tally.hit('co')\n    return i", "co(4)"],
        ["@step\ndef co(i):\n    tally.hit('co')\n    return i + 1", "co(4)"],
    ),
    "helper_edit": (
        ["def hp(v):\n    return v", "@step\ndef he(i):\n    tally.hit('he')\n    return hp(i)", "he(4)"],
        ["def hp(v):\n    return -v", "@step\ndef he(i):\n    tally.hit('he')\n    return hp(i)", "he(4)"],
    ),
    "argument": (
        ["@step\ndef ar(rows):\n    tally.hit(f'ar{len(rows)}')\n    return sum(rows)", "ar([1, 2]), ar([1, 2, 3])"],
        ["@step\ndef ar(rows):\n    tally.hit(f'ar{len(rows)}')\n    return sum(rows)", "ar([1, 2]), ar([1, 2, 4])"],
    ),
    "in_step": (
        [
            "@step\ndef ins(i):\n    tally.hit(f'in{i}')\n    return i",
            "%%step ins_s\ntotal = sum(ins(i) for i in range(3))\ntally.hit('ins_s')",
        ],
        [
            "@step\ndef ins(i):\n    tally.hit(f'in{i}')\n    return i",
            "%%step ins_s\ntotal = sum(ins(i) for i in range(4))\ntally.hit('ins_s')",
            "total",
        ],
    ),
    "nested": [
        (
            "@step\ndef inner(i):\n    tally.hit('inner')\n    return i\n@step\n"
            "def outer(i):\n    tally.hit('outer')\n    return inner(i) + inner(i)"
        ),
        "outer(2)",
    ],
    "none": ["@step\ndef no():\n    tally.hit('none')", "no() is None"],
    "fresh": ["@step\ndef fr():\n    tally.hit('fresh')\n    return 1", "fr.fresh()"],
    "unpicklable": [
        "@step\ndef un():\n    tally.hit('un')\n    return {'g': (i for i in ())}",
        "list(un()['g']), list(un()['g'])",
    ],
    "changes_argument": [
        "@step\ndef ch(rows):\n    tally.hit('ch')\n    rows.append(1)",
        "ch_rows = []\nch(ch_rows)\nch_rows",
    ],
    "retried": [
        (
            "@step(retries_allowed=True, max_attempts=4, interval_seconds=0.001)\ndef re():\n"
            "    tally.hit('re')\n    if tally.nth('re') < 3:\n        raise OSError('busy')\n    return 'ok'"
        ),
        "re()",
    ],
    "renamed_cell_function": ["@step(name='shown as')\ndef rc():\n    tally.hit('rc')\n    return 3", "rc()"],
}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return play(tmp_path_factory.mktemp("calls"), SCENES)


def calls_replayed(scene, count):
    many = "" if count == 1 else "s"
    assert re.search(rf"↻ {count} call{many} replayed \(\w+\.fresh\(…\) or --rerun to call again\)", scene.lines)


def test_equal_calls_replay_in_order(story):
    """Two calls without arguments give two values, and the replay the same two."""
    assert story["dice"].hits_first["dice"] == 2
    assert story["dice"].hits_again == {}
    assert story["dice"].value == shown(story["dice"].first[-1])
    assert story["dice"].value.startswith("(True, ")
    calls_replayed(story["dice"], 2)


def test_a_handled_error_replays(story):
    """An error that the cell handled is raised again with its type and arguments, without a call."""
    assert story["handled"].hits_first == {"hd0": 1, "hd1": 1, "hd2": 1}
    assert story["handled"].hits_again == {}
    assert story["handled"].value == "[0, ('no', 1), 2]"
    calls_replayed(story["handled"], 3)


def test_a_fatal_error_is_tried_afresh(story):
    """The call whose error ended the cell is made again; those before it replay."""
    assert story["fatal"].hits_first == {"ft0": 1, "ft1": 1}
    assert story["fatal"].hits_again == {"ft1": 1}
    assert [story["fatal"].first[-1].error_name, story["fatal"].again[-1].error_name] == ["KeyError", "KeyError"]


def test_calls_in_a_pool(story):
    """Calls in a thread pool belong to the cell that submitted them, and replay."""
    assert story["threads"].hits_first == {f"th{i}": 1 for i in range(6)}
    assert story["threads"].hits_again == {}
    assert story["threads"].value == "[0, -1, -2, -3, -4, -5]"
    calls_replayed(story["threads"], 6)


def test_calls_in_a_thread(story):
    """So do calls in a thread of the cell's own."""
    assert story["thread"].hits_first == {"th100": 1}
    assert story["thread"].hits_again == {}
    assert story["thread"].value == "[-100]"


def test_calls_in_gather(story):
    """Concurrent calls of an async step replay, each with its own value."""
    assert story["gather"].hits_first == {f"ga{i}": 1 for i in range(5)}
    assert story["gather"].hits_again == {}
    assert story["gather"].value == "[1, 2, 3, 4, 5]"
    calls_replayed(story["gather"], 5)


def test_methods_of_notebook_classes(story):
    """A method is a step too; the object that it belongs to is an argument."""
    assert story["method"].hits_first == {"mea1": 1, "meb1": 1}
    assert story["method"].hits_again == {}
    assert story["method"].value == "['a/1', 'b/1']"


@pytest.mark.parametrize(
    ("scene", "value", "line"),
    [
        ("global_edit", "12", "↻ running ge again: ge_rate changed (int 2 → int 3)"),
        ("code_edit", "5", "↻ running co again: its code changed (line 4)"),
        ("helper_edit", "-4", "↻ running he again: hp changed"),
    ],
)
def test_an_edit_of_what_a_call_depends_on_calls_again(story, scene, value, line):
    """A global that the function reads, its code, or the code of a helper; the line says which."""
    assert sum(story[scene].hits_first.values()) == 1
    assert sum(story[scene].hits_again.values()) == 1
    assert story[scene].value == value
    assert story[scene].lines == line


def test_arguments_count_by_value(story):
    """A call with an equal list replays; one with another is made."""
    assert story["argument"].hits_again == {"ar3": 1}
    assert story["argument"].value == "(3, 7)"


def test_calls_in_an_edited_step_cell(story):
    """A ``%%step`` cell that runs again since its code was edited makes only the calls that are new."""
    assert story["in_step"].hits_again == {"in3": 1, "ins_s": 1}
    assert story["in_step"].value == "6"


def test_a_step_in_a_step_belongs_to_the_outer_one(story):
    """The outer call replays as one; the inner ones are not looked at."""
    assert story["nested"].hits_first == {"outer": 1, "inner": 2}
    assert story["nested"].hits_again == {}
    assert story["nested"].value == "4"
    calls_replayed(story["nested"], 1)


def test_none_is_a_result(story):
    """A call that returned None replays."""
    assert story["none"].hits_again == {}
    assert story["none"].value == "True"
    calls_replayed(story["none"], 1)


def test_fresh_calls_anew(story):
    """``fetch.fresh()`` makes the call though it was recorded."""
    assert story["fresh"].hits_again == {"fresh": 1}


def test_a_result_that_cannot_be_saved_is_returned_all_the_same(story):
    """The caller has the value, and one line names the step and the culprit."""
    assert story["unpicklable"].hits_first == {"un": 2}
    assert story["unpicklable"].hits_again == {"un": 2}
    assert story["unpicklable"].value == "([], [])"
    lines = story["unpicklable"].first[-1].own_lines
    assert len(lines) == 1
    assert lines[0].startswith("↻ step un was not recorded: result['g']: generator cannot be saved")


def test_what_a_call_changes_in_its_argument_is_changed_again(story):
    """It is not made again: its replay changes the argument itself."""
    assert (story["changes_argument"].hits_first, story["changes_argument"].hits_again) == ({"ch": 1}, {})
    assert story["changes_argument"].value == "[1]"
    calls_replayed(story["changes_argument"], 1)


def test_a_retried_call(story):
    """Its failed attempts are one line that says in the end how it went; the call replays as one."""
    assert story["retried"].hits_first == {"re": 3}
    assert story["retried"].hits_again == {}
    (line,) = story["retried"].first[-1].own_lines
    assert line.partition(" · waited")[0] == "↻ re: succeeded at attempt 3 of 4 after 2 failed (OSError ×2)"
    assert story["retried"].value == "'ok'"


def test_a_named_call_replays(story):
    """A name given to a step changes nothing about its replay."""
    assert (story["renamed_cell_function"].hits_first, story["renamed_cell_function"].hits_again) == ({"rc": 1}, {})


def test_a_killed_step_cell_keeps_the_calls_it_made(tmp_path):
    """A ``%%step`` cell that dies in its 8th call runs again from its top, and its first 7 calls replay."""
    with kernel_in(tmp_path) as kernel:
        run(kernel, [FETCH], "fetch")
        kernel.run_until("%%step all --max-attempts 2\n" + LOOP, tmp_path / "at7", "loop")
        kernel.restart()
        ready(kernel)
        run(kernel, [FETCH], "fetch")
        result = kernel.run("%%step all --max-attempts 2\n" + LOOP, "loop")
    assert shown(result) == str([i * 10 for i in range(12)])
    assert hits(tmp_path) == {f"f{i}": 1 for i in range(12)}
