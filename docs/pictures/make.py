"""Takes the pictures of README and docs: JupyterLab and a terminal, killed and resumed for real.

Runs a copy of the quickstart against the demo's flaky server, kills its kernel with SIGKILL in the
middle of the loop, and runs all cells again. Writes PNG files beside this script.
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
NOTEBOOKS = HERE.parents[1] / "notebooks"
KILL_AFTER_PAGES = 150
MAX_BYTES, COLOURS = 150_000, (256, 128, 64)
WIDTH, HEIGHT = 900, 5600
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

    from lab import LabPage, Server


def check_needs() -> str:
    """Return the path of Chromium; exit with what is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"durable_nb pictures: not installed: {', '.join(missing)} (make pictures installs them into .venv)")
    from lab import BROWSERS, find_chromium

    path = find_chromium()
    if path is None:
        sys.exit(
            f"durable_nb pictures: no Chromium on PATH (looked for {', '.join(BROWSERS)}): "
            "install it (on Debian and Ubuntu the package chromium)"
        )
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

    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", 4)
    for cell_id, source in MORE_CELLS.items():
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=cell_id))
    nbformat.write(notebook, folder / "quickstart.ipynb")
    return [cell["id"] for cell in notebook.cells]


def pages_answered(log: Path) -> int:
    """Count the pages that the server answered in full."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return sum(line.get("status") == 200 and line["complete"] for line in lines)  # noqa: PLR2004 - HTTP's


def kill_and_resume(lab: LabPage, server: Server) -> None:
    """Kill the kernel with SIGKILL, and run all cells in the one that JupyterLab starts instead."""
    from lab import wait_until

    server.kill_kernel()
    lab.accept_dialog()
    wait_until(server.idle, "the new kernel")
    lab.run_all()
    wait_until(lambda: lab.shown("fails"), "the last cell")
    lab.wait_idle()


def lab_pictures(lab: LabPage, server: Server, log: Path) -> None:
    """Kill, resume, and take the pictures of JupyterLab."""
    from lab import THEMES, wait_until

    lab.open("light")
    lab.run_all()
    wait_until(lambda: "next in" in lab.shown("loop") and pages_answered(log) >= KILL_AFTER_PAGES, "the loop")
    write_png("retrying", lab.picture("fetch", "loop"))
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


def main() -> None:
    """Take all pictures."""
    browser = check_needs()
    import terminal
    from lab import LabPage, Server, chromium

    with tempfile.TemporaryDirectory(prefix="durable-nb-pictures-") as name:
        folder = Path(name).resolve()
        cells = copy_notebook(folder)
        log = folder / "pages.log"
        with flaky_server(log) as url, chromium(browser, width=WIDTH, height=HEIGHT) as page:
            environment = {
                "DEMO_URL": url,
                "DURABLE_NB_KEY_FILE": str(folder / "key"),
                "IPYTHONDIR": str(folder / "ipython"),
                "OMP_NUM_THREADS": "1",
            }
            server = Server(folder, environment)
            try:
                lab_pictures(LabPage(server, page, "quickstart.ipynb", cells), server, log)
            finally:
                server.close()
            write_png("terminal", terminal.picture(page, folder))


if __name__ == "__main__":
    main()
