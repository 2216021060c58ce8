"""One line about a value, for the ledger and the pages about a step."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from durable_nb.values.summary import summarise


@pytest.mark.parametrize(
    ("value", "kind", "text", "size"),
    [
        (pd.DataFrame({"a": [1, 2]}, index=[5, 6]), "pandas.DataFrame", "2 × 1", 32),
        (pd.Series([1, 2], index=[5, 6]), "pandas.Series", "2 int64", 32),
        (pd.Categorical(["a", "b"]), "pandas.Categorical", "2 category", 21),
        (pd.date_range("2026-01-01", periods=2), "pandas.DatetimeIndex", "2 datetime64[us]", 16),
        (pd.array([1, None]), "pandas.arrays.IntegerArray", "2 Int64", 18),
        ("x" * 100, "str", "'" + "x" * 79, sys.getsizeof("x" * 100)),
        ([1, 2], "list", "2 items", sys.getsizeof([1, 2])),
    ],
)
def test_a_value_in_a_line(value, kind, text, size):
    """Type, shape and size of every kind of value are told, pandas' own arrays and indexes among them."""
    found = summarise(value)
    assert (found.type, found.text) == (kind, text)
    assert found.size == size
