"""Why a call of a step runs although calls of it are recorded: its function, or something that reaches, changed."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from durable_nb.errors import CheckpointUntrusted, StoreError
from durable_nb.store.records import CodeRecord
from durable_nb.values.callkey import FUNCTION, reach_digest
from durable_nb.values.fingerprint import fingerprint_roots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from durable_nb.core.changes import Change
    from durable_nb.core.explain import Seen
    from durable_nb.core.reached import Reached
    from durable_nb.core.session import Session
    from durable_nb.store.records import InputRecord, StepRecord

MAX_ROWS = 5
"""So many of the first calls of one code are asked for what it reaches: concurrent ones may overtake the very first."""
UNKNOWN = "its code, or something that it reaches, changed"


class LiveFunction:
    """A step's function with what it reaches now.

    Args:
        func: the function.
        namespace: the notebook's globals; None in plain scripts.

    Attributes:
        digest: hex digest of all of it.
    """

    def __init__(self, func: Callable[..., Any], namespace: dict[str, Any] | None) -> None:
        from durable_nb.core.reached import Reached

        found = fingerprint_roots({FUNCTION: func}, namespace=namespace)
        self.digest = reach_digest(found.each).hex()
        # A function that names its own step, in a text perhaps, is not told twice.
        reached = {name: value for name, value in found.reached.items() if not _is_step_of(value, func)}
        self.reached: Reached = Reached({FUNCTION: func, **reached}, found)
        self.records: dict[str, InputRecord] = self.reached.records()

    def source(self, fingerprint: str) -> str:
        """Return the source of the function, or of a definition that it reaches, by its fingerprint."""
        found = next((each for each in self.records.values() if each.fingerprint == fingerprint), None)
        return self.reached.source(found) if found is not None and fingerprint else ""

    def sources(self) -> Iterator[CodeRecord]:
        """Yield the rows of all these sources; the function's own is also that of the whole."""
        yield CodeRecord(self.digest, self.source(self.records[FUNCTION].fingerprint))
        for each in self.records.values():
            text = self.reached.source(each) if each.fingerprint else ""
            if text:
                yield CodeRecord(each.fingerprint, text)

    def seen(self) -> Seen:
        """Return what a call that runs now is made of."""
        return _seen(self.records, self.source)


class CallReasons:
    """Finds the reasons once for each code that a step has, and tells which code is still to be described.

    What a function reaches is written with the first recorded call of that code: the calls after it refer to it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, str], str] = {}
        self._described: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str, reach: str, func: Callable[..., Any]) -> str:
        """Return why calls of a step with this code run, "" when some are recorded, or none of any code."""
        reason = self._known.get((name, reach))
        if reason is None:
            reason = self._known[name, reach] = self._find(name, reach, func)
        return reason

    def is_new(self, reach: str) -> bool:
        """Say, once, that nothing tells yet what this code is."""
        if reach in self._described or self._session.ledger.knows_source(reach):
            return False
        with self._lock:
            new = reach not in self._described
            self._described.add(reach)
        return new

    def not_described(self, reach: str) -> None:
        """Take back that a call's row was to describe a code: it was not recorded."""
        self._described.discard(reach)

    def _find(self, name: str, reach: str, func: Callable[..., Any]) -> str:
        calls = calls_of(self._session, name)
        if not calls or any(each.code_digest == reach for each in calls):
            return ""
        from durable_nb.core.changes import in_a_line

        try:
            live = LiveFunction(func, self._session.namespace)
            return in_a_line(changes_since(self._session, calls[-1], live.seen())) or UNKNOWN
        except StoreError:  # closed meanwhile by another thread
            return UNKNOWN


def calls_of(session: Session, name: str) -> list[StepRecord]:
    """Return the recorded calls of a step whose code is known, oldest first."""
    return [head for head in session.heads if head.kind == "call" and head.name == name and head.code_digest]


def changes_since(session: Session, call: StepRecord, now: Seen) -> tuple[Change, ...]:
    """Return how the function of a recorded call differs from a later one; nothing where it is not known."""
    from durable_nb.core.explain import compare

    was = seen_by(session, call)
    return compare(was, now) if was is not None else ()


def seen_by(session: Session, call: StepRecord) -> Seen | None:
    """Return what a recorded call was made of, from the first call of the same code; None where it is gone."""
    records = reached_by(session, call)
    ledger = session.ledger
    return _seen(records, lambda digest: ledger.sources([digest]).get(digest, "")) if records else None


def reached_by(session: Session, call: StepRecord) -> dict[str, InputRecord]:
    """Return what the code of a recorded call is and reaches, by name."""
    same = (head for head in session.heads if head.kind == "call" and head.code_digest == call.code_digest)
    for head in islice(same, MAX_ROWS):
        try:
            inputs = session.ledger.load(head.id).inputs
        except (CheckpointUntrusted, KeyError):
            continue
        if inputs:
            return {each.name: each for each in inputs}
    return {}


def _is_step_of(value: object, func: Callable[..., Any]) -> bool:
    return type(value).__module__ == "durable_nb.core.step" and vars(value).get("func") is func


def _seen(records: dict[str, InputRecord], source: Callable[[str], str]) -> Seen:
    from durable_nb.core.explain import Seen

    own = records[FUNCTION].fingerprint
    rest = {name: each for name, each in records.items() if name != FUNCTION}
    return Seen(own, rest, source, first_line=1)
