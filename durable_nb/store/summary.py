"""The owner's JSON summary beside the ledger: what others read while DuckDB's lock keeps them out."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import types
from typing import TYPE_CHECKING, Any, TypedDict, cast, get_args, get_origin, get_type_hints, is_typeddict

from durable_nb.store.open_attempts import OpenAttempts
from durable_nb.store.processes import start_of
from durable_nb.store.records import AttemptRecord, StepRecord, label
from durable_nb.store.replacing import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from durable_nb.store.records import Record

_log = logging.getLogger("durable_nb")
FORMAT = 2
INTERVAL_SECONDS = 1.0
MOST_STEPS = 500


class StepSummary(TypedDict):
    """The newest row of one step: ``when`` in Unix seconds, ``took`` in seconds, ``size`` in bytes."""

    name: str
    kind: str
    status: str
    when: float
    took: float
    size: int


class CallsSummary(TypedDict):
    """How many checkpoints the calls of one step have; ``when`` is the newest's, in Unix seconds."""

    name: str
    count: int
    when: float


class AttemptSummary(TypedDict):
    """The newest attempt of a step that has not ended: it ``started``, or it ``failed`` and another is due.

    ``max_attempts`` is 0 where it is not known; ``at`` and ``retry_at`` are Unix seconds, the latter 0 without backoff.
    """

    name: str
    state: str
    number: int
    max_attempts: int
    at: float
    retry_at: float


class Summary(TypedDict):
    """The file's content; ``pid`` is None once the owner has closed the ledger.

    ``start`` tells the owner from a later process of the same pid; "" where the system does not say.
    """

    format: int
    pid: int | None
    start: str
    host: str
    notebook: str
    store_id: str
    updated: float
    steps: list[StepSummary]
    calls: list[CallsSummary]
    attempts: list[AttemptSummary]


class SummaryFile:
    """Keeps the summary current; written on the writer's thread, so nothing waits for it.

    Args:
        path: of the JSON file.
        notebook: the notebook's path, shown to people.
        store_id: hex id of the ledger.
    """

    def __init__(self, path: Path, notebook: str, store_id: str) -> None:
        self._path = path
        self._notebook = notebook
        self._store_id = store_id
        self._steps: dict[str, StepSummary] = {}
        self._calls: dict[str, CallsSummary] = {}
        self._attempts = OpenAttempts((), ())
        self._lock = threading.Lock()
        self._dirty = True
        self._written = float("-inf")

    def begin(
        self, steps: Iterable[tuple[StepRecord, int]], calls: Iterable[CallsSummary], attempts: OpenAttempts
    ) -> None:
        """Begin with what the ledger holds: steps with their sizes, oldest first, and the attempts that are open."""
        with self._lock:
            self._steps, self._attempts = {}, attempts
            self._calls = {each["name"]: each for each in calls}
            self._dirty = True
            for record, size in steps:
                self._add_step(record, size)

    def add(self, record: Record, size: int) -> bool:
        """Take in a durable record; returns whether :meth:`tick` need be called because of it."""
        with self._lock:
            if isinstance(record, AttemptRecord):
                self._attempts.add(record)
            elif isinstance(record, StepRecord):
                self._attempts.close(record.key)
                self._add_step(record, size)
            else:
                return False
            first, self._dirty = not self._dirty, True
        return first

    def _add_step(self, record: StepRecord, size: int) -> None:
        if record.kind == "call":
            self._add_call(record)
            return
        name = label(record)
        self._steps.pop(name, None)
        self._steps[name] = StepSummary(
            name=name,
            kind=record.kind,
            status=record.status,
            when=record.ended_at,
            took=record.ended_at - record.started_at,
            size=size,
        )
        while len(self._steps) > MOST_STEPS:
            del self._steps[next(iter(self._steps))]

    def _add_call(self, record: StepRecord) -> None:
        """Count the checkpoints of calls; one by one they are their cell's detail."""
        if record.status != "success":
            return
        known = self._calls.get(record.name)
        if known is not None:
            known["count"] += 1
            known["when"] = record.ended_at
        elif len(self._calls) < MOST_STEPS:
            self._calls[record.name] = CallsSummary(name=record.name, count=1, when=record.ended_at)

    def tick(self) -> float | None:
        """Write the file when something changed, at most once a second; return when to look again."""
        if not self._dirty:
            return None
        wait = self._written + INTERVAL_SECONDS - time.monotonic()
        if wait > 0:
            return wait
        self.write(os.getpid())
        return None

    def write(self, pid: int | None) -> None:
        """Replace the file now; ``pid`` None says that nobody holds the ledger."""
        with self._lock:
            self._dirty = False
            content = Summary(
                format=FORMAT,
                pid=pid,
                start="" if pid is None else start_of(pid),
                host=socket.gethostname(),
                notebook=self._notebook,
                store_id=self._store_id,
                updated=time.time(),
                steps=list(self._steps.values()),
                calls=list(self._calls.values()),
                attempts=[attempt_summary(each) for each in self._attempts.last()][-MOST_STEPS:],
            )
            text = json.dumps(content, indent=1)
        self._written = time.monotonic()
        try:
            replace_file(self._path, text, private=True)
        except OSError as error:
            _log.warning("the summary %s could not be written: %s", self._path, error)


def attempt_summary(record: AttemptRecord) -> AttemptSummary:
    """Return what others are told of an attempt."""
    return AttemptSummary(
        name=record.name,
        state=record.state,
        number=record.number,
        max_attempts=record.max_attempts,
        at=record.at,
        retry_at=record.retry_at,
    )


def read_summary(path: Path) -> Summary | None:
    """Return a summary, or None when there is none that can be read."""
    try:
        return parse_summary(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def parse_summary(text: str) -> Summary | None:
    """Return the summary that a text holds, or None when it is none of this format."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Summary", content) if _is(content, Summary) and content["format"] == FORMAT else None


def _is(value: Any, kind: Any) -> bool:
    """Say whether a value read from a file has the shape of a TypedDict, a list of them, or a simple type."""
    if isinstance(kind, types.UnionType):
        return any(_is(value, each) for each in kind.__args__)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(each, get_args(kind)[0]) for each in value)
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return isinstance(value, dict) and all(name in value and _is(value[name], hints[name]) for name in hints)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
