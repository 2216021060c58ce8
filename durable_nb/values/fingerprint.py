"""Fingerprints: 16 bytes that are equal when values are, in every process, with what is shared between them."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.errors import FingerprintError
from durable_nb.values.code import CodeFacts, function_facts
from durable_nb.values.graph import Graph, position_path
from durable_nb.values.hashing import value_digest
from durable_nb.values.imports import imported
from durable_nb.values.kinds import CONTAINERS, class_name
from durable_nb.values.modules import is_local
from durable_nb.values.provenance import provenance_of
from durable_nb.values.reduce import Reducer
from durable_nb.values.tree import identifiers
from durable_nb.values.unreadable import CannotReduceError, Opaque
from durable_nb.values.walk import Walk

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable, Mapping

    from durable_nb.values.budget import Budget

__all__ = ["Fingerprints", "Graph", "Opaque", "fingerprint", "fingerprint_roots", "graph_of", "hidden_graph"]

_LONGEST_TEXT: Final = 64 * 1024
_MOST_TEXTS: Final = 1000
_CALLED: Final = re.compile(r"@([^\W\d]\w*)")
# What IPython keeps in the notebook's namespace for itself: no text that names them means them.
_SHELL_NAMES: Final = re.compile(r"_+$|_i*\d*$|_[oid]h$|In$|Out$|exit$|quit$|get_ipython$|open$|display$")


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprints of some named values and of what their functions reach.

    Attributes:
        digest: 16 bytes for all of it: names, values, and which objects are shared within and between names.
        each: of each root and reached name the fingerprint of that value alone.
        opaque: names whose value has no fingerprint; ``digest`` covers the others only.
        reached: globals read through functions and classes, recursively: under their name when they are the
            notebook's, under ``module:name`` else.
        facts: of each function met, what its code is and may touch.
        graph: the objects all these values consist of.
        clients: the stateless values met that differ by where they lead, in the order they were met.
    """

    digest: bytes
    each: Mapping[str, bytes]
    opaque: Mapping[str, Opaque]
    reached: Mapping[str, object]
    facts: tuple[CodeFacts, ...]
    graph: Graph
    clients: tuple[object, ...] = ()


def fingerprint_roots(
    roots: Mapping[str, object],
    *,
    namespace: dict[str, Any] | None,
    mentions: bool = True,
    budget: Budget | None = None,
) -> Fingerprints:
    """Fingerprint named values together with the globals that their functions reach.

    Args:
        roots: the values by name.
        namespace: the notebook's globals; functions whose globals these are read them live.
        mentions: also follow notebook names that string arguments and string values mention.
        budget: how much may be looked at; no bound unless given.

    Returns:
        the fingerprints; values without one are listed, never raised.

    Raises:
        TooLargeError: there is more than the budget allows.
    """
    closure = _Closure(namespace, mentions=mentions, budget=budget)
    closure.add(roots)
    return closure.result()


def fingerprint(value: object, *, namespace: dict[str, Any] | None = None) -> bytes:
    """Return the fingerprint of one value: 16 bytes, functions with what they reach.

    Raises:
        FingerprintError: the value has none; the error names the culprit's path.
    """
    made = fingerprint_roots({"value": value}, namespace=namespace, mentions=False)
    for opaque in made.opaque.values():
        raise FingerprintError(opaque.path, opaque.type, opaque.reason)
    return made.digest


def graph_of(values: Mapping[str, object], namespace: dict[str, Any] | None, budget: Budget | None = None) -> Graph:
    """Return the object graph of named values, without fingerprints of them, the users' own neither.

    What several of them consist of is in the walk of the first: an artist and its figure are as much as the figure.

    Raises:
        TooLargeError: there is more than the budget allows.
    """
    reducer = Reducer(namespace, lambda _: b"", budget, inside=True)  # where a client leads does not matter here
    walks: dict[str, Walk] = {}
    seen: set[int] = set()
    for name, value in values.items():
        walks[name] = Walk(value, reducer, frozenset(seen))
        seen |= walks[name].ids
    if budget is not None:
        budget.lift()  # parts of the graph may be walked again
    return Graph(walks)


def hidden_graph(graph: Graph, namespace: dict[str, Any] | None) -> Graph:
    """Return the whole graph of those values of which users' fingerprints hide a part, as they are now."""
    return graph_of({name: walk.objects[0] for name, walk in graph.walks.items() if walk.hides}, namespace)


class _Closure:
    """Adds values, then what they reach, until nothing new is reached."""

    def __init__(self, namespace: dict[str, Any] | None, *, mentions: bool, budget: Budget | None) -> None:
        self._namespace = namespace
        self._mentions = mentions and namespace is not None
        self._reducer = Reducer(namespace, provenance_of(namespace), budget)
        self._walks: dict[str, Walk] = {}
        self._by_id: dict[int, tuple[Walk, bytes | CannotReduceError]] = {}
        self._each: dict[str, bytes] = {}
        self._opaque: dict[str, Opaque] = {}
        self._soft: set[str] = set()
        self._reached: dict[str, object] = {}
        self._facts: list[CodeFacts] = []
        self._functions_read = 0
        self._scopes: dict[int, str] = {}
        self._labels: dict[str, int] = {}

    def add(self, roots: Mapping[str, object]) -> None:
        level: dict[str, object] = dict(roots)
        while level:
            texts = [level[name] for name in sorted(level) if type(level[name]) is str]
            texts += [name for value in level.values() for name in _called_in(value)]
            for name in sorted(level):
                self._add(name, level[name])
            reached = dict(self._read_globals())
            self._soft -= reached.keys()
            mentioned = {name: value for name, value in self._mentioned(texts) if name not in reached}
            new = {name: value for name, value in (reached | mentioned).items() if self._is_new(name)}
            self._soft |= mentioned.keys() & new.keys()
            self._reached.update(new)
            level = new

    def result(self) -> Fingerprints:
        for name in self._soft & self._opaque.keys():
            del self._opaque[name]
            del self._walks[name]
            self._reached.pop(name, None)
        graph = Graph(self._walks)
        state = xxhash.xxh3_128()
        for name in sorted(self._each):
            encoded = name.encode("utf-8", "surrogatepass")
            state.update(len(encoded).to_bytes(8, "little") + encoded + self._each[name])
        known = {name: walk for name, walk in self._walks.items() if name in self._each}
        state.update((graph if len(known) == len(self._walks) else Graph(known)).sharing_digest())
        return Fingerprints(
            state.digest(),
            self._each,
            dict(sorted(self._opaque.items())),
            dict(sorted(self._reached.items())),
            tuple(self._facts),
            graph,
            tuple(self._reducer.clients),
        )

    def _is_new(self, name: str) -> bool:
        return name not in self._walks

    def _add(self, name: str, value: object) -> None:
        known = self._by_id.get(id(value))
        if known is None:
            walk = Walk(value, self._reducer)
            known = self._by_id[id(value)] = (walk, _digest(value, walk))
        self._walks[name], outcome = known
        if isinstance(outcome, bytes):
            self._each[name] = outcome
        else:
            position = known[0].blocked[0] if known[0].blocked else 0
            path = position_path(known[0], name, position)
            self._opaque[name] = Opaque(path, outcome.type_name, outcome.reason, outcome.registered)

    def _read_globals(self) -> Iterable[tuple[str, object]]:
        """Yield the globals that functions met since the last time read, by the name they are reached under."""
        new = self._reducer.functions[self._functions_read :]
        self._functions_read += len(new)
        for func in new:
            prefix = self._scope(func)
            if prefix is None:
                continue
            facts = function_facts(func)
            self._facts.append(facts)
            yield from imported(facts.imports, func.__globals__.get("__package__"))
            names = func.__globals__
            for name in sorted(facts.reads):
                if name in names:
                    yield prefix + name, names[name]

    def _scope(self, func: types.FunctionType) -> str | None:
        """Return the prefix of names a function reads; None when its globals are an installed package's."""
        names = func.__globals__
        if names is self._namespace:
            return ""
        known = self._scopes.get(id(names))
        if known is None:
            module = names.get("__name__")
            module = module if type(module) is str else "?"
            if names is not builtins.__dict__ and (module == "?" or is_local(module)):
                count = self._labels[module] = self._labels.get(module, 0) + 1
                known = f"{module}:" if count == 1 else f"{module}#{count}:"
            else:
                known = ""
            self._scopes[id(names)] = known
        return known or None

    def _mentioned(self, texts: list[object]) -> Iterable[tuple[str, object]]:
        if not self._mentions or self._namespace is None:
            return
        words: set[str] = set()
        for text in texts:
            if isinstance(text, str) and len(text) <= _LONGEST_TEXT:
                words |= identifiers(text)
        for facts in self._facts:
            words |= facts.mentions
        for word in sorted(words):
            if word in self._namespace and not _SHELL_NAMES.match(word):
                yield word, self._namespace[word]


def _called_in(value: object) -> list[str]:
    """Return the names that texts in a container call with an ``@``, as queries do; other words are mere data."""
    if type(value) not in CONTAINERS or len(value) > _MOST_TEXTS:  # type: ignore[arg-type]
        return []
    items: Any = value.values() if type(value) is dict else value
    return [name for each in items if type(each) is str and "@" in each for name in _CALLED.findall(each)]


def _digest(value: object, walk: Walk) -> bytes | CannotReduceError:
    if walk.blocked is not None:
        return walk.blocked[1]
    try:
        return value_digest(value, walk)
    except CannotReduceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a value that breaks pickle is opaque, and named
        return CannotReduceError(".".join(class_name(type(value))), str(error))
