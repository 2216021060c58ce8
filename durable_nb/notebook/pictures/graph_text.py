"""The graph as text: a line for each step, further in the more steps are before it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from durable_nb.notebook.pictures.nodes import Edge, Node, NodeState, Steps

SIGNS: Final[dict[NodeState, str]] = {"holds": "●", "stale": "◌", "failed": "✕", "after": "○", "open": "·"}
_WORDS: Final[dict[NodeState, str]] = {
    "holds": "replays",
    "stale": "stale",
    "failed": "failed",
    "after": "after one that will run",
    "open": "not known yet",
}
_MAX_INDENT: Final = 12


def graph_text(title: str, steps: Steps, rows: Mapping[str, int], columns: int) -> str:
    """Return the steps by their rows, with what they read, from where, and what they make."""
    lines = [title]
    for node in sorted(steps.nodes, key=lambda each: rows[each.name]):
        indent = "  " * min(rows[node.name], _MAX_INDENT)
        edges = [each for each in steps.edges if each.target == node.name]
        lines += _wrapped(f"{SIGNS[node.state]} {node.name}{_read(edges)}{_made(node)}", indent, columns)
        if node.state not in {"holds", "open"}:
            lines += _wrapped(f"↳ {node.why}", f"{indent}  ", columns)
    present = {each.state for each in steps.nodes}
    legend = "  ".join(f"{SIGNS[state]} {_WORDS[state]}" for state in SIGNS if state in present)
    return "\n".join([*lines, *([legend] if legend else [])])


def _read(edges: Iterable[Edge]) -> str:
    found = ", ".join(f"{', '.join(each.names)} ({each.source})" for each in edges)
    return f" ← {found}" if found else ""


def _made(node: Node) -> str:
    return f" → {', '.join(node.makes)}" if node.makes else ""


def _wrapped(text: str, indent: str, columns: int) -> list[str]:
    return textwrap.wrap(
        text, columns, initial_indent=indent, subsequent_indent=f"{indent}    ", break_long_words=False
    )
