"""Rows of dataclasses as a table: plain text for a terminal, HTML for a notebook."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_CELL = 60
_NUMBER = re.compile(r"|\d+(\.\d+)?( ?[a-zA-Z]{1,2})?( \d+ [a-z]{1,2})?")
"""``3``, ``42 s``, ``4 m 12 s``, ``3.4 KB``, or nothing."""


def plain_table(rows: Sequence[Any]) -> str:
    """Return the rows as aligned columns under a header; a line that says so when there are none."""
    if not rows:
        return "(none)"
    header, body = _cells(rows)
    right = _to_the_right(body)
    widths = [max(len(line[i]) for line in (header, *body)) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (header, *body)
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(rows: Sequence[Any], table: str = "", row: Callable[[Any], str] = lambda _: "") -> str:
    """Return the rows as an HTML table that takes its colours from the page.

    Args:
        rows: dataclasses of one kind.
        table: attributes of the table, as HTML, with a space before them.
        row: returns those of a row.
    """
    if not rows:
        return "<em>(none)</em>"
    header, body = _cells(rows)
    right = _to_the_right(body)

    def line(cells: list[str], tag: str) -> str:
        sides = ("right" if column in right else "left" for column in range(len(cells)))
        return "".join(
            f"<{tag} style='text-align:{side};vertical-align:top'>{escape(cell)}</{tag}>"
            for side, cell in zip(sides, cells, strict=True)
        )

    filled = "".join(f"<tr{row(each)}>{line(cells, 'td')}</tr>" for each, cells in zip(rows, body, strict=True))
    return f"<table{table}><thead><tr>{line(header, 'th')}</tr></thead><tbody>{filled}</tbody></table>"


def _to_the_right(body: list[list[str]]) -> set[int]:
    """Return the columns of numbers, with or without a unit."""
    columns = enumerate(zip(*body, strict=True))
    return {column for column, cells in columns if any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)}


def _cells(rows: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    names = [field.name for field in fields(rows[0])]
    header = [name.replace("_", " ") for name in names]
    return header, [[_text(getattr(row, name)) for name in names] for row in rows]


def _text(value: object) -> str:
    if value is None:
        return ""
    text = value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)
    text = text.replace("\n", " ")
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
