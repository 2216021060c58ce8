"""A session in terminal IPython, killed in a loop and resumed, as a picture."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import pexpect
import psutil
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI as THEME
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

COLUMNS = 96
STYLE = """
body { margin: 0 }
div { display: inline-block; padding: 14px; background: #191919; color: #d0d0d0 }
code { white-space: pre; font: 14px/1.35 monospace !important }
"""
LOAD = "%load_ext durable_nb"
IMPORTS = "import time; from durable_nb import step, step_status"
FETCH = """\
@step(retries_allowed=True, max_attempts=5)
def fetch(number):
    if number == 2 and step_status().current_attempt == 0:
        raise OSError("busy")
    time.sleep(0.2)
    return number ** 2
"""
LOOP = "squares = [fetch(number) for number in range(8)]"
TOTAL = """\
%%step total
total = sum(squares)
print(total)

"""
TITLE = re.compile(r"\x1b\]0;[^\x07]*\x07")
CLEAR = "\r\x1b[2K"  # what comes after it in a line is written over what was there before
EMPTY_PROMPTS = re.compile(r"(\n *\.\.\.: *)+(?=\n)")


def picture(page: Page, folder: Path) -> bytes:
    """Return a PNG of two sessions, the first one killed."""
    lines = TITLE.sub("", session(folder)).split("\n")
    shown = "\n".join(line.rpartition(CLEAR)[2] for line in lines).replace("\r", "")
    text = Text.from_ansi(EMPTY_PROMPTS.sub("", shown))
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(text)
    code = console.export_html(theme=THEME, inline_styles=True, code_format="<code>{code}</code>")
    page.set_content(f"<style>{STYLE}</style><div>{code}</div>")
    return page.locator("div").screenshot()


def session(folder: Path) -> str:
    """Return what a terminal shows when IPython is killed in a loop, and resumed."""
    shell = Shell(folder)
    for text in (LOAD, IMPORTS, FETCH, LOOP):
        shell.type(text)
    shell.wait("next in")
    time.sleep(1.5)  # the backoff, and a call or two more
    shell.kill_ipython()
    for text in (LOAD, IMPORTS, FETCH, LOOP, TOTAL, "%durable", "%durable why total"):
        shell.type(text)
    return shell.close()


class Shell:
    """A shell that runs IPython, typed into."""

    def __init__(self, folder: Path) -> None:
        ipython = f"{sys.executable} -m IPython --simple-prompt --no-banner --no-confirm-exit"
        (folder / "rc").write_text(f'PS1="$ "; bind "set enable-bracketed-paste off"; ipython() {{ {ipython}; }}\n')
        places = {"IPYTHONDIR": "ipython", "DURABLE_NB_KEY_FILE": "key", "DURABLE_NB_STORE": "terminal.duckdb"}
        self._child = pexpect.spawn(
            "bash",
            ["--noprofile", "--rcfile", str(folder / "rc"), "-i"],
            cwd=str(folder),
            env={**os.environ, **{name: str(folder / path) for name, path in places.items()}},
            dimensions=(50, COLUMNS),
            encoding="utf-8",
            timeout=60,
        )
        self._shown = ""
        self.wait(r"\$ ")
        self._child.sendline("ipython")

    def wait(self, what: str) -> None:
        """Wait until this is shown."""
        self._child.expect(what)
        self._shown += self._child.before + self._child.after

    def type(self, text: str) -> None:
        """Type lines at the next prompt."""
        self.wait(r"\nIn \[\d+\]: $")
        for line in text.split("\n"):
            self._child.sendline(line)

    def kill_ipython(self) -> None:
        """Kill IPython as the out-of-memory killer would, and start it again."""
        (ipython,) = psutil.Process(self._child.pid).children()
        os.kill(ipython.pid, signal.SIGKILL)
        self.wait("Killed[^$]*\\$ ")
        self._child.sendline("ipython")

    def close(self) -> str:
        """End the shell; returns all that was shown before the last prompt."""
        self._child.expect(r"\n[^\n]*In \[\d+\]: ")
        self._shown += self._child.before
        self._child.close(force=True)
        return self._shown
