"""What code registers with a library as it calls it."""

from __future__ import annotations

import atexit
import codecs

import pytest

from durable_nb.core.codes import Codes
from durable_nb.core.registering import registers_with


class Registry:
    def register(self, what):
        pass


def register_mine(what):
    pass


register_mine.__module__ = "__main__"
NAMES = {
    "atexit": atexit,
    "codecs": codecs,
    "lookup": codecs.lookup,
    "register_codec": codecs.register,
    "own": Registry(),
}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("atexit.register(print)", "atexit.register"),
        ("def late():\n    atexit.unregister(print)", "atexit.unregister"),
        ("codecs.lookup.register(print)", "codecs.lookup.register"),
        ("register_codec(print)", "register_codec"),
        ("codecs.registered(print)", ""),
        ("lookup('utf-8')", ""),
        ("own.register(print)", ""),
        ("register_mine(print)", ""),
        ("register_nothing(print)", ""),
    ],
)
def test_what_is_registered_with_a_library_is_named(source, found):
    """Modules and imported functions count, functions and objects of the notebook are its own affair."""
    names = NAMES | {"register_mine": register_mine}
    assert registers_with(Codes([compile(source, "cell", "exec")]), names) == found
