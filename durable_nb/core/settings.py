"""Settings of the process that a step may change: found by comparing, and made again by a replay (DESIGN §5 row 16)."""

from __future__ import annotations

import functools
import importlib
import itertools
import operator
import os
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from durable_nb.core import loggers
from durable_nb.values.audit import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOGGERS: Final = "loggers"
"""The setting that may hold what cannot be made again."""
_CHANGES = frozenset({"os.putenv", "os.unsetenv", "os.chdir"})
_FOLDER = "/"
"""Stands for the current folder among names of variables: none can have that name."""
_BACKEND = frozenset({"backend", "backend_fallback"})
"""What matplotlib finds out about the process it runs in: carried to another process only where code chose it."""
_STEPS = "_interpolation_steps"


@dataclass(frozen=True, slots=True)
class Setting:
    """Some settings that belong together, as a dict.

    Attributes:
        name: for people and for the ledger.
        module: the module they belong to; read only once it is loaded, "" for Python's own.
        read: returns them.
        put: sets some of them; None as a value removes one.
    """

    name: str
    module: str
    read: Callable[[], Mapping[str, Any]]
    put: Callable[[Mapping[str, Any]], None]


Readings = Mapping[str, Mapping[str, Any] | None]
"""Settings by their names; None where their module is not loaded."""


def readings(settings: Iterable[Setting]) -> Readings:
    """Return settings as they are now."""
    return {each.name: _read(each) for each in settings}


class SettingsWatch:
    """Compares settings with what they were when it was made.

    Attributes:
        before: what they were then.
        after: what they were when ``changes`` was asked for last.
    """

    def __init__(self, settings: tuple[Setting, ...]) -> None:
        self._settings = settings
        self.before = self.after = readings(settings)

    def changes(self) -> dict[str, dict[str, Any]]:
        """Return what has another value now, by setting; all of a module's settings when it was loaded since."""
        found: dict[str, dict[str, Any]] = {}
        self.after = readings(self._settings)
        for name, now in self.after.items():
            before = self.before[name] or {}
            if now is None or now == before:
                continue
            changed = {key: value for key, value in now.items() if key not in before or before[key] != value}
            changed.update(dict.fromkeys(before.keys() - now.keys()))
            found[name] = changed
        return found


def apply(changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Make recorded changes again.

    Raises:
        OSError: a folder is not there any more.
        ImportError: a module is not.
    """
    for setting in ALL:
        if setting.name in changes:
            if setting.module:
                importlib.import_module(setting.module)
            setting.put(changes[setting.name])


class ProcessChanges:
    """Counts changes of the environment and of the current folder; cheap enough to look at around every call.

    By audit events: comparing them would cost more than a short call does.
    """

    _count = itertools.count(1)
    _made = 0
    _last: ClassVar[dict[str, int]] = {}

    @classmethod
    @functools.cache
    def watch(cls) -> None:
        """Begin to count; a second call changes nothing."""
        listen(_CHANGES, cls._note)

    @classmethod
    def made(cls) -> int:
        """Return how many there were."""
        return cls._made

    @classmethod
    def since(cls, made: int) -> dict[str, dict[str, Any]]:
        """Return what was changed after there had been so many, as it is now, by setting."""
        if made == cls._made:
            return {}
        names = [name for name, number in list(cls._last.items()) if number > made]
        found: dict[str, dict[str, Any]] = {}
        if _FOLDER in names:
            found["current folder"] = _folder()
        variables = {name: os.environ.get(name) for name in names if name != _FOLDER}
        return found | ({"environment variables": variables} if variables else {})

    @classmethod
    def _note(cls, event: str, args: tuple[Any, ...]) -> None:
        cls._made = next(cls._count)
        cls._last[_FOLDER if event == "os.chdir" else os.fsdecode(args[0])] = cls._made


def _read(setting: Setting) -> dict[str, Any] | None:
    if setting.module and setting.module not in sys.modules:
        return None
    return dict(setting.read())


# -- Python's own


class _Environment:
    """The variables of this process as texts; they are decoded only when the bytes are others than the last time."""

    _known: ClassVar[tuple[Mapping[Any, Any], Mapping[str, str]]] = ({}, {})

    @classmethod
    def now(cls) -> Mapping[str, str]:
        encoded: Mapping[Any, Any] | None = getattr(os.environ, "_data", None)
        known, texts = cls._known
        if encoded is None or encoded != known:
            known = dict(encoded or {})  # first: what changes between the two is seen the next time
            texts = dict(os.environ)
            cls._known = known, texts
        return texts


def _put_environment(changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _folder() -> dict[str, str | None]:
    try:
        return {"folder": os.getcwd()}  # noqa: PTH109 - as text
    except FileNotFoundError:
        return {"folder": None}


def _put_folder(changes: Mapping[str, Any]) -> None:
    if changes["folder"] is not None:
        os.chdir(changes["folder"])


def _put_path(changes: Mapping[str, Any]) -> None:
    sys.path[:] = changes["path"]


def _put_filters(changes: Mapping[str, Any]) -> None:
    warnings.resetwarnings()  # also tells the interpreter that its memory of shown warnings is void
    warnings.filters.extend(changes["filters"])  # type: ignore[attr-defined]


def _put_recursion_limit(changes: Mapping[str, Any]) -> None:
    sys.setrecursionlimit(changes["limit"])


def _put_time_zone(changes: Mapping[str, Any]) -> None:  # noqa: ARG001 - the variable TZ, set before, says which
    if hasattr(time, "tzset"):
        time.tzset()


def _locale() -> dict[str, Any]:
    locale = sys.modules["locale"]
    return {"all": locale.setlocale(locale.LC_ALL)}


def _put_locale(changes: Mapping[str, Any]) -> None:
    locale = sys.modules["locale"]
    try:
        locale.setlocale(locale.LC_ALL, changes["all"])
    except locale.Error as error:
        raise ValueError(f"locale {changes['all']}: {error}") from error


_DECIMAL = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_decimal_values = operator.attrgetter(*_DECIMAL)


def _decimal() -> dict[str, Any]:
    """Return the decimal context of this thread; its flags are no setting, they say what happened."""
    context = sys.modules["decimal"].getcontext()
    return dict(zip(_DECIMAL, _decimal_values(context), strict=True)) | {"traps": dict(context.traps)}


def _put_decimal(changes: Mapping[str, Any]) -> None:
    context = sys.modules["decimal"].getcontext()
    for name, value in changes.items():
        setattr(context, name, value)


def decimal_context() -> str:
    """Return a text that tells how decimals are computed here, "" for Python's default."""
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return ""
    context, default = decimal.getcontext(), decimal.DefaultContext
    if _decimal_values(context) == _decimal_values(default) and context.traps == default.traps:
        return ""
    trapped = sorted(signal.__name__ for signal, on in context.traps.items() if on)
    return " ".join([*map(str, _decimal_values(context)), *trapped])


# -- of libraries


def _matplotlib() -> dict[str, Any]:
    rc: dict[str, Any] = sys.modules["matplotlib"].rcParams
    given = os.environ.get("MPLBACKEND")
    # Where the environment gives none, nothing tells what matplotlib found out from what was chosen.
    own = _BACKEND if given is None else {"backend"} if dict.get(rc, "backend") == given else ()
    options = dict(dict.items(rc))
    for key in own:
        options.pop(key, None)
    return options


def _put_matplotlib(changes: Mapping[str, Any]) -> None:
    options = dict(changes)
    if "backend" in options:
        options["backend"] = options["backend"] or os.environ["MPLBACKEND"]
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].switch_backend(options["backend"])
    sys.modules["matplotlib"].rcParams.update(options)


def _unit_rectangle() -> dict[str, Any]:
    """Return what ``bar`` and ``axvspan`` set on the rectangle that all of matplotlib has; nothing before they do."""
    made = getattr(sys.modules["matplotlib.path"].Path, "_unit_rectangle", None)  # the public way would make it
    steps = getattr(made, _STEPS, 1)
    return {} if steps == 1 else {_STEPS: steps}


def _put_unit_rectangle(changes: Mapping[str, Any]) -> None:
    setattr(sys.modules["matplotlib.path"].Path.unit_rectangle(), _STEPS, changes[_STEPS] or 1)


def _numpy() -> dict[str, Any]:
    numpy = sys.modules["numpy"]
    options = {f"print {key}": value for key, value in numpy.get_printoptions().items()}
    return options | {f"error {key}": value for key, value in numpy.geterr().items()}


def _put_numpy(changes: Mapping[str, Any]) -> None:
    numpy = sys.modules["numpy"]
    numpy.set_printoptions(**{key[6:]: value for key, value in changes.items() if key.startswith("print ")})
    numpy.seterr(**{key[6:]: value for key, value in changes.items() if key.startswith("error ")})


def _pandas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    pending = [("", getattr(sys.modules.get("pandas._config.config"), "_global_config", {}))]
    for prefix, options in pending:
        for key, value in options.items():
            if isinstance(value, dict):
                pending.append((f"{prefix}{key}.", value))
            else:
                found[prefix + key] = value
    return found


def _put_pandas(changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        sys.modules["pandas"].set_option(name, value)


def _sklearn() -> dict[str, Any]:
    return dict(sys.modules["sklearn"].get_config())


def _put_sklearn(changes: Mapping[str, Any]) -> None:
    sys.modules["sklearn"].set_config(**changes)


def _figures() -> dict[str, Any]:
    kind = sys.modules["matplotlib_inline.config"].InlineBackend
    if not kind.initialized():
        return {}
    backend = kind.instance()
    return {"formats": set(backend.figure_formats), "print_figure_kwargs": dict(backend.print_figure_kwargs)}


def _put_figures(changes: Mapping[str, Any]) -> None:
    backend = sys.modules["matplotlib_inline.config"].InlineBackend.instance()
    if "formats" in changes:
        backend.figure_formats = changes["formats"]
    if "print_figure_kwargs" in changes:
        backend.print_figure_kwargs = changes["print_figure_kwargs"]


def _socket() -> dict[str, Any]:
    return {"timeout": sys.modules["socket"].getdefaulttimeout() or 0}


def _put_socket(changes: Mapping[str, Any]) -> None:
    sys.modules["socket"].setdefaulttimeout(changes["timeout"] or None)


ALL = (
    Setting("environment variables", "", _Environment.now, _put_environment),
    Setting("current folder", "", _folder, _put_folder),
    Setting("sys.path", "", lambda: {"path": list(sys.path)}, _put_path),
    Setting("warning filters", "", lambda: {"filters": list(warnings.filters)}, _put_filters),
    Setting("recursion limit", "", lambda: {"limit": sys.getrecursionlimit()}, _put_recursion_limit),
    Setting("time zone", "", lambda: {"names": time.tzname}, _put_time_zone),
    Setting("locale", "locale", _locale, _put_locale),
    Setting("decimal context", "decimal", _decimal, _put_decimal),
    Setting("matplotlib options", "matplotlib", _matplotlib, _put_matplotlib),
    Setting("unit rectangle", "matplotlib.path", _unit_rectangle, _put_unit_rectangle),
    Setting("numpy options", "numpy", _numpy, _put_numpy),
    Setting("pandas options", "pandas", _pandas, _put_pandas),
    Setting("sklearn options", "sklearn", _sklearn, _put_sklearn),
    Setting("inline figures", "matplotlib_inline.config", _figures, _put_figures),
    Setting(LOGGERS, "", loggers.read, loggers.put),
    Setting("default timeout", "socket", _socket, _put_socket),
)
