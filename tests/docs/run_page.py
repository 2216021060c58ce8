"""Runs the Python of one page in an IPython shell, block by block, as its reader would."""

from __future__ import annotations

import re
import sys
from pathlib import Path

BLOCK = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)^-->|^```(?P<language>[\w-]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PYTHON = {"python", "ipython3"}


def blocks(page: Path, languages: set[str]) -> list[str]:
    """Return the page's code blocks in these languages; hidden set-up counts as Python."""
    found = []
    for match in BLOCK.finditer(page.read_text("utf-8")):
        if match["setup"] is not None and languages & PYTHON:
            found.append(match["setup"])
        elif match["language"] in languages:
            found.append(match["code"])
    return found


def main(page: Path) -> None:
    """Run all blocks in one shell; the first that fails ends with its traceback."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for code in blocks(page, PYTHON):
        shell.run_cell(code, store_history=True).raise_error()
    print("COMPLETE")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
