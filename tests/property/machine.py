"""A notebook that is edited, run, killed and resumed, beside a plain one that is never interrupted."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from fork_server import Died
from grammar import LAYOUTS, SETUP, Body, beginnings, bodies, sharings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

POINTS = ("tick", "before_body", "after_body", "in_commit", "after_commit")
FEWEST_REPLAYED = 0.6
"""The least share of unchanged steps that must replay, so that always running again is no way to be right."""
REPLAYED, UNRECORDED = "↻ replayed ", "was not checkpointed and will run again: "


@dataclass(frozen=True)
class Cell:
    """A cell of the notebook.

    Attributes:
        id: as JupyterLab gives it; stays with the cell.
        body: its code.
        step: whether it is a ``%%step``.
        name: of the step; may be empty.
    """

    id: str
    body: Body
    step: bool = True
    name: str = ""

    def source(self, *flags):
        """Return the cell as it is run with the extension."""
        first = " ".join(("%%step", self.name, *flags)).rstrip() + "\n" if self.step else ""
        return first + self.body.source


class NotebookMachine(RuleBasedStateMachine):
    """Two notebooks of the same cells: one with the extension, that dies and resumes, and a plain one.

    Class attributes:
        servers: fork the shells; the durable ones in turn.
        counts: what the steps of all examples did.
        reasons: why steps were not checkpointed.
    """

    servers = ()
    counts = Counter()
    reasons = Counter()

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="notebook"))
        self.cells = []
        self.made = 0
        self.lives = 0
        self.shell = self.plain = None
        self.holds = defaultdict(set)  # (meaning, names it mentions as text) -> ids of cells checkpointed so
        self.ran = defaultdict(set)  # the same of all that completed

    # -- what a person does

    @initialize(first=beginnings(), rest=st.lists(bodies(), min_size=1, max_size=4), shared=sharings())
    def begin(self, first, rest, shared):
        for body in (*first, *rest, *shared):
            self.insert(len(self.cells), body, step=True)
        self.run_all()

    @precondition(lambda self: len(self.cells) < 16)
    @rule(at=st.integers(0, 20), body=bodies(), step=st.sampled_from([True, True, True, False]))
    def insert(self, at, body, step):
        self.made += 1
        self.cells.insert(min(at, len(self.cells)), Cell(f"cell-{self.made}", body, step))

    @rule(at=st.integers(0, 20), to=st.integers(0, 20))
    def copy(self, at, to):
        self.insert(to, self._at(at).body, self._at(at).step)

    @rule(at=st.integers(0, 20), body=bodies())
    def edit(self, at, body):
        self._change(at, body=body)

    @rule(at=st.integers(0, 20))
    def part(self, at):
        """Let a cell copy what it shared, or share what it copied."""
        found = [number for number, cell in enumerate(self.cells) if cell.body.twin]
        if found:
            at = found[at % len(found)]
            self._change(at, body=self.cells[at].body.twin)

    @rule(at=st.integers(0, 20), layout=st.integers(0, LAYOUTS - 1))
    def format(self, at, layout):
        self._change(at, body=replace(self._at(at).body, layout=layout))

    @rule(at=st.integers(0, 20), name=st.sampled_from(["", "load", "fit"]))
    def rename(self, at, name):
        if name not in {cell.name for cell in self.cells}:
            self._change(at, name=name)

    @precondition(lambda self: len(self.cells) > 2)
    @rule(at=st.integers(0, 20))
    def delete(self, at):
        self.cells.remove(self._at(at))

    @rule(at=st.integers(0, 20), to=st.integers(0, 20))
    def move(self, at, to):
        cell = self._at(at)
        self.cells.remove(cell)
        self.cells.insert(min(to, len(self.cells)), cell)

    @rule(at=st.integers(0, 20))
    def run_one(self, at):
        self._run(self._at(at))

    @rule(at=st.integers(0, 20))
    def rerun(self, at):
        self._run(self._at(at), "--rerun")

    @rule()
    def run_all(self):
        for cell in tuple(self.cells):
            if self._run(cell).error:
                break

    @rule()
    def crash(self):
        self._die()

    @rule()
    def resume(self):
        self._die()
        self.run_all()

    @rule(at=st.integers(0, 20), body=bodies(), point=st.sampled_from(POINTS))
    def crash_in(self, at, body, point):
        """Edit a cell, and die in it during a Run All in a fresh kernel."""
        self._change(at, body=body)
        self._die()
        self._start()
        for cell in tuple(self.cells[: at % len(self.cells)]):
            if self._run(cell).error:
                break
        else:
            self.die_in(self._at(at), point)
        self._die()

    def die_in(self, cell, point):
        """Die in a cell if it gets to the point."""
        self._start()
        self.shell.die_at(point)
        try:
            self._run(cell)
        except Died:
            self.counts["deaths"] += 1

    def teardown(self):
        try:
            if self.cells:
                self.resume()
        finally:
            self._die()
            shutil.rmtree(self.folder)

    # -- how

    def _at(self, at):
        return self.cells[at % len(self.cells)]

    def _change(self, at, **what):
        at %= len(self.cells)
        self.cells[at] = replace(self.cells[at], **what)

    def _start(self):
        if self.shell is None:
            self.lives += 1
            self.shell = self.new_shell()
            self.plain = self.servers[0].shell(self.folder, durable=False)
            for each in (self.shell, self.plain):
                assert not each.run(SETUP, "setup").error

    def new_shell(self):
        """Start a shell with the extension."""
        return self.servers[self.lives % len(self.servers)].shell(self.folder, durable=True)

    def _die(self):
        for each in (self.shell, self.plain):
            if each is not None:
                each.kill()
        self.shell = self.plain = None

    def _run(self, cell, *flags):
        """Run a cell in both notebooks, and compare all that can be seen."""
        self._start()
        mentions = cell.body.mentions
        shown = self.shell.run(cell.source(*flags), cell.id, mentions)
        plain = self.plain.run(cell.body.source, cell.id, mentions)
        self.check_same(shown, plain)
        if cell.step:
            self.check_step(cell, flags, shown, plain)
        return plain

    def check_same(self, shown, plain):
        """Nothing tells the two notebooks apart."""
        assert shown.error == plain.error, shown.lines
        assert _first_difference(shown.notebook, plain.notebook) == "", shown.lines
        assert self.as_compared(shown.text) == self.as_compared(plain.text), shown.lines

    def as_compared(self, text):
        """Return what of an output is compared."""
        return text

    def check_step(self, cell, flags, shown, plain):
        """A step replays if it was checkpointed with this meaning and this input, and is checkpointed or says why."""
        known = (cell.body.meaning, plain.before)
        said = [line for line in shown.lines if UNRECORDED in line]
        replayed = any(line.startswith(REPLAYED) for line in shown.lines)
        assert shown.ticks <= 1
        assert not (replayed and shown.ticks), shown.lines
        if cell.id in self.holds[known] and "--rerun" not in flags:
            assert replayed, (shown.lines, "it was checkpointed, and nothing it mentions has changed")
        if cell.id in self.ran[known] and "--rerun" not in flags:
            self.counts["replayed" if replayed else "ran again"] += 1
        if plain.error:
            return
        self.counts["runs"] += shown.ticks
        self.ran[known].add(cell.id)
        if said:
            self.reasons[said[0].partition(UNRECORDED)[2]] += 1
            assert not (plain.unchanged and "it changed" in said[0]), (said, "but nothing has changed")
        else:
            self.holds[known].add(cell.id)


def replayed_share(machine):
    """Return how many of the steps that ran to their end before, with the same code and input, replayed."""
    counts = machine.counts
    print(dict(counts), dict(machine.reasons.most_common(9)))
    return counts["replayed"] / (counts["replayed"] + counts["ran again"])


def _first_difference(ours, theirs):
    """Return the first name with its two texts; later ones may differ in their numbers only."""
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            return f"{name} is {ours.get(name, 'unbound')}, in the plain notebook {theirs.get(name, 'unbound')}"
    return ""
