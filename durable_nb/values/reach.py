"""What values lead to, level by level, at the speed of C: of each object only its type is looked at."""

from __future__ import annotations

import builtins
import gc
import types
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.arrays import REDUCERS
from durable_nb.values.budget import TooLargeError
from durable_nb.values.kinds import ATOMS, Kinds, class_name, found_by_name, mro_names
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ENDS: Final = frozenset(
    {
        types.ModuleType,
        types.CodeType,
        types.FrameType,
        types.GeneratorType,
        types.CoroutineType,
        types.AsyncGeneratorType,
    }
)
"""What leads to no value of a notebook, or to everything; unless somebody registered it."""
_identity: Final = object.__hash__
"""What ``id`` tells as well, but raises an audit event for, which costs more than all else that is done here."""
_SIZED: Final = frozenset({list, tuple, dict, set, frozenset})


class Place(Enum):
    """Where an object is among what values lead to."""

    CLIENT = auto()
    END = auto()
    INNER = auto()
    DEFINITION = auto()


def places(values: Iterable[object], namespace: dict[str, Any], most: int) -> Iterator[set[Place]]:
    """Yield the places of the objects that values lead to, level by level; atoms count, arrays hold nothing.

    Args:
        values: where to begin.
        namespace: the user's names, which are not looked into.
        most: so many references are followed.

    Raises:
        TooLargeError: there are more; all that was within them has been yielded.
    """
    seen, level, left_out = {_identity(namespace), _identity(builtins.__dict__)}, list(values), False
    known = _places(registry.version)
    while level:
        place_of = {kind: known[kind] for kind in set(map(type, level))}
        yield set(place_of.values())
        inner = _fresh(level, {kind for kind, place in place_of.items() if place is Place.INNER}, seen)
        definitions = _fresh(level, {kind for kind, place in place_of.items() if place is Place.DEFINITION}, seen)
        short = _not_too_long(inner, most)
        left_out = left_out or len(short) < len(inner)
        level = [*gc.get_referents(*short), *chain.from_iterable(map(_parts, definitions))]
        most -= len(level)
        if most < 0:
            raise TooLargeError
    if left_out:
        raise TooLargeError


@dataclass(frozen=True, slots=True)
class Extent:
    """What is told of values by a look at what they lead to.

    Attributes:
        is_larger: whether they lead over more references than were followed.
        meets_client: whether a client was met.
    """

    is_larger: bool
    meets_client: bool


def extent(values: Iterable[object], namespace: dict[str, Any], most: int) -> Extent:
    """Follow up to ``most`` references from values."""
    met = False
    try:
        for each in places(values, namespace, most):
            met = met or Place.CLIENT in each
    except TooLargeError:
        return Extent(is_larger=True, meets_client=met)
    return Extent(is_larger=False, meets_client=met)


def _fresh(objects: list[Any], kinds: set[type], seen: set[int]) -> list[Any]:
    """Return the objects of some types that were not seen, each once; they count as seen from now on."""
    found = [each for each in objects if type(each) in kinds]
    new = dict(zip(map(_identity, found), found, strict=True))
    fresh = [new[ident] for ident in new.keys() - seen]
    seen.update(new)
    return fresh


def _not_too_long(objects: list[Any], most: int) -> list[Any]:
    """Return those but for containers whose items would be more, so that one long list hides nothing beside it."""
    if sum(len(each) for each in objects if type(each) in _SIZED) <= most:
        return objects
    kept = []
    for each in sorted(objects, key=lambda each: len(each) if type(each) in _SIZED else 0):
        most -= len(each) if type(each) in _SIZED else 0
        if most < 0:
            break
        kept.append(each)
    return kept


@lru_cache(maxsize=1)
def _places(version: int) -> Kinds[Place]:
    """Return what is known of types as long as nobody registers another."""
    del version
    return Kinds(_place)


def _place(kind: type) -> Place:
    if kind in ATOMS:
        return Place.END
    known = registry.find(kind)
    if known is not None and known.stateless:
        return Place.END if known.alike else Place.CLIENT
    if kind is types.FunctionType or issubclass(kind, type):
        return Place.DEFINITION
    if kind in _ENDS:
        return Place.END
    return Place.INNER if REDUCERS.keys().isdisjoint(mro_names(kind)) else Place.END


def _parts(definition: Any) -> list[object]:
    """Return what a function or a class holds; nothing for those of a package."""
    if isinstance(definition, type):
        return [] if _OF_MODULES[definition] else gc.get_referents(definition)
    if found_by_name(definition.__module__, definition.__qualname__, definition):
        return []
    return [
        definition.__defaults__,
        definition.__kwdefaults__,
        definition.__closure__,
        definition.__dict__,
        definition.__annotations__,
    ]


_OF_MODULES: Final = Kinds(lambda kind: found_by_name(*class_name(kind), kind))
