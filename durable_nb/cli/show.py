"""``durable-nb show``: the steps of one notebook, as its store's owner told them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.cli.command import Command, CommandError
from durable_nb.cli.output import say, say_json, say_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from durable_nb.store.found import FoundStore
    from durable_nb.store.summary import AttemptSummary


@dataclass(frozen=True, slots=True)
class _Row:
    step: str
    state: str
    when: str
    took: str
    size: str


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _run(options: Namespace) -> int:
    from durable_nb.store.listing import find_store

    found = find_store(options.notebook)
    if found is None:
        raise CommandError(f"{options.notebook} has no checkpoints of yours beside it")
    if options.json:
        folder = found.notebook.parent
        say_json({**found.entry(folder), "summary": found.summary})
    else:
        _say(found)
    return 0


def _say(found: FoundStore) -> None:
    from durable_nb.notebook.spans import size

    say(f"{found.notebook.name} · {found.state}: {found.tells} · {size(found.size)} on disk")
    rows = _rows(found)
    if rows:
        say_table(rows)


def _rows(found: FoundStore) -> list[_Row]:
    """Return a row per step, one for the calls of each function, and one per step that has not ended."""
    from durable_nb.notebook.spans import moment, size, span
    from durable_nb.store.found import shown_status

    steps = [
        _Row(each["name"], shown_status(each), moment(each["when"]), span(each["took"]), size(each["size"]))
        for each in found.steps
    ]
    calls = [
        _Row(each["name"], f"{each['count']} × saved", moment(each["when"]), "", "")
        for each in (found.summary["calls"] if found.summary else ())
    ]
    attempts = [_Row(each["name"], _under_way(found, each), moment(each["at"]), "", "") for each in found.attempts]
    return steps + calls + attempts


def _under_way(found: FoundStore, attempt: AttemptSummary) -> str:
    from durable_nb.store.found import attempt_text

    which = attempt_text(attempt, attempt["number"])
    return f"{found.state}, {which}" if which else found.state


SHOW = Command("show", "show the steps of a notebook that are checkpointed, and those that are not", _arguments, _run)
