"""What a checkpoint depends on besides its key: files read and left behind, the folder, environment, random streams."""

from __future__ import annotations

import os
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, cast

from durable_nb.core import module_attributes, streams
from durable_nb.core.changes import ConditionChange
from durable_nb.core.environ import changed_variable, depends_on_folder, variables_named
from durable_nb.core.recording import Unrecordable
from durable_nb.core.written import PART
from durable_nb.store.records import FileRecord
from durable_nb.values.dependencies import FileDependency, relative

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import CodeType

    from durable_nb.core.watch import CallWatch
    from durable_nb.core.written import WrittenFiles
    from durable_nb.store.records import StepRecord
    from durable_nb.values.dependencies import Kind


def stale(
    record: StepRecord, written: WrittenFiles, names: Mapping[str, Any], *, seeded: Callable[[], bool]
) -> str | None:
    """Return why a recorded step no longer stands for a run, or None when it does; arguments as for ``changes``."""
    first = next(changes(record, written, names, seeded=seeded), None)
    return first.line if first is not None else None


def changes(
    record: StepRecord, written: WrittenFiles, names: Mapping[str, Any], *, seeded: Callable[[], bool]
) -> Iterator[ConditionChange]:
    """Yield what a recorded step depends on that no longer holds.

    Args:
        record: the whole row.
        written: the files that recorded steps wrote.
        names: the globals of the code, where it finds its modules.
        seeded: says whether code that ran here sets random streams; asked only if that matters.
    """
    extra = record.extra or {}
    if record.files or PART in extra:
        why = written.why_changed(record, files_read(record))
        if why:
            yield ConditionChange("file", why.partition(" ")[0].rstrip(","), why)
    if "folder" in extra and extra["folder"] != _folder(written.root):
        yield ConditionChange("folder", "the current folder", "the current folder is another")
    variable = changed_variable(extra.get("environ", {}))
    if variable:
        line = f"environment variable {variable} has another value"
        yield ConditionChange("environment variable", variable, line)
    attribute = module_attributes.changed(extra.get("attributes", {}), names)
    if attribute:
        yield ConditionChange("module attribute", attribute, f"{attribute} has another value")
    before = extra.get("streams")
    differs = streams.states_differ(before) if before and (extra.get("seeded") or seeded()) else None
    if differs:
        yield ConditionChange("random stream", differs, f"the random stream {differs} is in another state")


class Conditions:
    """Gathers what a run depended on, for its row.

    Rows of calls that replayed inside of it hand on theirs: what they read was not read again. (The files of these
    are the watch's own: what comes first of reading and writing matters there.)
    """

    def __init__(
        self,
        watch: CallWatch,
        codes: Iterable[CodeType],
        names: Mapping[str, Any],
        root: Path,
        replayed: Iterable[StepRecord],
    ) -> None:
        self._names = names
        self._watch = watch
        self._codes = tuple(codes)
        self._root = root
        self._replayed = [row for row in replayed if row.extra]

    def files(self, declared: Iterable[FileDependency] = ()) -> tuple[FileRecord, ...]:
        """Return the rows for the files read.

        Raises:
            Unrecordable: what was read is not fully known, or was changed by somebody else meanwhile.
        """
        for problem in self._watch.problems:
            raise Unrecordable(f"what it read is not fully known: {problem}")
        rows: dict[tuple[str, str], FileRecord] = {}
        for file in (*declared, *self._watch.files):
            if file.changed_while_running:
                raise Unrecordable(f"{file.path} was changed while it ran")
            rows[file.path, file.kind] = FileRecord(file.path, file.kind, file.size, file.mtime_ns, file.digest)
        return tuple(rows.values())

    def extra(self, *, drawn: Collection[str], seeded: Callable[[], bool]) -> dict[str, Any]:
        """Return the rest, JSON-able.

        Args:
            drawn: the streams whose state before counts.
            seeded: says whether code that ran here sets random streams.
        """
        extra: dict[str, Any] = {}
        variables: dict[str, str] = {}
        attributes: dict[str, str] = {}
        for row in self._replayed:
            variables |= (row.extra or {}).get("environ", {})
            attributes |= (row.extra or {}).get("attributes", {})
        variables |= variables_named(self._codes)
        attributes |= module_attributes.read(self._codes, self._names)
        if variables:
            extra["environ"] = variables
        if attributes:
            extra["attributes"] = attributes
        if self._watch.left:
            extra[PART] = [list(astuple(each)) for each in self._watch.left]
        if self._watch.left or self._watch.files or depends_on_folder(self._codes):
            extra["folder"] = _folder(self._root)
        if drawn:
            extra["streams"] = {name: before for name, (before, _) in self._watch.advanced.items() if name in drawn}
            extra["seeded"] = seeded()
        return extra


def files_read(record: StepRecord) -> list[FileDependency]:
    """Return what a recorded step read."""
    return [
        FileDependency(each.path, cast("Kind", each.kind), each.size, each.mtime_ns, each.digest)
        for each in record.files
    ]


def _folder(root: Path) -> str:
    try:
        return relative(os.getcwd(), root)  # noqa: PTH109 - as text
    except FileNotFoundError:
        return "(deleted)"
