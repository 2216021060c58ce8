"""Settings as a tree: what a JSON configuration holds, merged and taken apart again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from durable_nb.cli.command import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Tree = dict[str, Any]


def leaves(tree: Tree, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the settings of a tree and the way to each."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*keys, key))
        else:
            yield (*keys, key), value


def has(tree: Any, keys: tuple[str, ...], value: Any) -> bool:
    """Say whether a tree has a setting; of a list all that it holds."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return set(value) <= set(tree) if isinstance(value, list) and isinstance(tree, list) else bool(tree == value)


def put(content: Tree, keys: tuple[str, ...], value: Any, path: Path) -> None:
    """Put a setting in, beside what is there.

    Raises:
        CommandError: something else is there; the tree is spoilt.
    """
    *sections, last = keys
    at = content
    for depth, key in enumerate(sections, 1):
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise CommandError(f"{path}: {'.'.join(keys[:depth])} is {kind(at)}, not an object; nothing was changed")
    if isinstance(value, list):
        present = at.setdefault(last, [])
        if not isinstance(present, list):
            raise CommandError(f"{path}: {'.'.join(keys)} is {kind(present)}, not a list; nothing was changed")
        present += [each for each in value if each not in present]
    elif at.setdefault(last, value) != value:
        raise CommandError(f"{path}: {'.'.join(keys)} is {at[last]!r} already; nothing was changed")


def take(content: Tree, keys: tuple[str, ...], value: Any) -> None:
    """Take a setting out, and what it leaves empty."""
    if not has(content, keys, value):
        return
    above = [content]
    for key in keys[:-1]:
        above.append(above[-1][key])
    present = above[-1][keys[-1]]
    if isinstance(value, list):
        present[:] = [each for each in present if each not in value]
    if not isinstance(value, list) or not present:
        del above[-1][keys[-1]]
    for section, key in zip(reversed(above[:-1]), reversed(keys[:-1]), strict=True):
        if not section[key]:
            del section[key]


def kind(value: object) -> str:
    """Return what a value is, in the words of JSON."""
    names: dict[type, str] = {list: "a list", dict: "an object", str: "a text"}
    return names.get(type(value)) or json.dumps(value)
