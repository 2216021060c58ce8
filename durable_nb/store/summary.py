"""The owner's JSON summary beside the ledger: what others read while DuckDB's lock keeps them out."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

if TYPE_CHECKING:
    from durable_nb.store.records import StepRecord

_log = logging.getLogger("durable_nb")
FORMAT = 1
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


class Summary(TypedDict):
    """The file's content; ``pid`` is None once the owner has closed the ledger."""

    format: int
    pid: int | None
    host: str
    notebook: str
    store_id: str
    updated: float
    steps: list[StepSummary]


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
        self._lock = threading.Lock()
        self._dirty = True
        self._written = float("-inf")

    def add(self, record: StepRecord, size: int) -> None:
        """Note a durable step, the newest of its name; calls are their cell's detail."""
        if record.kind == "call":
            return
        summary = StepSummary(
            name=record.name,
            kind=record.kind,
            status=record.status,
            when=record.ended_at,
            took=record.ended_at - record.started_at,
            size=size,
        )
        with self._lock:
            self._steps.pop(record.name, None)
            self._steps[record.name] = summary
            while len(self._steps) > MOST_STEPS:
                del self._steps[next(iter(self._steps))]
            self._dirty = True

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
            steps = list(self._steps.values())
        self._written = time.monotonic()
        content = Summary(
            format=FORMAT,
            pid=pid,
            host=socket.gethostname(),
            notebook=self._notebook,
            store_id=self._store_id,
            updated=time.time(),
            steps=steps,
        )
        try:
            _replace(self._path, json.dumps(content, indent=1))
        except OSError as error:
            _log.warning("the summary %s could not be written: %s", self._path, error)


def read_summary(path: Path) -> Summary | None:
    """Return a summary, or None when there is none that can be read."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    return cast("Summary", content)


def _replace(path: Path, text: str) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
