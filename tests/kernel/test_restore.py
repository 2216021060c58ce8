"""``%durable restore`` in real kernels: the last state is bound, no cell runs, and what is not bound is told."""

from __future__ import annotations

import numpy as np
import pytest
from scenes import hits, kernel_in, ready, run, shown

CELLS = [
    "import numpy as np\nFACTOR = 3",
    "def times(x):\n    return x * FACTOR",
    "%%step load\ntally.hit('load')\nrows = [{'n': 1}, {'n': 2}]\nnumbers = np.arange(4.0)",
    "%%step change\ntally.hit('change')\nrows[0]['m'] = times(2)\nfirst = rows[0]\nprint('shown once')",
    "%%step draw\ntally.hit('draw')\ndrawn = np.random.rand(2)",
]
ON_DISK = "from durable_nb.core.session import active_session\nactive_session().ledger.flush()"
STATE = "rows, first is rows[0], numbers.tolist(), drawn.tolist()"


def restored(folder, cells, asked):
    """Run cells, kill the kernel, restore, and return the report and what the last cells show."""
    with kernel_in(folder) as kernel:
        results = run(kernel, cells)
        assert [each.status for each in results] == ["ok"] * len(cells), [each.text for each in results]
        whole = [shown(kernel.run(each, "asked")) for each in asked]
        kernel.kill()
        kernel.restart()
        ready(kernel)
        before = hits(folder)
        report = kernel.run("%durable restore", "restore")
        again = [kernel.run(each, "asked") for each in asked]
        assert hits(folder) == before
        return report, whole, again


def test_the_last_state_is_bound_without_running_cells(tmp_path):
    """Values, aliases, functions, imports and the random stream are as they were, and nothing is shown again."""
    report, whole, again = restored(tmp_path, CELLS, [STATE, "times(5), np.random.rand()"])
    assert [shown(each) for each in again] == whole
    assert "restored 3 of 3 steps" in report.text
    assert "shown once" not in report.text
    assert "FACTOR, drawn, first, np, numbers, rows" in report.text


def test_what_a_plain_cell_may_have_changed_is_left_out(tmp_path):
    """A name that a cell without ``%%step`` read or bound after the step is not bound; the cell to run is named."""
    report, _, again = restored(
        tmp_path, [*CELLS, "rows.append(3)\ntotal = len(rows)", "%%step last\nend = total"], ["rows"]
    )
    assert again[0].error_name == "NameError"
    assert "first, rows: may have been changed by the cell that begins 'rows.append(3)': run that cell" in report.text
    assert "total: bound by the cell that begins 'rows.append(3)', which is no step: run that cell" in report.text
    assert "last: it reads total, which is not bound; run its cell" in report.text
    assert "restored 3 of 4 steps" in report.text


def test_a_step_whose_input_changed_is_told(tmp_path):
    """A step that ran before what it reads was made anew is not restored: its values belong to older ones."""
    edited = "%%step load\nrows = [{'n': 7}, {'n': 8}]\nnumbers = np.arange(4.0)"
    report, _, again = restored(tmp_path, [*CELLS[:4], edited], ["rows"])
    assert shown(again[0]) == "[{'n': 7}, {'n': 8}]"
    assert "change: rows changed" in report.text


def test_an_edit_of_a_helper_is_told(tmp_path):
    """Definitions are made again as they were run last."""
    edited = CELLS[1].replace("FACTOR", "FACTOR + 1")
    with kernel_in(tmp_path) as kernel:
        run(kernel, CELLS)
        kernel.run(edited, "cell-1")
        kernel.run(ON_DISK)  # nobody waits for the note of a plain cell, and the kill must not come before it
        kernel.kill()
        kernel.restart()
        ready(kernel)
        report = kernel.run("%durable restore", "restore")
        assert "change: times changed" in report.text
        assert shown(kernel.run("times(5)", "asked")) == "16"


def test_large_arrays_are_mapped(tmp_path):
    """An array of the ledger is usable at once: restored by a private map of its file, which is not read."""
    cell = "%%step big\nbig = np.zeros(20_000_000)\nbig[:] = 7"
    maps = "sum('.blobs/' in line for line in open('/proc/self/maps'))"
    report, _, again = restored(tmp_path, [CELLS[0], cell], [maps, "big[-1], big.flags.writeable"])
    assert "restored 1 of 1 steps" in report.text
    assert int(shown(again[0])) >= 1
    assert shown(again[1]) == repr((np.float64(7.0), True))


def test_a_cell_that_was_edited_or_was_a_step_counts_with_what_it_ran(tmp_path):
    """What a cell did before it was edited stays done; one that was a step, or that adds to a literal, rebinds."""
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["count = 1", "%%step\nrows = [1]", "%%step\nother = [2]", "%%step\nkept = [3]"])
        for cell_id, code in (
            ("edited", "rows.append(2)"), ("edited", "print('no trace of it')"),
            ("cell-2", "other = make() if False else [4]"), ("bump", "count += 1"), ("asked", ON_DISK),
        ):  # fmt: skip
            assert kernel.run(code, cell_id).status == "ok"
        kernel.kill()
        kernel.restart()
        ready(kernel)
        report = kernel.run("%durable restore", "restore")
        assert shown(kernel.run("sorted({'rows', 'other', 'kept', 'count'} & globals().keys()), kept", "q")) == (
            "(['kept'], [3])"
        )
    assert "rows: may have been changed by the cell that begins 'rows.append(2)'" in report.text
    assert "count: may have been changed by the cell that begins 'count += 1'" in report.text
    assert "other: " in report.text


def test_nothing_of_a_foreign_store_is_bound_or_run(tmp_path):
    """Neither values nor definitions of a store that was written with another key; one line says how to trust it."""
    leaves_a_mark = "class Mark:\n    open('mark', 'w').close()"
    with kernel_in(tmp_path, {"DURABLE_NB_KEY_FILE": str(tmp_path / "theirs")}) as kernel:
        run(kernel, [*CELLS, leaves_a_mark, ON_DISK])
    (tmp_path / "mark").unlink()
    with kernel_in(tmp_path, {"DURABLE_NB_KEY_FILE": str(tmp_path / "mine")}) as kernel:
        report = kernel.run("%durable restore", "restore")
        assert "nothing was restored" in report.text
        assert "%durable trust" in report.text
        assert shown(kernel.run("{'rows', 'times', 'Mark'} & globals().keys()", "asked")) == "set()"
        assert not (tmp_path / "mark").exists()
        kernel.run("%durable trust", "trust")
        assert "restored 3 of 3 steps" in kernel.run("%durable restore", "again").text
        assert (tmp_path / "mark").exists()


def test_commands_are_not_given_again(tmp_path):
    """Shell commands and magics that act do so once, when their cell runs; those that set the shell up are repeated."""
    acts = ["%%bash\necho >> bash", "!echo >> shell", "%time open('time', 'a').write('x')", "%precision 3"]
    report, _, again = restored(tmp_path, [*CELLS, *acts, ON_DISK], ["1 / 3"])
    assert "restored 3 of 3 steps" in report.text
    assert shown(again[0]) == "0.333"
    assert [(tmp_path / name).stat().st_size for name in ("bash", "shell", "time")] == [1, 1, 1]


def test_what_a_quick_cell_of_auto_mode_may_have_changed_is_left_out(tmp_path):
    """What a cell that auto mode found not worth a checkpoint changed is not bound as a step had left it."""
    cells = [
        "%durable auto on",
        "tally.hit('made')\nrows = [[n, {n: n}] for n in range(2000)]\nkept = max(1, 2)",
        "last = rows.pop()",
    ]
    report, whole, again = restored(tmp_path, cells, ["kept", "len(rows)"])
    assert [shown(again[0]), whole[1]] == ["2", "1999"]
    assert again[1].error_name == "NameError"
    assert "rows: may have been changed by the cell that begins 'last = rows.pop()': run that cell" in report.text


LARGE = "[[n, [n]] for n in range(2000)]"


@pytest.mark.parametrize(
    ("does", "runs", "bound"),
    [
        ("sum(each['n'] for each in rows)", 1, True),
        ("rows.append({'n': 3})", 1, False),
        ("rows[0] = dict(rows[0])", 1, False),
        ("rows[0]['n'] += 1 if not seen else 0\nseen.append(1)", 2, False),
    ],
)
def test_what_a_quick_cell_of_auto_mode_left_as_it_was_is_bound(tmp_path, does, runs, bound):
    """A cell not worth a checkpoint that only read a value does not keep it from being bound; one that changed it does.

    That holds for an equal object in another's place, and for any of its runs.
    """
    quick = f"{does}\nlarge = {LARGE}"
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["%durable auto on", "rows = [dict(n=1), dict(n=max(1, 2))]", "seen = list(())"])
        for _ in range(runs):
            assert kernel.run(quick, "quick").status == "ok"
        kernel.run(ON_DISK)
        kernel.kill()
        kernel.restart()
        ready(kernel)
        kernel.run("%durable restore", "restore")
        assert kernel.run("large", "asked").error_name == "NameError"
        asked = kernel.run("rows", "asked")
        assert shown(asked) == "[{'n': 1}, {'n': 2}]" if bound else asked.error_name == "NameError"
