"""Generated notebooks: no stale hit, no needless miss, whatever is edited and whenever the kernel dies."""

from __future__ import annotations

from collections import Counter

from hypothesis.stateful import run_state_machine_as_test
from machine import FEWEST_REPLAYED, NotebookMachine, replayed_share


def test_a_resumed_notebook_is_like_one_that_never_stopped(servers):
    """After any edits, runs and deaths, names, sharing and outputs are those of a plain run, and checkpoints replay."""

    class Machine(NotebookMachine):
        counts, reasons = Counter(), Counter()

    Machine.servers = servers
    run_state_machine_as_test(Machine)
    assert Machine.counts["deaths"] > 0
    assert replayed_share(Machine) >= FEWEST_REPLAYED
