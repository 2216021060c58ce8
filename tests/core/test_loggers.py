"""Loggers as a setting of the process: levels and plain handlers are made again, others are named."""

from __future__ import annotations

import logging
import sys

import pytest

from durable_nb.core.loggers import not_made_again
from durable_nb.core.settings import ALL, LOGGERS, SettingsWatch, apply

NAME = "notebook of a test"


@pytest.fixture
def logger():
    made = logging.getLogger(NAME)
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()
    made.setLevel(logging.NOTSET)
    made.propagate = True
    logging.disable(logging.NOTSET)


def test_levels_and_handlers_are_made_again(logger, tmp_path):
    """A level, propagation, what is disabled, and handlers to a stream, to a file and to nowhere."""
    watch = SettingsWatch(ALL)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logging.disable(logging.INFO)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter("{message}!", "%H", "{"))
    stream.setLevel(logging.ERROR)
    for handler in (stream, logging.FileHandler(tmp_path / "a.log"), logging.NullHandler()):
        logger.addHandler(handler)
    changes = watch.changes()
    assert changes[LOGGERS].keys() == {NAME, ""}
    assert not_made_again(changes[LOGGERS]) is None
    undone = {NAME: None, "": logging.NOTSET}
    apply({LOGGERS: undone})
    assert (logger.level, logger.propagate, logger.handlers, logging.root.manager.disable) == (0, True, [], 0)
    for _ in range(2):  # a second time changes nothing
        apply(changes)
        assert (logger.level, logger.propagate, logging.root.manager.disable) == (logging.DEBUG, False, logging.INFO)
        again, file, nowhere = logger.handlers
        assert (again.stream, again.level) == (sys.stderr, logging.ERROR)
        assert again.format(logging.LogRecord(NAME, 50, "", 1, "said", (), None)) == "said!"
        assert file.baseFilename == str(tmp_path / "a.log")
        assert type(nowhere) is logging.NullHandler


def test_a_handler_of_another_kind_is_named(logger):
    """A replay could not make it."""

    class Elsewhere(logging.Handler):
        pass

    watch = SettingsWatch(ALL)
    logger.addHandler(Elsewhere())
    why = not_made_again(watch.changes()[LOGGERS])
    assert why == f"it gives the logger {NAME} a {Elsewhere.__qualname__}, which a replay would not"


def test_loggers_of_packages_set_up_their_own_handlers():
    """An import does it again, so such a handler is nothing that a step did."""
    watch = SettingsWatch(ALL)
    package, handler = logging.getLogger("pandas.sub"), logging.Handler()
    package.addHandler(handler)
    try:
        assert LOGGERS not in watch.changes()
    finally:
        package.removeHandler(handler)
