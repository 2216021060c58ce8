"""What a function is and what it may touch, from its code object: digest, global names, literals."""

from __future__ import annotations

import ast
import dis
import functools
import importlib.util
import linecache
import struct
import sys
import weakref
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Generic, TypeVar

import xxhash

from durable_nb.errors import FingerprintError
from durable_nb.values.flowgraph import disassemble, flow_graph
from durable_nb.values.tree import (
    DYNAMIC_ATTRIBUTES,
    DYNAMIC_NAMES,
    SHELL_ATTRIBUTES,
    identifiers,
    looks_like_path,
    tree_facts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType

V = TypeVar("V")
_HAS_DOCSTRING = 0x4000000  # CO_HAS_DOCSTRING, new in Python 3.14
_CO_OPTIMIZED = 0x1
_FUTURES = 0x0FFF0000 & ~0x4000000
_MAIN = "__main__"
_IMPORTS_OR_DELETES = frozenset(dis.opmap[name] for name in ("IMPORT_NAME", "DELETE_NAME", "DELETE_GLOBAL"))
# Each class body loads these for itself; they are nothing a notebook binds.
_CLASS_PRELUDE = frozenset({"__name__", "__annotations__"})


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What one function's code is and what it may depend on, nested code included.

    Attributes:
        digest: 16 bytes (xxh3-128); equal in every process for code that behaves the same, however
            it is laid out, commented or placed in its file.
        reads: global names it may read.
        writes: global names it may bind or delete.
        mentions: identifiers inside string literals which reach a call as an argument.
        dynamic: the means by which it can read names that cannot be known beforehand.
        paths: string literals that may name a file, a directory or a glob.
        imports: modules it may import when it runs; of `from a import b` both `a` and `a.b`.
    """

    digest: bytes
    reads: frozenset[str]
    writes: frozenset[str]
    mentions: frozenset[str]
    dynamic: frozenset[str]
    paths: frozenset[str]
    imports: frozenset[str]


@dataclass(frozen=True, slots=True)
class CodeNames:
    """Global names that one code object, without the code nested in it, may touch."""

    reads: frozenset[str]
    writes: frozenset[str]
    deletes: frozenset[str]
    imports: frozenset[str]


class CodeMemo(Generic[V]):
    """Remembers one result per code object while that object lives.

    By identity, not equality: hashing a code object walks all of it each time, and before Python
    3.12 equality does not look at the exception table.
    """

    def __init__(self, compute: Callable[[CodeType], V]) -> None:
        self._compute = compute
        self._entries: dict[int, tuple[weakref.ref[CodeType], V]] = {}

    def __call__(self, code: CodeType) -> V:
        """Return what is known of a code object, computed when it is asked for first."""
        key = id(code)
        entry = self._entries.get(key)
        if entry is not None and entry[0]() is code:
            return entry[1]
        value = self._compute(code)
        self._entries[key] = (weakref.ref(code, lambda _: self._entries.pop(key, None)), value)
        return value


def function_facts(func: FunctionType) -> CodeFacts:
    """Return the facts of a function's code, remembered as long as the code object lives.

    Defaults, closures and attributes are values and not part of it.

    Raises:
        FingerprintError: the code holds a constant that no Python compiler makes.
    """
    return _facts(func.__code__)


def code_digest(code: CodeType) -> bytes:
    """Return 16 bytes (xxh3-128) that are equal for code objects which behave the same.

    Line numbers, file name, comments and layout never count; names, docstring and signature do.
    The digest is of one Python version: the version's bytecode magic number is part of it.

    Raises:
        FingerprintError: the code holds a constant that no Python compiler makes.
    """
    return _digest(code)


def code_names(code: CodeType) -> CodeNames:
    """Return the global names that one code object may touch; nested code does not count."""
    return _names(code)


def imports_or_deletes(code: CodeType) -> bool:
    """Say whether a code object, without what is nested in it, imports a module or deletes a global name."""
    return not _IMPORTS_OR_DELETES.isdisjoint(code.co_code[::2])


def code_texts(code: CodeType) -> list[str]:
    """Return the strings among the constants of a code object and those nested in it, without docstrings."""
    return [text for nested in all_codes(code) for text in _texts(nested)]


def nested_codes(code: CodeType) -> list[CodeType]:
    """Return the code objects directly nested in a code object: functions, classes, comprehensions."""
    return [const for const in code.co_consts if type(const) is CodeType]


def all_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and everything nested in it, at any depth."""
    pending = [code]
    while pending:
        current = pending.pop()
        yield current
        pending += nested_codes(current)


def encode_constant(value: object) -> bytes:  # noqa: C901, PLR0911 - one line per type
    """Encode a constant of a code object or syntax tree; different constants differ in it.

    Raises:
        FingerprintError: its type is not one a Python compiler makes.
    """
    match value:
        case None | bool():
            return repr(value)[:1].encode()
        case int():
            return _tagged(b"i", b"%x" % value)
        case float():
            return b"f" + struct.pack(">d", value)
        case complex():
            return b"c" + struct.pack(">dd", value.real, value.imag)
        case str():
            return _tagged(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _tagged(b"b", value)
        case tuple():
            return _tagged(b"(", b"".join(map(encode_constant, value)))
        case frozenset():
            return _tagged(b"{", b"".join(sorted(map(encode_constant, value))))
        case slice():
            return b":" + encode_constant((value.start, value.stop, value.step))
        case CodeType():
            return b"C" + code_digest(value)
    if value is Ellipsis:
        return b"."
    raise FingerprintError("co_consts", type(value).__name__, "no compiler makes such a constant")


def _tagged(tag: bytes, payload: bytes) -> bytes:
    return b"%s%d:%s" % (tag, len(payload), payload)


def _compute_digest(code: CodeType) -> bytes:
    header = (
        importlib.util.MAGIC_NUMBER,
        code.co_name,
        code.co_qualname,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        (code.co_varnames, code.co_cellvars, code.co_freevars),
        _docstring(code),
    )
    digest = xxhash.xxh3_128(encode_constant(header))
    for node in flow_graph(code, encode_constant):
        digest.update(encode_constant((node.label, node.successors)))
    return digest.digest()


def _docstring(code: CodeType) -> str | None:
    """Return a function's docstring, which a function may read of itself through `__doc__`."""
    if not code.co_flags & _CO_OPTIMIZED or not code.co_consts:
        return None
    first = code.co_consts[0]
    return first if isinstance(first, str) else None


def _compute_names(code: CodeType) -> CodeNames:
    found: dict[str, set[str]] = {"reads": set(), "writes": set(), "deletes": set(), "imports": set()}
    bound: set[str] = set()
    straight = not code.co_exceptiontable
    is_class = not code.co_flags & _CO_OPTIMIZED
    instructions = [pair for pair in disassemble(code) if pair[0].opname != "EXTENDED_ARG"]
    for index, (instruction, name) in enumerate(instructions):
        kind = instruction.opname
        straight = straight and "JUMP" not in kind and kind not in {"FOR_ITER", "SEND"}
        if kind in {"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
            if name not in bound and not (is_class and name in _CLASS_PRELUDE):
                found["reads"].add(name)
        elif kind == "LOAD_GLOBAL":
            found["reads"].add(name)
        elif kind == "STORE_GLOBAL" or (kind == "STORE_NAME" and code.co_name == "<module>"):
            found["writes"].add(name)
        elif kind == "DELETE_GLOBAL" or (kind == "DELETE_NAME" and code.co_name == "<module>"):
            found["deletes"].add(name)
        elif kind == "STORE_NAME" and straight:
            # In a class body: bound before any branch, so a later LOAD_NAME finds the class's own.
            bound.add(name)
        elif kind == "DELETE_NAME":
            bound.discard(name)
            straight = False
        elif kind == "IMPORT_NAME":
            operands = [value for _, value in instructions[index - 2 : index]]
            found["imports"] |= _imported(name, operands)
    found["writes"] |= found["deletes"]
    return CodeNames(**{key: frozenset(value) for key, value in found.items()})


def _imported(name: str, operands: list[object]) -> set[str]:
    """Return what `IMPORT_NAME` may import, given the two loads before it: level and fromlist."""
    level, members = operands
    base = "." * (level if isinstance(level, int) else 0) + name
    parents = {base.rsplit(".", n)[0] for n in range(name.count(".") + 1)} if name else {base}
    members = members if isinstance(members, tuple) else ()
    joint = "" if base.endswith(".") else "."
    return parents | {f"{base}{joint}{member}" for member in members if member != "*"}


def _compute_facts(code: CodeType) -> CodeFacts:
    codes = list(all_codes(code))
    names = [code_names(nested) for nested in codes]
    reads = frozenset().union(*(n.reads for n in names))
    imports = frozenset().union(*(n.imports for n in names))
    texts = {text for nested in codes for text in _texts(nested)}
    mentions, paths = _literals(code, texts)
    return CodeFacts(
        digest=code_digest(code),
        reads=reads,
        writes=frozenset().union(*(n.writes for n in names)),
        mentions=mentions,
        dynamic=_dynamic(codes, reads, imports, texts),
        paths=paths,
        imports=imports,
    )


def _dynamic(codes: list[CodeType], reads: frozenset[str], imports: frozenset[str], texts: set[str]) -> frozenset[str]:
    attributes = {name for nested in codes for name in nested.co_names}
    found = (reads & DYNAMIC_NAMES) | ((attributes | texts) & DYNAMIC_ATTRIBUTES)
    if "get_ipython" in reads:
        found |= {f"get_ipython().{name}" for name in attributes & SHELL_ATTRIBUTES}
    if "builtins" in imports | reads:
        found |= attributes & DYNAMIC_NAMES
    if _MAIN in imports or (_MAIN in texts and "__name__" not in reads):
        found |= {_MAIN}
    return frozenset(found)


def _literals(code: CodeType, texts: set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return mentions and paths: from source where it can be trusted, else from every constant."""
    nodes = _source_nodes(code)
    if not nodes:
        mentions = frozenset(word for text in texts for word in identifiers(text))
        return mentions, frozenset(text for text in texts if looks_like_path(text, bare=True))
    facts = [tree_facts(part) for node in nodes for part in node]
    mentions = frozenset().union(*(f.mentions for f in facts))
    return mentions, frozenset().union(*(f.paths for f in facts))


def _texts(code: CodeType) -> Iterator[str]:
    """Yield the strings among a code object's constants, tuples included, but not the docstring."""
    documented = _docstring(code) is not None and (
        bool(code.co_flags & _HAS_DOCSTRING)
        if sys.version_info >= (3, 14)
        else not code.co_name.startswith("<")  # a comprehension's first constant is any
    )
    pending: list[object] = list(code.co_consts[1:] if documented else code.co_consts)
    while pending:
        const = pending.pop()
        if isinstance(const, str):
            yield const
        elif isinstance(const, tuple | frozenset):
            pending.extend(const)


def is_source_of(lines: list[str], code: CodeType) -> bool:
    """Tell whether these lines, of the file that a code object names, hold its source where it says."""
    source = "".join(lines)
    if not source:
        return False
    parsed = _parse(source, code.co_filename, code.co_flags & _FUTURES)
    digest = code_digest(code)
    return any(code_digest(other) == digest for other in parsed.codes.get(_place(code), ()))


def _source_nodes(code: CodeType) -> list[list[ast.AST]]:
    """Return the bodies this code may have been compiled from, or nothing when that is not certain.

    More than one when several lambdas share a line: all of them then count.
    """
    lines = linecache.getlines(code.co_filename)
    if not is_source_of(lines, code):
        return []
    parsed = _parse("".join(lines), code.co_filename, code.co_flags & _FUTURES)
    return parsed.bodies.get((code.co_firstlineno, code.co_name), [])


def _place(code: CodeType) -> tuple[int, str]:
    return code.co_firstlineno, code.co_qualname


@dataclass(frozen=True, slots=True)
class _Parsed:
    codes: dict[tuple[int, str], list[CodeType]]
    bodies: dict[tuple[int, str], list[list[ast.AST]]]


@functools.lru_cache(maxsize=64)
def _parse(source: str, filename: str, futures: int) -> _Parsed:
    """Compile a source again, to find which code object came from which node."""
    parsed = _Parsed({}, {})
    try:
        tree = ast.parse(source, filename)
        flags = futures | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        module = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # a file that is not, or no longer, Python
        return parsed
    for code in all_codes(module):
        parsed.codes.setdefault(_place(code), []).append(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            parsed.bodies.setdefault((line, node.name), []).append([*node.body])
        elif isinstance(node, ast.Lambda):
            parsed.bodies.setdefault((node.lineno, "<lambda>"), []).append([node.body])
    return parsed


_digest = CodeMemo(_compute_digest)
_names = CodeMemo(_compute_names)
_facts = CodeMemo(_compute_facts)
