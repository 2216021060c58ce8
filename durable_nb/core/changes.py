"""What differs between two runs of a step, or between a checkpoint and the notebook as it is now, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

ARROW = " → "
"""Between an old and a new value, and between the steps of a path."""
MAX_NAMED = 3
"""So many things are named in one line."""


class Change(Protocol):
    """One thing that differs.

    Attributes:
        subject: what it is, in a word or two, for lists.
        line: the whole of it in one line.
        details: more lines, for a page.
    """

    @property
    def subject(self) -> str:
        """What it is, in a word or two."""

    @property
    def line(self) -> str:
        """The whole of it in one line."""

    @property
    def details(self) -> tuple[str, ...]:
        """More lines, for a page."""


@dataclass(frozen=True, slots=True)
class CodeChange:
    """The code of the step itself changed.

    Attributes:
        diff: lines of the sources, without those that differ in comments or layout only; empty when the old
            source is not known.
        at: number of the first changed line, as the cell or function is seen; 0 when not known.
    """

    diff: tuple[str, ...] = ()
    at: int = 0

    @property
    def subject(self) -> str:
        """What it is."""
        return "its code"

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        return f"its code changed (line {self.at})" if self.at else "its code changed"

    @property
    def details(self) -> tuple[str, ...]:
        """The diff."""
        return self.diff


@dataclass(frozen=True, slots=True)
class InputChange:
    """A value that the step reads is another one.

    Attributes:
        name: the variable.
        was, now: type and summary; "" where the step did not read it.
        via: the functions through which the step reaches it, outermost first.
        difference: the first difference, as ``df.loc[3, 'price']: 4.0 → 5.0``; "" when not known.
    """

    name: str
    was: str
    now: str
    via: tuple[str, ...] = ()
    difference: str = ""

    @property
    def subject(self) -> str:
        """What it is."""
        return self.name

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        notes = [self._summaries] if self._summaries else []
        notes += [f"read by {self.via[-1]}"] if self.via else []
        return _with_notes(f"{self.name} changed", notes)

    @property
    def details(self) -> tuple[str, ...]:
        """The path, and the first difference."""
        same = f"other contents, still {self.was}" if self.was and self.was == self.now else ""
        found = self.difference or same
        return (*_path(self.via, self.name), *([found] if found else []))

    @property
    def _summaries(self) -> str:
        if self.was == self.now:
            return ""
        return f"{self.was or 'not read before'}{ARROW}{self.now or 'not read now'}"


@dataclass(frozen=True, slots=True)
class Unbound:
    """A name that the step reads is not bound.

    Attributes:
        name: the variable.
        binder: the step that binds it, where one is known.
    """

    name: str
    binder: str = ""

    @property
    def subject(self) -> str:
        """What it is."""
        return self.name

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        return f"{self.name} is not bound" + (f" (step {self.binder} binds it)" if self.binder else "")

    @property
    def details(self) -> tuple[str, ...]:
        """Nothing more."""
        return ()


@dataclass(frozen=True, slots=True)
class HelperChange:
    """A function or class that the step reaches is another one.

    Attributes:
        name: the variable it is bound to.
        via: the functions through which the step reaches it, outermost first.
        diff: of its source; empty when the old source is not known, or is the same: then a default, a closure or
            an attribute changed.
        sources_known: whether both sources are known.
    """

    name: str
    via: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    sources_known: bool = False

    @property
    def subject(self) -> str:
        """What it is."""
        return self.name

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        return _with_notes(f"{self.name} changed", [f"called by {self.via[-1]}"] if self.via else [])

    @property
    def details(self) -> tuple[str, ...]:
        """The path, and the diff."""
        same = ("same source: a default, a closure or an attribute is another",) if self.sources_known else ()
        return (*_path(self.via, self.name), *(self.diff or same))


@dataclass(frozen=True, slots=True)
class ModuleChange:
    """A local module is other code than it was, or its file is other code than the kernel runs.

    Attributes:
        name: the module, or the name it is bound to.
        loaded: whether the kernel runs the other code; if not, the file was edited but not reloaded.
        diff: of the sources of it and the local modules that it uses.
        via: the functions through which the step reaches it, outermost first.
    """

    name: str
    loaded: bool = True
    diff: tuple[str, ...] = ()
    via: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What it is."""
        return self.name

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        if not self.loaded:
            return f"{self.name} was edited but not reloaded: this kernel still runs the old code"
        return _with_notes(f"{self.name} changed", [f"used by {self.via[-1]}"] if self.via else [])

    @property
    def details(self) -> tuple[str, ...]:
        """The path, and the diff."""
        return (*_path(self.via, self.name), *self.diff)


@dataclass(frozen=True, slots=True)
class PackageChange:
    """An installed package, or Python, is of another version.

    Attributes:
        name: the name the step reads it by.
        was, now: package and version.
    """

    name: str
    was: str
    now: str

    @property
    def subject(self) -> str:
        """What it is."""
        return self.name

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        return f"{self.name} changed ({self.was}{ARROW}{self.now})"

    @property
    def details(self) -> tuple[str, ...]:
        """Nothing more."""
        return ()


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """Something else that a checkpoint depends on does not hold.

    Attributes:
        kind: ``file``, ``folder``, ``environment variable``, ``module attribute``, ``option``, ``random stream``,
            ``age`` or ``kept name``.
        subject: which one.
        line: how it differs.
    """

    kind: str
    subject: str
    line: str

    @property
    def details(self) -> tuple[str, ...]:
        """Nothing more."""
        return ()


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A checkpoint cannot be loaded.

    Attributes:
        reason: why not.
    """

    reason: str

    @property
    def subject(self) -> str:
        """What it is."""
        return "its checkpoint"

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        return f"its checkpoint cannot be loaded: {self.reason}"

    @property
    def details(self) -> tuple[str, ...]:
        """Nothing more."""
        return ()


def in_a_line(changes: tuple[Change, ...], most: int = MAX_NAMED) -> str:
    """Return changes as one line: one with its details, several by what they are."""
    if len(changes) == 1:
        return changes[0].line
    named = [each for each in changes if not isinstance(each, (ConditionChange, Unbound, Unloadable))]
    if not named:
        return changes[0].line if changes else ""
    shown = ", ".join(each.subject for each in named[:most])
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return f"{shown}{more} changed" if len(named) > 1 else named[0].line


def _path(via: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (ARROW.join((*via, name)),) if via else ()


def _with_notes(text: str, notes: list[str]) -> str:
    return f"{text} ({', '.join(notes)})" if notes else text
