"""Completion of ``%%step`` flags, ``%durable`` commands and step names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from IPython.core.completer import SimpleCompletion, context_matcher

from durable_nb.notebook.commands import COMMANDS
from durable_nb.notebook.magics import StepMagics
from durable_nb.notebook.picturing import SAVE
from durable_nb.notebook.report import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from IPython.core.completer import CompletionContext

    from durable_nb.notebook.extension import DurableNB

_NAMING: Final = frozenset({"why", "show", "diff", "rerun", "forget"})
"""The commands that take the name of a step."""
_WORDS: Final = {"auto": ("on", "off"), "timeline": (SAVE,), "graph": (SAVE,)}
"""What others take."""


def matcher_for(extension: DurableNB) -> Callable[[CompletionContext], Any]:
    """Return what ``shell.Completer.custom_matchers`` takes; it offers nothing outside the extension's own lines."""

    @context_matcher()
    def durable_matcher(context: CompletionContext) -> dict[str, Any]:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        word = line.rpartition(" ")[2]
        found = [each for each in _offers(extension, line, first=context.cursor_line == 0) if each.startswith(word)]
        return {
            "completions": [SimpleCompletion(text=each, type="param") for each in found],
            "matched_fragment": word,
            "suppress": bool(found),
        }

    return durable_matcher  # type: ignore[no-any-return]


def _offers(extension: DurableNB, line: str, *, first: bool) -> Iterable[str]:
    words = line.split(" ")
    if first and words[0] == "%%step" and len(words) > 1:
        return [*_flags(), *_names(extension)] if words[-1].startswith("-") or len(words) == 2 else []  # noqa: PLR2004
    if words[0] == "%durable" and len(words) > 1:
        return COMMANDS if len(words) == 2 else _arguments(extension, words)  # noqa: PLR2004
    return []


def _arguments(extension: DurableNB, words: list[str]) -> Iterable[str]:
    """Return what may follow a command: names of steps, then numbers of checkpoints or a flag; or its own words."""
    command, given = words[1], words[2:-1]
    if command == "diff" and given:
        rows = extension.notebook.checkpoints.steps().get(given[0], []) if extension.notebook is not None else []
        return [str(number) for number in numbered(rows) if str(number) not in given[1:]]
    if command not in _NAMING:
        return () if given else _WORDS.get(command, ())
    return ["--from"] if command == "rerun" and given else _names(extension)


def _flags() -> list[str]:
    parser = StepMagics.step.parser
    return sorted(flag for action in parser._actions for flag in action.option_strings if flag.startswith("--"))  # noqa: SLF001


def _names(extension: DurableNB) -> list[str]:
    return list(extension.notebook.checkpoints.steps()) if extension.notebook is not None else []
