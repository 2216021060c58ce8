"""Parameters of a notebook, as papermill has them: a cell with assignments after the one tagged ``parameters``."""

from __future__ import annotations

import ast
import json
import keyword
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.cli.command import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

DEFAULTS: Final = "parameters"
INJECTED: Final = "injected-parameters"
"""Tags of the cell with the defaults, and of the one that is put in."""
_WORDS: Final = {"true": True, "false": False, "none": None, "null": None}


def gather(
    typed: Iterable[tuple[str, str]], raw: Iterable[tuple[str, str]], yaml: Iterable[str], files: Iterable[Path]
) -> dict[str, Any]:
    """Return the parameters of a command line; of a name given twice the more direct way wins.

    Args:
        typed: names and texts that are numbers, true, false or none where they read so.
        raw: names and texts that stay texts.
        yaml: mappings as YAML or JSON text.
        files: files with such a mapping.

    Raises:
        CommandError: a name is none in Python, a text is no mapping, or a file cannot be read.
    """
    found: dict[str, Any] = {}
    for path in files:
        try:
            found |= _mapping(path.read_text("utf-8"), f"-f {path}")
        except OSError as error:
            raise CommandError(f"-f {path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"-f {path} is no text in UTF-8 ({error})") from error
    for text in yaml:
        found |= _mapping(text, "-y")
    found |= {name: _value(text) for name, text in typed}
    found |= dict(raw)
    for name, value in found.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            raise CommandError(f"parameter {name!r} is no name of a variable")
        _check(name, value)
    return found


def inject(notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Put a cell that binds the parameters into a notebook, in place of one that an earlier run put in."""
    from nbformat.v4 import new_code_cell

    if not parameters:
        return
    lines = ["# Parameters", *(f"{name} = {value!r}" for name, value in parameters.items())]
    cell = new_code_cell("\n".join(lines), metadata={"tags": [INJECTED]}, id=INJECTED)
    cells = notebook.cells
    old = _tagged(notebook, INJECTED)
    if old is not None:
        cells[old] = cell
        return
    defaults = _tagged(notebook, DEFAULTS)
    cells.insert(0 if defaults is None else defaults + 1, cell)


def digest(parameters: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that tell parameters apart."""
    return xxhash.xxh3_128_digest(repr(sorted(parameters.items())).encode())


def _tagged(notebook: NotebookNode, tag: str) -> int | None:
    cells = enumerate(notebook.cells)
    return next((number for number, cell in cells if tag in cell.metadata.get("tags", ())), None)


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _mapping(text: str, where: str) -> dict[str, Any]:
    value = _parse(text, where)
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise CommandError(f"{where} has to hold names and values, such as 'rate: 0.1'")
    return value


def _parse(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        try:
            return json.loads(text)
        except ValueError as error:
            raise CommandError(f"{where} is no JSON ({error}), and for YAML pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or " ".join(str(error).split())
        raise CommandError(f"{where} is no YAML ({why}{f', line {mark.line + 1}' if mark else ''})") from error


def _check(name: str, value: Any) -> None:
    """Refuse a value that its own text would not give back, such as a date of YAML."""
    try:
        same = ast.literal_eval(repr(value)) == value or value != value  # noqa: PLR0124 - nan
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise CommandError(f"parameter {name} is {value!r}, which has no literal in Python: quote it")
