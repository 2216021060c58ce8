"""Python code inside the magics of a transformed cell, such as the body of `%%time`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.notebook.scopes import statement_names
from durable_nb.notebook.uses import Nested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How each magic runs its code, and which of its one-letter options take a value (IPython's
# `core/magics/execution.py`, the strings given to `parse_options`).
_MAGICS = {
    "time": ("sequence", ""),
    "timeit": ("function", "nrp"),
    "prun": ("sequence", "DlsT"),
    "capture": ("guarded", ""),
}
PYTHON_MAGICS = frozenset(_MAGICS)
"""Magics whose text is Python."""
SHELL = "get_ipython"
"""The function that IPython's transform writes where a magic stands."""
_SHELL_CALLS = frozenset({"run_line_magic", "run_cell_magic"})


@dataclass(frozen=True, slots=True)
class MagicCode:
    """One magic call that runs Python.

    Attributes:
        call: the call of `get_ipython().run_line_magic` or `run_cell_magic`.
        texts: its string arguments that are code.
        nested: the code, parsed, in the order it runs.
        binds: names the magic itself binds (`%%capture out`).
    """

    call: ast.Call
    texts: tuple[ast.Constant, ...]
    nested: Nested
    binds: frozenset[str]


def magic_codes(tree: ast.AST, transform: Callable[[str], str]) -> Iterator[MagicCode]:
    """Find the magics of a transformed cell whose text is Python; nested ones follow their outer.

    Code that does not parse is left out: the magic will report it, and its text counts as text.

    Args:
        tree: the cell.
        transform: IPython's `transform_cell`.
    """
    for node in ast.walk(tree):
        found = _magic(node, transform) if isinstance(node, ast.Call) else None
        if found is not None:
            yield found
            yield from magic_codes(found.nested.tree, transform)


def is_shell_call(node: ast.AST, names: frozenset[str]) -> bool:
    """Tell whether a node is `get_ipython().NAME(…)` for one of the names."""
    match node:
        case ast.Call(func=ast.Attribute(attr=attribute, value=ast.Call(func=ast.Name(id=shell), args=[]))):
            return shell == SHELL and attribute in names
    return False


def _magic(call: ast.Call, transform: Callable[[str], str]) -> MagicCode | None:
    texts = [a for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not is_shell_call(call, _SHELL_CALLS) or not 2 <= len(texts) == len(call.args) <= 3:  # noqa: PLR2004
        return None
    name, line = str(texts[0].value), str(texts[1].value)
    if name not in _MAGICS:
        return None
    how, options = _MAGICS[name]
    rest = _without_options(line, options)
    code = [str(texts[2].value)] if len(texts) > 2 else []  # noqa: PLR2004
    binds = frozenset[str]()
    if name == "capture":
        binds = frozenset(word for word in line.split()[:1] if word.isidentifier())
    else:
        code.insert(0, rest)
    module = _parse(code, how, transform)
    if module is None:
        return None
    return MagicCode(call, tuple(texts[1:]), Nested(module, how), binds)


def _parse(code: list[str], how: str, transform: Callable[[str], str]) -> ast.Module | None:
    try:
        trees = [ast.parse(transform(text)) for text in code]
        module = ast.Module([statement for tree in trees for statement in tree.body], [])
        if how == "function" and module.body:
            statement_names(module.body)
        compile(module, "<magic>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        return None
    return module


def _without_options(line: str, with_value: str) -> str:
    """Drop a magic's own leading options, such as `-n 10` of `%timeit`."""
    rest = line.lstrip()
    while rest.startswith("-") and len(rest) > 1 and not rest[1].isdigit():
        option, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        if len(option) == 2 and option[1] in with_value:  # noqa: PLR2004 - a dash and its letter
            rest = rest.partition(" ")[2].lstrip()
        if option == "--":
            break
    return rest
