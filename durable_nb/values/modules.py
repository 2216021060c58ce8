"""What a module is, in bytes: a version when it is installed, its code as loaded here when it is local."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import struct
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.errors import FingerprintError
from durable_nb.values.code import code_digest
from durable_nb.values.packages import OWN, is_installed_path, named_version, size_and_time, top_of, version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A file older than this was not edited after anything in this process was imported... unless it was edited
# between its own import and ours, which the comparison with the loaded functions' code notices.
_FIRST_SIGHT: Final = time.time()
_SIMPLE: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(...)})
_SIMPLE_CONTAINERS: Final = frozenset({list, tuple, dict})
_LARGEST_DATA: Final = 10_000
_MAIN: Final = "__main__"
_PYC_HEADER: Final = struct.Struct("<4sIII")


class _Loaded:
    """The digest of one module's source as this process loaded it, or why it is not known."""

    __slots__ = ("codes", "digest", "loaded_at", "size_and_time", "spec", "unknown")

    def __init__(self, spec: object, module: types.ModuleType, source: Path) -> None:
        self.spec = spec
        self.loaded_at = _load_times.get(str(source), 0)
        self.codes: frozenset[bytes] = frozenset()
        self.unknown = ""
        self.size_and_time = size_and_time(source)
        try:
            text = source.read_bytes()
            tree = ast.parse(text)
            compiled = compile(text, str(source), "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError) as error:
            self.digest = b""
            self.unknown = f"its source cannot be read: {error}"
            return
        self.digest = xxhash.xxh3_128_digest(ast.dump(tree).encode())
        self.codes = frozenset(map(code_digest, _nested(compiled)))
        unedited = self.size_and_time[1] < max(self.loaded_at, int(_FIRST_SIGHT * 1e9))
        if not (unedited or _matches_pyc(module, source)):
            self.unknown = "its file may have been edited after it was loaded: reload it"
        elif not _runs(module, str(source), self.codes):
            self.unknown = "its file differs from the code this kernel loaded: reload it"


_loaded: Final[dict[str, _Loaded]] = {}
_load_times: Final[dict[str, int]] = {}


def note_loaded(filename: str, time_ns: int | None = None) -> None:
    """Note that a module's code is being run from a file now: what the file holds is what is loaded.

    To be called for each ``exec`` audit event whose code object is a ``<module>``. Without it, a file edited
    after durable_nb was imported is known only where Python writes bytecode files.

    Args:
        filename: ``co_filename`` of the code.
        time_ns: when, in nanoseconds since the epoch; now by default.
    """
    _load_times[filename] = time.time_ns() if time_ns is None else time_ns


def module_fingerprint(module: types.ModuleType) -> bytes:
    """Return 16 bytes that stand for a module's code.

    Standard library: name and Python's version. Installed: name and the package's version. Local: its source
    as loaded in this kernel (comments and layout do not count), its simple data, and the local modules among
    its globals, transitively. An edited file counts only once the module is reloaded.

    Raises:
        FingerprintError: the code of a local module as it was loaded is not known.
    """
    digest = xxhash.xxh3_128()
    for part in _transitive(module):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def module_version(module: types.ModuleType) -> str:
    """Return name and version of an installed module or the standard library; "" for a local one."""
    name = str(module.__dict__.get("__name__"))
    return "" if is_local(name) else named_version(name)


def package_version(module_name: str) -> str:
    """Return name and version of the package that a module is of; "" for a local one, builtins and durable_nb."""
    return "" if top_of(module_name) in OWN or is_local(module_name) else named_version(module_name)


def is_local(module_name: str) -> bool:
    """Tell whether a module is the user's own code: the notebook itself, or a file outside installed packages."""
    top = top_of(module_name)
    if top in OWN:
        return False
    module = sys.modules.get(module_name)
    if module_name == "__main__" or type(module) is not types.ModuleType:
        # Subclasses of ModuleType are made by libraries (lazy loaders); unknown names by users' exec.
        return module_name == "__main__" or not _known_module(module, top)
    names = module.__dict__
    file = names.get("__file__")
    if type(file) is str:
        return not is_installed_path(file)
    paths = list(names.get("__path__") or ()) if "__path__" in names else []
    if paths:
        return not all(type(path) is str and is_installed_path(path) for path in paths)
    return top not in sys.stdlib_module_names and names.get("__loader__") is None


def stale_on_disk(module: types.ModuleType) -> bool:
    """Tell whether the file of a local module now holds other code than this kernel runs."""
    if not is_local(module.__name__):
        return False
    source = _source(module)
    if source is None:
        return False
    loaded = _at_first_sight(module, source)
    if loaded.unknown:
        return True
    if size_and_time(source) == loaded.size_and_time:
        return False
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return xxhash.xxh3_128_digest(ast.dump(tree).encode()) != loaded.digest


def edited_modules(values: Iterable[object]) -> list[str]:
    """Return the local modules among values, or that functions and classes among them come from, edited since."""
    found: dict[str, types.ModuleType] = {}
    for value in values:
        module = value if isinstance(value, types.ModuleType) else _home(value)
        if module is not None and is_local(module.__name__):
            found |= local_modules(module)
    return [name for name, each in sorted(found.items()) if name != _MAIN and stale_on_disk(each)]


def _home(value: object) -> types.ModuleType | None:
    name = value.__module__ if isinstance(value, types.FunctionType | type) else None
    module = sys.modules.get(name) if isinstance(name, str) and name != _MAIN else None
    return module if isinstance(module, types.ModuleType) else None


def local_modules(module: types.ModuleType) -> dict[str, types.ModuleType]:
    """Return the local modules a local module reaches through its globals, itself included, by name."""
    found: dict[str, types.ModuleType] = {}
    pending = [module]
    while pending:
        current = pending.pop()
        name = current.__dict__.get("__name__")
        if type(name) is str and name not in found and is_local(name):
            found[name] = current
            pending.extend(_neighbours(current))
    return found


def _transitive(module: types.ModuleType) -> Iterator[bytes]:
    name = str(module.__dict__.get("__name__"))
    if not is_local(name):
        yield f"{name} {version(name)}".encode()
        return
    for local_name, local in sorted(local_modules(module).items()):
        yield local_name.encode()
        yield _source_digest(local, local_name)
        yield from sorted(_foreign_code(local, local_name)) if local_name != _MAIN else ()
        for data_name, data in sorted(simple_data(local).items()):
            yield data_name.encode()
            yield data


def _neighbours(module: types.ModuleType) -> Iterator[types.ModuleType]:
    for name, value in list(module.__dict__.items()):
        if name.startswith("__"):
            continue
        if issubclass(type(value), types.ModuleType):
            yield value
            continue
        if type(value) is types.FunctionType:
            home = value.__module__
        elif issubclass(type(value), type):
            home = type.__dict__["__module__"].__get__(value)
        else:
            continue
        origin = sys.modules.get(home) if type(home) is str else None
        if issubclass(type(origin), types.ModuleType):
            yield origin  # type: ignore[misc]


def _source_digest(module: types.ModuleType, name: str) -> bytes:
    if name == _MAIN:
        return b"__main__"
    source = _source(module)
    if source is None:
        if module.__dict__.get("__file__") is None:
            return b"no source"  # a namespace package, or a module made by hand: its data say it all
        raise FingerprintError(name, "module", "a local module without Python source")
    loaded = _at_first_sight(module, source)
    if loaded.unknown:
        raise FingerprintError(name, "module", loaded.unknown)
    return loaded.digest


def _at_first_sight(module: types.ModuleType, source: Path) -> _Loaded:
    spec = module.__dict__.get("__spec__")
    name = module.__name__
    known = _loaded.get(name)
    # importlib.reload gives the module a new spec; an edit of the file alone does not. IPython's autoreload runs
    # only the definitions that changed, under the file's name, in the module as it is.
    if known is None or known.spec is not spec or known.loaded_at != _load_times.get(str(source), 0):
        known = _loaded[name] = _Loaded(spec, module, source)
    return known


def _source(module: types.ModuleType) -> Path | None:
    file = module.__dict__.get("__file__")
    if type(file) is not str or not file.endswith(".py"):
        return None
    return Path(file)


def _matches_pyc(module: types.ModuleType, source: Path) -> bool:
    """Tell whether the bytecode file written at the import was made from the source as it is now."""
    spec = module.__dict__.get("__spec__")
    cached = getattr(spec, "cached", None)
    if type(cached) is not str:
        return False
    try:
        with Path(cached).open("rb") as stream:
            magic, flags, mtime, size = _PYC_HEADER.unpack(stream.read(_PYC_HEADER.size))
        status = source.stat()
    except (OSError, struct.error):
        return False
    if magic != importlib.util.MAGIC_NUMBER or flags:
        return False
    return bool(mtime == int(status.st_mtime) & 0xFFFFFFFF and size == status.st_size & 0xFFFFFFFF)


def _runs(module: types.ModuleType, file: str, known: frozenset[bytes]) -> bool:
    """Tell whether each function the module defines runs code that its source compiles to."""
    live = _live_code(module.__dict__, module.__name__)
    return all(code_digest(code) in known for code in live if code.co_filename == file)


def _foreign_code(module: types.ModuleType, name: str) -> Iterator[bytes]:
    """Yield the names and code of functions that were put into a module, or into its classes, from elsewhere."""
    loaded = _loaded.get(name)
    for code in _live_code(module.__dict__, name):
        digest = code_digest(code)
        if loaded is None or digest not in loaded.codes:
            yield code.co_name.encode() + digest


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield constant
            yield from _nested(constant)


def _live_code(names: dict[str, Any], module_name: str) -> Iterator[types.CodeType]:
    for value in list(names.values()):
        if type(value) is types.FunctionType:
            yield value.__code__
        elif issubclass(type(value), type):
            if type.__dict__["__module__"].__get__(value) != module_name:
                continue
            for attribute in list(type.__dict__["__dict__"].__get__(value).values()):
                if type(attribute) is types.FunctionType:
                    yield attribute.__code__


def simple_data(module: types.ModuleType) -> dict[str, bytes]:
    """Return the attributes of a module that are made of plain atoms and containers, in bytes."""
    found = {}
    for name, value in list(module.__dict__.items()):
        if name.startswith("__") or (name.startswith("_") and type(value) in (list, dict)):
            continue  # private containers of a module are its caches, as a rule
        if _is_simple(value):
            found[name] = marshal.dumps(value, 2)
    return found


def _is_simple(value: object) -> bool:
    """Tell whether a value is made of at most 10,000 plain Python atoms, lists, tuples and dicts."""
    pending, budget = [value], _LARGEST_DATA
    while pending:
        item = pending.pop()
        budget -= 1
        if budget < 0:
            return False
        if type(item) in _SIMPLE_CONTAINERS:
            if len(item) > budget:  # type: ignore[arg-type]
                return False
            pending.extend(item)  # type: ignore[arg-type]
            if type(item) is dict:
                pending.extend(item.values())
        elif type(item) not in _SIMPLE:
            return False
    return True


def _known_module(module: object, top: str) -> bool:
    if module is None:
        return top in sys.stdlib_module_names
    file = getattr(module, "__dict__", {}).get("__file__")
    return type(file) is not str or is_installed_path(file)
