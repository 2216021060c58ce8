"""Exceptions to and from ledger rows."""

from __future__ import annotations

import pickle
import traceback

from durable_nb.errors import MaxStepRetriesExceeded, StepError
from durable_nb.store.records import ErrorRecord

MAX_TRACEBACK = 20_000


def record_error(error: BaseException) -> ErrorRecord:
    """Turn an exception into a row: type, message, arguments, notes, traceback text, and its pickle if it has one."""
    return ErrorRecord(
        type=f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        message=_text(error),
        args=tuple(_shown(each) for each in error.args),
        notes=tuple(str(note) for note in getattr(error, "__notes__", ())),
        traceback="".join(traceback.format_exception(error))[-MAX_TRACEBACK:],
        payload=_pickled(error) or _pickled(_listed(error)),
    )


def restore_error(record: ErrorRecord, step_name: str) -> BaseException:
    """Return the recorded exception, or a ``StepError`` that tells all of it where its type cannot be restored."""
    error: BaseException | None = None
    if record.payload is not None:
        try:
            loaded = pickle.loads(record.payload)
        except Exception as why:  # noqa: BLE001 - any class may fail to load: said in a note below
            note = f"durable_nb could not restore the {record.type} itself: {type(why).__name__}: {why}"
        else:
            error = loaded if isinstance(loaded, BaseException) else None
            note = ""
    else:
        note = f"durable_nb could not save the {record.type} itself, only its text"
    if error is None:
        error = StepError(
            step_name, record.type, record.message, error_args=record.args, traceback_text=record.traceback
        )
        error.add_note(note)
    if isinstance(error, MaxStepRetriesExceeded) and error.errors:
        error.__cause__ = error.errors[-1]
    for recorded in record.notes:
        if recorded not in getattr(error, "__notes__", ()):
            error.add_note(recorded)
    return error


def contains(error: BaseException | None, wanted: BaseException) -> bool:
    """Say whether ``wanted`` is in the cause, context and group tree of ``error``."""
    todo, seen = [error], set[int]()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        if each is wanted:
            return True
        seen.add(id(each))
        todo += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions
        todo += [one for one in getattr(each, "errors", ()) if isinstance(one, BaseException)]
    return False


def _listed(error: BaseException) -> BaseException:
    """Return exhausted retries with those of its errors replaced that cannot be pickled; other errors as they are."""
    if not isinstance(error, MaxStepRetriesExceeded):
        return error
    errors = [
        each if _pickled(each) is not None else restore_error(record_error(each), error.step_name)
        for each in error.errors
    ]
    copy = MaxStepRetriesExceeded(error.step_name, error.max_attempts, errors)
    copy.args = error.args
    return copy


def _pickled(error: BaseException) -> bytes | None:
    """Pickle the exception without its traceback; None unless it comes back as the same type with the same args."""
    try:
        data = pickle.dumps(error, protocol=5)
        loaded = pickle.loads(data)
    except Exception:  # noqa: BLE001 - the text of the error is recorded all the same
        return None
    if type(loaded) is not type(error) or _text(loaded) != _text(error):
        return None
    return data


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as why:  # noqa: BLE001 - a user's __str__ may fail; the row says so
        return f"<str() failed: {type(why).__name__}>"


def _shown(value: object) -> str:
    try:
        return repr(value)[:1000]
    except Exception as why:  # noqa: BLE001 - a user's __repr__ may fail; the row says so
        return f"<repr() failed: {type(why).__name__}>"
