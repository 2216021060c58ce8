"""What differs between two sources, shown in their own lines; comments and layout never count."""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    _Group = Sequence[tuple[str, int, int, int, int]]

MAX_LINES: Final = 14
MAX_WIDTH: Final = 120
MAX_TEXT: Final = 128 * 1024
"""Longer sources are not compared: it takes time that grows with the square of their lines."""
_CONTEXT: Final = 1
_SKIPPED: Final = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER, tokenize.ENCODING})


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """How one source differs from another.

    Attributes:
        lines: as a unified diff has them, at most 14 and a line that tells of the rest; empty when only comments
            and layout differ.
        at: number of the first line of the new source that differs; 0 when none does.
    """

    lines: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class _Statement:
    """A logical line: what counts of it, and the lines it is written in."""

    key: tuple[object, ...]
    first: int
    text: tuple[str, ...]


def code_diff(old: str, new: str, *, first_line: int = 1) -> CodeDiff:
    """Compare two sources by their logical lines.

    Args:
        old: the source before; need not be valid Python.
        new: the source now.
        first_line: the number that the first line of each has for its reader.
    """
    if max(len(old), len(new)) > MAX_TEXT:
        return CodeDiff((), 0)
    before, after = _statements(old, first_line), _statements(new, first_line)
    keys = [each.key for each in before], [each.key for each in after]
    groups = list(difflib.SequenceMatcher(None, *keys, autojunk=False).get_grouped_opcodes(_CONTEXT))
    lines = [line for group in groups for line in _hunk(group, before, after)]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES} more lines"]
    return CodeDiff(tuple(map(_cut, lines)), _at(groups[0], after, first_line) if groups else 0)


def _hunk(group: _Group, old: list[_Statement], new: list[_Statement]) -> Iterator[str]:
    yield f"@@ line {_at(group, new, 1)} @@"
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            yield from _written(" ", new[j1:j2])
        else:
            yield from _written("-", old[i1:i2])
            yield from _written("+", new[j1:j2])


def _written(mark: str, statements: list[_Statement]) -> Iterator[str]:
    return (f"{mark} {line}".rstrip() for each in statements for line in each.text)


def _at(group: _Group, new: list[_Statement], first_line: int) -> int:
    index = next(j1 for tag, _, _, j1, _ in group if tag != "equal")
    if index < len(new):
        return new[index].first
    return new[-1].first + len(new[-1].text) if new else first_line


def _cut(line: str) -> str:
    return line if len(line) <= MAX_WIDTH else line[: MAX_WIDTH - 1] + "…"


def _statements(source: str, first_line: int) -> list[_Statement]:
    lines = source.splitlines()
    try:
        return list(_logical_lines(source, lines, first_line))
    except (tokenize.TokenError, SyntaxError):  # a magic or a shell command: compared as written
        return [
            _Statement((line.rstrip(),), number, (line,))
            for number, line in enumerate(lines, first_line)
            if line.strip() and not line.lstrip().startswith("#")
        ]


def _logical_lines(source: str, lines: list[str], first_line: int) -> Iterator[_Statement]:
    depth, parts, start = 0, list[str](), 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            depth += 1 if token.type == tokenize.INDENT else -1
        elif token.type == tokenize.NEWLINE:
            yield _Statement((depth, *parts), start + first_line - 1, tuple(lines[start - 1 : token.start[0]]))
            parts = []
        elif token.type not in _SKIPPED:
            start = start if parts else token.start[0]
            parts.append(_spelt(token))


def _spelt(token: tokenize.TokenInfo) -> str:
    """Return a token as it counts: strings whatever their quotes."""
    if token.type != tokenize.STRING:
        return token.string
    try:
        return repr(ast.literal_eval(token.string))
    except (SyntaxError, ValueError):  # an f-string of Python 3.11
        return token.string
