"""Random streams: what a step drew is an output, and an input when somebody seeded the stream (DESIGN §4)."""

from __future__ import annotations

import importlib
import operator
import os
import pickle
import random
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.core import twister
from durable_nb.values.packages import is_installed_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SEEDING = re.compile(r"seed|set_?state|set_rng_state|set_bit_generator", re.IGNORECASE)
"""Names of functions that set a stream: ``random.seed``, ``torch.manual_seed``, ``setstate``, ``set_rng_state``…"""
_SEEDING_CALL = re.compile(rf"(?:{SEEDING.pattern})\w*\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Stream:
    """One process-wide random stream: how its state is read, set and compared, and what it is recorded as.

    Whether it was set or drawn from since its library was loaded is told by its state, where that can be told.
    """

    get: Callable[[], Any]
    put: Callable[[Any], None]
    same: Callable[[Any, Any], bool]
    recorded: Callable[[Any], Any] = lambda state: state
    used: Callable[[Any], bool] | None = None

    def digest(self, state: Any) -> str:
        """Return a digest of a state as ``get`` returned it."""
        return xxhash.xxh3_128_hexdigest(_packed(self.recorded(state)))


def loaded_streams() -> dict[str, _Stream]:
    """Return the streams of the libraries that are loaded; none is imported for it."""
    streams = {"random": _Stream(twister.see, random.setstate, operator.eq, twister.state_of)}
    numpy_random: Any = sys.modules.get("numpy.random")  # numpy 2.4 and later: loaded by whoever draws first
    if hasattr(numpy_random, "get_state"):
        streams["numpy.random"] = _Stream(_get_numpy, _put_numpy, _same_numpy, used=_used_of_numpy)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        streams["torch"] = _Stream(torch.get_rng_state, torch.set_rng_state, torch.equal)
    return streams


class StreamWatch:
    """Finds which streams advanced between its creation and ``advanced()``."""

    def __init__(self) -> None:
        self._before = {name: stream.get() for name, stream in loaded_streams().items()}

    def advanced(self, *, seeded: Callable[[], bool]) -> dict[str, tuple[str, Any]]:
        """Return the streams that advanced: name -> (digest of the state before, state after).

        A stream whose library was loaded meanwhile counts if it was set or drawn from, or where code sets streams if
        that cannot be told; its digest is "".
        """
        found: dict[str, tuple[str, Any]] = {}
        for name, stream in loaded_streams().items():
            state = stream.get()
            if name not in self._before:
                if stream.used(state) if stream.used is not None else seeded():
                    found[name] = ("", stream.recorded(state))
            elif not stream.same(self._before[name], state):
                found[name] = (stream.digest(self._before[name]), stream.recorded(state))
        return found


def states_differ(before: Mapping[str, str]) -> str | None:
    """Return the first stream whose state is not the recorded one, by name; None when all are."""
    streams = loaded_streams()
    for name, digest in before.items():
        stream = streams.get(name)
        if digest == "" and stream is None:
            continue  # its library was not loaded then either
        if stream is None or stream.digest(stream.get()) != digest:
            return name
    return None


def restore(states: Mapping[str, Any]) -> None:
    """Set the streams to recorded states, so that they go on as they would have."""
    for name in states.keys() - loaded_streams().keys():
        importlib.import_module(name)  # the step had loaded it
    streams = loaded_streams()
    for name, state in states.items():
        streams[name].put(state)


def any_seeds(names: Iterable[str]) -> bool:
    """Say whether one of these names is that of a function which sets a stream."""
    return any(SEEDING.search(name) for name in names)


def script_seeds() -> bool:
    """Say whether the program, or a module of its own that is loaded, calls something that sets a stream."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for file in files - _OF_PACKAGES:
        if not file or not file.endswith(".py") or file.startswith(_OWN_FOLDER) or is_installed_path(file):
            _OF_PACKAGES.add(file)
        elif _source_seeds(file):
            return True
    return False


_OWN_FOLDER: Final = f"{Path(__file__).parents[1]}{os.sep}"
_OF_PACKAGES: set[str | None] = set()
"""The files of modules that are none of the program's own, of which there are thousands."""


@lru_cache(maxsize=4096)
def _source_seeds(file: str) -> bool:
    try:
        return bool(_SEEDING_CALL.search(Path(file).read_text("utf-8")))
    except (OSError, UnicodeDecodeError):
        return True  # unreadable: assume that it does, which can only make steps run again


_Numpy = tuple[Any, ...] | dict[str, Any]
"""A state of numpy's stream: a name, the words, then numbers; that of a generator which somebody put there, a dict."""


def _get_numpy() -> _Numpy:
    state: dict[str, Any] = sys.modules["numpy.random"].get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        return state
    return "MT19937", state["state"]["key"], state["state"]["pos"], state["has_gauss"], state["gauss"]


def _put_numpy(state: _Numpy) -> None:
    numpy_random: Any = sys.modules["numpy.random"]
    name = state["bit_generator"] if isinstance(state, dict) else state[0]
    if numpy_random.get_state(legacy=False)["bit_generator"] != name:
        numpy_random.set_bit_generator(getattr(numpy_random, name)())
    numpy_random.set_state(state)


def _same_numpy(before: _Numpy, state: _Numpy) -> bool:
    if isinstance(before, dict) or isinstance(state, dict):
        return _packed(before) == _packed(state)
    return before[2:] == state[2:] and bool((before[1] == state[1]).all())


def _used_of_numpy(state: _Numpy) -> bool:
    """Say whether a state is none that a generator begins with."""
    fresh = sys.modules["numpy.random"].MT19937().state["state"]
    return isinstance(state, dict) or bool(state[2] != fresh["pos"] or state[1][0] != fresh["key"][0])


def _packed(state: Any) -> bytes:
    if hasattr(state, "untyped_storage"):
        state = state.numpy()  # a tensor pickles with the address of its memory
    return pickle.dumps(state, protocol=5)
