"""The fingerprint of one call: the function, what it reaches, and its arguments."""

from __future__ import annotations

import marshal
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.values.code import CodeFacts, function_facts
from durable_nb.values.fingerprint import Fingerprints, fingerprint_roots
from durable_nb.values.kinds import is_small_tuple
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FUNCTION: Final = "(function)"
ARGS: Final = "(args)"
KWARGS: Final = "(kwargs)"

# Exact types that marshal writes by value; version 2 of its format does not tell interned strings apart.
_MARSHALLED: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_VERSION: Final = 2
_ABSENT: Final = object()
_FIXED_TAGS: Final = frozenset({"function", "cell"})


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What a call is made of besides its arguments; the same object again while nothing of it can have changed.

    Attributes:
        digest: 16 bytes for the function and what it reaches.
        functions: the function and those it reaches; those that arguments reach as well where these are mutable.
        facts: what is known of their code.
        values: the globals that they read.
    """

    digest: bytes
    functions: tuple[types.FunctionType, ...]
    facts: tuple[CodeFacts, ...]
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class CallFingerprint:
    """What tells one call from another.

    Attributes:
        digest: 16 bytes for function, reached globals and arguments.
        reach: the function and what it reaches.
        full: the fingerprints in full, for calls that may touch mutable objects: the roots are ``ARGS``
            (a tuple, ``self`` first), ``KWARGS`` and ``FUNCTION``; None when function, globals and arguments
            are all immutable.
    """

    digest: bytes
    reach: Reach
    full: Fingerprints | None


@dataclass(frozen=True, slots=True)
class _Watch:
    """What must be the same objects as before for a reach digest to hold."""

    digest: bytes
    reach: Reach
    names: tuple[tuple[dict[str, Any], str, object], ...]
    functions: tuple[tuple[types.FunctionType, types.CodeType, object, object], ...]
    cells: tuple[tuple[types.CellType, object], ...]
    registry_version: int

    def holds(self) -> bool:
        """Tell whether nothing was rebound since."""
        for names, name, value in self.names:
            if names.get(name, _ABSENT) is not value:
                return False
        for func, code, defaults, kwdefaults in self.functions:
            if (
                func.__code__ is not code
                or func.__defaults__ is not defaults
                or func.__kwdefaults__ is not kwdefaults
                or func.__dict__
            ):
                return False
        try:
            return self.registry_version == registry.version and all(
                cell.cell_contents is content for cell, content in self.cells
            )
        except ValueError:  # a cell was emptied
            return False


class CallKey:
    """Fingerprints the calls of one function; fast while neither it nor its arguments can be mutated.

    Args:
        func: the function or bound method that is called.
        namespace: the notebook's globals; None in plain scripts.
    """

    def __init__(self, func: Callable[..., Any], namespace: dict[str, Any] | None) -> None:
        self._bound: tuple[object, ...] = ()
        if isinstance(func, types.MethodType):
            self._bound = (func.__self__,)
            func = func.__func__
        self._func = func
        self._namespace = namespace
        self._watch: _Watch | None = None
        self._own: frozenset[str] | None = None

    def fingerprint(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> CallFingerprint:
        """Fingerprint one call, with the globals as they are now.

        Args:
            args: the positional arguments, without the ``self`` of a bound method.
            kwargs: the keyword arguments; their order does not count.
        """
        args = self._bound + args
        watch = self._watch
        if watch is None or not watch.holds():
            watch = self._watch = self._reach()
        if watch is not None:
            packed = _pack(args, kwargs)
            if packed is not None:
                return CallFingerprint(xxhash.xxh3_128_digest(watch.digest + packed), watch.reach, None)
        ordered = {name: kwargs[name] for name in sorted(kwargs)}
        roots = {FUNCTION: self._func, ARGS: args, KWARGS: ordered}
        full = fingerprint_roots(roots, namespace=self._namespace)
        digest = reach_digest(full.each, self._own)
        return CallFingerprint(full.digest, self._reached(digest, full, full.reached.values()), full)

    def _reached(self, digest: bytes, found: Fingerprints, values: Iterable[object]) -> Reach:
        met = (each for walk in found.graph.walks.values() for each in walk.objects)
        functions = {id(each): each for each in (self._func, *met) if type(each) is types.FunctionType}
        return Reach(digest, tuple(functions.values()), found.facts, tuple(values))

    def _reach(self) -> _Watch | None:
        """Fingerprint the function alone; None when it reaches something that may be mutated."""
        if type(self._func) is not types.FunctionType:
            return None
        version = registry.version
        reach = fingerprint_roots({FUNCTION: self._func}, namespace=self._namespace)
        self._own = frozenset(reach.each)
        functions: dict[int, types.FunctionType] = {}
        cells: dict[int, tuple[types.CellType, object]] = {}
        for node in _nodes(reach):
            if node is None:
                return None
            if type(node) is types.FunctionType:
                functions[id(node)] = node
            elif type(node) is types.CellType:
                cells[id(node)] = (node, node.cell_contents)
        if reach.opaque or any(func.__dict__ or func.__kwdefaults__ for func in functions.values()):
            return None
        names = tuple(self._names(functions.values()))
        return _Watch(
            reach.digest,
            self._reached(reach_digest(reach.each), reach, (value for _, _, value in names)),
            names,
            tuple((f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions.values()),
            tuple(cells.values()),
            version,
        )

    def _names(self, functions: Any) -> Iterator[tuple[dict[str, Any], str, object]]:
        seen: set[tuple[int, str]] = set()
        for func in functions:
            facts = function_facts(func)
            names = func.__globals__
            watched = [(names, name) for name in facts.reads]
            if self._namespace is not None:
                watched.extend((self._namespace, name) for name in facts.mentions)
            for scope, name in watched:
                if (id(scope), name) not in seen:
                    seen.add((id(scope), name))
                    yield scope, name, scope.get(name, _ABSENT)


def reach_digest(each: Mapping[str, bytes], own: frozenset[str] | None = None) -> bytes:
    """Return 16 bytes for a function and the globals it reaches, from their fingerprints by name.

    Args:
        each: the fingerprints; those of arguments do not count.
        own: the names that the function reaches by itself, where arguments may reach more.
    """
    names = sorted(each.keys() - {ARGS, KWARGS} if own is None else own & each.keys())
    parts = (part for name in names for part in (name.encode("utf-8", "surrogatepass"), b"\0", each[name]))
    return xxhash.xxh3_128_digest(b"".join(parts))


def _nodes(reach: Fingerprints) -> Iterator[object]:
    """Yield the functions and cells met, and None for anything that may be mutated or rebound unseen."""
    for walk in reach.graph.walks.values():
        for obj in walk.objects:
            kind = type(obj)
            if kind is types.FunctionType or kind is types.CellType:
                parts = walk.parts.get(id(obj))
                if parts is None or parts == ("cell",):
                    yield None
                elif parts[0] in _FIXED_TAGS:
                    yield obj
            elif id(obj) in walk.values:
                # A local module's code can be reloaded and its data changed under the same name.
                parts = walk.parts.get(id(obj))
                if parts is not None and parts[0] in ("=module", "globals"):
                    yield None if _is_local_module(obj) or parts[0] == "globals" else _Installed
            elif not (is_small_tuple(obj) or _is_function_dict(walk, obj)):
                yield None


class _Installed:
    """Stands for something that needs no watching."""


def _is_local_module(obj: object) -> bool:
    from durable_nb.values.modules import is_local

    name = vars(obj).get("__name__")
    return type(name) is not str or is_local(name)


def _is_function_dict(walk: Any, obj: object) -> bool:
    """Tell whether a dict is a function's attributes or annotations, or a tuple its defaults or closure."""
    return any(
        part is obj
        for owner in walk.objects
        if type(owner) is types.FunctionType
        for part in walk.parts.get(id(owner), ())
    )


def _pack(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes | None:
    """Return bytes for arguments that are all plain atoms, else None."""
    for value in args:
        if type(value) not in _MARSHALLED:
            return None
    if not kwargs:
        return marshal.dumps(args, _VERSION)
    for value in kwargs.values():
        if type(value) not in _MARSHALLED:
            return None
    return marshal.dumps((args, sorted(kwargs.items())), _VERSION)
