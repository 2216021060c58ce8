"""The source of functions, classes and local modules as this process runs them, for people who ask what changed."""

from __future__ import annotations

import ast
import inspect
import linecache
import tokenize
import types
from pathlib import Path
from typing import TYPE_CHECKING, Final

from durable_nb.values.code import is_source_of
from durable_nb.values.kinds import class_dict
from durable_nb.values.modules import is_local, local_modules, stale_on_disk

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEXT: Final = 64 * 1024
MODULE_MARK: Final = "# module "
"""Begins the line above each module's source, where there are several."""
_MAX_FUNCTIONS: Final = 20


def source_of(value: object, functions: Iterable[types.FunctionType] = ()) -> str:
    """Return the source of a definition, "" where it is not certain; never runs code of the value.

    What a package defines has none: it counts with the package's version, and its files are long to read.

    Args:
        value: a function, a class, a local module; anything else is told by its functions.
        functions: the functions that the value consists of.
    """
    text = ""
    if isinstance(value, type | types.FunctionType) and not is_local(str(value.__module__)):
        return ""
    if issubclass(type(value), types.ModuleType):
        text = _module_source(value)  # type: ignore[arg-type]
    elif issubclass(type(value), type):
        text = _class_source(value)  # type: ignore[arg-type]
    elif type(value) is types.FunctionType:
        text = _code_source(value.__code__)
    if not text:
        codes = list(dict.fromkeys(each.__code__ for each in functions))[:_MAX_FUNCTIONS]
        text = "\n".join(filter(None, map(_code_source, codes)))
    return text if len(text) <= MAX_TEXT else ""


def _code_source(code: types.CodeType) -> str:
    """Return the lines that a code object was compiled from; "" when the file may hold others by now."""
    if not is_source_of(linecache.getlines(code.co_filename), code):
        return ""
    return _block(linecache.getlines(code.co_filename), code.co_firstlineno)


def _block(lines: list[str], first: int) -> str:
    try:
        return "".join(inspect.getblock(lines[first - 1 :]))
    except (SyntaxError, IndentationError, tokenize.TokenError):
        return ""


def _class_source(kind: type) -> str:
    """Return the class statement around one of its own methods."""
    for attribute in class_dict(kind).values():
        function = getattr(attribute, "__func__", attribute)
        if type(function) is not types.FunctionType:
            continue
        code = function.__code__
        lines = linecache.getlines(code.co_filename)
        if is_source_of(lines, code):
            found = _enclosing(lines, code.co_firstlineno, type.__dict__["__name__"].__get__(kind))
            if found:
                return found
    return ""


def _enclosing(lines: list[str], line: int, name: str) -> str:
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == name and node.lineno <= line <= (node.end_lineno or 0):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    return ""


def _module_source(module: types.ModuleType) -> str:
    """Return the sources of a local module and the local modules that it uses, each under its name."""
    name = module.__dict__.get("__name__")
    if type(name) is not str or not is_local(name):
        return ""
    parts = [_file_source(each_name, each) for each_name, each in sorted(local_modules(module).items())]
    return "\n".join(filter(None, parts))


def _file_source(name: str, module: types.ModuleType) -> str:
    file = module.__dict__.get("__file__")
    if type(file) is not str or not file.endswith(".py") or stale_on_disk(module):
        return ""
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return f"{MODULE_MARK}{name}\n{text}"
