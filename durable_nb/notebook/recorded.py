"""The values that checkpoints hold, loaded to be looked at: nothing is bound, nothing live is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from durable_nb.errors import CheckpointUntrusted, DecodeError
from durable_nb.notebook.spans import size
from durable_nb.values.difference import first_difference
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.pickling import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import InputRecord, StepRecord

MAX_BYTES: Final = 256 * 1024 * 1024
MAX_ROWS: Final = 4
"""So many checkpoints that bound a name are looked at for its value."""
# Loading a class may set attributes of the live one, and a figure of pyplot opens again.
_ACTS: Final = {b"_class_setstate": "a class", b"_restore_to_pylab": "a figure of pyplot"}


class NotShown(Exception):  # noqa: N818 - a verdict: what it holds is told by its summaries only
    """Why the values of a checkpoint are not loaded to be looked at."""


class RecordedValues:
    """Loads values of checkpoints."""

    def __init__(self, notebook: Notebook) -> None:
        self._checkpoints = notebook.checkpoints
        self._ledger = notebook.session.ledger
        self._namespace = notebook.namespace

    def state(self, record: StepRecord) -> dict[str, Any]:
        """Return what a checkpoint holds, as it was captured: names, the cell's result and more.

        Raises:
            NotShown: it is too large, cannot be loaded, or loading it would act on live objects.
        """
        payload, held = record.payload, (record.extra or {}).get("bytes", 0)
        if payload is None:
            raise NotShown("it has no values")
        if held > MAX_BYTES:
            raise NotShown(f"its {size(held)} are too much to be compared")
        for mark, what in _ACTS.items():
            if mark in payload.stream:
                raise NotShown(f"it holds {what}, which is only loaded by a replay")
        try:
            buffers = [self._ledger.get_buffer(each) for each in payload.buffers]
            state: dict[str, Any] = decode(
                payload.stream, buffers, namespace=self._namespace.names, roots=_no_live_objects
            )
        except (DecodeError, CheckpointUntrusted, OSError) as error:
            raise NotShown(str(error)) from error
        return state

    def difference(self, before: int) -> Callable[[InputRecord], str]:
        """Return what finds the first difference of a live input from the value that a run read.

        Args:
            before: id of the row of that run.
        """

        def of(wanted: InputRecord) -> str:
            name = wanted.name
            if name not in self._namespace.names:
                return ""
            found = self._value(wanted, before)
            return first_difference(found[0], self._namespace.names[name], name) if found else ""

        return of

    def difference_between(self, old: int, new: int, inputs: dict[str, InputRecord]) -> Callable[[InputRecord], str]:
        """Return what finds the first difference of an input between two recorded runs.

        Args:
            old: id of the row of the earlier run.
            new: id of the row of the later one.
            inputs: what the later one read.
        """

        def of(wanted: InputRecord) -> str:
            was, now = self._value(wanted, old), self._value(inputs[wanted.name], new)
            return first_difference(was[0], now[0], wanted.name) if was and now else ""

        return of

    def _value(self, wanted: InputRecord, before: int) -> tuple[object] | None:
        """Return the very value that a run read, from the checkpoint that bound it; None where it is not certain."""
        if wanted.via and ":" in wanted.name:
            return None
        for record in self._binders(wanted.name, before):
            try:
                names = self.state(record)["names"]
            except NotShown:
                continue
            found = fingerprint_roots({wanted.name: names[wanted.name]}, namespace=self._namespace.names)
            digest = found.each.get(wanted.name)
            if digest is not None and digest.hex() == wanted.fingerprint:
                return (names[wanted.name],)
        return None

    def _binders(self, name: str, before: int) -> list[StepRecord]:
        """Return the newest checkpoints that bind a name and are older than a row."""
        found: list[StepRecord] = []
        for head in self._checkpoints.completed():
            if head.id < before and len(found) < MAX_ROWS:
                record = self._checkpoints.load(head)
                if any(each.name == name and not each.deleted for each in record.outputs):
                    found.append(record)
        return found


def _no_live_objects(name: str) -> object:
    raise LookupError(name)
