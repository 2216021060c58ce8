"""Why a step ran, or would run: a recorded run compared with another one, or with the notebook as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.core.changes import ARROW, CodeChange, HelperChange, InputChange, ModuleChange, PackageChange
from durable_nb.core.reached import DEFINITIONS
from durable_nb.values.callkey import FUNCTION
from durable_nb.values.codediff import CodeDiff, code_diff
from durable_nb.values.sources import MODULE_MARK
from durable_nb.values.summary import of_other_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from durable_nb.core.changes import Change
    from durable_nb.store.records import InputRecord

BODY_LINE = 2
"""The line of a cell that a step's body begins in, below ``%%step``."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step was, or would be, made of.

    Attributes:
        code_digest: hex digest of the cell's code.
        inputs: what it read, by name.
        source: gives the source text of a digest, "" where it is not known: of the cell, and of definitions by
            their fingerprint.
        first_line: number of the first line of the source, for its reader.
    """

    code_digest: str
    inputs: Mapping[str, InputRecord]
    source: Callable[[str], str]
    first_line: int = BODY_LINE


def compare(old: Seen, new: Seen, difference: Callable[[InputRecord], str] = lambda _: "") -> tuple[Change, ...]:
    """Return what differs in code and inputs.

    Args:
        old: the recorded run.
        new: a later run, or the notebook as it is now.
        difference: finds the first difference of an input from its recorded value, "" when it cannot be known.
    """
    return tuple(_Comparison(old, new, difference).changes())


@dataclass(frozen=True, slots=True)
class _Comparison:
    old: Seen
    new: Seen
    difference: Callable[[InputRecord], str]

    def changes(self) -> Iterator[Change]:
        if self.old.code_digest != self.new.code_digest:
            yield self._code()
        for name in sorted(self.old.inputs.keys() | self.new.inputs.keys()):
            was, now = self.old.inputs.get(name), self.new.inputs.get(name)
            if was is None or now is None:
                yield InputChange(_shown(name), _summary(was), _summary(now), _via(was or now))
            elif was.fingerprint != now.fingerprint or not was.fingerprint:
                yield self._input(was, now)

    def _code(self) -> CodeChange:
        was, now = self.old.source(self.old.code_digest), self.new.source(self.new.code_digest)
        if not was or not now:
            return CodeChange()
        diff = code_diff(was, now, first_line=self.new.first_line)
        return CodeChange(diff.lines, diff.at)

    def _input(self, was: InputRecord, now: InputRecord) -> Change:
        name, via = _shown(now.name), _via(now)
        if was.type == now.type and of_other_version(was.summary, now.summary):
            return PackageChange(name, was.summary, now.summary)
        if now.type == "module":
            return ModuleChange(name, loaded=True, diff=_modules(*self._texts(was, now)), via=via)
        if now.type in DEFINITIONS:
            texts = self._texts(was, now)
            diff = code_diff(*texts) if all(texts) else CodeDiff((), 0)
            return HelperChange(name, via, diff.lines, all(texts))
        return InputChange(name, _summary(was), _summary(now), via, self.difference(was))

    def _texts(self, was: InputRecord, now: InputRecord) -> tuple[str, str]:
        return self.old.source(was.fingerprint), self.new.source(now.fingerprint)


def _modules(old: str, new: str) -> tuple[str, ...]:
    """Return the diff of local modules, file by file; nothing where one of the sources is not known."""
    if not old or not new:
        return ()
    was, now = _by_module(old), _by_module(new)
    lines: list[str] = []
    for name in sorted(was.keys() | now.keys()):
        found = code_diff(was.get(name, ""), now.get(name, "")).lines
        lines += [f"{name}:", *found] if found else []
    return tuple(lines)


def _by_module(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in ("\n" + text).split(f"\n{MODULE_MARK}")[1:]:
        name, _, source = part.partition("\n")
        found[name] = source
    return found


def _summary(record: InputRecord | None) -> str:
    return "" if record is None else f"{record.type} {record.summary}".rstrip()


def _shown(name: str) -> str:
    """Return a name of an input as its reader knows it: ``helpers.SCALE`` rather than ``helpers:SCALE``."""
    return name.removeprefix("import ").replace(":", ".")


def _via(record: InputRecord | None) -> tuple[str, ...]:
    """Return the names on the way to an input; a step's own function is not among them."""
    names = record.via.split(ARROW) if record is not None and record.via else []
    return tuple(_shown(name) for name in names if name != FUNCTION)
