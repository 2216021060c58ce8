"""What code tells by itself before it runs: which surroundings it may look at, and which it may change."""

from __future__ import annotations

import dis
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from durable_nb.values.code import CodeMemo, all_codes
from durable_nb.values.flowgraph import operations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

Dotted = tuple[str, ...]
"""A dotted name in code that begins with a global."""

MAX_NAME: Final = 200
_OF_SHELLS: Final = re.compile(r"\$\{?([^\W\d]\w*)")
_VARIABLE_READERS: Final = frozenset({"environ", "getenv", "environb", "expandvars"})
_FOLDER_READERS: Final = frozenset({"getcwd", "getcwdb", "cwd", "absolute", "abspath", "resolve", "realpath"})
_TO_TEXT: Final = frozenset({"repr", "str", "format", "print", "to_string", "to_html", "to_latex", "to_markdown"})
_FORMATTING: Final = frozenset(
    number for name, number in dis.opmap.items() if name.startswith(("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH"))
)
_NAMES: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_LOADS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_STORES: Final = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_SILENT: Final = frozenset({"CACHE", "NOP", "PUSH_NULL"})
_ATTRIBUTES: Final = frozenset(dis.opmap[name] for name in _LOADS | _STORES if name in dis.opmap)


class Codes:
    """Code that runs together, a step's with that of all it reaches: looked at once, asked at every run.

    Attributes:
        each: the code objects.
        names: the globals and attributes that they name.
        variables: the texts in them that may name environment variables.
        read: the attributes of globals that they read.
        stored: the attributes of globals that they assign or delete.
        make_text: whether they may turn values into text.
    """

    def __init__(self, codes: Iterable[CodeType]) -> None:
        self.each = tuple(codes)
        told = [_told(code) for code in self.each]
        self.names = frozenset(chain.from_iterable(each.names for each in told))
        self.variables = tuple(sorted({name for each in told for name in each.variables}))
        self.read = tuple(sorted({name for each in told for name in each.read}))
        self.stored = tuple(sorted({name for each in told for name in each.stored}))
        self.make_text = any(each.makes_text for each in told)

    @property
    def ask_for_folder(self) -> bool:
        """Whether they name a means to ask for the current folder."""
        return not _FOLDER_READERS.isdisjoint(self.names)


@dataclass(frozen=True, slots=True)
class _Told:
    """The same of one code object, with what is nested in it."""

    names: frozenset[str]
    variables: frozenset[str]
    read: frozenset[Dotted]
    stored: frozenset[Dotted]
    makes_text: bool


def _tell(code: CodeType) -> _Told:
    nested = list(all_codes(code))
    names = frozenset(name for each in nested for name in each.co_names)
    read: set[Dotted] = set()
    stored: set[Dotted] = set()
    for each in nested:
        _follow(each, read, stored)
    makes_text = bool(names & _TO_TEXT) or any(_FORMATTING.intersection(each.co_code[::2]) for each in nested)
    return _Told(names, _variables(nested, names), frozenset(read), frozenset(stored), makes_text)


def _variables(codes: list[CodeType], names: frozenset[str]) -> frozenset[str]:
    """Return the variables that code may name: in commands of a shell, and by texts where it reads any."""
    texts = {const for code in codes for const in code.co_consts if isinstance(const, str)}
    found = {name for text in texts if "$" in text for name in _OF_SHELLS.findall(text)}
    if names & _VARIABLE_READERS:
        found |= {text for text in texts if 0 < len(text) <= MAX_NAME and text.isidentifier()}
    return frozenset(found)


def _follow(code: CodeType, read: set[Dotted], stored: set[Dotted]) -> None:
    """Add the dotted names in one code object."""
    if _ATTRIBUTES.isdisjoint(code.co_code[::2]):
        return
    dotted: Dotted = ()
    for kind, name in operations(code):
        if kind in _NAMES:
            dotted = (name,)
        elif dotted and kind in _LOADS:
            dotted = (*dotted, name)
            read.add(dotted)
        elif dotted and kind in _STORES:
            stored.add((*dotted, name))
            dotted = ()
        elif kind not in _SILENT:
            dotted = ()


_told = CodeMemo(_tell)
