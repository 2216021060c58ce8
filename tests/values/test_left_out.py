"""Attributes that a class's pickle leaves out: they count in fingerprints, and are saved beside."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import KDTree
from sklearn.linear_model import LinearRegression
from sklearn.utils import Bunch

from durable_nb.core.mutations import find_mutations
from durable_nb.core.recording import Unrecordable
from durable_nb.errors import EncodeError
from durable_nb.values.fingerprint import fingerprint, fingerprint_roots
from durable_nb.values.pickling import decode, encode
from durable_nb.values.states import States

pytestmark = pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns to be created via a new attribute name")


class Day(dt.date):
    """A class whose C base pickles the date only."""


class Measured(np.ndarray[Any, Any]):
    """An array with an attribute, as numpy's manual has them."""

    def __array_finalize__(self, obj: Any) -> None:
        self.unit = getattr(obj, "unit", None)


class Chosen(KDTree):
    """A class that says itself what is saved."""

    def __reduce__(self) -> Any:
        return Chosen, (self.data,)


def frame() -> Any:
    return pd.DataFrame({"a": [1, 2]})


MAKERS = {
    "frame": frame,
    "series": frame()["a"].copy,
    "tree": lambda: KDTree([[1.0, 2.0]]),
    "date": lambda: Day(2026, 1, 1),
    "array": lambda: np.zeros(2).view(Measured),
}


@pytest.mark.parametrize("name", MAKERS)
def test_such_an_attribute_counts(name: str) -> None:
    """Two objects that differ in it only have different fingerprints; without one there is no difference."""
    plain, one, two = (MAKERS[name]() for _ in range(3))
    if name != "array":
        assert fingerprint(plain) == fingerprint(MAKERS[name]())
    one.unit, two.unit = 1, 2
    assert fingerprint(one) != fingerprint(two) != fingerprint(plain)


@pytest.mark.parametrize("name", MAKERS)
def test_an_object_with_one_comes_back_with_it(name: str) -> None:
    """It is saved beside what the object pickles as, and is the object that others hold."""
    value = MAKERS[name]()
    value.unit = unit = [value]
    made = encode({"out": [value], "unit": unit}, namespace={})
    again = decode(made.stream, [bytearray(each) for each in made.buffers], namespace={}, roots=None)
    assert again["out"][0].unit is again["unit"]
    assert again["unit"][0] is again["out"][0]
    assert fingerprint(again) == fingerprint({"out": [value], "unit": unit})


@pytest.mark.parametrize("name", MAKERS)
def test_one_that_cannot_be_saved_is_named(name: str) -> None:
    """It is the attribute that the error tells of."""
    value = MAKERS[name]()
    value.unit = [threading.Lock()]
    with pytest.raises(EncodeError, match=r"out\[0\]\.unit\[0\].* cannot pickle '_thread.lock' object"):
        encode({"out": [value]}, namespace=None)


@pytest.mark.parametrize("name", MAKERS)
def test_setting_one_on_an_input_is_not_recorded(name: str) -> None:
    """A replay could not set it again."""
    value = MAKERS[name]()
    before = fingerprint_roots({"x": value}, namespace=None)
    states = States(before.graph, None)
    value.unit = 7
    with pytest.raises(Unrecordable, match="it changed x in place, and a .* cannot be changed back in place"):
        find_mutations(before, fingerprint_roots({"x": value}, namespace=None), states)


def test_what_a_package_keeps_is_its_own_affair() -> None:
    """Attributes that the package's code names, and those that are saved, do not count as left out."""
    model = LinearRegression().fit([[1], [2]], [1, 2])
    model.note = 3
    indexed = frame()
    _ = indexed["a"], indexed.index.is_unique, indexed.loc[0]
    chosen = Chosen([[1.0, 2.0]])
    chosen.note = 4
    encode({"model": model, "frame": indexed, "chosen": chosen}, namespace=None)
    assert fingerprint(indexed) == fingerprint(frame())


def test_attributes_that_a_package_does_not_take_back_are_kept() -> None:
    """scikit-learn's Bunch ignores what was saved of its attributes; restored, it has them, and its cycles hold."""
    bunch = Bunch(a=1)
    bunch["self"] = bunch
    bunch.__dict__["made_of"] = [2]
    made = encode(bunch, namespace={})
    restored = decode(made.stream, made.buffers, namespace={}, roots=None)
    assert restored["self"] is restored
    assert restored.__dict__["made_of"] == [2]
    assert fingerprint(restored) == fingerprint(bunch)
