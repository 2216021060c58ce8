"""Exceptions to and from ledger rows."""

from __future__ import annotations

import pickle

import pytest

from durable_nb import MaxStepRetriesExceeded, StepError, StepTimeout
from durable_nb.core.failure import contains, record_error, restore_error
from durable_nb.errors import DurableError, OptionError


class TwoArgsError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


class KeptError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class UglyError(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __repr__(self):
        raise RuntimeError("no repr")


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


def test_error_survives():
    """Type, args, attributes and notes come back; the row has message, args and traceback as text."""
    error = raised(KeptError(404))
    error.add_note("look here")
    record = record_error(error)
    assert (record.type, record.message, record.args, record.notes) == (
        f"{__name__}.KeptError",
        "404",
        ("404",),
        ("look here",),
    )
    assert "raise error" in record.traceback
    again = restore_error(record, "f")
    assert type(again) is KeptError
    assert (again.code, again.args, again.__notes__) == (404, (404,), ["look here"])


def test_builtin_types_go_by_their_plain_name():
    """``ValueError`` is not ``builtins.ValueError``."""
    assert record_error(ValueError("x")).type == "ValueError"


@pytest.mark.parametrize(
    "error", [TwoArgsError(1, 2), type("LocalError", (Exception,), {})("1 2"), ValueError(lambda: 1)]
)
def test_error_that_does_not_survive(error):
    """What cannot be pickled, or comes back as something else, is a ``StepError`` with all its texts."""
    record = record_error(raised(error))
    assert record.payload is None
    again = restore_error(record, "fetch")
    assert type(again) is StepError
    assert again.step_name == "fetch"
    assert again.error_type == record.type
    assert again.error_args == record.args
    assert str(again) == f"{record.type}: {error}"
    assert "raise error" in again.traceback_text
    assert "could not save" in again.__notes__[0]


def test_error_whose_class_is_gone():
    """A pickle that no longer loads gives a ``StepError`` with a note that says why."""
    record = record_error(KeptError(1))
    broken = type(record)(
        **{**{f: getattr(record, f) for f in record.__slots__}, "payload": b"\x80\x05cnowhere\nGone\n."}
    )
    again = restore_error(broken, "f")
    assert type(again) is StepError
    assert "ModuleNotFoundError" in again.__notes__[0]


def test_ugly_error_is_recorded():
    """An error whose ``str`` and ``repr`` fail is recorded all the same."""
    record = record_error(raised(UglyError(UglyError())))
    assert record.message == "<str() failed: RuntimeError>"
    assert record.args == ("<repr() failed: RuntimeError>",)


@pytest.mark.parametrize("inner", [ValueError("x"), TwoArgsError(1, 2)])
def test_exhausted_retries_keep_their_type(inner):
    """``MaxStepRetriesExceeded`` comes back as itself even when one of its errors cannot."""
    error = MaxStepRetriesExceeded("f", 2, [KeptError(1), inner])
    again = restore_error(record_error(error), "f")
    assert type(again) is MaxStepRetriesExceeded
    assert (again.step_name, again.max_attempts, str(again)) == ("f", 2, str(error))
    assert type(again.errors[0]) is KeptError
    assert type(again.errors[1]) is (ValueError if type(inner) is ValueError else StepError)
    assert again.__cause__ is again.errors[-1]


@pytest.mark.parametrize(
    "error",
    [
        StepTimeout("f", 2.5),
        OptionError("jitter", "bad"),
        StepError("f", "T", "m", error_args=("1",), traceback_text="t"),
    ],
)
def test_own_errors_pickle(error):
    """The package's own errors survive a process boundary with their attributes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.__dict__) == (str(error), error.__dict__)
    assert isinstance(again, DurableError)


def test_contains():
    """An error is found in causes, contexts, groups and lists of attempts, also in a cycle."""
    wanted, other = ValueError(), ValueError()
    cause, context = RuntimeError(), RuntimeError()
    cause.__cause__, context.__context__ = wanted, wanted
    group = ExceptionGroup("g", [TypeError(), ExceptionGroup("h", [cause])])
    retries = MaxStepRetriesExceeded("f", 1, [context])
    for tree in (wanted, cause, context, group, retries):
        assert contains(tree, wanted)
        assert not contains(tree, other)
    assert not contains(None, wanted)
    a, b = RuntimeError(), RuntimeError()
    a.__context__, b.__cause__ = b, a
    assert not contains(a, wanted)
