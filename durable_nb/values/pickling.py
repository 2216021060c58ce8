"""Objects to bytes and back: one stream per step, large memory beside it, live things by reference.

A stream is the pickle (protocol 5) of the value, then a small pickled trailer where one is needed,
then the trailer's length in 8 bytes, little-endian. Large buffers stay where they are and are handed to the store.
"""

from __future__ import annotations

import functools
import io
import linecache
import math
import pickle
import platform
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle

from durable_nb.errors import DecodeError, EncodeError
from durable_nb.values import buffers as memory
from durable_nb.values import culprit
from durable_nb.values.address import ATOMS, Address, describe, resolve
from durable_nb.values.garbage import gc_paused
from durable_nb.values.object_views import object_views
from durable_nb.values.pickler import Aliased, Finder, Pickler, Unpickler, live
from durable_nb.values.rebuild import CannotLoadError
from durable_nb.values.versions import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FORMAT = 1
_LENGTH = struct.Struct("<Q")
_SMALL = 16 * 1024  # below, pausing the collector costs more than it saves
_PLAIN = 2**64 - 1
"""In place of a trailer's length: an atom, which needs nothing of what is special here."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes.

    Attributes:
        stream: what ``decode`` reads.
        buffers: memory that belongs beside the stream, in order: raw C-contiguous views of the live
            objects, not copies. Write them out before user code runs again.
        modules: top-level name and version ("" where unknown) of each module the stream refers to,
            the standard library's left out.
        roots: the names that it refers to live objects below.
    """

    stream: bytes
    buffers: tuple[memoryview, ...]
    modules: Mapping[str, str]
    roots: frozenset[str] = frozenset()


def encode(
    value: object,
    *,
    namespace: dict[str, Any] | None,
    aliases: Mapping[int, Address | None] | None = None,
    alive: Sequence[object] = (),
    label: str = "",
) -> Encoded:
    """Turn a value into a stream and the memory beside it; the value is only read.

    Args:
        value: anything; what shares objects or memory must be in one value, as a dict of names.
        namespace: the notebook's live globals, whose functions and classes are saved by value and
            see the live globals again when restored; None in a plain script, whose definitions are
            saved by name.
        aliases: addresses, by ``id``, of live objects to refer to rather than copy; None for one
            that must not be copied and has no address. Atoms (numbers, strings …) are never
            referred to. The caller keeps the objects alive.
        alive: the objects whose ids ``aliases`` has, where they are at hand: otherwise they are
            looked for in the value, which takes about twice as long as saving it.
        label: how errors call the value; without it a dict's keys are taken for names.

    Raises:
        EncodeError: something inside cannot be saved; it names the path to it.
    """
    if type(value) in ATOMS:
        return Encoded(pickle.dumps(value, protocol=5) + _LENGTH.pack(_PLAIN), (), {})
    aliased = Aliased((live(namespace),), ())

    def probe(part: object, ancestors: Sequence[object], until: float) -> Exception | None:
        return _probe(part, aliased.memo(ancestors), namespace, until)

    try:
        if aliases:
            aliased = _aliased(value, namespace, aliases, alive)
        return _encode(value, namespace, aliased)
    except culprit.ConnectedError as error:
        path = culprit.find_object(value, error.part, label)
        raise EncodeError(path, culprit.type_name(error.part), str(error)) from error
    except culprit.Failure as failure:
        with gc_paused():
            found = culprit.find(value, failure, probe, label)
        raise EncodeError(found.path, found.type_name, found.reason, found.keys) from failure.error


def _aliased(
    value: object,
    namespace: dict[str, Any] | None,
    aliases: Mapping[int, Address | None],
    alive: Sequence[object],
) -> Aliased:
    held = {id(obj): obj for obj in alive}
    if missing := aliases.keys() - held.keys():
        held |= _find(value, namespace, missing)
    names = live(namespace)
    objects: list[object] = [names]
    addresses: list[Address] = []
    for number, address in aliases.items():
        obj = held.get(number)
        if obj is None or type(obj) in ATOMS or obj is names:
            continue
        if address is None:
            raise culprit.ConnectedError(obj, "it is part of an input that no path leads to")
        objects.append(obj)
        addresses.append(address)
    return Aliased(tuple(objects), tuple(addresses))


def _find(value: object, namespace: dict[str, Any] | None, wanted: Iterable[int]) -> dict[int, object]:
    finder = Finder(_Nowhere(math.inf), namespace, Aliased((live(namespace),), ()).memo())
    finder.wanted, finder.found = frozenset(wanted), {}
    _run(finder, value)
    return finder.found


def _encode(value: object, namespace: dict[str, Any] | None, aliased: Aliased) -> Encoded:
    file, pickler = _dump(value, namespace, aliased)
    if memory.shared(pickler.gathered.arrays, pickler.gathered.buffers) is not None:
        looks = object_views(pickler.gathered.arrays)
        file, pickler = _dump(value, namespace, aliased, strided=True, looks=looks)
        left = [a for a in pickler.gathered.arrays if not memory.can_be_strided(a) and id(a) not in looks]
        if (array := memory.shared(left, pickler.gathered.buffers)) is not None:
            raise culprit.ConnectedError(array, "it shares memory with another array beside it")
    beside = memory.gather(pickler.gathered.buffers)
    start = file.tell()
    if aliased.addresses or beside.slices or pickler.sources:
        trailer = (FORMAT, aliased.addresses, beside.slices, pickler.sources)
        live_only = Aliased((live(namespace),), ())
        file.write(live_only.prefix())
        Pickler(file, namespace, live_only.memo()).dump(trailer)
    file.write(_LENGTH.pack(file.tell() - start))
    roots = frozenset(name for name, _ in aliased.addresses)
    return Encoded(file.getvalue(), beside.regions, versions(pickler.needs), roots)


def _dump(value: object, namespace: dict[str, Any] | None, aliased: Aliased, **how: Any) -> tuple[io.BytesIO, Pickler]:
    file = io.BytesIO()
    file.write(aliased.prefix())
    pickler = Pickler(file, namespace, aliased.memo(), **how)
    _run(pickler, value)
    return file, pickler


def _run(pickler: Pickler, value: object) -> None:
    try:
        with gc_paused():
            pickler.dump(value)
    except Exception as error:
        raise culprit.Failure(error, pickler.last) from error


class _Nowhere:
    """A file that keeps nothing and closes at a given time."""

    def __init__(self, until: float) -> None:
        self.until = until

    def write(self, data: Any) -> int:
        if time.perf_counter() > self.until:
            raise culprit.TimeUpError
        return len(data)


def _probe(
    part: object,
    memo: dict[int, tuple[int, object]],
    namespace: dict[str, Any] | None,
    until: float,
) -> Exception | None:
    pickler = Pickler(_Nowhere(until), namespace, memo)
    try:
        pickler.dump(part)
    except culprit.TimeUpError:
        raise
    except Exception as error:  # noqa: BLE001 - the answer, not an accident
        return error
    return None


def decode(
    stream: bytes,
    buffers: Sequence[Any],
    *,
    namespace: dict[str, Any] | None,
    roots: Callable[[str], object],
) -> Any:
    """Make the value of a stream again. Only ever decode a stream that is trusted.

    Args:
        stream: ``Encoded.stream``.
        buffers: the contents of ``Encoded.buffers``. Arrays look at this very memory: it must be
            writable and private to them for the arrays to be so.
        namespace: the live globals that restored functions are to see; None in a plain script.
        roots: gives the live object of an address's root name, or raises ``LookupError``.

    Raises:
        DecodeError: the value cannot be made in this process; nothing of it was bound.
    """
    try:
        if len(stream) < _SMALL:
            return _decode(stream, buffers, namespace, roots)
        with gc_paused():
            return _decode(stream, buffers, namespace, roots)
    except Exception as error:
        raise DecodeError(_why(error)) from error


def _decode(
    stream: bytes,
    buffers: Sequence[Any],
    namespace: dict[str, Any] | None,
    roots: Callable[[str], object],
) -> Any:
    end = len(stream) - _LENGTH.size
    (size,) = _LENGTH.unpack_from(stream, end)
    if size == _PLAIN:
        return pickle.loads(memoryview(stream)[:end])
    addresses: tuple[Address, ...] = ()

    def load(number: int) -> object:
        address = addresses[number]
        try:
            return resolve(address, roots)
        except (LookupError, AttributeError, TypeError) as error:
            raise _Gone(f"the object {describe(address)} is not there any more") from error

    file = io.BytesIO(stream)
    slices = None
    if size:  # a plain value, as most calls return, has no trailer: that halves the time to load it
        file.seek(end - size)
        version, addresses, slices, sources = Unpickler(file, namespace, load).load()
        if version != FORMAT:
            raise _Gone(f"the stream has format {version}, this durable_nb reads {FORMAT}")
        for filename, text in sources.items():
            restore_source(filename, text)
    file.seek(0)
    return Unpickler(file, namespace, load, memory.split(buffers, slices)).load()


class _Gone(Exception):  # noqa: N818 - becomes a DecodeError
    """Why a stream cannot be loaded, in words meant for users."""


def _why(error: Exception) -> str:
    if isinstance(error, (_Gone, CannotLoadError)):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the module {error.name} that it needs cannot be imported"
    first = str(error).strip().split("\n", 1)[0]
    return f"loading it failed: {type(error).__name__}: {first}" if first else type(error).__name__


def restore_source(filename: str, text: str) -> None:
    """Put the source of a cell where tracebacks and ``inspect.getsource`` look for it.

    An mtime of None keeps ``linecache.checkcache`` from dropping it, as IPython's compiler does. An
    entry that is there already stays.
    """
    entry = (len(text), None, text.splitlines(keepends=True), filename)
    linecache.cache.setdefault(filename, entry)


@functools.cache
def environment() -> str:
    """Return what a stream depends on beside its modules, to be recorded with it."""
    return (
        f"{platform.python_implementation().lower()} {platform.python_version()}, "
        f"cloudpickle {cloudpickle.__version__}, stream format {FORMAT}"
    )
