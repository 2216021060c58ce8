"""What a checkpoint depends on besides its key: files read and left behind, the folder, environment, random streams."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, cast

from durable_nb.core import module_attributes, streams
from durable_nb.core.changes import ConditionChange
from durable_nb.core.environ import changed_variable, variables_named
from durable_nb.core.options import changed_option
from durable_nb.core.recording import Unrecordable
from durable_nb.core.settings import decimal_context
from durable_nb.core.written import PART
from durable_nb.store.records import FileRecord
from durable_nb.values.dependencies import FileDependency, relative

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from durable_nb.core.codes import Codes
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
    yield from _surroundings_changed(extra, written.root, names)
    before = extra.get("streams")
    differs = streams.states_differ(before) if before and (extra.get("seeded") or seeded()) else None
    if differs:
        yield ConditionChange("random stream", differs, f"the random stream {differs} is in another state")


def _surroundings_changed(extra: Mapping[str, Any], root: Path, names: Mapping[str, Any]) -> Iterator[ConditionChange]:
    if "folder" in extra and extra["folder"] != _recorded(_directory(), root):
        yield ConditionChange("folder", "the current folder", "the current folder is another")
    variable = changed_variable(extra.get("environ", {}))
    if variable:
        line = f"environment variable {variable} has another value"
        yield ConditionChange("environment variable", variable, line)
    attribute = module_attributes.changed(extra.get("attributes", {}), names)
    if attribute:
        yield ConditionChange("module attribute", attribute, f"{attribute} has another value")
    option = changed_option(extra.get("options", {}))
    if option:
        yield ConditionChange("option", option, f"{option} has another value")
    if extra.get("decimals", "") != decimal_context():
        yield ConditionChange("decimal context", "the decimal context", "the decimal context is another")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What code finds around it before it runs; what it changes itself there is no condition of its own.

    Attributes:
        codes: the code.
        names: its globals.
        variables: the environment variables that it names, with digests of their values.
        attributes: the same of attributes of modules.
        directory: the current folder, "" when it is deleted.
        decimals: how decimals are computed, "" as usual.
    """

    codes: Codes
    names: Mapping[str, Any]
    variables: dict[str, str]
    attributes: dict[str, str]
    directory: str
    decimals: str

    @classmethod
    def now(cls, codes: Codes, names: Mapping[str, Any]) -> Surroundings:
        """Look at them."""
        attributes = module_attributes.read(codes, names)
        return cls(codes, names, variables_named(codes), attributes, _directory(), decimal_context())

    def attributes_read(self) -> dict[str, str]:
        """Return the attributes as before, and as they are those of modules that the code imported itself."""
        own = {".".join(dotted) for dotted in self.codes.stored}
        return module_attributes.read_late(self.codes, self.names, own | self.attributes.keys()) | self.attributes


class Conditions:
    """Gathers what a run depended on, for its row.

    Rows of calls that replayed inside of it hand on theirs: what they read was not read again. (The files of these
    are the watch's own: what comes first of reading and writing matters there.)
    """

    def __init__(self, watch: CallWatch, surroundings: Surroundings, replayed: Iterable[StepRecord]) -> None:
        self._watch = watch
        self._surroundings = surroundings
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
        around = self._surroundings
        variables |= around.variables
        attributes |= around.attributes_read()
        if variables:
            extra["environ"] = variables
        if attributes:
            extra["attributes"] = attributes
        if self._watch.left:
            extra[PART] = [list(astuple(each)) for each in self._watch.left]
        if self._watch.left or self._watch.files or around.codes.ask_for_folder:
            extra["folder"] = _recorded(around.directory, self._watch.root)
        if around.decimals:
            extra["decimals"] = around.decimals
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


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - as text
    except FileNotFoundError:
        return ""


def _recorded(directory: str, root: str | Path) -> str:
    return relative(directory, root) if directory else "(deleted)"
