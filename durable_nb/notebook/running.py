"""The cell that runs, for the clients it makes: its key so far, and how its code leads to each of them."""

from __future__ import annotations

import ast
import asyncio
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import xxhash

from durable_nb.core import module_attributes
from durable_nb.core.codes import Codes
from durable_nb.core.connections import changed_session, databases_among
from durable_nb.core.environ import variables_named
from durable_nb.core.recording import Unrecordable
from durable_nb.core.streams import StreamWatch
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.client_changes import changed_clients, configured_clients
from durable_nb.notebook.inputs import NO_INPUTS, files_named, read_inputs
from durable_nb.notebook.seeding import seeded_first
from durable_nb.values.budget import Budget, TooLargeError
from durable_nb.values.code import code_texts
from durable_nb.values.databases import is_database_file
from durable_nb.values.dependencies import observe
from durable_nb.values.files import FileWatch
from durable_nb.values.sql import session_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import CodeType

    from durable_nb.core.passes import ScopePass
    from durable_nb.core.session import Session
    from durable_nb.core.watch import CallWatch
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.inputs import CellInputs
    from durable_nb.notebook.namespace import Namespace
    from durable_nb.values.dependencies import Kind

MOST_ITEMS: Final = 10_000
MOST_BYTES: Final = 64 << 20
"""What a cell without ``%%step`` reads is compared up to this size; it must not become slow."""
_LARGE_FILE: Final = 16 << 20
_ASKING: Final = frozenset({"input"})
_TOO_LARGE: Final = "what the cell that made it reads is too large to compare"


def budget() -> Budget:
    """Return how much of a cell without ``%%step`` is looked at."""
    return Budget(MOST_ITEMS, MOST_BYTES)


@dataclass(frozen=True, slots=True)
class Depended:
    """What a ``%%step`` cell depended on besides its key, the same after a run and after its replay.

    Attributes:
        files: path and kind of those it read.
        streams: the digests of random streams before it drew from them.
    """

    files: frozenset[tuple[str, str]]
    streams: dict[str, str]


class RunningCell:
    """One cell while it runs: its key so far, and what it came to depend on besides.

    Attributes:
        scope_pass: the pass through its scope; calls that replayed in it hand on what they read.
        depended: what a ``%%step`` cell came to depend on, once it ran or was replayed.
        holding_none: names that were seen to hold no client, once the cell ran.
    """

    def __init__(self, session: Session, namespace: Namespace) -> None:
        self._session = session
        self._namespace = namespace
        self._code: CellCode | None = None
        self._inputs: CellInputs = NO_INPUTS
        self._key: bytes | str = "the cell that made it was not looked at"
        self._own_watch: FileWatch | None = None
        self._files: FileWatch | None = None
        self._streams: StreamWatch | None = None
        self._task = _task()
        self._met = 0
        self.scope_pass: ScopePass | None = None
        self.depended: Depended | None = None
        self.holding_none: frozenset[str] = frozenset()

    def watch(self) -> None:
        """Its code begins to run, and nobody else watches it."""
        self._files = self._own_watch = FileWatch(self._session.root)
        self._streams = StreamWatch()
        self._own_watch.__enter__()

    def watched_by(self, watch: CallWatch) -> None:
        """Its code begins to run as a step, perhaps once more."""
        self._met = 0
        self._files, self._streams = watch.files_now, watch.streams

    def unwatch(self) -> None:
        """Its code ran."""
        if self._own_watch is not None:
            self._own_watch.__exit__(None, None, None)

    def read_plain(self, source: str, code: CellCode | None = None) -> None:
        """Compute the key of a cell without ``%%step``; ``code`` is its analysis, where there is one already."""
        code = self._code = code or _analysed(source, self._namespace)
        if code is None:
            return
        try:
            self._inputs = read_inputs(code, self._namespace, (), budget=budget())
        except TooLargeError:
            self._key = _TOO_LARGE
            return
        why = self._inputs.unknowable
        if code.reads & _ASKING:
            why = why or f"it asks with {min(code.reads & _ASKING)}()"
        self._key = f"of the cell that made it: {why}" if why else self._inputs.base_key(code)

    def read_step(self, code: CellCode, inputs: CellInputs, key: bytes | str) -> None:
        """Take over what a ``%%step`` cell knows of itself; its key, or why it has none."""
        self._code, self._inputs = code, inputs
        self._key = key if isinstance(key, bytes) else f"of the cell that made it: {key}"

    # -- what it made

    def touched(self) -> dict[str, object]:
        """Return what the cell may have bound or read, as it is now."""
        code = self._code
        if code is None:
            return {}
        if self._inputs is NO_INPUTS:
            return self._namespace.pick(code.binds)
        names = code.reads | self._inputs.may_bind(code)
        reached = {name: value for name, value in self._inputs.values.items() if ":" in name}
        return {**reached, **self._namespace.pick((names | self._inputs.values.keys()) - self.holding_none)}

    def only_imports(self) -> bool:
        """Say whether the cell does nothing but import: what modules make then depends on themselves alone."""
        body = self._code.tree.body if self._code is not None else []
        return all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in body)

    def may_change_any(self) -> bool:
        """Say whether it changes a session, while it is not known of which connection."""
        if self._code is None or self._inputs is not NO_INPUTS:
            return False
        return session_change(code_texts(compile_tree(self._code.tree))) is not None

    def changed(self) -> list[object]:
        """Return the clients that it was given and that its code makes mean something else to later cells."""
        if self._code is None:
            return []
        tree, names, clients = self._code.tree, self._namespace.names, self._inputs.fingerprints.clients
        found = [client for _, client in changed_clients(tree, Codes(self._inputs.codes()), names)]
        found += configured_clients(tree, names)
        if databases_among(clients) and changed_session(self._codes(), self._inputs.values.values(), clients):
            found += databases_among(clients)
        return list({id(client): client for client in found}.values())

    def place_of(self, client: object) -> tuple[str, str | int] | None:
        """Say in words of the code which of the cell's clients this is; None when that is not certain.

        A name that the cell binds once, at its top level, is certain in any thread. Otherwise clients are
        counted as calls meet them, which only the cell's own thread and task does in the same order again.
        """
        names = self._namespace.names
        elsewhere = {name for facts in self._inputs.fingerprints.facts for name in facts.writes}
        for name in sorted(self._bound_once() - elsewhere):
            if names.get(name) is client:
                return "name", name
        if _task() != self._task:
            return None
        self._met += 1
        return "met", self._met

    def _bound_once(self) -> frozenset[str]:
        return frozenset() if self._code is None else bound_once(self._code.tree)

    # -- its key

    def key_now(self) -> bytes | str:
        """Return the key of the cell with all it depended on so far; why it has none otherwise."""
        if isinstance(self._key, str):
            return self._key
        state = xxhash.xxh3_128(self._key)
        try:
            for part in self._conditions():
                state.update(repr(part).encode("utf-8", "surrogatepass"))
        except (Unrecordable, OSError) as error:
            return f"of the cell that made it: {error}"
        return state.digest()

    def _conditions(self) -> Iterator[Any]:
        codes, names = self._codes(), self._namespace.names
        here = self.scope_pass
        rows = [*here.replayed_rows, *here.recorded_rows] if here is not None else []
        extras = [row.extra or {} for row in rows]
        files = self._files_read() | {(file.path, file.kind) for row in rows for file in row.files}
        yield sorted({_signature(path, kind, self._session.root) for path, kind in files})
        yield sorted({*variables_named(codes).items(), *_pairs(extras, "environ")})
        yield sorted({*module_attributes.read(codes, names).items(), *_pairs(extras, "attributes")})
        if self._session.seeded():
            yield sorted(self._streams_before().items())

    def _files_read(self) -> set[tuple[str, str]]:
        if self.depended is not None:
            return set(self.depended.files)
        if self._files is None:
            return set()
        if self._files.problems:
            raise Unrecordable(f"what it read is not fully known: {self._files.problems[0]}")
        written = set(self._files.writes())
        named = files_named(self._code, self._inputs, self._session.root) if self._code is not None else ()
        return {*self._files.seen(), *(each for each in named if each[0] not in written)}

    def _streams_before(self) -> dict[str, str]:
        if self.depended is not None:
            return self.depended.streams
        if self._streams is None or self._code is None:
            return {}
        first = seeded_first(self._code.tree, self._namespace.names)
        advanced = self._streams.advanced(seeded=self._session.seeded)
        return {name: digest for name, (digest, _) in advanced.items() if name not in first}

    def _codes(self) -> Codes:
        if self._code is None:
            return Codes(())
        return Codes([compile_tree(self._code.tree), *self._inputs.codes()])


def bound_once(tree: ast.Module) -> frozenset[str]:
    """Return the names that one statement at the top level binds and nothing else in the cell does."""
    stores = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    outside: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            outside.update(node.names)
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            found |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.With | ast.AsyncWith):
            found |= {item.optional_vars.id for item in statement.items if isinstance(item.optional_vars, ast.Name)}
    return frozenset(name for name in found - outside if stores.count(name) == 1)


def compile_tree(tree: ast.Module) -> CodeType:
    """Return the code of a whole cell, which is only looked at."""
    code: CodeType = compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def _analysed(source: str, namespace: Namespace) -> CellCode | None:
    try:
        return _analyse(source, namespace.transform)
    except (SyntaxError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=256)
def _analyse(source: str, transform: Any) -> CellCode:
    return analyse_cell(source, transform=transform)


def _signature(path: str, kind: str, root: Path) -> tuple[Any, ...]:
    """Return what stands for a file; what is in a database is no part of a connection to it."""
    full = root / path
    if kind == "file" and full.is_file():
        seen = full.stat()
        if seen.st_size > _LARGE_FILE:
            return (path, "large", seen.st_size, str(seen.st_mtime_ns))
        if is_database_file(str(full)):
            return (path, "database", 0, "")
    found = observe(path, None if kind == "missing" else cast("Kind", kind), root)
    return (path, found.kind, found.size, found.digest)


def _pairs(extras: list[dict[str, Any]], name: str) -> set[tuple[str, str]]:
    return {pair for extra in extras for pair in extra.get(name, {}).items()}


def _task() -> tuple[int, int]:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), id(task)
