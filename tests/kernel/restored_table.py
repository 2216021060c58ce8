"""Plays the triples in real kernels, and writes what became of each class as the page docs/reference/restored.md."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from scenes import play, shown
from triples import LIBRARIES

PAGE = Path(__file__).parents[2] / "docs/reference/restored.md"
CLASSES_PER_KERNEL = 30
_UNRECORDED = " was not checkpointed and will run again: "
_AGAIN = " again: "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a class over a kernel's death.

    Attributes:
        declared, modified: what the step did in the second kernel: ``restored``, or ``runs again: `` and why.
        made: its value and what shares it after the first step, in the first kernel.
        first, again: the same after both steps, in the first kernel and in the second.
        errors: what any cell raised.
    """

    declared: str
    modified: str
    made: str
    first: str
    again: str
    errors: tuple[str, ...]


def cells(triple):
    """Return the cells of one triple: names end in its key, so that classes do not meet in one kernel."""
    value = f"print(repr(({triple.value})), [each is v for each in within])"
    return [
        triple.needs,
        f"%%step declare_{triple.key}\ntally.hit('declare_{triple.key}')\n{triple.declare}\nwithin = [v]",
        value,
        f"%%step modify_{triple.key}\ntally.hit('modify_{triple.key}')\n{triple.modify}",
        value,
        "del v, within",
    ]


def outcomes():
    """Play all triples, many to a kernel, and return the outcome of each by library and name."""
    every = [(library, triple) for library, triples in LIBRARIES.items() for triple in triples]
    found = {}
    for start in range(0, len(every), CLASSES_PER_KERNEL):
        some = every[start : start + CLASSES_PER_KERNEL]
        with TemporaryDirectory() as folder:
            played = play(Path(folder), {triple.key: cells(triple) for _, triple in some})
        for library, triple in some:
            found[library, triple.name] = _outcome(triple, played[triple.key])
    return found


def _outcome(triple, scene):
    return Outcome(
        declared=_what(scene, f"declare_{triple.key}", 1),
        modified=_what(scene, f"modify_{triple.key}", 3),
        made=shown(scene.first[2]),
        first=shown(scene.first[4]),
        again=shown(scene.again[4]),
        errors=tuple(each.error_name for each in (*scene.first, *scene.again) if each.error_name),
    )


def _what(scene, step, cell):
    if scene.hits_again[step] == 0:
        return "restored"
    said = [line for result in (scene.first[cell], scene.again[cell]) for line in result.own_lines]
    why = [line.partition(mark)[2] for mark in (_UNRECORDED, _AGAIN) for line in said if mark in line]
    return f"runs again: {why[0]}" if why else "runs again, and does not say why"


def page(found):
    """Return the page."""
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES if library != "standard library")
    lines = [
        "# What is restored",
        "",
        "For each class: one step makes a value, a second one changes it, the kernel is killed, and *Run All* in a",
        "fresh kernel comes to the same value, with the same names bound to the same object. *Restored* means that",
        "the step did not run again for that; where it did, the line that it showed says why.",
        "",
        f"Seen with {versions}. This page is written by `make table` from `tests/kernel/triples.py`.",
    ]
    for library in LIBRARIES:
        lines += ["", f"## {library[0].upper()}{library[1:]}", "", "| class | made | changed |", "|---|---|---|"]
        rows = sorted((name.lower(), name, each) for (of, name), each in found.items() if of == library)
        lines += [f"| {name} | {_cell(each.declared)} | {_cell(each.modified)} |" for _, name, each in rows]
    return "\n".join(lines) + "\n"


def _cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    PAGE.write_text(page(outcomes()), "utf-8")
    print(f"wrote {PAGE.name}")
