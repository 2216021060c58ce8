"""■ (a real SIGINT) while a step saves a big value, and while a replay changes live objects."""

from __future__ import annotations

import time

import pytest
from driver import PATIENCE_SECONDS
from scenes import hits, kernel_in, ready, replayed, run, shown

from durable_nb.store.ledger import Ledger

HELD = """
import os
def held_up():
    if os.path.exists('slow') and not os.path.exists('loading'):
        os.mkdir('loading')
        import time
        time.sleep(120)
class Held:
    n = 0
    def __getstate__(self):
        return {'n': self.n}
    def __setstate__(self, state):
        self.__dict__.update(state)
        held_up()
"""
MAKE = "a_rows, held, z_rows = [1], Held(), [1]"
CHANGES = {
    "cell": "%%step change\ntally.hit('change')\na_rows.append(2)\nheld.n += 1\nz_rows.append(2)\nfresh = 5",
    "call": "fresh = change(a_rows, held, z_rows)",
}
CHANGE = """
@step
def change(a, h, z):
    tally.hit('change')
    a.append(2)
    h.n += 1
    z.append(2)
    return 5
"""
SHOW = "a_rows, held.n, z_rows, globals().get('fresh')"


@pytest.mark.parametrize("kind", ["cell", "call"])
def test_an_interrupted_replay_changes_nothing(tmp_path, kind):
    """■ in the middle of changing live objects: all of them are as before, and the next run replays."""
    with kernel_in(tmp_path) as kernel:
        run(kernel, [HELD, CHANGE, MAKE], "define")
        run(kernel, [CHANGES[kind]], "change")
        assert shown(kernel.run(SHOW)) == "([1, 2], 1, [1, 2], 5)"
        kernel.kill()
        (tmp_path / "slow").touch()
        kernel.restart()
        ready(kernel)
        run(kernel, [HELD, CHANGE, MAKE], "define")
        interrupted = kernel.run_and_interrupt(CHANGES[kind], tmp_path / "loading", "change-0")
        assert (interrupted.error_name, interrupted.seconds < 60) == ("KeyboardInterrupt", True)
        assert shown(kernel.run(SHOW)) == "([1], 0, [1], None)"
        again = kernel.run(CHANGES[kind], "change-0")
        assert kind == "call" or replayed(again, "change")
        assert shown(kernel.run(SHOW)) == "([1, 2], 1, [1, 2], 5)"
    assert hits(tmp_path) == {"change": 1}


def test_an_interrupted_save_records_nothing(tmp_path):
    """■ while a large array is being written: no row, no draft of a file; the next run is saved whole."""
    cell = "%%step big\ntally.hit('one')\nbig = np.ones(80_000_000)"
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["import numpy as np"], "define")
        running = kernel.start(cell, "big")
        deadline = time.monotonic() + PATIENCE_SECONDS
        blobs = tmp_path / ".durable_nb" / "notebook.blobs"
        while not list(blobs.glob(".draft-*")):
            assert time.monotonic() < deadline
        kernel.interrupt()
        assert kernel.finish(running).error_name == "KeyboardInterrupt"
        assert list(blobs.iterdir()) == []
        assert kernel.run(cell, "big").status == "ok"
        kernel.restart()
        ready(kernel)
        run(kernel, ["import numpy as np"], "define")
        assert replayed(kernel.run(cell, "big"), "big")
        assert shown(kernel.run("big.sum()")) == "np.float64(80000000.0)"
    assert hits(tmp_path) == {"one": 2}
    ledger = Ledger.open(tmp_path / ".durable_nb" / "notebook.duckdb", key=(tmp_path / "key").read_bytes())
    try:
        assert [head.status for head in ledger.step_heads(["cell"])] == ["success"]
    finally:
        ledger.close()
