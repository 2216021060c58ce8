"""What a step reads as rows of the ledger: values, and through which functions it reaches them."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.changes import ARROW
from durable_nb.store.records import InputRecord
from durable_nb.values.code import function_facts
from durable_nb.values.sources import source_of
from durable_nb.values.summary import Summary, summarise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from durable_nb.values.fingerprint import Fingerprints

DEFINITIONS: Final = frozenset(
    {
        "function",
        "type",
        "abc.ABCMeta",
        "enum.EnumType",
        "enum.EnumMeta",
        "functools._lru_cache_wrapper",
        "functools.partial",
        "durable_nb.core.step.Step",
    }
)
"""Types, as rows of inputs name them, of what code defines: told by their source rather than as values."""


class Reached:
    """Values that a step reads, those that its functions reach included.

    Args:
        values: all of them by name.
        fingerprints: of all of them.
    """

    def __init__(self, values: Mapping[str, Any], fingerprints: Fingerprints) -> None:
        self._values = values
        self._fingerprints = fingerprints

    def records(self) -> dict[str, InputRecord]:
        """Return the rows that tell of the values, by name, as they are now."""
        digests, paths = self._fingerprints.each, self._paths()
        rows = {}
        for name, value in self._values.items():
            shown = Summary("package", value.decode(), 0) if _is_package(name, value) else summarise(value)
            digest = digests[name].hex() if name in digests else ""
            rows[name] = InputRecord(name, shown.type, shown.text, digest, ARROW.join(paths.get(name, ())))
        return rows

    def source(self, record: InputRecord) -> str:
        """Return the source of a value that is a function, a class or a local module; "" of others."""
        if record.type not in DEFINITIONS and record.type != "module":
            return ""
        return source_of(self._values[record.name], self._functions(record.name))

    def _functions(self, name: str) -> list[FunctionType]:
        walk = self._fingerprints.graph.walks.get(name)
        return [each for each in walk.objects if type(each) is FunctionType] if walk is not None else []

    def _paths(self) -> dict[str, tuple[str, ...]]:
        """Return of each reached global the names through which it is reached, by the shortest way."""
        reached = self._fingerprints.reached
        paths: dict[str, tuple[str, ...]] = (
            {name: () for name in self._values if name not in reached} if reached else {}
        )
        pending = list(paths)
        for name in pending:
            for read in self._reads(name):
                if read in reached and read not in paths:
                    paths[read] = (*paths[name], name)
                    pending.append(read)
        return paths

    def _reads(self, name: str) -> Iterator[str]:
        for function in self._functions(name):
            facts, module = function_facts(function), function.__globals__.get("__name__")
            for read in sorted(facts.reads | facts.mentions):
                yield read
                yield f"{module}:{read}"
            yield from (f"import {each}" for each in sorted(facts.imports))


def _is_package(name: str, value: object) -> bool:
    return name.startswith("import ") and type(value) is bytes
