"""What loggers let through and where they write: settings of the process that a step may change."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.kinds import class_name
from durable_nb.values.modules import is_local

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEW: Final = (logging.NOTSET, True, False, ())
"""Level, ``propagate``, ``disabled`` and handlers of a logger that nobody has touched."""
_STREAMS: Final = ("stdout", "stderr")
_DISABLED: Final = ""
"""Stands for ``logging.disable`` among names of loggers: none can have that name."""


def read() -> dict[str, Any]:
    """Return the state of each logger that is not as it was made, by name."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found: dict[str, Any] = {}
    for each in loggers:
        if isinstance(each, logging.Logger):
            handlers = tuple(map(_description, each.handlers)) if each.handlers and _is_own(each.name) else ()
            state = (each.level, each.propagate, each.disabled, handlers)
            if state != _NEW:
                found[each.name] = state
    return found | {_DISABLED: logging.root.manager.disable}


def put(changes: Mapping[str, Any]) -> None:
    """Make loggers as they were recorded.

    Raises:
        OSError: the file of a handler cannot be opened.
    """
    for name, state in changes.items():
        if name == _DISABLED:
            logging.disable(state)
            continue
        logger = logging.getLogger(None if name == logging.root.name else name)
        level, logger.propagate, logger.disabled, handlers = state or _NEW
        logger.setLevel(level)
        if _is_own(name):
            _put_handlers(logger, handlers)


def not_made_again(changes: Mapping[str, Any]) -> str | None:
    """Name a logger that got a handler which ``put`` could not make, in words for the user."""
    for name, state in changes.items():
        for description in state[-1] if name != _DISABLED and state else ():
            if len(description) == 1:
                return f"it gives the logger {name} a {description[0]}, which a replay would not"
    return None


def _is_own(name: str) -> bool:
    """Tell whether the notebook decides where a logger writes; those of installed packages set up their own."""
    top = name.partition(".")[0]
    return name == logging.root.name or top not in sys.modules or is_local(top)


def _description(handler: logging.Handler) -> tuple[Any, ...]:
    """Return what a handler can be made from again, or its type alone where it cannot."""
    how: tuple[Any, ...] = ()
    formatter = handler.formatter
    if type(handler) is logging.StreamHandler:
        how = tuple(("stream", name) for name in _STREAMS if handler.stream is getattr(sys, name))[:1]
    elif type(handler) is logging.FileHandler:
        how = (("file", handler.baseFilename, handler.mode, handler.encoding),)
    elif type(handler) is logging.NullHandler:
        how = (("null",),)
    if not how or handler.filters or type(formatter) not in (type(None), logging.Formatter):
        return (class_name(type(handler))[1],)
    styles: dict[str, Any] = logging._STYLES  # noqa: SLF001 - it has no other name
    style = getattr(formatter, "_style", None)
    mark = next((mark for mark, (kind, _) in styles.items() if kind is type(style)), None)
    text = (formatter._fmt, formatter.datefmt, mark) if formatter is not None else None  # noqa: SLF001
    return (*how, handler.level, text)


def _put_handlers(logger: logging.Logger, wanted: tuple[tuple[Any, ...], ...]) -> None:
    missing = list(wanted)
    for handler in list(logger.handlers):
        description = _description(handler)
        if description in missing:
            missing.remove(description)
        elif len(description) > 1:
            logger.removeHandler(handler)
            handler.close()
    for how, level, text in (each for each in missing if len(each) > 1):
        handler = _made(*how)
        handler.setLevel(level)
        if text is not None:
            handler.setFormatter(logging.Formatter(*text))
        logger.addHandler(handler)


def _made(kind: str, *details: Any) -> logging.Handler:
    if kind == "stream":
        return logging.StreamHandler(getattr(sys, details[0]))
    if kind == "file":
        path, mode, encoding = details
        return logging.FileHandler(path, mode, encoding)
    return logging.NullHandler()
