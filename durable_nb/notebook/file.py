"""The notebook's file: what its cells are, for what a kernel is not told."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from durable_nb.errors import DuplicateStepName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP = "%%step"
_MAKES_STEPS = (STEP, "@step", "@workflow", ".step", ".workflow")


def sources_of(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells; none when the file cannot be read or is no notebook."""
    try:
        cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return ["".join(source).strip() for source in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def durable_sources(sources: list[str]) -> set[str]:
    """Return those that are steps or define them."""
    return {source for source in sources if any(mark in source for mark in _MAKES_STEPS)}


def named_twice(sources: list[str], name_of: Callable[[str], str]) -> list[str]:
    """Return the explicit names that more than one cell has.

    Args:
        sources: of code cells.
        name_of: the explicit name on the rest of a ``%%step`` line, or "".
    """
    lines = [source.partition("\n")[0] for source in sources]
    names = Counter(name_of(line.removeprefix(STEP)) for line in lines if line.startswith(STEP))
    return [name for name, count in names.items() if name and count > 1]


def refuse_named_twice(path: Path, name_of: Callable[[str], str]) -> None:
    """Refuse a notebook in which two cells have one explicit name.

    Raises:
        DuplicateStepName: it has; the first such name is named.
    """
    for name in named_twice(sources_of(path), name_of):
        raise DuplicateStepName(str(path), name)


class NamesInFile:
    """The names that two cells of a notebook's file have, read once per change of the file.

    Args:
        path: of the notebook, None where it is not known.
        name_of: as for :func:`named_twice`.
    """

    def __init__(self, path: Path | None, name_of: Callable[[str], str]) -> None:
        self._path = path
        self._name_of = name_of
        self._seen: tuple[int, int] | None = None
        self._twice: frozenset[str] = frozenset()
        self._told: set[str] = set()

    def warning(self, name: str) -> str:
        """Return what to say of a step that runs, once per name; "" when there is nothing to say."""
        if not name or self._path is None or name in self._told or name not in self._now(self._path):
            return ""
        self._told.add(name)
        return str(DuplicateStepName(self._path.name, name))

    def _now(self, path: Path) -> frozenset[str]:
        try:
            stat = path.stat()
        except OSError:
            return frozenset()
        if (stat.st_mtime_ns, stat.st_size) != self._seen:
            self._seen = stat.st_mtime_ns, stat.st_size
            self._twice = frozenset(named_twice(sources_of(path), self._name_of))
        return self._twice
