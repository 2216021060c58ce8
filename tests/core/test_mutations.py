"""Changing live objects as recorded, or not at all."""

from __future__ import annotations

import pytest

from durable_nb.core.mutations import Redo
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.inplace import FORMS


class Pressed:
    """An object during whose changes a person presses ■, so many times."""

    def __init__(self, number, presses=0):
        self.number, self.presses = number, [presses]

    def __getstate__(self):
        return {"number": self.number, "presses": self.presses}

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self.presses[0]:
            self.presses[0] -= 1
            self.number = "half changed"
            raise KeyboardInterrupt


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_undoes_what_was_applied():
    """The interrupt comes while the outcome is being checked: every object has its old state, and it is raised."""
    first, second = [1], {"a": 1}
    redo = Redo(
        [(first, "list", [1, 2]), (second, "dict", {"a": 2})],
        fingerprint_roots({"f": first, "s": second}, namespace={}),
        {},
    )
    with pytest.raises(KeyboardInterrupt), redo.or_nothing():
        redo.apply(interrupt)
    assert (first, second) == ([1], {"a": 1})


def test_more_interrupts_do_not_stop_the_undoing():
    """Pressing ■ again while the old states are put back: they are put back all the same."""
    first, pressed = [1], Pressed(1, presses=3)
    wanted = FORMS["state"].read(Pressed(2))
    redo = Redo(
        [(first, "list", [1, 2]), (pressed, "state", wanted)], fingerprint_roots({"f": first}, namespace={}), {}
    )
    with pytest.raises(KeyboardInterrupt), redo.or_nothing():
        redo.apply(interrupt)
    assert (first, pressed.number, pressed.presses) == ([1], 1, [0])
