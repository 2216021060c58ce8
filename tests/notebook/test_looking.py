"""Which cells only look at what they read."""

from __future__ import annotations

import ast

import pandas as pd
import pytest

from durable_nb.notebook.looking import calls_for_effect, only_looks


class Own:
    """A type whose attributes may do anything."""


NAMES = {
    "df": pd.DataFrame({"a": [1]}),
    "rows": [{"n": 1}],
    "own": Own(),
    "n": 3,
    "sorted": lambda value: value.clear(),
}


@pytest.mark.parametrize(
    "source",
    [
        "rows",
        "df.head()",
        "df['a'].value_counts().head(3)",
        "len(rows), n > 2, f'{n:>3}'",
        "print([row['n'] for row in rows if row])",
        "total = sum(row['n'] for row in rows)",
        "df.groupby('a').agg('sum').round(2)",
        "import os",
    ],
)
def test_looks(source):
    """Shows values, or binds new ones made of them."""
    assert only_looks(ast.parse(source), NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "rows.append(1)",
        "df['b'] = 1",
        "rows[0]['n'] += 1",
        "own.attribute",
        "print(own)",
        "helper(rows)",
        "sorted(rows)",
        "for row in rows: row.clear()",
        "del rows[0]",
        "df.sort_values('a', inplace=True)",
        "(lambda: rows.clear())()",
    ],
)
def test_may_change(source):
    """Anything else may have changed what it reads."""
    assert not only_looks(ast.parse(source), NAMES)


@pytest.mark.parametrize(
    ("source", "shows", "found"),
    [
        ("res.summary()", True, False),
        ("print(res.summary())\nfor each in rows:\n    print(f(each))", False, False),
        ("res.show()", False, True),
        ("set_epoch(n)\nn", True, True),
        ("try:\n    set_epoch(n)\nexcept RuntimeError as error:\n    print(error)", False, True),
        ("await tell(n)", False, True),
        ("'text'\nn", True, False),
    ],
)
def test_what_calls_for_effect(source, shows, found):
    """A call whose value is neither shown nor used, but to print, is there for what it does."""
    assert calls_for_effect(ast.parse(source), shows=shows) is found
