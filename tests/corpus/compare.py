"""Compares what a run showed and left with plain runs, which differ from one another where the notebook itself does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from probe import OF_A_LIBRARY

_TOKEN = re.compile(r"\w+|\W")
_WORD = re.compile(r"[^\W\d_]{2}")
_LONGEST_SHOWN = 300


@dataclass(frozen=True)
class Seen:
    """What a run showed and left.

    Attributes:
        shown: of each cell that was run to its end, its outputs, each as part -> text.
        left: name -> fingerprint at the end; None of a run that was killed.
    """

    shown: list[list[dict[str, str]]]
    left: dict[str, str] | None = None


def shown(result) -> list[dict[str, str]]:
    """Return what one cell showed of its own, and how it ended."""
    return [{"status": result.status, "count": str(result.execution_count)}, *map(_parts, result.foreign)]


def _parts(output) -> dict[str, str]:
    if output["output_type"] == "stream":
        return {output["name"]: output["text"]}
    if output["output_type"] == "error":
        return {"error": f"{output['ename']}: {output['evalue']}"}
    parts = {kind: each if isinstance(each, str) else json.dumps(each, sort_keys=True)
             for kind, each in output["data"].items()}  # fmt: skip
    return parts | {"metadata": json.dumps(output["metadata"], sort_keys=True), "type": output["output_type"]}


def own(plain: list[Seen]) -> tuple[int, list[str]]:
    """Return in how many outputs plain runs differ, and in which names."""
    outputs = [
        (cell, number)
        for cell in range(len(plain[0].shown))
        for number in range(max(len(each.shown[cell]) for each in plain))
        if any(each.shown[cell][number : number + 1] != plain[0].shown[cell][number : number + 1] for each in plain)
    ]
    names = {name for each in plain for name in each.left if {one.left.get(name) for one in plain} != {each.left[name]}}
    return len(outputs), sorted(names)


def first_difference(seen: Seen, plain: list[Seen]) -> str:
    """Return the first thing in which a run is like none of the plain ones though they agree on it; "" if none."""
    for cell, outputs in enumerate(seen.shown):
        said = _first_output(outputs, [each.shown[cell] for each in plain])
        if said:
            return f"cell {cell}: {said}"
    for name in sorted({*seen.left, *plain[0].left}) if seen.left is not None else ():
        values = {each.left.get(name, "unbound") for each in plain}
        value = seen.left.get(name, "unbound")
        if len(values) == 1 and value not in values and OF_A_LIBRARY not in {value, *values}:
            return f"{name} is {value}, not {values.pop()}"
    return ""


def _first_output(outputs, plain) -> str:
    counts = {len(each) for each in plain}
    if len(counts) == 1 and len(outputs) not in counts:
        kinds = [sorted(each) for each in outputs[1:]]
        return (
            f"{len(outputs) - 1} outputs {kinds} and not {counts.pop() - 1} {[sorted(each) for each in plain[0][1:]]}"
        )
    for number, parts in enumerate(outputs):
        theirs = [each[number] if number < len(each) else {} for each in plain]
        if len({tuple(sorted(each)) for each in theirs}) == 1 and parts.keys() != theirs[0].keys():
            return f"output {number} has {sorted(parts)} and not {sorted(theirs[0])}"
        for kind, text in parts.items():
            if all(kind in each for each in theirs) and not _agrees(kind, text, [each[kind] for each in theirs]):
                return f"output {number}, {kind}: {_shortened(text)}\n    and not: {_shortened(theirs[0][kind])}"
    return ""


def _agrees(kind: str, text: str, plain: list[str]) -> bool:
    """Tell whether a text is like the plain ones, but for words in which they differ themselves."""
    if text in plain:
        return True
    if len(set(plain)) == 1:
        return False
    if kind.startswith(("image/", "application/")):
        return True
    if not any(map(_WORD.search, (text, *plain))) and not _common_lines(plain):
        return True
    return _agree([text.split("\n"), *(each.split("\n") for each in plain)], _words)


def _common_lines(plain: list[str]) -> bool:
    """Tell whether plain runs have a line in common; of random numbers in several lines, some texts have more."""
    lines = [each.split("\n") for each in plain]
    return len(lines[0]) == 1 or any(len(set(each)) == 1 for each in zip(*lines, strict=False))


def _words(line: str, plain: list[str]) -> bool:
    """Tell the same of a line: of random numbers some have a sign or fewer digits, then the line is their own."""
    counts = {len(_TOKEN.findall(each)) for each in (line, *plain)}
    if len(set(plain)) > 1 and len(counts) > 1:
        return True
    return _agree([_TOKEN.findall(each) for each in (line, *plain)], lambda word, words: len(set(words)) > 1)


def _agree(parts: list[list[str]], alike) -> bool:
    """Tell whether the first list agrees with the others part by part; where they are not as long, it is theirs."""
    first, *plain = parts
    if len({len(each) for each in plain}) > 1:
        return True
    if len(first) != len(plain[0]):
        return False
    return all(one in others or alike(one, list(others)) for one, *others in zip(first, *plain, strict=True))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
