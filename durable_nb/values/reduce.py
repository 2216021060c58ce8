"""Take any object apart into a tuple of parts that stands for it: the one form that is walked and hashed.

The first part is a tag. Parts are atoms, containers or further objects. A tag that begins with ``=`` marks a
*value*: an immutable whose identity never counts, so that two equal ones are the same object to a fingerprint.
"""

from __future__ import annotations

import copyreg
import sys
import types
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from durable_nb.errors import FingerprintError
from durable_nb.values import arrays
from durable_nb.values.budget import Budget, TooLargeError, weighed
from durable_nb.values.definitions import DEFINITIONS, class_parts
from durable_nb.values.hooks import FINGERPRINT, defines, fingerprint_hook, save_hook
from durable_nb.values.kinds import attributes_of, class_dict, class_name, mro_names
from durable_nb.values.left_out import LEFT_OUT, left_out, own_names
from durable_nb.values.modules import is_local, module_fingerprint, package_version
from durable_nb.values.process_streams import process_stream
from durable_nb.values.refusing import asked
from durable_nb.values.registry import registry
from durable_nb.values.standard import STANDARD
from durable_nb.values.stateless import alike_parts, client_parts, refuse_state
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Parts = tuple[Any, ...]

# How a part is reached from its object. "vars": the part is a dict of attributes; "self": the part is a container
# whose items are the object's own; "flat": what its attribute of that name gives one by one; any other word: the
# attribute of that name.
LABELS: Final[dict[str, dict[int, str]]] = {
    "object": {1: "__class__", 2: "vars"},
    "boxed": {1: "__class__", 2: "_dict"},
    "slotted": {1: "__class__", 2: "vars", 3: "vars"},
    "mapping": {3: "self"},
    "sequence": {3: "self"},
    "function": {3: "__defaults__", 4: "__kwdefaults__", 5: "__closure__", 6: "vars", 7: "__annotations__"},
    "tensor": {7: "grad"},
    "lru_cache": {1: "__wrapped__", 3: "vars"},
    "attributed": {1: "__class__", 4: "vars"},
    "reduce": {1: "__class__"},
    "custom": {1: "__class__"},
    "saved": {1: "__class__"},
    "cell": {1: "cell_contents"},
    "class": {3: "__bases__", 4: "own"},
    "client": {1: "__class__"},
    "property": {1: "fget", 2: "fset", 3: "fdel"},
    "staticmethod": {1: "__func__"},
    "classmethod": {1: "__func__"},
    "method": {1: "__func__", 2: "__self__"},
    "generator": {2: "bit_generator"},
    "partial": {2: "func", 3: "args", 4: "keywords", 5: "vars"},
    "array": {3: "flat"},
}

_HEAP_TYPE: Final = 1 << 9
# Immutable, so that it does not matter which of two equal ones is meant.
_IMMUTABLE: Final = frozenset(
    {
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
        "types.GenericAlias",
        "types.UnionType",
        "typing._GenericAlias",
        "pandas.Timestamp",
        "pandas._libs.tslibs.timestamps.Timestamp",
        "pandas.Timedelta",
        "pandas._libs.tslibs.timedeltas.Timedelta",
        "pandas.api.typing.NaTType",
        "pandas._libs.tslibs.nattype.NaTType",
        "pandas.Interval",
        "pandas._libs.interval.Interval",
        "pandas.Period",
        "pandas._libs.tslibs.period.Period",
    }
)
_ITERATORS: Final = "itertools"
_PAIR: Final = ("attributes", "slots")


class _Plain:
    """An ordinary class: what its size is, instances of ordinary classes have."""


class Reducer:
    """Reduces objects for one fingerprint; keeps parts alive, so that ids stay theirs while it lives.

    Args:
        namespace: the notebook's globals.
        provenance: client -> what stands for it, raising when nothing does; None where there are no cells.
        budget: how much may be looked at.
        inside: whether to look inside of what users registered, as pickling does, and only for objects: numbers in
            arrays and code have no digests then.

    Attributes:
        namespace: the notebook's globals, which never become part of a value.
        inside: as given.
        functions: functions reduced by content, in the order they were met.
        made_up: of dicts of attributes that ``__getstate__`` made, by id: the names that the object has otherwise.
        clients: stateless values that differ by where they lead, in the order they were met.
    """

    def __init__(
        self,
        namespace: dict[str, Any] | None,
        provenance: Callable[[object], bytes] | None = None,
        budget: Budget | None = None,
        *,
        inside: bool = False,
    ) -> None:
        self.namespace = namespace
        self.inside = inside
        self.functions: list[types.FunctionType] = []
        self.made_up: dict[int, frozenset[str]] = {}
        self.clients: list[Any] = []
        self.budget = budget
        self._provenance = provenance
        self._parts: dict[int, tuple[object, Parts]] = {}
        self._plans: dict[type, Callable[[Any], Parts]] = {}
        self._alike: dict[type, Callable[[Any], dict[str, Any]]] = {}

    def __call__(self, obj: object) -> Parts:
        """Return the parts of an object that is neither an atom nor an exact list, tuple or dict.

        Raises:
            CannotReduceError: the object has no parts that would stand for it.
        """
        known = self._parts.get(id(obj))
        if known is not None:
            return known[1]
        kind = type(obj)
        try:
            plan = self._plans.get(kind)
            if plan is None:
                plan = self._plans[kind] = self._plan(kind)
            parts = plan(obj)
        except (CannotReduceError, TooLargeError):
            raise
        except FingerprintError as error:
            raise CannotReduceError(error.type_name, error.reason) from error
        except Exception as error:  # whatever a user's reduce or hook raises makes the value opaque
            raise CannotReduceError(".".join(class_name(kind)), _first_line(error)) from error
        self._parts[id(obj)] = (obj, parts)
        return parts

    def attributes(self, kind: type) -> Callable[[Any], dict[str, Any]] | None:
        """Return what reads the attributes of a kind whose instances are their attributes only, else None.

        For them the parts are ``("object", kind, attributes)``, and the walk makes these in C.
        """
        if kind not in self._plans:
            try:
                self._plans[kind] = self._plan(kind)
            except CannotReduceError:
                return None
        return self._alike.get(kind)

    def _plan(self, kind: type) -> Callable[[Any], Parts]:
        known = registry.find(kind)
        if known is not None and known.stateless and not defines(kind, FINGERPRINT):
            if known.alike:
                return alike_parts
            if known.default or not self.inside:
                return self._database if known.database else self._client
        own = fingerprint_hook(kind)
        if own is not None and not self.inside:
            return lambda obj: ("custom", kind, own(obj))
        hook = save_hook(kind)
        if hook is not None:
            return lambda obj: ("saved", kind, hook.saved(obj))
        for table in (DEFINITIONS, STANDARD):
            if kind in table:
                reduce = table[kind]
                return lambda obj: reduce(self, obj)
        plan, handled = self._plan_by_base(kind), own_names(kind)
        return plan if handled is None else _with_left_out(plan, handled)

    def _plan_by_base(self, kind: type) -> Callable[[Any], Parts]:  # noqa: PLR0911 - a table of cases
        if issubclass(kind, type):
            return lambda obj: class_parts(self, obj)
        if issubclass(kind, types.ModuleType):
            return self._module
        names = mro_names(kind)
        for name in names:
            if name in arrays.REDUCERS:
                return weighed(partial(arrays.REDUCERS[name], self), self.budget)
        if "enum.Enum" in names:
            return _enum
        if "logging.Logger" in names:
            return lambda obj: ("=logger", obj.name)
        if not _IMMUTABLE.isdisjoint(names):
            return self._value
        if class_name(kind)[0] == _ITERATORS:
            # Python 3.14 takes pickling from them, 3.12 warns: an iterator half used is a process's own.
            raise CannotReduceError(".".join(class_name(kind)), "a running iterator has no value")
        attributes = _attributes_of(kind)
        if attributes is not None:
            read = self._alike[kind] = attributes.__get__
            return lambda obj: ("object", kind, read(obj))
        return self._by_protocol

    def _client(self, obj: Any) -> Parts:
        self.clients.append(obj)
        return client_parts(obj, self._provenance)

    def _database(self, obj: Any) -> Parts:
        refuse_state(obj)
        return self._client(obj)

    def _module(self, module: types.ModuleType) -> Parts:
        name = str(module.__dict__.get("__name__"))
        if name == "__main__":
            raise CannotReduceError("module", "the notebook's own module can hold anything")
        return ("=module", name, module_fingerprint(module))

    def _value(self, obj: Any) -> Parts:
        reduced = self._by_protocol(obj)
        return reduced if reduced[0][0] == "=" else ("=value", *_flat(reduced))

    def _by_protocol(self, obj: Any) -> Parts:
        kind = type(obj)
        if process_stream(obj) is not None:
            # The process's own streams are recorded as streams, not as part of whatever refers to them.
            return ("=stream", *class_name(kind))
        if class_name(kind) == ("numpy.random._generator", "Generator"):
            return ("generator", kind, obj.bit_generator)
        if class_name(kind) == ("numpy.random.mtrand", "RandomState"):
            return ("random state", kind, *arrays.flat_state(obj.get_state(legacy=False)))
        reduced: Any = asked(obj)
        if type(reduced) is str:
            home = getattr(obj, "__module__", None)
            # Cython's own types are found in no module: by name, since their attributes are Cython's affair.
            own = kind if is_local(class_name(kind)[0]) and class_name(kind)[0] in sys.modules else class_name(kind)
            home = home if type(home) is str else None
            return ("=global", own, home, reduced, package_version(home or class_name(kind)[0]))
        call, args, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
        if call is copyreg.__newobj__ and args == (kind,) and not (items or pairs or setter):  # type: ignore[attr-defined]
            return self._object(obj, kind, state)
        listed = None if items is None else list(items)
        keys, values = ([], []) if pairs is None else _unzip(pairs)
        tag = "attributed" if type(state) is dict and state is attributes_of(obj) else "reduce"
        return (tag, kind, call, args, arrays.without_caches(kind, state), listed, keys, values, setter)

    def _object(self, obj: object, kind: type, state: Any) -> Parts:
        if type(state) is dict:
            own = attributes_of(obj)
            if type(own) is not dict or state is own:
                return ("object", kind, state)
            if own.get("_dict") is state:  # a mapping around a dict, as matplotlib's spines are
                return ("boxed", kind, state)
            state = arrays.without_caches(kind, state)
            self.made_up[id(state)] = frozenset(name for name in state if own.get(name, self) is not state[name])
            return ("object", kind, state)
        if type(state) is tuple and len(state) == len(_PAIR) and type(state[1]) is dict:
            return ("slotted", kind, *state)
        return ("state", kind, state)


def _with_left_out(plan: Callable[[Any], Parts], own: frozenset[str]) -> Callable[[Any], Parts]:
    def reduce(obj: Any) -> Parts:
        parts, lost = plan(obj), left_out(obj, own)
        return (*parts, LEFT_OUT, lost) if lost and parts[0][0] != "=" else parts

    return reduce


def _flat(parts: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for part in parts:
        if type(part) in (tuple, list):
            flat.extend((len(part), *_flat(part)))
        elif type(part) is dict:
            flat.extend((len(part), *_flat([*part, *part.values()])))
        else:
            flat.append(part)
    return flat


def _attributes_of(kind: type) -> Any:
    """Return the descriptor of ``__dict__`` when instances are their attributes and nothing else, else None.

    The pickle protocol would come to the same parts for them; this way is several times faster.
    """
    mro = type.__dict__["__mro__"].__get__(kind)
    if not all(base is object or base.__flags__ & _HEAP_TYPE for base in mro):
        return None
    if kind.__basicsize__ != _Plain.__basicsize__ or kind in copyreg.dispatch_table:
        return None
    own = [class_dict(base) for base in mro[:-1]]
    special = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    if any(name in names for names in own for name in (*special, "__slots__", "__getattribute__")):
        return None
    found = next((names["__dict__"] for names in own if "__dict__" in names), None)
    if arrays.has_caches(kind):
        return None
    return found if type(found) is types.GetSetDescriptorType else None


def _unzip(pairs: Iterable[tuple[object, object]]) -> tuple[list[object], list[object]]:
    listed = list(pairs)
    return [key for key, _ in listed], [value for _, value in listed]


def _enum(member: Any) -> Parts:
    name = member._name_
    return ("=enum", type(member), name if name is not None else member._value_)


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text or type(error).__name__
