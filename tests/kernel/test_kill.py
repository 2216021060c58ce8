"""Deaths and interrupts at every point of a step's life, and where its attempts go on."""

from __future__ import annotations

import json

import pytest
from driver import PATIENCE_SECONDS
from scenes import hits, kernel_in, ready, replayed, run, shown

POINTS = ("before_body", "after_body", "in_commit", "after_commit")
CALL = "@step\ndef call_{0}():\n    tally.hit('call_{0}')\n    return 7"
BLOCKING = (
    "%%step {0} --max-attempts {1} --interval-seconds {2}\ntally.hit('{0}')\n"
    "n = tally.nth('{0}')\nif n == {3}:\n    tally.block_once('{0}_blocks')\nraise ValueError(n)"
)


def die(kernel, code, cell_id):
    """Run a cell that kills the kernel, and start the next one."""
    kernel.start(code, cell_id)
    kernel._manager.provisioner.process.wait(timeout=PATIENCE_SECONDS)
    kernel.restart()
    ready(kernel)


@pytest.fixture(scope="module")
def deaths(tmp_path_factory):
    """For each point: the hits at the death, after the next run, and what that run showed; cells and calls."""
    folder = tmp_path_factory.mktemp("deaths")
    found = {}
    with kernel_in(folder) as kernel:
        for point in POINTS:
            cell = f"%%step cell_{point}\nvalue_{point} = 42\ntally.hit('cell_{point}')\nprint('shown')"
            run(kernel, [f"from durable_nb.testing import crash_at\ncrash_at('{point}', 'cell_{point}')"], "arm")
            die(kernel, cell, f"cell-{point}")
            at_death = hits(folder)[f"cell_{point}"]
            result = kernel.run(cell, f"cell-{point}")
            value = shown(kernel.run(f"value_{point}", "value"))
            found["cell", point] = (at_death, hits(folder)[f"cell_{point}"], result, value)

            run(kernel, [CALL.format(point)], "define")
            run(kernel, [f"from durable_nb.testing import crash_at\ncrash_at('{point}', 'call_{point}')"], "arm")
            die(kernel, f"call_{point}()", f"call-{point}")
            at_death = hits(folder)[f"call_{point}"]
            run(kernel, [CALL.format(point)], "define")
            result = kernel.run(f"call_{point}()", f"call-{point}")
            found["call", point] = (at_death, hits(folder)[f"call_{point}"], result, shown(result))
        before = hits(folder)
        kernel.kill()
        kernel.restart()
        ready(kernel)
        for point in POINTS:
            cell = f"%%step cell_{point}\nvalue_{point} = 42\ntally.hit('cell_{point}')\nprint('shown')"
            assert replayed(kernel.run(cell, f"cell-{point}"), f"cell_{point}")
        found["all replay"] = hits(folder) - before
    return found


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(("kind", "value"), [("cell", "42"), ("call", "7")])
def test_a_death_at_every_point(deaths, kind, value, point):
    """Only a step whose transaction was committed replays after a death; any other runs again."""
    at_death, after, result, found = deaths[kind, point]
    ran_before_death = 0 if point == "before_body" else 1
    runs_again = 0 if point == "after_commit" else 1
    assert (at_death, after) == (ran_before_death, ran_before_death + runs_again)
    assert found == value
    assert any("replayed" in line for line in result.own_lines) == (not runs_again)


def test_all_replay_after_deaths(deaths):
    """The store that lived through the deaths has one checkpoint of each step."""
    assert deaths["all replay"] == {}


def test_a_death_in_the_body(tmp_path):
    """A cell that died in its body runs again from its top, and then replays."""
    cell = "%%step body\ntally.hit('died')\ntally.block_once('blocked')\nbody = 5\nbody"
    with kernel_in(tmp_path) as kernel:
        kernel.run_until(cell, tmp_path / "blocked", "body")
        kernel.restart()
        ready(kernel)
        assert shown(kernel.run(cell, "body")) == "5"
        assert hits(tmp_path)["died"] == 2
        assert replayed(kernel.run(cell, "body"), "body")
        assert hits(tmp_path)["died"] == 2


def test_attempts_go_on_after_a_death(tmp_path):
    """A kernel killed in attempt 3 of 5 goes on at attempt 4; the error that ends it gives a fresh budget."""
    cell = BLOCKING.format("five", 5, 0.01, 3)
    with kernel_in(tmp_path) as kernel:
        kernel.run_until(cell, tmp_path / "five_blocks", "five")
        assert hits(tmp_path)["five"] == 3
        kernel.restart()
        ready(kernel)
        ended = kernel.run(cell, "five")
        assert hits(tmp_path)["five"] == 5
        texts = [c["data"]["text/plain"] for kind, c in ended.messages if kind == "display_data"]
        assert "↻ five goes on at attempt 4 of 5" in texts
        how = "↻ five: failed at attempt 5 of 5 (ValueError ×2) · went on at attempt 4 after a restart"
        assert [line.partition(" · waited")[0] for line in ended.own_lines] == [how]
        assert ended.error_name == "MaxStepRetriesExceeded"
        kernel.run(cell, "five")
        assert hits(tmp_path)["five"] == 10


def test_attempts_of_an_unrecorded_run_are_over(tmp_path):
    """A step that ended without a row begins at attempt 1 the next time, and is not taken for one that died."""
    cell = (
        "%%step odd --max-attempts 3 --interval-seconds 0.01\n"
        "from durable_nb import register\nfrom pathlib import Path\n"
        "with open('odd_tries', 'a') as tries: tries.write('.')\n"
        "if Path('odd_tries').stat().st_size == 1: raise OSError('busy')\n"
        "register(complex, stateless=True)"
    )
    with kernel_in(tmp_path) as kernel:
        assert any("odd was not checkpointed" in line for line in kernel.run(cell, "odd").own_lines)
        assert (tmp_path / "odd_tries").read_text() == ".."
        assert not [line for line in kernel.run(cell, "odd").own_lines if "goes on" in line]
        kernel.run("%unload_ext durable_nb", "unload")
    assert json.loads((tmp_path / ".durable_nb/notebook.json").read_text())["attempts"] == []


CLOCK = (
    "from durable_nb.core.session import active_session\nfrom durable_nb.testing import FakeClock\n"
    "clock = active_session().clock = FakeClock({0})\nclock.on_wait = lambda wake: tally.block_once('waits')"
)


WENT_ON = (
    "↻ wait: succeeded at attempt 2 of 2 after 1 failed (ValueError) · "
    "went on at attempt 2 after a restart · waited 6.0 s"
)


def test_a_backoff_keeps_its_deadline_over_a_death(tmp_path):
    """A kernel killed in its backoff tries again when that was due, not later and not at once; another cell at once."""
    cell = (
        "%%step wait --max-attempts 2 --interval-seconds 10\ntally.hit('wait')\n"
        "if not os.path.exists('waits'):\n    raise ValueError('first')\nwaited = 1"
    )
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["import os", CLOCK.format(1000)])
        kernel.run_until(cell, tmp_path / "waits", "wait")
        kernel.restart()
        ready(kernel)
        run(kernel, ["import os", CLOCK.format(1004)])
        assert kernel.run(cell + "\nother = 1", "other").status == "ok"  # other code: no attempt is kept for it
        assert shown(kernel.run("clock.waits", "waits")) == "[]"
        result = kernel.run(cell, "wait")
        assert (result.status, result.own_lines) == ("ok", [WENT_ON])
        assert shown(kernel.run("clock.waits", "waits")) == "[6.0]"
    assert hits(tmp_path) == {"wait": 3}


def test_interrupts(tmp_path):
    """■ in a body and in a backoff is a KeyboardInterrupt at once; nothing is recorded, and the budget is fresh."""
    body = (
        "%%step stop --max-attempts 3\ntally.hit('stop')\n"
        "open('runs', 'w').close()\nimport threading\nthreading.Event().wait(60)"
    )
    backoff = "%%step back --max-attempts 2 --interval-seconds 60\ntally.hit('back')\nraise ValueError"
    asynchronous = "%%step later --max-attempts 2\nimport asyncio\nopen('waits', 'w').close()\nawait asyncio.sleep(60)"
    with kernel_in(tmp_path) as kernel:
        for code, when in ((body, tmp_path / "runs"), (backoff, "next in 1 m 0 s"), (asynchronous, tmp_path / "waits")):
            result = kernel.run_and_interrupt(code, when, "cell")
            assert result.error_name == "KeyboardInterrupt"
            assert result.seconds < 30  # of the minute that was left
        assert hits(tmp_path) == {"stop": 1, "back": 1}
        again = kernel.run_and_interrupt(backoff, "next in 1 m 0 s", "cell")
        assert "goes on at" not in again.text
        assert hits(tmp_path)["back"] == 2
        assert shown(kernel.run("%durable", "table")).splitlines()[1:] == []
        kernel.kill()
        kernel.restart()
        ready(kernel)
        again = kernel.run_and_interrupt(backoff, "next in 1 m 0 s", "cell")
        assert "goes on at" not in again.text
        assert hits(tmp_path)["back"] == 3


def test_attempts_start_from_the_same_names(tmp_path):
    """What a failed attempt bound, rebound or deleted is put back before the next; the line counts the failures."""
    cells = [
        "given, doomed = 'before', 1",
        (
            "%%step iso --max-attempts 3 --interval-seconds 0.01\n"
            "try:\n    left\n    seen = 'left over'\nexcept NameError:\n    seen = (given, doomed)\n"
            "given = 'changed'\nleft = 1\ndel doomed\nprint('attempt')\n"
            "if tally.nth('iso') < 3:\n    raise ValueError('once more')"
        ),
        "seen, given, left, 'doomed' in globals()",
    ]
    with kernel_in(tmp_path) as kernel:
        _, body, after = run(kernel, cells)
        assert shown(after) == "(('before', 1), 'changed', 1, False)"
        assert shown(body).split() == ["attempt"] * 3
        (line,) = body.own_lines
        assert line.partition(" · waited")[0] == "↻ iso: succeeded at attempt 3 of 3 after 2 failed (ValueError ×2)"
        kernel.restart()
        ready(kernel)
        _, body, after = run(kernel, cells)
        assert replayed(body, "iso")
        assert shown(after) == "(('before', 1), 'changed', 1, False)"


def test_retry_lines(tmp_path):
    """While retrying, one line tells the attempt, its error and the wait; the exhaustion names step and attempts."""
    cell = BLOCKING.format("bad", 3, 0.2, 99)
    with kernel_in(tmp_path) as kernel:
        result = kernel.run(cell, "bad")
        lines = [c["data"]["text/plain"] for kind, c in result.messages if c.get("metadata", {}).get("durable_nb")]
        assert lines[0] == "↻ bad: attempt 1 of 3 failed (ValueError: 1); next in 0.2 s"
        assert lines[-1].startswith("↻ bad: failed at attempt 3 of 3 (ValueError ×3) · waited 0.")
        assert "MaxStepRetriesExceeded: step bad failed on all 3 attempts: ValueError: 3" in result.error
        assert "durable_nb" not in result.error
        plain_error = kernel.run("%%step one\nraise KeyError('k')", "one")
        assert (plain_error.error_name, plain_error.own_lines) == ("KeyError", [])


def test_the_line_at_loading_says_what_the_kernel_died_in(tmp_path):
    """It names the step and its attempt, what is safe, and how to go on; once all is complete, what is checkpointed."""
    cell = (
        "%%step train --max-attempts 5 --interval-seconds 0\ntally.hit('try')\n"
        "if tally.nth('try') == 1: raise OSError\ntally.block_once('blocked')"
    )
    with kernel_in(tmp_path) as kernel:
        kernel.run("%%step load\nrows = [1]", "load")
        kernel.run_until(cell, tmp_path / "blocked", "train")
        kernel.restart()
        line = kernel.run("%load_ext durable_nb", "ext").own_lines[0]
        assert line == (
            "↻ the kernel ended during train, attempt 2 of 5; 1 step checkpointed: run the cells to go on there"
        )
        kernel.run("import tally", "tally")
        kernel.run(cell, "train")
        kernel.kill()
        kernel.restart()
        line = kernel.run("%load_ext durable_nb", "ext").own_lines[0]
        assert line.startswith("↻ 2 steps checkpointed, the newest 20")
        assert line.endswith(": run the cells to resume, or %durable restore")
