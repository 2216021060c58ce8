"""Options of libraries as inputs: a figure is another one with other ``rcParams``, though no code names them.

Which steps an option may matter to is told by what they handle and show; so a new style draws the figures again,
and leaves a training that only computes as it is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.settings import ALL as SETTINGS
from durable_nb.core.settings import readings
from durable_nb.errors import FingerprintError
from durable_nb.values.fingerprint import fingerprint
from durable_nb.values.kinds import class_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from durable_nb.core.codes import Codes
    from durable_nb.core.settings import Readings
    from durable_nb.store.records import DisplayRecord
    from durable_nb.values.graph import Graph

_DEFINED: Final = (FunctionType, BuiltinFunctionType, type)
_EXACT: Final = frozenset({str, int, bool, type(None)})
"""Of these types equal values are the same, as 0.0 and -0.0 are not."""
_NUMPY_PRINT: Final[Mapping[str, Any]] = {
    "edgeitems": 3,
    "threshold": 1000,
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "formatter": None,
    "sign": "-",
    "floatmode": "maxprec",
}
_NUMPY_ERRORS: Final[Mapping[str, Any]] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@dataclass(frozen=True, slots=True)
class Use:
    """What a step did, as far as it tells which options it may depend on.

    Attributes:
        packages: top-level names of the packages whose values or definitions it read or made.
        text: whether it showed something, or may have turned values into text.
        images: whether it showed an image.
    """

    packages: frozenset[str]
    text: bool
    images: bool

    @classmethod
    def of(cls, graph: Graph, made: Iterable[str], codes: Codes, displays: Iterable[DisplayRecord]) -> Use:
        """Gather it.

        Args:
            graph: what the step read.
            made: the packages that what it made needs.
            codes: the code that it ran.
            displays: what it showed.
        """
        shown = tuple(displays)
        mimes = {mime for each in shown for mime in each.content.get("data", {})}
        packages = {name.partition(".")[0] for name in (*made, *_homes(graph))}
        return cls(
            frozenset(packages),
            bool(shown) or codes.make_text,
            any(mime.startswith("image/") for mime in mimes),
        )


@dataclass(frozen=True, slots=True)
class Option:
    """Options that matter to the same steps.

    Attributes:
        name: one of them, for people.
        setting: the name of the setting that they are read with.
        unusual: returns those of a reading that are not as the library has them by default.
        matters: says whether they may matter to a step.
    """

    name: str
    setting: str
    unusual: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    matters: Callable[[Use], bool]

    def digests(self, reading: Mapping[str, Any] | None) -> dict[str, str]:
        """Return digests of the options that are not the library's own defaults."""
        return {key: _digest(value) for key, value in self.unusual(reading).items()} if reading is not None else {}


def options_used(before: Readings, use: Use, after: Readings) -> dict[str, list[Any]]:
    """Return the options that may have mattered to a step, to be recorded with it.

    Args:
        before: all settings before it ran.
        use: what it did.
        after: all settings after it ran; what the step itself set is no condition.

    Returns:
        By ``Option.name`` the options that were not the default, and the names of those that the step set.
    """
    used = {}
    for each in ALL:
        if each.matters(use):
            first, last = each.digests(before[each.setting]), each.digests(after[each.setting])
            used[each.name] = [first, sorted(_different(first, last))]
    return used


def changed_option(recorded: Mapping[str, Any]) -> str | None:
    """Return the name of the first option that is another than when ``options_used`` was recorded."""
    needed = {each.setting for each in ALL if each.name in recorded}
    now = readings(each for each in SETTINGS if each.name in needed)
    for each in ALL:
        if each.name in recorded:
            before, own = recorded[each.name]
            for key in sorted(_different(before, each.digests(now[each.setting])) - set(own)):
                return f"{each.name} {key}"
    return None


def _different(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def _digest(value: object) -> str:
    return _digest_of_exact(value) if type(value) in _EXACT else _digest_anew(value)


def _digest_anew(value: object) -> str:
    try:
        return fingerprint(value).hex()
    except FingerprintError as error:
        return error.type_name


_digest_of_exact = lru_cache(maxsize=1024, typed=True)(_digest_anew)


def _homes(graph: Graph) -> Iterator[str]:
    """Yield the modules that the objects of a graph come from."""
    for walk in {id(each): each for each in graph.walks.values()}.values():
        kinds = set(map(type, walk.objects))
        yield from (class_name(kind)[0] for kind in kinds)
        if any(issubclass(kind, (ModuleType, *_DEFINED)) for kind in kinds):
            for obj in walk.objects:
                if isinstance(obj, ModuleType):
                    yield str(obj.__dict__.get("__name__"))
                elif isinstance(obj, _DEFINED):
                    yield str(obj.__module__)


# -- of each library


def _other(now: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    others = ((key, value, default.get(key, value)) for key, value in now.items())
    return {key: value for key, value, usual in others if usual is not value and usual != value}


def _matplotlib(now: Mapping[str, Any]) -> Mapping[str, Any]:
    original: Any = getattr(sys.modules.get("matplotlib"), "rcParamsOrig", {})  # as loaded, with a matplotlibrc
    found = _other(now, dict(dict.items(original)))
    return {key: value for key, value in found.items() if not key.startswith("backend")}


def _figures(now: Mapping[str, Any]) -> Mapping[str, Any]:
    return _other(now, {"formats": {"png"}, "print_figure_kwargs": {"bbox_inches": "tight"}})


def _pandas(now: Mapping[str, Any], *, display: bool) -> Mapping[str, Any]:
    registered: Mapping[str, Any] = getattr(sys.modules.get("pandas._config.config"), "_registered_options", {})
    usual = {key: each.defval for key, each in registered.items() if key.startswith("display.") == display}
    return _other(now, usual)


def _numpy(now: Mapping[str, Any], kind: str, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    return _other({key.removeprefix(kind): value for key, value in now.items() if key.startswith(kind)}, usual)


def _sklearn(now: Mapping[str, Any]) -> Mapping[str, Any]:
    return _other(now, getattr(sys.modules.get("sklearn._config"), "_global_config", {}))


def _polars(now: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in now.items() if name.startswith("POLARS_")}


def _shows(package: str) -> Callable[[Use], bool]:
    return lambda use: use.text and package in use.packages


ALL: Final = (
    Option(
        "matplotlib option",
        "matplotlib options",
        _matplotlib,
        lambda use: use.images or bool(use.packages & {"matplotlib", "seaborn"}),
    ),
    Option("option of inline figures", "inline figures", _figures, lambda use: use.images),
    Option("pandas option", "pandas options", partial(_pandas, display=False), lambda use: "pandas" in use.packages),
    Option("pandas display option", "pandas options", partial(_pandas, display=True), _shows("pandas")),
    Option(
        "numpy print option",
        "numpy options",
        partial(_numpy, kind="print ", usual=_NUMPY_PRINT),
        lambda use: use.text and bool(use.packages & {"numpy", "pandas"}),
    ),
    Option(
        "numpy error option",
        "numpy options",
        partial(_numpy, kind="error ", usual=_NUMPY_ERRORS),
        lambda use: bool(use.packages & {"numpy", "pandas"}),
    ),
    Option("sklearn option", "sklearn options", _sklearn, lambda use: "sklearn" in use.packages),
    Option("polars option", "environment variables", _polars, _shows("polars")),
)
"""All that is looked at."""
