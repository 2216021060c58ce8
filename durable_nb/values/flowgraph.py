"""A code object as a graph of instructions that does not depend on how its source was laid out.

CPython's compiler looks at line numbers when it threads jumps, duplicates short exits, drops NOPs and
joins instructions (`Python/flowgraph.c`), so that wrapping a call can change the bytecode. Here jumps
are edges, joined instructions are taken apart, and equal endings are one node.
"""

from __future__ import annotations

import dis
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

_SKIPPED = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "NOT_TAKEN"})
_GOTO = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_ENDS = frozenset({"RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "INTERPRETER_EXIT"})
_JOINED = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
}
_CONDITIONS = {"_FALSE": "_TRUE", "_NOT_NONE": "_NONE"}
_HAS_CONST = frozenset(dis.hasconst)
_HAS_NAME = frozenset(dis.hasname)
_HAS_LOCAL = frozenset(dis.haslocal) | frozenset(dis.hasfree)
_HAS_JUMP = frozenset(getattr(dis, "hasjump", ())) | frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
# Bits of an argument that are none of the number of its name.
_FLAG_BITS = {"LOAD_GLOBAL": 1} | ({"LOAD_ATTR": 1, "LOAD_SUPER_ATTR": 2} if sys.version_info >= (3, 12) else {})
_EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
_SPIN = -1  # the target of a jump to itself
_SPIN_LABEL = b"spin"


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction: what it does, and the numbers of those that may follow it, in a fixed order."""

    label: bytes
    successors: tuple[int, ...]


@dataclass(slots=True)
class _Step:
    """An instruction before the graph is built; `jump` is the offset it may jump to."""

    offset: int
    name: str
    argument: bytes
    jump: int | None = None


@dataclass(frozen=True, slots=True)
class _Handler:
    start: int
    end: int
    target: int
    state: int


def flow_graph(code: CodeType, encode: Callable[[object], bytes]) -> list[Node]:
    """Return the instructions that can be reached, numbered in the order of a depth-first walk.

    Args:
        code: the code object; nested ones are constants.
        encode: how a constant becomes bytes.
    """
    steps = list(_steps(code, encode))
    return _number(*_merge_endings(_edges(steps, list(_handlers(code.co_exceptiontable)))))


def disassemble(code: CodeType) -> list[tuple[dis.Instruction, Any]]:
    """Return each instruction and its argument's value, which for a constant is the constant.

    The constants are kept from `dis`, which takes the `repr` of each: slow for large ones, an error
    for integers of more than 4,300 digits; and it does not know those of Python 3.11's KW_NAMES.
    """
    blank = code.replace(co_consts=(None,) * len(code.co_consts))
    return [
        (i, code.co_consts[i.arg or 0] if i.opcode in _HAS_CONST else i.argval) for i in dis.get_instructions(blank)
    ]


def operations(code: CodeType) -> Iterator[tuple[str, str]]:
    """Yield the name of each instruction, and the name that it is about, or "": at a tenth of what `dis` takes."""
    bytecode, names, above = code.co_code, code.co_names, 0
    for opcode, argument in zip(bytecode[::2], bytecode[1::2], strict=True):
        if opcode == _EXTENDED_ARG:
            above = (above | argument) << 8
            continue
        operation = dis.opname[opcode]
        number = (above | argument) >> _FLAG_BITS.get(operation, 0)
        yield operation, names[number] if opcode in _HAS_NAME else ""
        above = 0


def _steps(code: CodeType, encode: Callable[[object], bytes]) -> Iterator[_Step]:
    instructions = disassemble(code)
    for index, (instruction, value) in enumerate(instructions):
        name, offset = instruction.opname, instruction.offset
        if name in _JOINED:
            for part, local in zip(_JOINED[name], value, strict=True):
                yield _Step(offset, part, encode(local))
        elif name == "RETURN_CONST":
            yield _Step(offset, "LOAD_CONST", encode(value))
            yield _Step(offset, "RETURN_VALUE", b"")
        elif instruction.opcode in _HAS_JUMP:
            yield _Step(offset, name, b"", value)
        elif instruction.opcode in _HAS_CONST or name == "LOAD_SMALL_INT":
            following = instructions[index + 1][1] if index + 1 < len(instructions) else None
            yield _Step(offset, name, encode(_placeless(value, following)))
        else:
            yield _Step(offset, name, _argument(instruction, encode))


def _placeless(value: object, stored_as: object) -> object:
    """Return a constant without what Python 3.13 puts into class bodies by place or hash seed."""
    if stored_as == "__firstlineno__":
        return None
    if stored_as == "__static_attributes__" and isinstance(value, tuple):
        return tuple(sorted(value))
    return value


def _argument(instruction: dis.Instruction, encode: Callable[[object], bytes]) -> bytes:
    if instruction.opcode in _HAS_NAME:
        # `argrepr` also says whether NULL is pushed; the second bit of LOAD_SUPER_ATTR it does not.
        flags = (instruction.arg or 0) & 3 if instruction.opname == "LOAD_SUPER_ATTR" else 0
        return encode((instruction.argrepr, flags))
    if instruction.opcode in _HAS_LOCAL:
        return encode(instruction.argval)
    return encode(instruction.arg)


def _handlers(table: bytes) -> Iterator[_Handler]:
    """Decode an exception table, as described in CPython's `Objects/exception_handling_notes.txt`."""
    data = iter(table)

    def number() -> int:
        byte = next(data)
        value = byte & 63
        while byte & 64:
            byte = next(data)
            value = value << 6 | byte & 63
        return value

    for byte in data:
        start = byte & 63
        while byte & 64:
            byte = next(data)  # noqa: PLW2901 - the same number goes on
            start = start << 6 | byte & 63
        length, target, state = number(), number(), number()
        yield _Handler(start * 2, (start + length) * 2, target * 2, state)


def _edges(steps: list[_Step], handlers: list[_Handler]) -> list[Node]:
    """Link the instructions by their index in `steps`; jumps and NOPs are only edges."""
    first: dict[int, int] = {}
    for index, step in enumerate(steps):
        first.setdefault(step.offset, index)

    def resolve(index: int) -> int:
        seen = set()
        while steps[index].name in _SKIPPED or steps[index].name in _GOTO:
            if index in seen:
                return _SPIN
            seen.add(index)
            jump = steps[index].jump
            index = index + 1 if jump is None else first[jump]
        return index

    nodes = [Node(b"start", (resolve(0) + 1,))]
    for index, step in enumerate(steps):
        follow = [] if step.name in _ENDS or step.name in _GOTO else [resolve(index + 1)]
        name = step.name
        if step.jump is not None:
            name, follow = _branch(step, follow, resolve(first[step.jump]))
        for handler in handlers:
            if handler.start <= step.offset < handler.end:
                follow.append(resolve(first[handler.target]))
                name += f"!{handler.state}"
                break
        nodes.append(Node(name.encode() + b" " + step.argument, tuple(n + 1 for n in follow)))
    spin = len(nodes)
    nodes.append(Node(_SPIN_LABEL, (spin,)))
    # Numbers are shifted by the start node, so that `_SPIN` became 0, which nothing else points to.
    return [Node(n.label, tuple(s or spin for s in n.successors)) for n in nodes]


def _branch(step: _Step, follow: list[int], target: int) -> tuple[str, list[int]]:
    """Write a conditional jump so that neither its direction nor its negation matters."""
    name = step.name.replace("FORWARD_", "").replace("BACKWARD_", "")
    if name.startswith("POP_JUMP_IF"):
        for negative, positive in _CONDITIONS.items():
            if name.endswith(negative):
                return name.removesuffix(negative) + positive, [target, *follow]
    return name, [*follow, target]


def _merge_endings(nodes: list[Node]) -> tuple[list[Node], list[int]]:
    """Give equal instructions from which no loop can be reached one identity.

    Returns:
        The nodes and, for each, the index of the node that stands for it.
    """
    stand_in = list(range(len(nodes)))
    known: dict[tuple[bytes, tuple[int, ...]], int] = {}
    loops: set[int] = set()
    state = [0] * len(nodes)  # 0 new, 1 open, 2 done
    pending = [0]
    while pending:
        index = pending[-1]
        node = nodes[index]
        if state[index] == 0:
            state[index] = 1
            pending.extend(s for s in node.successors if state[s] == 0)
            continue
        pending.pop()
        if state[index] == 1:
            state[index] = 2
            if any(state[s] == 1 or s == index or s in loops for s in node.successors):
                loops.add(index)
            else:
                key = (node.label, tuple(stand_in[s] for s in node.successors))
                stand_in[index] = known.setdefault(key, index)
    return nodes, stand_in


def _number(nodes: list[Node], stand_in: list[int]) -> list[Node]:
    numbers: dict[int, int] = {}
    order: list[int] = []
    pending = [stand_in[0]]
    while pending:
        index = pending.pop()
        if index in numbers:
            continue
        numbers[index] = len(order)
        order.append(index)
        pending.extend(stand_in[s] for s in reversed(nodes[index].successors))
    return [Node(nodes[i].label, tuple(numbers[stand_in[s]] for s in nodes[i].successors)) for i in order]
