"""What a cell without ``%%step`` may have changed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.namespace import Namespace
from durable_nb.notebook.touched import can_be_set_up_again, may_have_changed

SETUP = """
import operator
import threading

class Box:
    def __init__(self, held):
        self.held = held
    def fill(self):
        self.held.append(1)

def clean():
    rows.clear()

def counter():
    count = 0
    def add():
        nonlocal count
        count += 1
        return count
    return add

def bind():
    global number
    number = 2

number = 1
rows = [{"n": 1}, {"n": 2}]
first = rows[0]
box, other_box = Box(rows), Box([])
apart = [1]
add = counter()
"""
OF_ROWS = {"rows", "first", "box"}


@pytest.fixture
def namespace():
    names = {"__name__": "__main__", "base": np.arange(4.0), "alone": np.arange(4.0)}
    names["view"] = names["base"][1:3]
    exec(SETUP, names)
    shell = SimpleNamespace(user_ns=names, user_ns_hidden={}, transform_cell=transform, displayhook=SimpleNamespace())
    return Namespace(shell)


def transform(source):
    return TransformerManager().transform_cell(source)


@pytest.mark.parametrize(
    ("cell", "changed"),
    [
        ("rows.append(3)", OF_ROWS),
        ("first['m'] = 1", OF_ROWS),  # the list that holds it, and who holds the list
        ("box.fill()", OF_ROWS),
        ("clean()", OF_ROWS),
        ("threading.Thread(target=clean).start()", OF_ROWS),
        ("for row in rows: row['n'] = 0", OF_ROWS),
        ("%time rows.append(1)", OF_ROWS),
        ("def last():\n    rows.pop()\nlast()", OF_ROWS),
        ("rows = 3", OF_ROWS - {"first", "box"}),
        ("apart.append(2)", {"apart"}),
        ("other_box.fill()", {"other_box"}),
        ("add()", {"add"}),
        ("bind()", {"number"}),
        ("number += 1", {"number"}),
        ("del apart", {"apart"}),
        ("view[:] = 0", {"view", "base"}),
        ("base += 1", {"view", "base"}),
        ("new = operator.add(number, 1)", set()),
    ],
)
def test_what_a_cell_may_have_changed(namespace, cell, changed):
    """What it binds and reads, also by functions, and all that shares an object or memory with that; nothing else."""
    code = analyse_cell(cell, transform=transform)
    assert may_have_changed(code, namespace, {}) == changed


@pytest.mark.parametrize("cell", ["exec('rows.append(1)')", "globals()['rows'] = 3", "%run script.py"])
def test_dynamic_code_may_have_changed_all(namespace, cell):
    """Code that can reach any name leaves none that is certain."""
    own = {name for name in namespace.names if namespace.is_user(name)}
    assert may_have_changed(analyse_cell(cell, transform=transform), namespace, {}) == own


def test_a_name_that_is_not_bound_stands_for_what_it_may_hold(namespace):
    """``x = rows`` was not restored, ``x.append(1)`` changed ``rows`` all the same."""
    code = analyse_cell("x.append(1)", transform=transform)
    assert may_have_changed(code, namespace, {"x": frozenset({"y"}), "y": frozenset({"rows"})}) == OF_ROWS
    assert may_have_changed(code, namespace, {}) == set()


@pytest.mark.parametrize(
    ("cell", "again"),
    [
        ("import json\nFACTOR = 3", True),
        ("def more(n):\n    return n * number", True),
        ("np.random.seed(1)", True),
        ("operator.setitem(rows, 0, 9)", False),
        ("np.random.seed(len(rows))", False),
        ("np.random.seed(int('3'))", False),
        ("total = sum(apart)", False),
    ],
)
def test_what_is_made_again_by_running_it(namespace, cell, again):
    """Only what sets up, from constants alone."""
    namespace.names["np"] = np
    assert can_be_set_up_again(analyse_cell(cell, transform=transform), namespace) is again
