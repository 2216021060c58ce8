"""Pictures of the timeline, the graph and the table: a small notebook whose kernel is killed in a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from pages import THEMES, NotebookPage, Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

NOTEBOOK = "views.ipynb"
CELLS = {
    "setup": """\
%load_ext durable_nb
import os, time
from durable_nb import step, step_status""",
    "timeline": "%durable timeline",
    "fetch": """\
@step(retries_allowed=True, max_attempts=4, interval_seconds=0.05)
def fetch(number):
    time.sleep(0.003)
    if number % 37 == 5 and step_status().current_attempt < 1:
        raise OSError(f"busy at {number}")
    return number""",
    "load": """\
%%step load
rows = [{"day": n, "delay": n % 7} for n in range(365)]
time.sleep(0.8)""",
    "pages": "pages = [fetch(number) for number in range(240)]",
    "limit": "limit = 3",
    "clean": """\
%%step clean
late = [row for row in rows if row["delay"] > limit]
notes = [fetch(1000 + number) for number in range(80)]""",
    "weather": """\
%%step weather
wind = {row["day"]: row["day"] % 5 for row in rows}
time.sleep(0.4)""",
    "join": """\
%%step join
table = [(row["day"], row["delay"], wind[row["day"]]) for row in late]
time.sleep(0.3)""",
    "upload": """\
%%step upload --max-attempts 4 --interval-seconds 0.7
with open("tries", "a") as file:
    file.write("x")
time.sleep(0.5)
if os.path.getsize("tries") < 4:
    raise ConnectionError("the server hung up")
link = f"{len(table)} rows" """,
    "report": """\
%%step report
text = f"{link}, windy on {sum(wind.values())}"
time.sleep(0.5)""",
    "edit": "limit = 4",
    "table": "%durable",
    "graph": "%durable graph",
}
OPENED = {
    "timeline": "summary:has-text('upload')",
    "table": "button[aria-label='why clean']",
    "graph": ".d-hit >> nth=1",
}
"""What is clicked in each, so that the picture shows what there is to see."""


def write_notebook(folder: Path) -> list[str]:
    """Write the notebook; return the ids of its cells in order."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source, id=cell_id) for cell_id, source in CELLS.items()]
    nbformat.write(nbformat.v4.new_notebook(metadata=kernel, cells=cells), folder / NOTEBOOK)
    return list(CELLS)


def take(page: Page, folder: Path, write_png: Callable[[str, bytes], None]) -> None:
    """Run the notebook, kill its kernel in the retries of a step, run it again, and take the pictures."""
    cells = write_notebook(folder)
    server = Server(folder, {"DURABLE_NB_KEY_FILE": str(folder / "key"), "IPYTHONDIR": str(folder / "ipython")})
    try:
        lab = NotebookPage(server, page, NOTEBOOK, cells)
        lab.open("light")
        lab.run_all()
        wait_until(lambda: "attempt 2 of 4" in lab.shown("upload"), "the second failed attempt")
        server.kill_kernel()
        lab.accept_dialog()
        wait_until(server.idle, "the new kernel")
        lab.run_all()
        wait_until(lambda: "steps" in lab.shown("graph"), "the graph")
        lab.wait_idle()
        lab.save()
        for theme in THEMES:
            lab.open(theme)
            for cell, what in OPENED.items():
                page.locator(what).first.click()
                page.wait_for_timeout(1000)
                write_png(f"{cell}-{theme}", lab.picture(cell, cell))
    finally:
        server.close()
