"""Takes the pictures of README and docs: JupyterLab and a terminal, killed and resumed for real.

Runs a copy of the quickstart against the demo's flaky server, kills its kernel with SIGKILL in the
middle of the loop, and runs all cells again. Writes PNG files beside this script. `make.py PART`
takes those of one part only: quickstart, terminal, or views.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(ROOT / "tests" / "browser"))  # the browser tests drive JupyterLab too, with its pages module

NOTEBOOK = "quickstart.ipynb"
KILL_AFTER_PAGES = 150
MAX_BYTES, COLOURS = 150_000, (256, 128, 64)
WIDTH, HEIGHT, SCALE = 900, 5600, 1.5  # pixels fine enough for print
PARTS = ("lab", "monitor", "terminal", "server", "views")
NEEDED = ("jupyterlab", "playwright", "PIL", "psutil", "pexpect", "rich", "nbformat")

MORE_CELLS = {
    "status": "%durable",
    "edit": 'flown["late"] = flown["dep_delay"] > 30  # half an hour is late, a quarter is not',
    "why": "%durable why model",
    "show": "%durable show model",
    "fails": """\
%%step taxi --max-attempts 3 --interval-seconds 0.2
waits = []
for text in ("0:14", "0:09", "n/a"):
    hours, minutes = text.split(":")
    waits.append(60 * int(hours) + int(minutes))""",
}

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pages import NotebookPage, Server
    from playwright.sync_api import Page


def check_needs() -> str:
    """Return the path of Chromium; exit with what is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"durable_nb pictures: not installed: {', '.join(missing)} (make pictures installs them into .venv)")
    from pages import NO_CHROMIUM, find_chromium

    path = find_chromium()
    if path is None:
        sys.exit(f"durable_nb pictures: {NO_CHROMIUM}")
    return path


def write_png(name: str, png: bytes) -> None:
    """Write a picture with as many colours as fit in MAX_BYTES."""
    from PIL import Image

    image, path = Image.open(io.BytesIO(png)).convert("RGB"), HERE / f"{name}.png"
    for colours in COLOURS:
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            break
    else:
        sys.exit(f"durable_nb pictures: {path.name} is larger than {MAX_BYTES // 1000} KB")
    print(f"{path.name}: {image.width} x {image.height}, {path.stat().st_size // 1000} KB", flush=True)


@contextmanager
def flaky_server(log: Path) -> Iterator[str]:
    """Give the URL of the demo's server."""
    command = [sys.executable, str(NOTEBOOKS / "demo" / "server.py"), "--with-parent", "--log", str(log)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.communicate(timeout=30)


def copy_notebook(folder: Path) -> list[str]:
    """Copy the quickstart with a few cells more; return the ids of its cells in order."""
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / NOTEBOOK, 4)
    for cell_id, source in MORE_CELLS.items():
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=cell_id))
    nbformat.write(notebook, folder / NOTEBOOK)
    return [cell["id"] for cell in notebook.cells]


def pages_answered(log: Path) -> int:
    """Count the pages that the server answered in full."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return sum(line.get("status") == 200 and line["complete"] for line in lines)  # noqa: PLR2004 - HTTP's


def kill_and_resume(lab: NotebookPage, server: Server) -> None:
    """Kill the kernel with SIGKILL, and run all cells in the one that JupyterLab starts instead."""
    from pages import wait_until

    server.kill_kernel(NOTEBOOK)
    lab.accept_dialog()
    wait_until(lambda: server.idle(NOTEBOOK), "the new kernel")
    lab.run_all()
    wait_until(lambda: lab.shown("fails"), "the last cell")
    lab.wait_idle()


def lab_pictures(lab: NotebookPage, server: Server, log: Path) -> None:
    """Kill, resume, and take the pictures of JupyterLab."""
    from pages import THEMES, wait_until

    lab.open("light")
    lab.run_all()
    wait_until(lambda: "next attempt" in lab.shown("loop") and pages_answered(log) >= KILL_AFTER_PAGES, "the loop")
    kill_and_resume(lab, server)
    lab.save()
    for theme in THEMES:
        lab.open(theme)
        write_png(f"loop-{theme}", lab.picture("fetch", "loop"))
    # what ran just now replays in one kernel more
    kill_and_resume(lab, server)
    lab.save()
    for theme in THEMES:
        lab.open(theme)
        write_png(f"resumed-{theme}", lab.picture("clean", "plot"))
        write_png(f"durable-{theme}", lab.picture("status", "show"))
        write_png(f"failed-{theme}", lab.picture("fails", "fails"))


def page_pictures(page: Page, folder: Path) -> None:
    """Take the pictures of the server's page of notebooks."""
    import notebooks

    served = folder / "served"
    served.mkdir()
    environment = {"DURABLE_NB_KEY_FILE": str(folder / "key"), "IPYTHONDIR": str(folder / "ipython")}
    for name, png in notebooks.pictures(page, served, environment):
        write_png(name, png)


def main() -> None:
    """Take all pictures, or the parts that are named."""
    path, parts = check_needs(), sys.argv[1:] or PARTS
    import monitor
    import terminal
    import views
    from pages import NotebookPage, Server, chromium

    with tempfile.TemporaryDirectory(prefix="durable-nb-pictures-") as name:
        folder = Path(name).resolve()
        cells = copy_notebook(folder)
        log = folder / "pages.log"
        with flaky_server(log) as url, chromium(path) as browser:
            environment = {
                "DEMO_URL": url,
                "DURABLE_NB_KEY_FILE": str(folder / "key"),
                "IPYTHONDIR": str(folder / "ipython"),
                "OMP_NUM_THREADS": "1",
            }
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
            server = Server(folder, environment)
            try:
                if "lab" in parts:
                    lab_pictures(NotebookPage(server, page, NOTEBOOK, cells), server, log)
                if "monitor" in parts:
                    monitor.take(server, page, folder, write_png)
            finally:
                server.close()
            if "terminal" in parts:
                write_png("terminal", terminal.picture(page, folder))
            if "server" in parts:
                page_pictures(page, folder)
            if "views" in parts:
                views.take(page, folder, write_png)


if __name__ == "__main__":
    main()
