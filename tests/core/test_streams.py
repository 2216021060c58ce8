"""Random streams: outputs of the steps that advance them, inputs when they are seeded."""

from __future__ import annotations

import random

import pytest

from durable_nb import step, workflow, workflow_id

# This module seeds, so streams count as seeded here; unseeded ones are looked at in scripts of their own.


@pytest.fixture(autouse=True)
def _put_back():
    states = [random.getstate()]
    yield
    random.setstate(states[0])


def test_step_that_draws_nothing_leaves_streams_alone(reopen):
    """A step that drew nothing sets no stream when it replays."""

    @step
    def f():
        return 1

    random.seed(1)
    with reopen():
        f()
    random.seed(2)
    state = random.getstate()
    with reopen():
        f()
    assert random.getstate() == state


def test_seeded_in_the_step(reopen, runs):
    """A step that seeds its stream has the state before as an input."""

    @step
    def draw():
        runs("draw")
        extra = random.random()
        random.seed(5)
        return extra, random.random()

    random.seed(1)
    with reopen():
        first = draw()
    random.seed(1)
    with reopen():
        assert draw() == first
    random.seed(2)
    with reopen():
        assert draw() != first
    assert runs == ["draw", "draw"]


SCRIPT = """
import random, sys
from durable_nb import open_store, step

{seeding}

@step
def draw():
    print("ran")
    return random.random()

with open_store("s.duckdb"):
    print(draw())
    print(random.random())
"""


def test_script_that_seeds(run_script):
    """In a script that seeds, another seed makes the step run again; the same seed replays, and the stream goes on."""
    results = {}
    for seed in (1, 1, 2):
        code, lines = run_script(SCRIPT.format(seeding=f"random.seed({seed})"))
        assert code == 0
        results.setdefault(seed, []).append(lines)
    for seed, expected in ((1, [True, False]), (2, [True])):
        source = random.Random(seed)
        values = [repr(source.random()), repr(source.random())]
        assert [lines[0] == "ran" for lines in results[seed]] == expected
        assert [lines[-2:] for lines in results[seed]] == [values] * len(expected)


def test_script_that_seeds_in_a_module(run_script, tmp_path):
    """The same when a module of the script seeds, under a name that does not say so."""
    ran = []
    for seed in (1, 2):
        (tmp_path / "settings.py").write_text(f"import random\ndef prepare():\n    random.seed({seed})\n")
        code, lines = run_script(SCRIPT.format(seeding="import settings; settings.prepare()"))
        assert code == 0
        ran.append(lines)
    assert [lines[0] for lines in ran] == ["ran", "ran"]
    assert ran[0][1] == repr(random.Random(1).random())
    assert ran[1][1] == repr(random.Random(2).random())


@pytest.mark.parametrize("stream", ["random", "numpy.random"])
def test_script_that_does_not_seed(run_script, stream):
    """Unseeded, the state before is no input: the draw replays, and the stream goes on where the step left it."""
    pytest.importorskip(stream)
    source = (
        SCRIPT.format(seeding="")
        .replace("import random", f"import {stream}")
        .replace("random.random()", f"{stream}.random()")
    )
    (_, first), (_, second) = (run_script(source) for _ in range(2))
    assert first[0] == "ran"
    assert second == first[1:]


def test_workflow_that_seeds(reopen, runs):
    """A workflow that seeds is resumed with the stream as it would have been."""

    @step
    def draw(n):
        runs(n)
        return random.random()

    @workflow
    def w():
        random.seed(7)
        values = [draw(1)]
        if dying:
            raise KeyboardInterrupt
        return [*values, draw(2), random.random()]

    source = random.Random(7)
    dying = True
    with reopen(), workflow_id("w"), pytest.raises(KeyboardInterrupt):
        w()
    dying = False
    with reopen(), workflow_id("w"):
        assert w() == [source.random() for _ in range(3)]
    assert runs == [1, 2]


def test_a_seed_in_a_module_that_is_loaded_later(tmp_path, run_script):
    """A script whose module, imported after the store was opened, sets another seed draws anew."""
    source = SCRIPT.format(seeding="").replace('duckdb"):\n', 'duckdb"):\n    import settings\n')
    ran = []
    for seed in (1, 1, 2):
        (tmp_path / "settings.py").write_text(f"import random\nrandom.seed({seed})  # {'x' * seed}\n")
        code, lines = run_script(source)
        assert code == 0
        ran.append((lines[0] == "ran", lines[-2]))
    one, two = (repr(random.Random(seed).random()) for seed in (1, 2))
    assert ran == [(True, one), (False, one), (True, two)]
