"""Generated notebooks, killed, edited in one place and resumed."""

from __future__ import annotations

from collections import Counter

from grammar import LAYOUTS, beginnings, bodies, sharings
from hypothesis import given
from hypothesis import strategies as st
from machine import FEWEST_REPLAYED, NotebookMachine, replayed_share

EDITS = st.one_of(
    st.tuples(st.just("format"), st.integers(1, LAYOUTS - 1)),
    st.tuples(st.just("rename"), st.just("named")),
    st.tuples(st.just("edit"), bodies(largest=1)),
    st.tuples(st.just("part")),
    st.tuples(st.just("insert"), bodies(largest=1), st.booleans()),
    st.tuples(st.just("move"), st.integers(0, 20)),
    st.tuples(st.just("copy"), st.integers(0, 20)),
    st.tuples(st.just("delete")),
)


def test_a_notebook_is_edited_while_no_kernel_runs(servers):
    """Killed, edited and resumed, a notebook is like a plain one, and what the edit did not touch replays."""

    class Machine(NotebookMachine):
        counts, reasons = Counter(), Counter()

    Machine.servers = servers

    @given(beginnings(), st.lists(bodies(largest=4), min_size=2, max_size=6), sharings(), st.integers(0, 20), EDITS)
    def resumes(first, rest, shared, at, edit):
        machine = Machine()
        try:
            machine.begin(first=first, rest=rest, shared=shared)
            machine.crash()
            getattr(machine, edit[0])(at, *edit[1:])
            machine.run_all()
        finally:
            machine.teardown()

    resumes()
    assert replayed_share(Machine) >= FEWEST_REPLAYED
