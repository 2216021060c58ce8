"""Generated notebooks in real kernels, killed in a cell that was edited."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

from fork_server import Died, Shown
from grammar import beginnings, bodies, sharings
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import FEWEST_REPLAYED, POINTS, NotebookMachine, replayed_share

sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from driver import Kernel

EXAMPLES = 20
_WATCH = "__import__('snapshot').watch()"


class KernelShell:
    """A real kernel with the extension, driven as the forked shells are."""

    def __init__(self, folder):
        self._kernel = Kernel(folder, {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"})
        self._kernel.ask(_WATCH)
        assert self._kernel.run("%load_ext durable_nb", "load").status == "ok"

    def run(self, code, cell_id, mentions=()):
        """Run a cell."""
        look = f"{_WATCH}.look(get_ipython(), {sorted(mentions)})"
        before, _, ticks = json.loads(self._kernel.ask(look))
        try:
            result = self._kernel.run(code, cell_id)
        except RuntimeError as error:
            raise Died from error
        _, notebook, ticks_after = json.loads(self._kernel.ask(look))
        errors = [f"{each['ename']}: {each['evalue']}" for each in result.foreign if each["output_type"] == "error"]
        return Shown(
            text="".join(each.get("text") or each.get("data", {}).get("text/plain", "") for each in result.foreign),
            error="".join(errors),
            lines=result.own_lines,
            ticks=ticks_after - ticks,
            before=before,
            unchanged=False,
            notebook=notebook,
        )

    def die_at(self, point):
        """Let the next step that gets to ``point`` kill the kernel."""
        self._kernel.ask(f"{_WATCH}.die_at({point!r})")

    def kill(self):
        """SIGKILL it, if it lives."""
        self._kernel.close()


def test_a_real_kernel_dies_in_an_edited_cell(servers):
    """Killed in a cell that was just edited, and run again from the top, a notebook is like a plain one."""

    class Machine(NotebookMachine):
        counts, reasons = Counter(), Counter()

        def new_shell(self):
            return KernelShell(self.folder)

        def as_compared(self, text):
            return re.sub(r"Out\[\d+\]: ", "", text).split()

    Machine.servers = servers

    @settings(max_examples=EXAMPLES)
    @given(
        beginnings(),
        st.lists(bodies(largest=4), min_size=2, max_size=6),
        sharings(),
        st.tuples(st.integers(0, 20), bodies(), st.sampled_from(POINTS)),
    )
    def resumes(first, rest, shared, edit):
        at, body, point = edit
        machine = Machine()
        machine.folder.joinpath("notebook.ipynb").write_text("{}")
        try:
            machine.begin(first=first, rest=rest, shared=shared)
            machine.edit(at, body)
            machine.die_in(machine.cells[at % len(machine.cells)], point)
        finally:
            machine.teardown()

    resumes()
    assert Machine.counts["deaths"] > 0
    assert replayed_share(Machine) >= FEWEST_REPLAYED
