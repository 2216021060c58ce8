"""``durable-nb ls``: the notebooks with something to go on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.cli.command import Command, CommandError
from durable_nb.cli.output import say, say_json, say_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from durable_nb.store.listing import Listing


@dataclass(frozen=True, slots=True)
class _Row:
    notebook: str
    state: str
    steps: int
    calls: int
    newest: str
    size: str
    what: str


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where to look (the current folder)")
    parser.add_argument("--all", action="store_true", help="look into hidden folders as well")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _run(options: Namespace) -> int:
    from durable_nb.store.listing import list_stores

    if not options.folder.is_dir():
        raise CommandError(f"{options.folder} is no folder")
    listing = list_stores(options.folder, hidden=options.all)
    if options.json:
        entries = [each.entry(listing.folder) for each in listing.stores]
        say_json({"notebooks": entries, "refused": listing.refused, "cut": listing.cut})
    else:
        _say(listing)
    return 0


def _say(listing: Listing) -> None:
    if listing.stores:
        say_table(_rows(listing))
    else:
        say(f"nothing to resume below {listing.folder}: %load_ext durable_nb in a notebook, and %%step in its cells")
    if listing.cut:
        say(f"(the search ended {listing.cut}: name a folder further down)")
    if listing.refused:
        say(f"({listing.refused} left out: another user's, or of a notebook elsewhere)")


def _rows(listing: Listing) -> list[_Row]:
    from durable_nb.notebook.spans import moment, size

    entries = [each.entry(listing.folder) for each in listing.stores]
    return [
        _Row(
            each["path"] + ("" if each["exists"] else " (gone)"),
            each["state"],
            each["steps"],
            each["calls"],
            moment(each["newest"]) if each["newest"] else "",
            size(each["bytes"]),
            each["tells"],
        )
        for each in entries
    ]


LS = Command("ls", "list the notebooks with work to resume, below a folder", _arguments, _run)
