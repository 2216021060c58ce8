"""A Jupyter server of one's own, and its pages in a headless Chromium; no test framework in it.

The browser tests and docs/pictures/make.py drive JupyterLab and Notebook 7 with it.
"""

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, FloatRect, Locator, Page, WebSocket

App = Literal["lab", "notebook"]

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
NO_CHROMIUM = (
    f"no Chromium on PATH (looked for {', '.join(BROWSERS)}): install it (on Debian and Ubuntu the package chromium)"
)
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "showHiddenCellsButton": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
PAGES = {"lab": "/doc/tree/{}?reset", "notebook": "/notebooks/{}"}
PATIENCE_SECONDS = 120.0
PATIENCE_MS = 1000 * PATIENCE_SECONDS


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
    """A Jupyter server on a free local port, with settings and kernels of its own; it has Lab and Notebook 7."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        home = folder / ".jupyter"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._settings, self._data = home / "settings", home / "data"
        self.configure(SETTINGS)
        places = {
            "JUPYTERLAB_SETTINGS_DIR": self._settings,
            "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
            "JUPYTER_CONFIG_DIR": home / "config",
            "JUPYTER_DATA_DIR": self._data,
            "JUPYTER_RUNTIME_DIR": home / "runtime",
        }
        command = [
            sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}",
        ]  # fmt: skip
        self._log = folder / "server.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **{name: str(path) for name, path in places.items()}, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, "the Jupyter server to start")

    def configure(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Write user settings, by plug-in; a page reads them when it is loaded."""
        for plugin, values in settings.items():
            extension, name = plugin.split(":")
            path = self._settings / extension / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), "utf-8")

    def add_kernel(self, name: str, python: Path) -> None:
        """Offer kernels of another environment."""
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": command, "display_name": name, "language": "python"}
        path = self._data / "kernels" / name / "kernel.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(spec), "utf-8")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            message = f"the Jupyter server ended at once:\n{self._log.read_text('utf-8')[-3000:]}"
            raise SystemExit(message)
        try:
            return bool(self.get("/api"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """Return what the server's REST interface answers."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def _session(self, notebook: str) -> dict[str, Any] | None:
        try:
            sessions = self.get("/api/sessions")
        except urllib.error.HTTPError:  # the server answers 500 while a kernel is only half there
            return None
        return next((each for each in sessions if each["path"] == notebook), None)

    def idle(self, notebook: str) -> bool:
        """Say whether a notebook has a kernel and it is idle."""
        session = self._session(notebook)
        return session is not None and session["kernel"]["execution_state"] == "idle"

    def kill_kernel(self, notebook: str) -> None:
        """Kill a notebook's kernel as the out-of-memory killer would; Jupyter starts another one."""
        os.kill(self._kernel_pid(notebook), signal.SIGKILL)

    def _kernel_pid(self, notebook: str) -> int:
        session = self._session(notebook)
        assert session is not None, notebook
        children = psutil.Process(self._process.pid).children()
        (kernel,) = (each for each in children if any(session["kernel"]["id"] in word for word in each.cmdline()))
        return kernel.pid

    def end_kernel(self, notebook: str) -> None:
        """Shut a notebook's kernel down, if it has one."""
        session = self._session(notebook)
        if session is not None:
            request = urllib.request.Request(f"{self.url}/api/sessions/{session['id']}", method="DELETE")
            urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()

    def close(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


@dataclass(frozen=True)
class Message:
    """A kernel message that went through the page's web socket."""

    sent: bool
    channel: str
    kind: str


class NotebookPage:
    """One notebook in JupyterLab or Notebook 7; cells are named by their ids' order in the file.

    Attributes:
        page: the browser's.
        messages: what went through kernel web sockets since the page was made.
    """

    def __init__(self, server: Server, page: Page, notebook: str, cells: list[str], app: App = "lab") -> None:
        self.page = page
        self.messages: list[Message] = []
        self._server, self._notebook, self._cells, self._app = server, notebook, cells, app
        page.on("websocket", self._listen)
        page.add_init_script("addEventListener('click', () => { window.clickedAt = Date.now() / 1000 }, true)")

    def open(self, theme: str = "light", *, kernel: bool = True) -> None:
        """Load the page anew, as saved, in a theme; it gets a kernel unless told otherwise."""
        self._server.configure({"@jupyterlab/apputils-extension:themes": {"theme": THEMES[theme]}})
        self.page.goto(self._server.url + PAGES[self._app].format(self._notebook))
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell .cm-content", timeout=PATIENCE_MS)
        if kernel:
            self.wait_kernel()
        else:
            self.page.locator(".jp-Dialog select").select_option("null")
            self.accept_dialog()
        self.page.wait_for_timeout(1000)

    def wait_kernel(self) -> None:
        """Wait until there is a kernel and it is idle, on the server and on the page."""
        wait_until(lambda: self._server.idle(self._notebook), "the kernel")
        self.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=PATIENCE_MS)

    def run(self, cell: str) -> None:
        """Run one cell."""
        self.cell(cell).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")

    def run_all(self) -> None:
        """Choose Run All Cells."""
        self._menu("Run", "Run All Cells")

    def restart_and_run_all(self) -> None:
        """Choose Restart Kernel and Run All Cells, and accept."""
        self._menu("Kernel", "Restart Kernel and Run All Cells…")
        self.accept_dialog()

    def interrupt(self) -> None:
        """Press ■."""
        self.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()

    def save(self) -> None:
        """Save the notebook with its outputs."""
        with self.page.expect_response(lambda each: each.request.method == "PUT" and "/api/contents/" in each.url):
            self._menu("File", "Save Notebook")

    def accept_dialog(self) -> None:
        """Click the main button of the dialog that is shown or comes, e.g. the one that tells of a dead kernel."""
        self.page.locator(".jp-Dialog button.jp-mod-accept").click(timeout=PATIENCE_MS)

    def wait_done(self, *cells: str) -> None:
        """Wait until cells have run or were passed over; all, where none is named."""
        for cell in cells or self._cells:
            busy = self.cell(cell).locator(".jp-InputPrompt", has_text="[*]")
            busy.wait_for(state="detached", timeout=PATIENCE_MS)

    def wait_idle(self) -> None:
        """Wait until all cells have run."""
        self.wait_done()
        wait_until(lambda: self._server.idle(self._notebook), "the kernel")
        self.page.wait_for_timeout(500)

    def wait_text(self, cell: str, text: str) -> None:
        """Wait until a cell shows a text below its code."""
        self.output(cell).filter(has_text=text).first.wait_for(timeout=PATIENCE_MS)

    def shown(self, cell: str) -> str:
        """Return the text that a cell shows below its code."""
        output = self.output(cell)
        return output.inner_text() if output.count() else ""

    def output(self, cell: str) -> Locator:
        """Return what a cell shows below its code."""
        return self.cell(cell).locator(".jp-Cell-outputArea")

    def cell(self, cell: str) -> Locator:
        """Return a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(self._cells.index(cell))

    def clicked_at(self) -> float:
        """Return when something was last clicked, by the browser's clock in Unix seconds."""
        return float(self.page.evaluate("window.clickedAt"))

    def picture(self, first: str, last: str, *, padding: int = 3) -> bytes:
        """Return a PNG of the cells from one to another."""
        self.page.mouse.move(2, 2)
        self.page.evaluate("document.activeElement.blur()")
        top, bottom = self._box(first), self._box(last)
        clip: FloatRect = {
            "x": top["x"],
            "y": top["y"] - padding,
            "width": top["width"],
            "height": bottom["y"] + bottom["height"] - top["y"] + 2 * padding,
        }
        return self.page.screenshot(clip=clip)

    def _box(self, cell: str) -> FloatRect:
        box = self.cell(cell).bounding_box()
        assert box is not None, cell
        return box

    def _menu(self, *items: str) -> None:
        first, *rest = items
        self.page.click(f'.lm-MenuBar-item:has(.lm-MenuBar-itemLabel:text-is("{first}"))')
        for item in rest:
            self.page.click(f'.lm-Menu-item:has(.lm-Menu-itemLabel:text-is("{item}"))')

    def _listen(self, socket: WebSocket) -> None:
        if "/channels" not in socket.url:
            return
        socket.on("framesent", lambda frame: self._note(frame, sent=True))
        socket.on("framereceived", lambda frame: self._note(frame, sent=False))

    def _note(self, frame: str | bytes, *, sent: bool) -> None:
        """Note a message; the wire format is v1.kernel.websocket.jupyter.org, offsets and then the parts."""
        if isinstance(frame, str):
            message = json.loads(frame)
            channel, header = message["channel"], message["header"]
        else:
            words = [int.from_bytes(frame[8 * index : 8 * index + 8], "little") for index in range(4)]
            channel = frame[words[1] : words[2]].decode()
            header = json.loads(frame[words[2] : words[3]])
        self.messages.append(Message(sent, channel, header["msg_type"]))


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Give a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
