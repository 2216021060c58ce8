"""Options of libraries: which of them matter to which step, and that they are compared."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sklearn

from durable_nb.core.codes import Codes
from durable_nb.core.options import Use, changed_option, options_used
from durable_nb.core.settings import ALL, SettingsWatch, apply, readings
from durable_nb.store.records import DisplayRecord
from durable_nb.values.fingerprint import graph_of

IMAGE = DisplayRecord("display_data", {"data": {"image/png": "", "text/plain": ""}})
TEXT = DisplayRecord("stream", {"name": "stdout", "text": ""})


def use(read=(), made=(), code="1", displays=()):
    return Use.of(graph_of(dict(enumerate(read)), None), made, Codes([compile(code, "c", "exec")]), displays)


@pytest.fixture(autouse=True)
def as_by_default():
    yield
    mpl.rcParams.update(mpl.rcParamsOrig)
    pd.reset_option("display.max_rows")
    np.set_printoptions(precision=8)
    np.seterr(divide="warn")
    sklearn.set_config(transform_output="default")


def test_use():
    """Packages of values, definitions and of what was made count; text and images that were shown, or may be made."""
    found = use([pd.Series([1]), np, np.linalg.norm, len], ["sklearn"], "f(x)")
    assert {"pandas", "numpy", "sklearn", "builtins"} <= found.packages
    assert not found.text
    assert use(code="repr(x)").text
    assert use(code="f'{x}'").text
    assert use(code="f'{x:>3}'").text
    assert use(code="def f(): return x.to_string()").text
    assert use(displays=[TEXT]).text
    assert not use(displays=[TEXT]).images
    assert use(displays=[IMAGE]).images


CHANGES = {
    "matplotlib option lines.linewidth": (lambda: mpl.rcParams.update({"lines.linewidth": 9}), use([mpl])),
    "pandas display option display.max_rows": (lambda: pd.set_option("display.max_rows", 7), use([pd], code="str(x)")),
    "numpy print option precision": (lambda: np.set_printoptions(precision=2), use([np], displays=[TEXT])),
    "numpy error option divide": (lambda: np.seterr(divide="raise"), use([np])),
    "sklearn option transform_output": (lambda: sklearn.set_config(transform_output="pandas"), use([sklearn])),
    "polars option POLARS_FMT_MAX_ROWS": (None, use(made=["polars"], displays=[TEXT])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_counts_for_whom_it_may_matter(name, monkeypatch):
    """An option that is another counts for a step that handles the library, and for no other."""
    change, handles = CHANGES[name]
    before = readings(ALL)
    recorded = options_used(before, handles, before)
    other = options_used(before, use(["text"], code="str(x)", displays=[TEXT]), before)
    assert changed_option(recorded) is None
    if change is None:
        monkeypatch.setenv("POLARS_FMT_MAX_ROWS", "3")
    else:
        change()
    assert changed_option(recorded) == name
    assert changed_option(other) is None


def test_what_a_step_set_itself_is_no_condition():
    """It is set again by the replay; other options still are one."""
    before = readings(ALL)
    mpl.rcParams["lines.linewidth"] = 9
    recorded = options_used(before, use([mpl]), readings(ALL))
    assert changed_option(recorded) is None
    mpl.rcParams["lines.markersize"] = 9
    assert changed_option(recorded) == "matplotlib option lines.markersize"


def test_a_formatter_is_compared_by_what_it_does():
    """A function among options does not run a step again in each process."""
    before = pd.get_option("display.float_format")
    try:
        pd.set_option("display.float_format", "{:.2f}".format)
        now = readings(ALL)
        recorded = options_used(now, use([pd], code="str(x)"), now)
        pd.set_option("display.float_format", "{:.2f}".format)
        assert changed_option(recorded) is None
        pd.set_option("display.float_format", "{:.3f}".format)
        assert changed_option(recorded) == "pandas display option display.float_format"
    finally:
        pd.set_option("display.float_format", before)


def test_options_of_sklearn_are_made_again():
    """What a step sets there is found, and set again by a replay."""
    watch = SettingsWatch(ALL)
    sklearn.set_config(transform_output="pandas")
    changes = watch.changes()
    sklearn.set_config(transform_output="default")
    apply(changes)
    assert sklearn.get_config()["transform_output"] == "pandas"
