"""The page of notebooks with work to resume: real kernels, one of them killed, one that runs, in light and dark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager
from pages import Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Page

LOAD = "%load_ext durable_nb\nimport pathlib, time\nfrom durable_nb import step"
FETCH = """\
@step(retries_allowed=True, max_attempts=5)
def fetch(day):
    if day == 365:
        time.sleep(600)
    return list(range(2_000))"""
TRAIN = """\
%%step train --max-attempts 5 --interval-seconds 0.01
tried = pathlib.Path("tried")
tried.write_text(tried.read_text() + "." if tried.exists() else ".")
if len(tried.read_text()) < 3:
    raise MemoryError("out of GPU memory")
time.sleep(600)"""
SAVED = {
    "flights/clean.ipynb": ["%%step read\nrows = list(range(300_000))", "%%step clean\nclean = [n for n in rows if n]"],
    "flights/report.ipynb": ["%%step tables\ntables = [n ** 2 for n in range(50_000)]"],
    "survey/weights.ipynb": ["%%step weights\nweights = [1 / (n + 1) for n in range(9_000)]", "%%step rake\n1 / 0"],
}
KILLED = "flights/train.ipynb"
RUNNING = "flights/download.ipynb"
SETTLED = {**dict.fromkeys(SAVED, ""), KILLED: "attempt 3 of 5", RUNNING: "running fetch"}
WIDTH, HEIGHT = 1060, 800


def pictures(page: Page, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures and their names."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    server = Server(folder, environment)
    try:
        yield from _both_themes(page, server, "notebooks-empty")
        with ExitStack() as kernels:
            _work(folder, environment, server, kernels)
            yield from _both_themes(page, server, "notebooks")
    finally:
        server.close()


def _both_themes(page: Page, server: Server, name: str) -> Iterator[tuple[str, bytes]]:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.goto(f"{server.url}/durable-nb")
        if page.locator("details").count():
            page.locator("details").first.evaluate("each => each.open = true")
        yield f"{name}-{theme}", page.locator("main").screenshot()
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")


def _work(folder: Path, environment: Mapping[str, str], server: Server, kernels: ExitStack) -> None:
    """Leave notebooks as people do: complete, failed, killed in a step, and running."""
    for name, cells in SAVED.items():
        with _kernel(folder / name, environment) as (_, client):
            for cell in (LOAD, *cells):
                client.execute_interactive(cell, output_hook=lambda _: None)
    manager, killed = kernels.enter_context(_kernel(folder / KILLED, environment))
    _, running = kernels.enter_context(_kernel(folder / RUNNING, environment))
    for cell in (LOAD, FETCH):
        for client in (killed, running):
            client.execute_interactive(cell, output_hook=lambda _: None)
    killed.execute_interactive("%%step data\ndata = [fetch(day) for day in range(365)]", output_hook=lambda _: None)
    killed.execute(TRAIN)
    running.execute("pages = [fetch(day) for day in range(730)]")
    wait_until(lambda: _settled(server), "the kernels' work")
    os.kill(manager.provisioner.process.pid, signal.SIGKILL)
    manager.provisioner.process.wait()


def _settled(server: Server) -> bool:
    found = {each["path"]: each["tells"] for each in server.get("/durable-nb/api/notebooks")["notebooks"]}
    return all(path in found and tells in found[path] for path, tells in SETTLED.items())


@contextmanager
def _kernel(notebook: Path, environment: Mapping[str, str]) -> Iterator[tuple[Any, Any]]:
    """Give a kernel of a new notebook and its client."""
    notebook.parent.mkdir(parents=True, exist_ok=True)
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    manager: Any = KernelManager()
    env = {**os.environ, **environment, "DURABLE_NB_NOTEBOOK": str(notebook)}
    manager.start_kernel(cwd=str(notebook.parent), env=env, stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
