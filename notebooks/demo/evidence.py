"""What the two witnesses say: the server's own log, and the ledger that the kernels left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the server's log; ``mark`` lines are the driver's and have no page.

    Attributes:
        number: order in which the server accepted the connection.
        page: the day asked for.
        answer: what the plan said: ok, slow, busy, reset or cut.
        complete: status 200 and the whole body was sent.
        mark: the driver's label.
    """

    number: int
    page: str = ""
    answer: str = ""
    complete: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One completed step in the ledger; ``seconds`` is how long its body took."""

    kind: str
    name: str
    seconds: float


def read_log(path: Path) -> list[Request]:
    """Return the requests in the order in which the server accepted them."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    requests = [
        Request(
            number=line["number"],
            page=line.get("page", ""),
            answer=line.get("answer", ""),
            complete=line.get("status") == 200 and line["complete"],  # noqa: PLR2004
            mark=line.get("mark", ""),
        )
        for line in lines
    ]
    return sorted(requests, key=lambda request: request.number)


def since_mark(requests: Iterable[Request], mark: str) -> list[Request]:
    """Return the page requests that the server accepted after the mark."""
    requests = list(requests)
    (start,) = (request.number for request in requests if request.mark == mark)
    return [request for request in requests if request.page and request.number > start]


def full_answers(requests: Iterable[Request]) -> set[str]:
    """Return the pages that were answered in full."""
    return {request.page for request in requests if request.complete}


def read_steps(notebook: Path) -> list[Step]:
    """Return the completed steps of the notebook's ledger, oldest first.

    Call it when the kernel is dead: DuckDB lets one process at a time open the file.
    """
    ledger = notebook.parent / ".durable_nb" / f"{notebook.stem}.duckdb"
    if not ledger.exists():
        return []
    with duckdb.connect(str(ledger), read_only=True) as connection:
        rows = connection.execute(
            "SELECT kind, name, seconds FROM steps WHERE status = 'success' ORDER BY started_at, id"
        ).fetchall()
    return [Step(*row) for row in rows]
