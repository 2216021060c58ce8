"""A real ``jupyter server`` process for tests, and what it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

TOKEN = "t0ken"
PATIENCE_TICKS = 2400


class Answer(NamedTuple):
    status: int
    text: str
    headers: Any

    @property
    def json(self):
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


class Server:
    """A server on a free port.

    Args:
        root: the folder it serves.
        home: for its configuration and log; ``jupyter_server_config.py`` there is read.
        options: more of its command line.
        python: the interpreter of its environment.
    """

    def __init__(self, root: Path, home: Path, *options: str, base_url: str = "/", python: str = sys.executable):
        self.log = home / "server.log"
        runtime = home / "runtime"
        command = [
            python, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.port=0",
            f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", f"--ServerApp.base_url={base_url}",
            *options,
        ]  # fmt: skip
        # the kernels' own temporary settings, and none of whoever runs the tests
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        env = clean | {"JUPYTER_CONFIG_DIR": str(home), "JUPYTER_RUNTIME_DIR": str(runtime), "HOME": str(home)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=log)
        self.url = self._wait_for_url(runtime)
        assert self.url.endswith(base_url)

    def _wait_for_url(self, runtime: Path) -> str:
        pause = threading.Event()
        for _ in range(PATIENCE_TICKS):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at once:\n{self.log.read_text()}")
            for file in runtime.glob("jpserver-*.json"):
                try:
                    url = json.loads(file.read_text())["url"]
                    urllib.request.urlopen(url + "api", timeout=60).close()
                except (ValueError, OSError):  # half a file, or it does not listen yet
                    continue
                return url
            pause.wait(0.025)
        raise TimeoutError(self.log.read_text())

    def get(self, path: str, *, token: str | None = TOKEN, method: str = "GET", **headers: str) -> Answer:
        """Ask for an address below the base URL, as written; redirects are not followed."""
        if token is not None:
            headers["Authorization"] = f"token {token}"
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)

    def notebooks(self, query: str = "") -> dict[str, Any]:
        """Return the list's entries by path."""
        answer = self.get(f"durable-nb/api/notebooks{query}")
        assert answer.status == 200, answer.text
        return {each["path"]: each for each in answer.json["notebooks"]}

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
