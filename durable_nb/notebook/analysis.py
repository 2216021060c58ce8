"""What a cell is and what it may read and bind, from its source alone."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.notebook.flow import Flow
from durable_nb.notebook.magics_code import SHELL, is_shell_call, magic_codes
from durable_nb.values.code import all_codes, code_names, encode_constant, imports_or_deletes
from durable_nb.values.tree import looks_like_path, tree_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType

    from durable_nb.notebook.magics_code import MagicCode

# Parts of a node that are notation only: `u"…"`, type comments.
_NOTATION = frozenset({"kind", "type_comment", "type_ignores"})
_TEXT_CALLS = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})
_LAYOUT = frozenset({tokenize.ENDMARKER, tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.DEDENT})


@dataclass(frozen=True, slots=True, eq=False)
class CellCode:
    """What one cell's code is and what it may touch.

    Names of builtins are not left out: whether `list` is an input depends on the namespace.

    Attributes:
        source: the source as given.
        tree: the module after IPython's transform.
        digest: 16 bytes (xxh3-128) of the syntax tree; comments and layout never count, also inside
            the body of a `%%time`, but a final `;` does, since it hides the last value.
        reads: names it may read before it has surely bound them; to delete a name counts as reading.
        binds: names it may bind or delete.
        surely_binds: names bound on every path on which it completes.
        dynamic: the means by which it can read names that cannot be known beforehand.
        mentions: identifiers inside string literals that reach a call, and in magics' text.
        paths: string literals that may name a file, a directory or a glob.
        imports: modules it may import; of `from a import b` both `a` and `a.b`.
        star_imports: modules imported with `*`, whose names are not in `binds`.
        is_async: whether it awaits at top level.
        module_attributes: (dotted name, attribute) of each `name.attribute = value` at top level.
        deferred: per function and class of the cell the names it reads when a function from another
            cell calls it; `reads` counts only what the cell itself uses.
    """

    source: str
    tree: ast.Module
    digest: bytes
    reads: frozenset[str]
    binds: frozenset[str]
    surely_binds: frozenset[str]
    dynamic: frozenset[str]
    mentions: frozenset[str]
    paths: frozenset[str]
    imports: frozenset[str]
    star_imports: frozenset[str]
    is_async: bool
    module_attributes: frozenset[tuple[str, str]]
    deferred: Mapping[str, frozenset[str]]


def analyse_cell(source: str, *, transform: Callable[[str], str]) -> CellCode:
    """Analyse a cell without running it.

    Args:
        source: the cell as the user wrote it.
        transform: IPython's `transform_cell`; it is also applied to Python inside magics.

    Raises:
        SyntaxError: the cell is not valid Python after the transform.
    """
    transformed = transform(source)
    tree = ast.parse(transformed)
    has_magics = SHELL in transformed
    magics = list(magic_codes(tree, transform)) if has_magics else []
    trees = [tree, *(magic.nested.tree for magic in magics)]
    modules = [_compile(part) for part in trees]
    inner = [code for m in modules for code in all_codes(m) if code is not m]
    names = [code_names(code) for code in (*modules, *inner) if imports_or_deletes(code)]
    deleted = frozenset().union(*(code_names(code).deletes for code in inner if imports_or_deletes(code)))
    flow = Flow({id(m.call): m.nested for m in magics}, deleted)
    flow.block(tree.body)
    calls = [magic.call for magic in magics]
    facts = [tree_facts(part, skip=calls) for part in trees]
    return CellCode(
        source=source,
        tree=tree,
        digest=_digest(tree, magics, quiet=_is_quiet(tree, transformed)),
        reads=frozenset(flow.reads),
        binds=frozenset(flow.binds).union(*(magic.binds for magic in magics)),
        surely_binds=flow.bound or frozenset(),
        dynamic=frozenset().union(*(f.dynamic for f in facts)),
        mentions=frozenset().union(*(f.mentions for f in facts)),
        paths=frozenset(_magic_paths(trees, calls) if has_magics else ()).union(*(f.paths for f in facts)),
        imports=frozenset().union(*(n.imports for n in names)),
        star_imports=frozenset(flow.star_imports),
        is_async=bool(modules[0].co_flags & inspect.CO_COROUTINE),
        module_attributes=frozenset(flow.attributes),
        deferred=flow.deferred(),
    )


def _compile(tree: ast.Module) -> CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(tree, "<cell>", "exec", flags, dont_inherit=True)
    return code


def _digest(tree: ast.Module, magics: list[MagicCode], *, quiet: bool) -> bytes:
    code = {id(text): magic.nested.tree for magic in magics for text in magic.texts}
    digest = xxhash.xxh3_128(b"quiet" if quiet else b"")
    for part in _encoded(tree, code):
        digest.update(part)
    return digest.digest()


def _encoded(tree: ast.AST, code: Mapping[int, ast.Module]) -> Iterator[bytes]:
    """Encode a tree so that different trees differ; `code` replaces the texts of magics."""
    pending: list[object] = [tree]  # not by recursion: long sums are deeper than Python's stack
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            yield b"[%d:" % len(item)
            pending.extend(reversed(item))
        elif isinstance(item, ast.AST):
            node: Any = code.get(id(item), item)
            head, fields = _shape(type(node))  # type: ignore[arg-type]  # a class can be hashed
            yield head
            pending.extend([getattr(node, name) for name in fields])
        else:
            yield encode_constant(item)


@cache
def _shape(kind: type[ast.AST]) -> tuple[bytes, tuple[str, ...]]:
    """Return how a node of a kind begins when it is encoded, and its fields, last ones first."""
    fields = [name for name in kind._fields if name not in _NOTATION]
    return b"(%s%d:" % (kind.__name__.encode(), len(fields)), tuple(reversed(fields))


def _is_quiet(tree: ast.Module, source: str) -> bool:
    """Tell whether a final `;` hides the cell's value, as IPython's displayhook reads it."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr) or ";" not in source:
        return False
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    last = next((token for token in reversed(tokens) if token.type not in _LAYOUT), None)
    return last is not None and last.string == ";"


def _magic_paths(trees: list[ast.Module], skip: list[ast.Call]) -> Iterator[str]:
    """Yield the words in magics' text and shell commands which may be paths."""
    skipped = {id(call) for call in skip}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if id(node) not in skipped and is_shell_call(node, _TEXT_CALLS):
            texts = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant)]
            words = [word for text in texts if isinstance(text, str) for word in text.split()]
            yield from (word.strip("'\"") for word in words if looks_like_path(word))
