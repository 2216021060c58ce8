"""What the timeline shows, as data: read from rows, attempts and what happened in this kernel."""

from __future__ import annotations

import itertools

import pytest

from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.pictures.bars import Bar, Lane, lanes_of

FLAKY = (
    "%%step shaky --max-attempts 4 --interval-seconds 0.02\n"
    "with open('tries', 'a') as file:\n    file.write('x')\n"
    "if len(open('tries').read()) < 3:\n    raise OSError('not yet')\nvalue = 7"
)
FETCH = (
    "from durable_nb import step, step_status\n"
    "@step(retries_allowed=True, max_attempts=3, interval_seconds=0.01)\n"
    "def fetch(n):\n"
    "    if n == 3 and step_status().current_attempt == 0:\n        raise OSError(f'busy {n}')\n"
    "    return n"
)


def notebook(shell):
    return extension_of(shell).notebook


def lanes(shell):
    return {lane.name: lane for lane in lanes_of(notebook(shell))}


def kinds(bars):
    return [bar.kind for bar in bars]


def test_attempts_and_waits_of_a_step(shell):
    """A step that fails twice has a bar per attempt and per wait, one after the other, and says what failed."""
    shell.run_cell(FLAKY)
    bars = lanes(shell)["shaky"].bars
    assert kinds(bars) == ["failed", "waiting", "failed", "waiting", "ran"]
    assert [bar.attempt for bar in bars] == [1, 1, 2, 2, 3]
    assert bars[0].note == "OSError: not yet"
    for one, two in itertools.pairwise(bars):
        assert one.start <= one.end <= two.start
    (row,) = notebook(shell).checkpoints.steps()["shaky"]
    assert bars[-1].end == row.ended_at
    assert bars[0].start == pytest.approx(row.started_at, abs=0.05)
    assert bars[1].seconds == pytest.approx(0.02, abs=0.05)
    assert lanes(shell)["shaky"].took == pytest.approx(sum(bar.seconds for bar in bars))


def test_a_wait_that_was_ended_early(shell):
    """It is as long as it was, not as long as it was planned."""
    wake = lambda event: event.wake.retry_now() if event.kind == "attempt_failed" else None
    notebook(shell).session.bus.subscribe(wake)
    shell.run_cell(FLAKY.replace("0.02", "30"))
    first, second = [bar for bar in lanes(shell)["shaky"].bars if bar.kind == "waiting"]
    assert first.seconds + second.seconds < 20


def test_a_step_that_failed(shell):
    """Its bar is a failed one, with the error that only its whole row has."""
    shell.run_cell("%%step broken\n1 / 0")
    (bar,) = lanes(shell)["broken"].bars
    assert (bar.kind, bar.note) == ("failed", "ZeroDivisionError: division by zero")


def test_lanes_are_in_the_order_of_their_beginnings(shell):
    """The picture goes from the upper left to the lower right."""
    for name in ("b", "a", "c"):
        shell.run_cell(f"%%step {name}\n{name}{name} = 1")
    assert list(lanes(shell)) == ["b", "a", "c"]


def test_calls_are_folded_into_their_cell(shell):
    """Calls in a step are in its lane; those in a plain cell have one, named after their function."""
    shell.run_cell(FETCH)
    shell.run_cell("%%step pages\nfound = [fetch(n) for n in range(5)]")
    shell.run_cell("more = [fetch(n) for n in range(10, 14)]")
    found = lanes(shell)
    assert list(found) == ["pages", "fetch()"]
    assert kinds(found["pages"].bars) == ["ran"]
    assert kinds(found["pages"].calls) == ["ran", "ran", "ran", "failed", "waiting", "ran", "ran"]
    assert found["pages"].calls[3].note == "OSError: busy 3"
    assert found["pages"].calls[3].who == "fetch 4"
    assert (found["fetch()"].bars, kinds(found["fetch()"].calls)) == ((), ["ran"] * 4)


def test_replays_of_this_kernel_are_marks(make_shell):
    """After a restart the bars are those of the recorded run; the replays are moments in this kernel."""
    cells = [FETCH, "%%step load\nrows = [1, 2]", "pages = [fetch(n) for n in range(5)]"]
    first = make_shell()
    for cell in cells:
        first.run_cell(cell)
    before = lanes(first)
    second = make_shell()
    assert lanes(second) == before
    for cell in cells:
        second.run_cell(cell)
    load, fetch = lanes(second)["load"], lanes(second)["fetch()"]
    assert kinds(load.bars) == ["ran", "replayed"]
    assert load.bars[0] == before["load"].bars[0]
    assert load.bars[1].start >= notebook(second).journal.opened_at
    assert load.bars[1].note.startswith("ran 20")
    assert kinds(fetch.calls).count("replayed") == 1
    assert fetch.replayed_calls == 5


def test_a_new_run_in_this_kernel_is_beside_the_one_before(shell):
    """Of this kernel all runs are shown, of earlier ones the newest."""
    shell.run_cell("%%step load\nrows = 1")
    shell.run_cell("%%step load --rerun\nrows = 1")
    assert kinds(lanes(shell)["load"].bars) == ["ran", "ran"]


def test_runs_of_earlier_kernels_but_the_newest_are_left_out(make_shell):
    """A notebook that was worked on for weeks shows what counts."""
    first = make_shell()
    for _ in range(3):
        first.run_cell("%%step load --rerun\nrows = 1")
    newest = lanes(first)["load"].bars[-1]
    assert lanes(make_shell())["load"].bars == (newest,)


def test_calls_of_old_code_are_left_out(shell):
    """After an edit of the function only calls of its new code count."""
    shell.run_cell(FETCH)
    loop = "pages = [fetch(n) for n in range(3)]"
    shell.run_cell(loop)
    old = lanes(shell)["fetch()"].calls
    shell.run_cell(FETCH.replace("return n", "return n + 1"))
    shell.run_cell(loop)
    new = lanes(shell)["fetch()"].calls
    assert (kinds(old), kinds(new)) == (["ran"] * 3, ["ran"] * 3)
    assert min(bar.start for bar in new) >= max(bar.end for bar in old)


def test_a_step_without_a_checkpoint_is_shown(shell):
    """What cannot be recorded is a bar of its own kind, with the reason."""
    shell.run_cell("%%step loose\nnames = len(globals())")
    (bar,) = lanes(shell)["loose"].bars
    assert bar.kind == "unsaved"
    assert "globals()" in bar.note


def test_what_is_under_way(shell):
    """While a step waits its lane ends in a wait that says when it goes on; while it runs, in a running bar."""
    seen = {}

    def look(event):
        seen.setdefault((event.kind, event.attempt), lanes(shell)["shaky"].bars)

    notebook(shell).session.bus.subscribe(look)
    shell.run_cell(FLAKY)
    waiting = seen["attempt_failed", 1]
    assert kinds(waiting) == ["failed", "waiting"]
    assert waiting[-1].note.startswith("next attempt at ")
    assert kinds(seen["attempt_started", 2]) == ["failed", "waiting", "running"]
    assert seen["attempt_started", 2][-1].attempt == 2


def test_forgotten_steps_are_gone(shell):
    """What has no row and did not happen here is not shown."""
    shell.run_cell("%%step load\nrows = 1")
    shell.run_line_magic("durable", "forget load")
    assert lanes(shell) == {}


def test_a_lane_sums_up_its_newest_run():
    """Earlier runs do not count in what it took; attempts and waits of the newest do."""
    bars = (Bar("ran", 0, 50), Bar("failed", 100, 103), Bar("waiting", 103, 105), Bar("ran", 105, 109, 2))
    assert Lane("load", (*bars, Bar("replayed", 200, 200))).took == 9
