"""Which cells set random streams, and which do so before they can have drawn."""

from __future__ import annotations

import ast
import random

import numpy as np
import pytest

from durable_nb.notebook.seeding import seeded_first, sets_a_stream

NAMES = {"random": random, "np": np, "nr": np.random, "x": 5, "f": random.random, "seed": random.seed}


@pytest.mark.parametrize(
    "source",
    [
        "random.seed(0)",
        "np.random.seed( 1 )",
        "torch.manual_seed(0)",
        "random.setstate(s)",
        "set_seed(42)",
        "rng.set_state(s)",
        "seed_everything(1)",
        "np.random.set_bit_generator(np.random.PCG64(3))",
    ],
)
def test_calls_that_set_a_stream(source):
    """Whatever is named like ``seed`` or ``set_state`` and is called."""
    assert sets_a_stream(source)


@pytest.mark.parametrize("source", ["seed = 5", "print('seeds')", "random.random()", "x = df.seed", "default_rng(5)"])
def test_other_cells_do_not(source):
    """A name alone sets nothing, nor does drawing."""
    assert not sets_a_stream(source)


@pytest.mark.parametrize(
    ("source", "streams"),
    [
        ("random.seed(0)\nrandom.random()", {"random"}),
        ("np.random.seed(0)\nx = np.random.rand()", {"numpy.random"}),
        ("nr.seed(0)", {"numpy.random"}),
        ("import os\nK = 5\ndef g(): return f()\nrandom.seed(0)\nnp.random.seed(1)", {"random", "numpy.random"}),
        ("random.seed()", {"random"}),
        ("'''doc'''\nrandom.seed(a=0)", {"random"}),
        # something may have drawn before, or the seed itself is drawn
        ("random.random()\nrandom.seed(0)", set()),
        ("y = f()\nrandom.seed(0)", set()),
        ("random.seed(f())", set()),
        ("random.seed(x)", set()),
        ("if x:\n    random.seed(0)", set()),
        ("def g(v=f()): pass\nrandom.seed(0)", set()),
        ("class A:\n    v = f()\nrandom.seed(0)", set()),
        ("unknown.seed(0)", set()),
        ("x.seed(0)", set()),
        ("y = random.seed(0)", set()),
    ],
)
def test_streams_that_are_set_first(source, streams):
    """Only a call with constants, before which nothing can have drawn, makes the state before irrelevant."""
    assert seeded_first(ast.parse(source), NAMES) == streams
