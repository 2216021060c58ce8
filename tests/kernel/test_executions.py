"""Executions of a notebook in real kernels: a new one runs everything, one that was killed goes on."""

from __future__ import annotations

from driver import Kernel
from scenes import SETUP, hits, prepare, run, shown

CELLS = [
    "@step\ndef call(n):\n    tally.hit('call')\n    return n",
    "%%step first\ntally.hit('first')\na = call(1)",
    "tally.hit('plain')\nb = call(2)",
    "%%step last\ntally.hit('last')\ntally.block_once('blocked')\nc = a + b",
]
EVERYTHING = {"call": 2, "first": 1, "plain": 1, "last": 1}
COMPLETE = "from durable_nb.core.session import active_session\nactive_session().complete_execution().result()"


def kernel_for(tmp_path, execution_id="", **env):
    named = {"DURABLE_NB_EXECUTION_ID": execution_id} if execution_id else {}
    kernel = Kernel(tmp_path, named | env)
    run(kernel, SETUP, "setup")
    return kernel


def completed_run(tmp_path, execution_id="", **env):
    """Run the notebook to its end; return what ran, by count."""
    before = hits(tmp_path)
    kernel = kernel_for(tmp_path, execution_id, **env)
    try:
        results = run(kernel, CELLS)
        assert [each.status for each in results] == ["ok"] * len(CELLS)
        if execution_id:
            assert kernel.run(COMPLETE).status == "ok"
        return hits(tmp_path) - before
    finally:
        kernel.close()


def test_a_new_execution_runs_everything_and_one_that_was_killed_goes_on(tmp_path):
    """Checkpoints of other executions do not count; those of its own do, from any kernel."""
    prepare(tmp_path)
    (tmp_path / "blocked").mkdir()
    assert completed_run(tmp_path, "monday") == EVERYTHING
    (tmp_path / "blocked").rmdir()
    before = hits(tmp_path)
    killed = kernel_for(tmp_path, "tuesday")
    run(killed, CELLS[:-1])
    killed.run_until(CELLS[-1], tmp_path / "blocked", "cell-3")
    killed.close()
    assert hits(tmp_path) - before == EVERYTHING
    assert completed_run(tmp_path, "tuesday") == {"plain": 1, "last": 1}
    assert completed_run(tmp_path, "tuesday") == {"plain": 1}
    assert completed_run(tmp_path, "monday") == {"plain": 1}


def test_reuse_and_people_take_all_checkpoints(tmp_path):
    """``DURABLE_NB_REUSE`` makes those of others count; where nobody names executions all do."""
    prepare(tmp_path)
    (tmp_path / "blocked").mkdir()
    assert completed_run(tmp_path) == EVERYTHING
    assert completed_run(tmp_path, "monday", DURABLE_NB_REUSE="1") == {"plain": 1}
    assert completed_run(tmp_path, "tuesday") == EVERYTHING
    assert completed_run(tmp_path) == {"plain": 1}


def test_attempts_of_another_execution_do_not_count(tmp_path):
    """A new execution has the whole budget of attempts, though another one died in its second attempt."""
    prepare(tmp_path)
    cell = (
        "%%step flaky --max-attempts 3 --interval-seconds 0\nn = tally.nth('try')\ntally.hit('try')\n"
        "if n == 2: tally.block_once('blocked')\nif n < 3: raise ConnectionError\nn"
    )
    killed = kernel_for(tmp_path, "monday")
    killed.run_until(cell, tmp_path / "blocked", "cell")
    killed.close()
    other = kernel_for(tmp_path, "tuesday")
    try:
        assert shown(other.run(cell, "cell")) == "3"
    finally:
        other.close()
    assert hits(tmp_path) == {"try": 2 + 3}


def test_the_magic_names_and_tells_the_execution(tmp_path):
    """``%durable execution ID`` begins or goes on with one; alone it tells which goes on."""
    kernel = kernel_for(prepare(tmp_path))
    try:
        assert "the notebook is one long execution" in kernel.run("%durable execution", "ask").own_lines[0]
        kernel.run("%%step s\ntally.hit('s')\nx = 1", "s")
        assert "execution nightly goes on since 20" in kernel.run("%durable execution nightly", "name").own_lines[-1]
        kernel.run("%%step s\ntally.hit('s')\nx = 1", "s")
        kernel.run("%%step s\ntally.hit('s')\nx = 1", "s")
        assert hits(tmp_path) == {"s": 2}
        assert "takes one id" in kernel.run("%durable execution a b", "bad").text
    finally:
        kernel.close()
