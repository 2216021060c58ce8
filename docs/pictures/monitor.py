"""The retry monitor in all its states, in JupyterLab: steps that fail on purpose, photographed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages import THEMES, NotebookPage, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pages import Server
    from playwright.sync_api import Page

SERVICE = '''
import time
from pathlib import Path

from durable_nb import step_status


def read(path, log=Path(__file__).with_suffix(".log")):
    """Answer the fourth time."""
    with log.open("a") as file:
        file.write(".")
    calls = log.stat().st_size
    time.sleep(0.25 * calls)
    if calls == 1:
        raise ConnectionError(f"503 Service Unavailable: {path}")
    if calls < 4:
        raise TimeoutError(f"no answer within {calls} s: {path}")
    return "fine"


def forecast(city):
    """Answer the third time, some cities at once."""
    attempt = step_status().current_attempt
    time.sleep(0.1 + len(city) / 20)
    if attempt < 2 and len(city) > 4:
        raise ConnectionError(f"503: {city}")
    return len(city)


def page(number):
    """Answer at once, but for one page."""
    time.sleep(0.03)
    if number == 152 and step_status().current_attempt == 0:
        raise OSError("page 152 is locked by another reader")
    return number
'''
CELLS = {
    "setup": "%load_ext durable_nb\nfrom durable_nb import step\nimport service",
    "fetch": "%%step fetch --max-attempts 5 --interval-seconds 4 --backoff-rate 1.5\n"
    'flights = service.read("/flights?month=3")',
    "fan": "from concurrent.futures import ThreadPoolExecutor\n\n"
    "@step(retries_allowed=True, max_attempts=4, interval_seconds=6)\n"
    "def forecast(city):\n    return service.forecast(city)\n\n"
    'cities = "Rome Oslo Paris Madrid Lisbon Vienna Prague Dublin Athens Warsaw".split()\n'
    "with ThreadPoolExecutor(10) as pool:\n    table = list(pool.map(forecast, cities))",
    "loop": "@step(retries_allowed=True, max_attempts=3, interval_seconds=12)\n"
    "def page(number):\n    return service.page(number)\n\n"
    "pages = [page(number) for number in range(1, 401)]",
}


def take(server: Server, page: Page, folder: Path, write: Callable[[str, bytes], None]) -> None:
    """Take the pictures, each theme in a notebook of its own, which ``write`` is given by name."""
    for theme in THEMES:
        lab = NotebookPage(server, page, _notebook(folder, theme), list(CELLS))
        lab.open(theme)
        lab.run("setup")
        lab.wait_done("setup")
        _retrying(lab, page, theme, write)
        _several(lab, page, theme, write)
        write(f"monitor-done-{theme}", lab.picture("fetch", "fan"))
        _progress(lab, page, theme, write)
        lab.interrupt()
        lab.wait_idle()
        server.end_kernel(f"{theme}/retries.ipynb")


def _notebook(folder: Path, theme: str) -> str:
    """Write a notebook and the service that it asks; return its path below the folder."""
    import nbformat

    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(source, id=cell) for cell, source in CELLS.items()]
    (folder / theme).mkdir()
    (folder / theme / "service.py").write_text(SERVICE, "utf-8")
    nbformat.write(notebook, folder / theme / "retries.ipynb")
    return f"{theme}/retries.ipynb"


def _retrying(lab: NotebookPage, page: Page, theme: str, write: Callable[[str, bytes], None]) -> None:
    lab.run("fetch")
    wait_until(lambda: "attempt 2 of 5" in lab.shown("fetch") and "next attempt" in lab.shown("fetch"), "a backoff")
    page.wait_for_timeout(1500)
    write(f"monitor-{theme}", lab.picture("fetch", "fetch"))
    lab.output("fetch").locator("summary").click()
    write(f"monitor-errors-{theme}", lab.picture("fetch", "fetch"))
    lab.output("fetch").locator("[data-action=retry_now]").first.click()
    wait_until(lambda: "running for" in lab.shown("fetch"), "an attempt")
    lab.wait_done("fetch")


def _several(lab: NotebookPage, page: Page, theme: str, write: Callable[[str, bytes], None]) -> None:
    lab.run("fan")
    wait_until(lambda: lab.shown("fan").count("next in") > 5, "calls that retry")  # noqa: PLR2004 - most rows there are
    page.wait_for_timeout(1500)
    write(f"monitor-several-{theme}", lab.picture("fan", "fan"))
    lab.output("fan").get_by_role("button", name="Retry all now").click()
    lab.wait_done("fan")


def _progress(lab: NotebookPage, page: Page, theme: str, write: Callable[[str, bytes], None]) -> None:
    """Interrupt a loop and run it again, so that some of its calls replay."""
    lab.run("loop")
    wait_until(lambda: "of 400 calls" in lab.shown("loop"), "the progress of the loop")
    lab.interrupt()
    lab.wait_done("loop")
    lab.run("loop")
    wait_until(lambda: "page 152 is locked" in lab.shown("loop"), "the page that fails")
    page.wait_for_timeout(3000)
    write(f"monitor-progress-{theme}", lab.picture("loop", "loop"))
