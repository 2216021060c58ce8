"""What the recording of calls and of cells has in common: paths in values, and references to live inputs."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from durable_nb.values.arrays import extent, is_array
from durable_nb.values.fingerprint import graph_of, hidden_graph
from durable_nb.values.graph import counts
from durable_nb.values.pickling import encode
from durable_nb.values.tree import quoted_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from durable_nb.values.address import Address
    from durable_nb.values.fingerprint import Graph
    from durable_nb.values.pickling import Encoded


MAX_ITEMS = 1000
MAX_TEXT = 64 << 10
_TEXTS = (str, PurePath)
_CONTAINERS = (list, tuple, set, frozenset, dict)


class Unrecordable(Exception):  # noqa: N818 - a verdict: the step runs again, and the user is told why
    """Why a step that ran cannot be recorded."""


def texts_in(values: Iterable[object]) -> list[object]:
    """Return the texts and paths among some values and in their containers of up to 1,000 items.

    Of a text also the quoted words that may be paths: a query names its files so.
    """
    found: list[object] = []
    for value in values:
        if isinstance(value, _TEXTS):
            found.append(value)
        elif type(value) in _CONTAINERS and len(value) <= MAX_ITEMS:  # type: ignore[arg-type]
            items: Any = value.values() if type(value) is dict else value
            found += [each for each in items if isinstance(each, _TEXTS)]
    return found + [word for text in found if isinstance(text, str) for word in _words(text)]


def _words(text: str) -> list[str]:
    return quoted_paths(text) if len(text) <= MAX_TEXT and ("'" in text or '"' in text) else []


def encode_connected(
    value: object,
    made: Mapping[str, object],
    inputs: Graph,
    namespace: dict[str, Any] | None,
    *,
    label: str = "",
    unread: Mapping[str, object] | None = None,
    known: Graph | None = None,
) -> Encoded:
    """Encode what a step made; parts of it that belong to an input are referred to rather than copied.

    Args:
        value: what is encoded.
        made: the outputs in it, by name.
        inputs: the graph of what went in.
        namespace: the notebook's globals.
        label: how errors call the value.
        unread: variables that were no inputs; where the outputs hold one all the same, as by way of what a library
            remembers, it is referred to, and is among the ``roots`` of what is returned.
        known: the graph of what was made, where somebody has it; that of other values is not taken.

    Raises:
        EncodeError: something in it cannot be saved.
        Unrecordable: it is connected to an input, or within itself, in a way that a replay would lose.
    """
    if not inputs.holds_objects() and not unread and "torch" not in sys.modules:
        return encode(value, namespace=namespace, label=label)  # there is nothing that it could be a part of
    outputs = known if known is not None and known.is_of(made) else graph_of(made, namespace)
    _refuse_shared_tensors(inputs, outputs)
    held = _held(outputs, inputs, unread or {}, namespace)
    aliases = _addressable(held.shared_with(outputs)) if held.walks else {}
    aliases |= _addressable(inputs.shared_with(outputs)) | _views(inputs.views_in(outputs))
    _refuse_hidden(inputs, outputs, aliases, namespace)
    encoded = encode(value, namespace=namespace, aliases=aliases, alive=_alive(aliases, outputs), label=label)
    for name, walk in outputs.walks.items():
        if walk.blocked is not None and inputs.holds_objects():
            raise Unrecordable(f"{name} holds a {walk.blocked[1].type_name}, which may be connected to an input unseen")
    return encoded


def _held(outputs: Graph, inputs: Graph, variables: Mapping[str, object], namespace: dict[str, Any] | None) -> Graph:
    """Return the graph of those variables whose very objects the outputs hold, and no input leads to."""
    return graph_of(
        {name: value for name, value in variables.items() if _has(outputs, value) and not _has(inputs, value)},
        namespace,
    )


def _has(graph: Graph, value: object) -> bool:
    return any(id(value) in walk.ids and counts(walk, value) for walk in graph.walks.values())


def _refuse_hidden(
    inputs: Graph, outputs: Graph, aliases: Mapping[int, Address], namespace: dict[str, Any] | None
) -> None:
    """Raise when an output holds a part of an input that a fingerprint of the user's hides.

    No path is recorded to such a part: whether it was there before the step ran nobody looked.

    Raises:
        Unrecordable: it does.
    """
    hidden = hidden_graph(inputs, namespace)
    if not hidden.walks:
        return
    seen = set().union(*(walk.ids for walk in inputs.walks.values()))
    parts = hidden.shared_with(outputs).keys() - seen
    if parts & outputs.outside(aliases.keys()) or hidden.views_in(outputs).keys() - aliases.keys():
        raise Unrecordable("it returns or binds a part of an input that its fingerprint hides")


def _refuse_shared_tensors(inputs: Graph, outputs: Graph) -> None:
    """Raise when an output tensor shares its storage with another tensor: a replay would part them.

    Raises:
        Unrecordable: it does.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    seen: dict[int, int] = {}
    walks = (*outputs.walks.values(), *inputs.walks.values())
    arrays = [each for walk in walks for each in walk.objects if is_array(each)]
    for tensor in (each for each in arrays if isinstance(each, torch.Tensor)):
        if seen.setdefault(tensor.untyped_storage().data_ptr(), id(tensor)) != id(tensor):
            raise Unrecordable("it makes a tensor that shares its storage with another")
    memory = [extent(each) for each in arrays if not isinstance(each, torch.Tensor)]
    if any(first <= start < end for start in seen for first, end in filter(None, memory)):
        raise Unrecordable("it makes a tensor that shares its memory with an array")


def _addressable(shared: Mapping[int, Address | None]) -> dict[int, Address]:
    """Return the addresses of what an output shares with the inputs.

    Raises:
        Unrecordable: an object has none, so a replay could not refer to it.
    """
    found: dict[int, Address] = {}
    for identity, address in shared.items():
        if address is None:
            raise Unrecordable("it returns or binds a part of an input that no path leads to")
        found[identity] = address
    return found


def _views(found: Mapping[int, Address | str]) -> dict[int, Address]:
    """Return the addresses of what looks at memory of an input.

    Raises:
        Unrecordable: an array does in a way that cannot be made again.
    """
    for address in found.values():
        if isinstance(address, str):
            raise Unrecordable(f"{address} shares its memory with an input")
    return {identity: address for identity, address in found.items() if not isinstance(address, str)}


def _alive(aliases: Mapping[int, Address], graph: Graph) -> list[object]:
    """Return the live objects that the addresses are of."""
    wanted = set(aliases)
    found: dict[int, object] = {}
    for walk in graph.walks.values():
        if wanted & walk.ids:
            found.update((id(each), each) for each in walk.objects if id(each) in wanted)
    return list(found.values())
