"""Local modules that functions import when they run: as loaded, or as their files are when not loaded yet."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from durable_nb.values.modules import is_local
from durable_nb.values.packages import installed_version, is_installed_path, is_standard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class UnloadedModule:
    """A local module that code would load: what it and the local modules it imports are on disk.

    Attributes:
        name: its name.
        digest: 16 bytes for the syntax trees of these modules.
    """

    name: str
    digest: bytes


def imported(names: Iterable[str], package: object) -> Iterator[tuple[str, object]]:
    """Yield (key, value) of the local modules and the installed packages among import names.

    The value has a fingerprint: of a package it is its name and version, in bytes since no text mentions a variable.

    Args:
        names: as ``CodeFacts.imports`` has them; relative ones begin with dots.
        package: ``__package__`` of the code that imports.
    """
    for name in sorted(filter(None, (_absolute(name, package) for name in names))):
        top = name.partition(".")[0]
        loaded = sys.modules.get(name)
        if is_standard(name) or name == "__main__":
            continue
        if loaded is not None and is_local(name):
            yield f"import {name}", loaded
        elif loaded is None and (digest := _digest_on_disk(name)) is not None:
            yield f"import {name}", UnloadedModule(name, digest)
        elif version := installed_version(top):
            yield f"import {top}", f"{top} {version}".encode()


def _absolute(name: str, package: object) -> str | None:
    if not name.startswith("."):
        return name
    try:
        return importlib.util.resolve_name(name.rstrip("."), package) if isinstance(package, str) else None
    except ImportError:  # more dots than packages: the import will fail as well
        return None


def _digest_on_disk(name: str) -> bytes | None:
    trees: dict[str, bytes] = {}
    pending = [name]
    while pending:
        current = pending.pop()
        source = _source_of(current)
        if current in trees or source is None:
            continue
        try:
            tree = ast.parse(source.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            trees[current] = repr(error).encode()
            continue
        trees[current] = ast.dump(tree).encode()
        pending.extend(_imports(tree, current, is_package=source.name == "__init__.py"))
        if "." in current:
            pending.append(current.rpartition(".")[0])
    if name not in trees:
        return None
    state = xxhash.xxh3_128()
    for current in sorted(trees):
        state.update(f"{current}\0{len(trees[current])}\0".encode() + trees[current])
    return state.digest()


def _source_of(name: str) -> Path | None:
    """Return the file of a local module without importing anything."""
    paths: list[str] | None = None
    found: importlib.machinery.ModuleSpec | None = None
    whole = ""
    for part in name.split("."):
        whole = f"{whole}.{part}" if whole else part
        try:
            found = importlib.machinery.PathFinder.find_spec(whole, paths)
        except (KeyError, ImportError):  # below a namespace package that is not imported
            return None
        if found is None:
            return None
        paths = list(found.submodule_search_locations or [])
    origin = found.origin if found is not None else None
    if origin is None or not origin.endswith(".py") or is_installed_path(origin):
        return None
    return Path(origin)


def _imports(tree: ast.AST, current: str, *, is_package: bool) -> Iterator[str]:
    package = current if is_package else current.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
