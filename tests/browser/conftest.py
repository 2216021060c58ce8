"""A Jupyter server, and notebooks that retry, for the tests in here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # docs/pictures drives the same pages
sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from needed import needed_browser
from pages import NotebookPage, Server, wait_until
from scenes import hits, prepare

OLD_PYTHON = Path(__file__).parents[2] / ".venv-ipykernel6" / "bin" / "python"

SETUP = """
import asyncio, time, tally
%load_ext durable_nb
from durable_nb import step

def note_end(result):
    with open({log!r}, "a") as log:
        log.write(f"{{result.info.cell_id}} {{time.time()}} {{type(result.error_in_exec).__name__}}\\n")

get_ipython().events.register("post_run_cell", note_end)
"""


@dataclass(frozen=True)
class Ended:
    """How a cell ended, as the kernel noted it.

    Attributes:
        at: Unix seconds.
        error: the type of its error; ``NoneType`` where it had none.
    """

    at: float
    error: str


class RetryPage(NotebookPage):
    """A notebook whose steps retry, on a page."""

    def __init__(self, server, page, name, cells, app):
        super().__init__(server, page, f"{name}.ipynb", ["setup", *cells], app)
        self.server, self.file = server, server.folder / f"{name}.ipynb"
        self._log = server.folder / f"{name}.log"

    def monitor(self, cell):
        """Return the retry monitor below a cell."""
        return self.output(cell).locator(".durable-nb-monitor")

    def button(self, cell, action):
        """Return a button of the retry monitor below a cell: of its one row, or of all rows together."""
        return self.monitor(cell).locator(f'button[data-action="{action}"]:visible:enabled')

    def click(self, cell, action):
        """Click a button as soon as it is there; return when that was, by the browser's clock."""
        self.button(cell, action).click(timeout=120_000)
        return self.clicked_at()

    def ended(self, cell, times=1):
        """Return how a cell ended, once it has, the given number of times."""

        def found():
            self.page.wait_for_timeout(20)
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            ends = [line.split() for line in lines if line.startswith(f"{cell} ")]
            return ends[times - 1] if len(ends) >= times else None

        _, at, error = wait_until(found, f"the end of cell {cell}; it shows {self.shown(cell)!r}")
        return Ended(float(at), error)

    def hits(self, name):
        """Return how often the notebook's code tallied ``name``, in any of its kernels."""
        return hits(self.server.folder)[name]

    def times(self, name):
        """Return the Unix seconds that the notebook's code tallied as ``name-at-seconds``."""
        noted = (each.partition(f"{name}-at-") for each in hits(self.server.folder))
        return sorted(float(seconds) for _, found, seconds in noted if found)

    def reopen_without_kernel(self):
        """Load the page anew, as saved, on a machine that has no kernel for it."""
        self.server.end_kernel(self.file.name)
        notebook = nbformat.read(self.file, 4)
        known = dict(notebook.metadata["kernelspec"])
        notebook.metadata["kernelspec"].update(name="gone", display_name="gone")
        nbformat.write(notebook, self.file)
        self.open(kernel=False)
        notebook.metadata["kernelspec"].update(known)
        nbformat.write(notebook, self.file)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    with needed_browser() as started:
        yield started


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Jupyter server with JupyterLab, Notebook 7, and kernels of ipykernel 7 and 6."""
    if not OLD_PYTHON.exists():
        pytest.fail(f"{OLD_PYTHON} is missing: run .ci/ipykernel6, as make test does", pytrace=False)
    folder = prepare(tmp_path_factory.mktemp("browser"))
    (folder / "notebook.ipynb").unlink()
    environment = {
        "DURABLE_NB_KEY_FILE": str(folder / "key"),
        "IPYTHONDIR": str(folder / ".ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    started = Server(folder, environment)
    started.add_kernel("ipykernel6", OLD_PYTHON)
    yield started
    started.close()


@pytest.fixture
def open_notebook(browser, server, request):
    """Open a notebook of one's own, ``open_notebook({"id": source}, place)``, ready to run."""
    opened = []

    def open_it(cells, place="lab-7"):
        app, kernel = place.split("-")
        name = f"n{len(list(server.folder.glob('*.ipynb')))}"
        sources = {"setup": SETUP.format(log=f"{name}.log"), **cells}
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3" if kernel == "7" else "ipykernel6", "display_name": kernel}},
            cells=[nbformat.v4.new_code_cell(source.strip(), id=cell) for cell, source in sources.items()],
        )
        nbformat.write(notebook, server.folder / f"{name}.ipynb")
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        opened.append(RetryPage(server, page, name, list(cells), app))
        opened[-1].open()
        return opened[-1]

    yield open_it
    for each in opened:
        if os.environ.get("DURABLE_NB_SCREENSHOTS"):
            each.page.screenshot(path=f"{os.environ['DURABLE_NB_SCREENSHOTS']}/{request.node.name}.png")
        each.page.close()
        server.end_kernel(each.file.name)
