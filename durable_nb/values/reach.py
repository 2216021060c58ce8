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
from durable_nb.values.kinds import ATOMS, class_name, found_by_name, mro_names
from durable_nb.values.modules import is_local
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
    kinds: dict[type, Place] = {}
    while level:
        here = set(map(type, level))
        kinds |= {kind: _place(kind) for kind in here - kinds.keys()}
        yield {kinds[kind] for kind in here}
        new = {_identity(each): each for each in level if kinds[type(each)] in (Place.INNER, Place.DEFINITION)}
        fresh = [new[ident] for ident in new.keys() - seen]
        seen |= new.keys()
        inner = [each for each in fresh if kinds[type(each)] is Place.INNER]
        short = _not_too_long(inner, most)
        left_out = left_out or len(short) < len(inner)
        parts = chain.from_iterable(_parts(each) for each in fresh if kinds[type(each)] is Place.DEFINITION)
        level = [*gc.get_referents(*short), *parts]
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


def _not_too_long(objects: list[Any], most: int) -> list[Any]:
    """Return those but for containers whose items would be more, so that one long list hides nothing beside it."""
    kept = []
    for each in sorted(objects, key=lambda each: len(each) if type(each) in _SIZED else 0):
        most -= len(each) if type(each) in _SIZED else 0
        if most < 0:
            break
        kept.append(each)
    return kept


def _place(kind: type) -> Place:
    if kind in ATOMS:
        return Place.END
    return (_place_anew if is_local(class_name(kind)[0]) else _place_in_package)(kind, registry.version)


def _place_anew(kind: type, _: int) -> Place:
    known = registry.find(kind)
    if known is not None and known.stateless:
        return Place.END if known.alike else Place.CLIENT
    if kind is types.FunctionType or issubclass(kind, type):
        return Place.DEFINITION
    if kind in _ENDS:
        return Place.END
    return Place.INNER if REDUCERS.keys().isdisjoint(mro_names(kind)) else Place.END


# Classes of packages stay; those of a notebook come and go.
_place_in_package = lru_cache(maxsize=4096)(_place_anew)


def _parts(definition: Any) -> list[object]:
    """Return what a function or a class holds; nothing for those of a package."""
    if isinstance(definition, type):
        return [] if found_by_name(*class_name(definition), definition) else gc.get_referents(definition)
    if found_by_name(definition.__module__, definition.__qualname__, definition):
        return []
    return [
        definition.__defaults__,
        definition.__kwdefaults__,
        definition.__closure__,
        definition.__dict__,
        definition.__annotations__,
    ]
