"""A JupyterLab server of one's own, and its page in a headless Chromium: what make.py takes pictures of."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import FloatRect, Locator, Page

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "showHiddenCellsButton": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
PATIENCE_SECONDS = 120.0


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def wait_until(true: Callable[[], Any], what: str) -> Any:
    """Return what ``true`` returns as soon as that is true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    message = f"waited {PATIENCE_SECONDS:.0f} s for {what}"
    raise TimeoutError(message)


class Server:
    """JupyterLab on a free local port, with settings of its own, ended with this process."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        home = folder / ".jupyter"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._settings = home / "settings"
        self.configure(SETTINGS)
        places = {
            "JUPYTERLAB_SETTINGS_DIR": self._settings,
            "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
            "JUPYTER_CONFIG_DIR": home / "config",
            "JUPYTER_RUNTIME_DIR": home / "runtime",
        }
        command = [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}",
        ]  # fmt: skip
        self._log = folder / "server.log"
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **{name: str(path) for name, path in places.items()}, **environment},
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
        )
        wait_until(self._answers, "JupyterLab to start")

    def configure(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Write user settings, by plug-in; a page reads them when it is loaded."""
        for plugin, values in settings.items():
            extension, name = plugin.split(":")
            path = self._settings / extension / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), "utf-8")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            message = f"JupyterLab ended at once:\n{self._log.read_text('utf-8')[-3000:]}"
            raise SystemExit(message)
        try:
            return bool(self.get("/api"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """Return what the server's REST interface answers."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def idle(self) -> bool:
        """Say whether there is a kernel and all are idle."""
        try:
            kernels = self.get("/api/kernels")
        except urllib.error.HTTPError:  # the server answers 500 while a kernel is only half there
            return False
        return bool(kernels) and all(each["execution_state"] == "idle" for each in kernels)

    def kill_kernel(self) -> None:
        """Kill the kernel as the out-of-memory killer would; JupyterLab starts another one."""
        children = psutil.Process(self._process.pid).children()
        (kernel,) = (each for each in children if any("ipykernel" in word for word in each.cmdline()))
        os.kill(kernel.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        self._process.wait(20)


class LabPage:
    """One notebook in JupyterLab; cells are named by their ids' order in the file."""

    def __init__(self, server: Server, page: Page, notebook: str, cells: list[str]) -> None:
        self._server, self._page, self._notebook, self._cells = server, page, notebook, cells

    def open(self, theme: str) -> None:
        """Load the page anew, as saved, in a theme."""
        self._server.configure({"@jupyterlab/apputils-extension:themes": {"theme": THEMES[theme]}})
        self._page.goto(f"{self._server.url}/doc/tree/{self._notebook}?reset")
        self._page.wait_for_selector(".jp-Notebook .jp-CodeCell .cm-content", timeout=60_000)
        wait_until(self._server.idle, "the kernel")
        self._page.wait_for_timeout(2000)

    def run_all(self) -> None:
        """Choose Run All Cells."""
        self._menu("Run", "Run All Cells")

    def save(self) -> None:
        """Save the notebook with its outputs."""
        self._page.locator(".jp-Notebook").click(position={"x": 3, "y": 3})
        self._page.keyboard.press("Control+s")
        self._page.wait_for_timeout(1500)

    def accept_dialog(self) -> None:
        """Click the main button of the dialog that tells of a dead kernel."""
        self._page.locator(".jp-Dialog button.jp-mod-accept").click(timeout=60_000)

    def wait_idle(self) -> None:
        """Wait until all cells have run."""
        busy = self._page.locator(".jp-Notebook .jp-InputPrompt", has_text="[*]")
        wait_until(lambda: self._server.idle() and busy.count() == 0, "the cells to end")
        self._page.wait_for_timeout(500)

    def shown(self, cell: str) -> str:
        """Return the text that a cell shows below its code."""
        output = self._cell(cell).locator(".jp-Cell-outputArea")
        return output.inner_text() if output.count() else ""

    def picture(self, first: str, last: str, *, padding: int = 3) -> bytes:
        """Return a PNG of the cells from one to another."""
        self._page.mouse.move(2, 2)
        self._page.evaluate("document.activeElement.blur()")
        top, bottom = self._box(first), self._box(last)
        clip: FloatRect = {
            "x": top["x"],
            "y": top["y"] - padding,
            "width": top["width"],
            "height": bottom["y"] + bottom["height"] - top["y"] + 2 * padding,
        }
        return self._page.screenshot(clip=clip)

    def _box(self, cell: str) -> FloatRect:
        box = self._cell(cell).bounding_box()
        assert box is not None, cell
        return box

    def _cell(self, cell: str) -> Locator:
        return self._page.locator(".jp-Notebook .jp-Cell").nth(self._cells.index(cell))

    def _menu(self, *items: str) -> None:
        first, *rest = items
        self._page.click(f'.lm-MenuBar-item:has(.lm-MenuBar-itemLabel:text-is("{first}"))')
        for item in rest:
            self._page.click(f'.lm-Menu-item:has(.lm-Menu-itemLabel:text-is("{item}"))')


@contextmanager
def chromium(path: str, *, width: int, height: int) -> Iterator[Page]:
    """Give a page in a headless Chromium, with pixels fine enough for print."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
        finally:
            browser.close()
