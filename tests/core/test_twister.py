"""Python's own random stream, looked at cheaply."""

from __future__ import annotations

import random

import pytest

from durable_nb.core import twister


@pytest.fixture(autouse=True)
def _put_back():
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.fixture(params=["memory", "asked"])
def _reader(request, monkeypatch):
    """Both ways to read; which one is used depends on the interpreter."""
    read = twister._copied if request.param == "memory" else twister._asked
    monkeypatch.setattr(twister, "_reader", lambda: read)


@pytest.mark.usefixtures("_reader")
@pytest.mark.parametrize("draws", [0, 1, 623, 624, 625, 5000])
def test_what_is_seen_is_the_state(draws):
    """After any number of draws, also across the points where the generator makes new words."""
    random.seed(7)
    for _ in range(draws):
        random.getrandbits(32)
    assert twister.state_of(twister.see()) == random.getstate()


@pytest.mark.usefixtures("_reader")
@pytest.mark.parametrize("draw", [random.random, lambda: random.gauss(0, 1), lambda: random.seed(8), random.randbytes])
def test_every_draw_is_seen(draw):
    """A draw or a seed makes another state of it, the second half of a pair of gauss too; looking does not."""
    random.seed(7)
    random.gauss(0, 1)
    seen = twister.see()
    assert twister.see() == seen
    draw() if draw is not random.randbytes else draw(4)
    assert twister.see() != seen


def test_it_is_read_by_memory_here():
    """The interpreters that this is tested with lay it out as expected."""
    assert twister._reader() is twister._copied


def test_another_layout_is_asked_instead(monkeypatch):
    """Where the memory does not say what ``getstate`` says, that is called."""
    monkeypatch.setattr(twister, "_copied", lambda _: bytes(twister._LAYOUT.size))
    twister._reader.cache_clear()
    try:
        assert twister._reader() is twister._asked
    finally:
        twister._reader.cache_clear()
