"""The notebook's file: what its cells are, for what a kernel is not told."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_nb.errors import DuplicateStepName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP = "%%step"
_MAKES_STEPS = (STEP, "@step", "@workflow", ".step", ".workflow")


@dataclass(frozen=True, slots=True)
class SavedCell:
    """A code cell as a notebook's file has it; ``id`` is "" in files of an old format."""

    id: str
    source: str


def code_cells(path: Path) -> list[SavedCell]:
    """Return a notebook's code cells; none when the file cannot be read or is no notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = [each for each in cells if each["cell_type"] == "code"]
        return [SavedCell(str(each.get("id", "")), "".join(each["source"])) for each in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # it is being written, or no notebook


def sources_of(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells; none when the file cannot be read or is no notebook."""
    return [cell.source.strip() for cell in code_cells(path)]


def metadata_of(path: Path) -> dict[str, Any]:
    """Return a notebook's own metadata; none when the file cannot be read or is no notebook."""
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


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


class SavedSources:
    """The sources of a notebook's code cells, read once per change of its file.

    Args:
        path: of the notebook, None where it is not known.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._sources: list[str] = []

    def now(self) -> list[str]:
        """Return them as the file has them now; the same list as before while it is as it was."""
        try:
            stat = self.path.stat() if self.path is not None else None
        except OSError:
            stat = None
        if self.path is None or stat is None:
            self._seen, self._sources = None, []
        elif (stat.st_mtime_ns, stat.st_size) != self._seen:
            self._seen, self._sources = (stat.st_mtime_ns, stat.st_size), sources_of(self.path)
        return self._sources


class NamesInFile:
    """Warns of names that two cells of a notebook's file have.

    Args:
        saved: the cells of the file.
        name_of: as for :func:`named_twice`.
    """

    def __init__(self, saved: SavedSources, name_of: Callable[[str], str]) -> None:
        self._saved = saved
        self._name_of = name_of
        self._looked_at: list[str] = []
        self._twice: frozenset[str] = frozenset()
        self._told: set[str] = set()

    def warning(self, name: str) -> str:
        """Return what to say of a step that runs, once per name; "" when there is nothing to say."""
        path = self._saved.path
        if not name or path is None or name in self._told or name not in self._now():
            return ""
        self._told.add(name)
        return str(DuplicateStepName(path.name, name))

    def _now(self) -> frozenset[str]:
        sources = self._saved.now()
        if sources is not self._looked_at:
            self._looked_at, self._twice = sources, frozenset(named_twice(sources, self._name_of))
        return self._twice


class LastCell:
    """Tells when the last cell of a notebook's file has run: then a runner without a page is at its end.

    Args:
        saved: the cells of the file.
    """

    def __init__(self, saved: SavedSources) -> None:
        self._saved = saved
        self._ran: Counter[str] = Counter()

    def was(self, source: str) -> bool:
        """Count a cell that completed; returns whether it was the last one of the file."""
        source = source.strip()
        self._ran[source] += 1
        cells = [each for each in self._saved.now() if each]
        return bool(cells) and cells[-1] == source and self._ran[source] >= cells.count(source)
