"""How objects that pickle would lose, copy or save by name only are taken apart.

Each reducer takes the pickler and the object and returns what ``__reduce_ex__`` would, or
``NotImplemented`` for pickle's own way. ``rebuild`` holds the functions the streams then call.
"""

# ruff: noqa: SLF001 - cloudpickle has no public names for the parts that are kept

from __future__ import annotations

import functools
import gc
import io
import itertools
import random
import sys
import types
import typing
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from cloudpickle import cloudpickle as cp

from durable_nb.values import rebuild
from durable_nb.values.array_reducers import reduce_array, reduce_pandas_owner
from durable_nb.values.closed_files import closed_file
from durable_nb.values.counters import counted
from durable_nb.values.figure_reducers import reduce_path
from durable_nb.values.hooks import save_hook
from durable_nb.values.kinds import found_by_name
from durable_nb.values.left_out import complete, may_answer_for_itself, may_ignore_attributes, own_names
from durable_nb.values.process_streams import process_stream
from durable_nb.values.refusing import may_refuse, reduce_refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from durable_nb.values.hooks import SaveHook
    from durable_nb.values.object_views import Looks


class PicklerState(Protocol):
    """What reducers may ask of the pickler that calls them."""

    namespace: dict[str, Any]
    by_value: str | None
    cells: set[int]
    strided: bool
    looks: Looks
    gathered: Any

    def saved(self, hook: SaveHook, obj: object) -> object:
        """Return what a user's hook makes of an object, which must not lead back to it."""

    def note_source(self, filename: str) -> None:
        """Let the source of a cell travel with the stream."""

    def note_module(self, name: object) -> None:
        """Remember that the stream needs a module."""

    def default(self, obj: Any) -> Any:
        """Reduce as cloudpickle does."""


Reducer = "Callable[[PicklerState, Any], Any]"


class Refused(TypeError):  # noqa: N818 - never seen by users, who get an EncodeError
    """An object that pickle would take but that would come back as something else."""

    def __init__(self, obj: object, reason: str) -> None:
        super().__init__(reason)
        self.obj = obj


class _ModuleGlobals:
    """Pickles as the live globals of a module, wherever the stream is loaded."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild.module_globals, (self.name,)


def _is_main_attribute(obj: Any) -> bool:
    found: Any = sys.modules.get("__main__")
    for part in getattr(obj, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is obj


def reduce_class(pickler: PicklerState, cls: type) -> Any:
    """Save a notebook's class by value; a script's or module's by name where that finds it."""
    module = cls.__dict__.get("__module__")
    pickler.note_module(module)
    if pickler.by_value is None:
        if module == "__main__" and _is_main_attribute(cls):
            return NotImplemented
    elif module == pickler.by_value:
        return _anew(cls, cp._dynamic_class_reduce(cls))
    return pickler.default(cls)


def _anew(cls: type, reduced: Any) -> Any:
    """Make a class of its own each time, with its slots.

    cloudpickle would give, and fill, a live class that came from the same one; and it sets ``__slots__`` too late,
    on a class that has a ``__dict__``.
    """
    maker, made, *rest = reduced
    *made, _tracked, extra = made
    slots = cls.__dict__.get("__slots__")
    if slots is not None and maker is cp._make_skeleton_class and not issubclass(cls, tuple):
        kind, name, bases, names = made
        made = [kind, name, bases, {**names, "__slots__": slots}]
    return (maker, (*made, None, extra), *rest)


def reduce_function(pickler: PicklerState, func: types.FunctionType) -> Any:
    """Save a function so that, restored, its globals are the live ones and never a copy."""
    namespace: Any = func.__globals__
    if namespace is pickler.namespace:
        if pickler.by_value is None and _is_main_attribute(func):
            return NotImplemented
    elif cp._should_pickle_by_reference(func):
        pickler.note_module(func.__module__)
        return NotImplemented
    elif found_by_name(func.__module__, func.__qualname__, func):
        pickler.note_module(func.__module__)
        return rebuild.found_function, (func.__module__, func.__qualname__)
    else:
        name = namespace.get("__name__")
        module = sys.modules.get(name)
        if name == "__main__" or getattr(module, "__dict__", None) is not namespace:
            return pickler.default(func)
        pickler.note_module(name)
        namespace = _ModuleGlobals(name)
    return _by_value(pickler, func, namespace)


def _by_value(pickler: PicklerState, func: types.FunctionType, namespace: Any) -> tuple[Any, ...]:
    pickler.note_source(func.__code__.co_filename)
    cells = func.__closure__ or ()
    # The cells are made empty and filled once the function exists, so that recursive closures end,
    # and travel as objects, so that functions which share a `nonlocal` go on sharing it.
    pickler.cells.update(map(id, cells))
    contents = [(cell, cell.cell_contents) for cell in cells if not _is_empty(cell)]
    slots = {
        "__name__": func.__name__,
        "__qualname__": func.__qualname__,
        "__module__": func.__module__,
        "__doc__": func.__doc__,
        "__defaults__": func.__defaults__,
        "__kwdefaults__": func.__kwdefaults__,
        "__annotations__": func.__annotations__,
        "submodules": _submodules(func, contents),
    }
    if type_params := getattr(func, "__type_params__", ()):
        slots["__type_params__"] = type_params
    state = (dict(func.__dict__), slots, contents)
    made = (func.__code__, namespace, func.__closure__)
    return rebuild.make_function, made, state, None, None, rebuild.set_function_state


def _submodules(func: types.FunctionType, contents: list[tuple[Any, Any]]) -> list[Any]:
    # `xml.etree` is an attribute of `xml` only once someone imported it: restoring must import it.
    names = cp._extract_code_globals(func.__code__)
    reached = (func.__globals__[name] for name in names if name in func.__globals__)
    values = itertools.chain(reached, (value for _, value in contents))
    found: list[Any] = cp._find_imported_submodules(func.__code__, values)
    return found


def _is_empty(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return True
    return False


def reduce_cell(pickler: PicklerState, cell: types.CellType) -> Any:
    """Save a closure cell: filled by the function that came with it, else by itself."""
    if id(cell) in pickler.cells or _is_empty(cell):
        return rebuild.make_cell, ()
    return rebuild.make_cell, (), (cell.cell_contents,), None, None, rebuild.set_cell


def reduce_lru_cache(pickler: PicklerState, wrapper: Any) -> Any:
    """Save a cached function by value where pickle would save only its name."""
    module = getattr(wrapper, "__module__", None)
    if module not in {"__main__", pickler.by_value} and cp._lookup_module_and_qualname(wrapper):
        pickler.note_module(module)
        return NotImplemented
    if pickler.by_value is None and _is_main_attribute(wrapper):
        return NotImplemented
    settings = wrapper.cache_parameters()
    attributes = {k: v for k, v in wrapper.__dict__.items() if k != "cache_parameters"}
    made = (wrapper.__wrapped__, settings["maxsize"], settings["typed"])
    return rebuild.make_lru_cache, made, attributes, None, None, rebuild.set_attributes


def reduce_cached_property(_: PicklerState, obj: functools.cached_property[Any]) -> Any:
    """Save a cached property without the lock that Python 3.11 gives it."""
    return rebuild.make_cached_property, (obj.func, obj.attrname)


def reduce_typing(pickler: PicklerState, obj: Any) -> Any:
    """Save a ``NewType``, ``ParamSpec`` … of the notebook by value."""
    if obj.__module__ != pickler.by_value and cp._lookup_module_and_qualname(obj, obj.__name__):
        pickler.note_module(obj.__module__)
        return NotImplemented
    if pickler.by_value is None and _is_main_attribute(obj):
        return NotImplemented
    args = tuple(getattr(obj, a) for a in ("__supertype__", "__value__") if hasattr(obj, a))
    made = (type(obj).__name__, obj.__name__, *args)
    if hasattr(obj, "__supertype__"):  # the others take their module from their maker's frame
        attributes = {"__module__": obj.__module__, "__qualname__": obj.__qualname__}
        return rebuild.make_typing, made, attributes, None, None, rebuild.set_attributes
    return rebuild.make_typing, made


def reduce_builtin(pickler: PicklerState, func: Any) -> Any:
    """Note the module of a built-in function; pickle saves it by name."""
    pickler.note_module(getattr(func, "__module__", None))
    return NotImplemented


def reduce_module(pickler: PicklerState, module: types.ModuleType) -> Any:
    """Note the module; cloudpickle saves it by name, or by value when nothing can import it."""
    pickler.note_module(module.__name__)
    return NotImplemented


def reduce_view(_: PicklerState, view: Any) -> Any:
    """Save a dict view as a view of that very dict; cloudpickle would make it one of a copy."""
    which = type(view).__name__.rsplit("_", 1)[-1]
    return rebuild.make_view, (gc.get_referents(view)[0], which)


def reduce_own_dict(_: PicklerState, obj: Any) -> Any:
    """Save a dict that is its own ``__dict__`` as one; pickle would part items and attributes."""
    kind: Any = type(obj)
    own = getattr(obj, "__dict__", None) is obj
    if not own or (kind.__reduce_ex__, kind.__reduce__) != (object.__reduce_ex__, object.__reduce__):
        return NotImplemented
    return rebuild.make_own_dict, (kind,), None, None, iter(obj.items())


def reduce_proxy(_: PicklerState, proxy: Any) -> Any:
    """Save a mapping proxy as one of that very mapping, unless it is a class's own dict."""
    mapping = gc.get_referents(proxy)[0]
    if "__weakref__" in mapping or "__module__" in mapping:
        raise Refused(proxy, "it shows the live attributes of a class")
    return types.MappingProxyType, (mapping,)


def reduce_memoryview(_: PicklerState, view: memoryview) -> Any:
    """Save a view of a whole ``bytes`` or ``bytearray`` as such; a copy would be cut off."""
    owner: Any = view.obj
    if type(owner) in {bytes, bytearray} and view.readonly == (type(owner) is bytes):
        whole = memoryview(owner)
        if (view.format, view.shape, view.strides) == (whole.format, whole.shape, whole.strides):
            return memoryview, (owner,)
    raise Refused(view, "it looks at memory of another object, which a copy would not")


def reduce_count(_: PicklerState, counter: Any) -> Any:
    """Save a counter as one that goes on from where it is; newer Pythons do not pickle it."""
    arguments = counted(counter)
    if arguments is None:
        raise Refused(counter, "it counts in other than plain numbers")
    return itertools.count, arguments


def reduce_stream(_: PicklerState, stream: Any) -> Any:
    """Refer to the process's own random stream; pickle would make a copy, which no seeding reaches."""
    found = process_stream(stream)
    return NotImplemented if found is None else (getattr, found)


def reduce_text_file(_: PicklerState, stream: Any) -> Any:
    """Refuse open text files, which cloudpickle turns into a ``StringIO``; allow sys.stdout."""
    if isinstance(stream, io.StringIO):
        return NotImplemented
    for name in ("stdout", "stderr", "stdin"):
        if stream is getattr(sys, name, None):
            return getattr, (sys, name)
    return reduce_file(_, stream)


def reduce_file(_: PicklerState, file: Any) -> Any:
    """Save a file that is closed; refuse an open one."""
    described = closed_file(file)
    if described is None:
        raise Refused(file, "an open file cannot be saved")
    unbuffered = type(file) is io.FileIO
    return rebuild.make_closed_file, (*described, 0 if unbuffered else -1)


def _refuse(reason: str) -> Callable[[PicklerState, Any], Any]:
    def refuse(_: PicklerState, obj: Any) -> Any:
        raise Refused(obj, reason)

    return refuse


_EXACT: Mapping[type, Any] = {
    types.FunctionType: reduce_function,
    types.CellType: reduce_cell,
    types.ModuleType: reduce_module,
    types.BuiltinFunctionType: reduce_builtin,
    types.MappingProxyType: reduce_proxy,
    memoryview: reduce_memoryview,
    random.Random: reduce_stream,
    itertools.count: reduce_count,
    functools._lru_cache_wrapper: reduce_lru_cache,
    functools.cached_property: reduce_cached_property,
    typing.NewType: reduce_typing,
    typing.ParamSpec: reduce_typing,
    typing.TypeVarTuple: reduce_typing,
    type({}.keys()): reduce_view,
    type({}.values()): reduce_view,
    type({}.items()): reduce_view,
    type(OrderedDict[Any, Any]().keys()): reduce_view,
    type(OrderedDict[Any, Any]().values()): reduce_view,
    type(OrderedDict[Any, Any]().items()): reduce_view,
    io.BufferedReader: reduce_file,
    io.BufferedWriter: reduce_file,
    io.BufferedRandom: reduce_file,
    io.FileIO: reduce_file,
    weakref.WeakSet: _refuse("weak references cannot be saved"),
    weakref.finalize: _refuse("weak references cannot be saved"),
}
if hasattr(typing, "TypeAliasType"):  # Python 3.12
    _EXACT = {**_EXACT, typing.TypeAliasType: reduce_typing}

_REMOTE = "it belongs to a running cluster or process"
_BY_NAME: Mapping[str, Any] = {
    "builtins.dict": reduce_own_dict,
    "numpy.ndarray": reduce_array,
    "numpy.random.mtrand.RandomState": reduce_stream,
    "matplotlib.path.Path": reduce_path,
    "pandas.core.internals.managers.BaseBlockManager": reduce_pandas_owner,
    "pandas.core.indexes.base.Index": reduce_pandas_owner,
    "pandas.Index": reduce_pandas_owner,
    "_io._TextIOBase": reduce_text_file,
    "IPython.core.interactiveshell.InteractiveShell": _refuse("it is the IPython shell itself"),
    "ipykernel.kernelbase.Kernel": _refuse("it is the kernel itself"),
    "comm.base_comm.BaseComm": _refuse("it is a live connection to the front end"),
    "ipywidgets.widgets.widget.Widget": _refuse("it is a live widget of this kernel"),
    "tempfile.TemporaryDirectory": _refuse("its folder ends with this process"),
    "multiprocessing.shared_memory.SharedMemory": _refuse("its memory ends with this process"),
    "distributed.client.Client": _refuse(_REMOTE),
    "distributed.client.Future": _refuse(_REMOTE),
    "ray._raylet.ObjectRef": _refuse(_REMOTE),
}


def _as_hook_says(hook: SaveHook) -> Callable[[PicklerState, Any], Any]:
    def reduce(pickler: PicklerState, obj: Any) -> tuple[Any, ...]:
        return hook.load, (*hook.home, pickler.saved(hook, obj))

    return reduce


def choose(kind: type) -> Any:
    """Return the reducer for objects of a type, or None where pickle's own way is right."""
    if issubclass(kind, type):
        return reduce_class
    hook = save_hook(kind)
    if hook is not None:
        return _as_hook_says(hook)
    if kind in _EXACT:
        return _EXACT[kind]
    if may_refuse(kind):
        return reduce_refusing
    names = (_BY_NAME.get(f"{base.__module__}.{base.__qualname__}") for base in kind.__mro__)
    reducer, own = next(filter(None, names), None), own_names(kind)
    if may_ignore_attributes(kind):
        reducer = _with_setter(reducer, rebuild.set_whole_state, dict)
    elif may_answer_for_itself(kind):
        reducer = _with_setter(reducer, rebuild.set_state, (dict, tuple))
    return reducer if own is None else complete(reducer, own)


def _with_setter(reducer: Any, setter: Any, states: Any) -> Callable[[PicklerState, Any], Any]:
    def reduce(pickler: PicklerState, obj: Any) -> Any:
        reduced = NotImplemented if reducer is None else reducer(pickler, obj)
        if reduced is not NotImplemented:
            return reduced
        made = obj.__reduce_ex__(5)
        return (*made, setter) if isinstance(made[2], states) else NotImplemented

    return reduce
