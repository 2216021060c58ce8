"""The page as HTML; what it shows is in it, so that it works without its script."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from durable_nb.notebook.spans import moment, size, span
from durable_nb.store.found import attempt_text, shown_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from durable_nb.store.found import FoundStore
    from durable_nb.store.listing import Listing
    from durable_nb.store.summary import StepSummary

TEMPLATE = Path(__file__).parent / "page.html"
MOST_STEPS = 30
"""Shown of one notebook, the newest; ``durable-nb show`` has all."""
_MARKS = {"interrupted": "⚡", "running": "▶", "failed": "✕", "open": "●", "saved": "✓", "unknown": "?"}


class FrontEnd(NamedTuple):
    """A front end that opens notebooks.

    Attributes:
        name: shown.
        extension: its name as a server extension.
        place: below the server's base URL, before the notebook's path.
    """

    name: str
    extension: str
    place: str


FRONT_ENDS = (FrontEnd("Lab", "jupyterlab", "lab/tree/"), FrontEnd("Notebook", "notebook", "notebooks/"))


def render(listing: Listing, root: Path, base_url: str, front_ends: Sequence[FrontEnd]) -> str:
    """Return the page.

    Args:
        listing: what to show.
        root: the server's folder.
        base_url: of the server, ends in a slash.
        front_ends: those to open a notebook in, the first by its name.
    """
    folder = listing.folder.relative_to(root).as_posix()
    rows = [_row(each, root, base_url, front_ends) for each in listing.stores]
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        static=escape(f"{base_url}durable-nb/static"),
        home=escape(f"{base_url}durable-nb"),
        folder="" if folder == "." else f"in {escape(folder)}",
        counts=escape(_counts(listing)),
        hidden="" if rows else " hidden",
        content=_table(rows) if rows else _EMPTY,
        notes="".join(f"<p class='note'>{escape(note)}</p>" for note in _notes(listing)),
    )


_EMPTY = """\
<section class="empty">
<p class="big">Nothing to resume</p>
<p>Load the extension in a notebook and make a cell a step. What it binds and shows is checkpointed
before the cell reports done, and is listed here.</p>
<pre>%load_ext durable_nb

%%step load
rows = read_everything()</pre>
</section>"""


def _table(rows: list[str]) -> str:
    return (
        "<table><thead><tr><th scope='col'>Notebook</th><th scope='col'>State</th>"
        "<th scope='col'>Checkpoints</th><th scope='col'>Newest</th><th scope='col' class='number'>On disk</th>"
        f"<th scope='col'><span class='unseen'>Open in</span></th></tr></thead>{''.join(rows)}</table>"
    )


def _counts(listing: Listing) -> str:
    """Say how many notebooks there are in each state, in words that a screen reader says when they change."""
    states = [each.state for each in listing.stores]
    known = dict.fromkeys(states)
    many = "" if len(states) == 1 else "s"
    return f"{len(states)} notebook{many}" + "".join(f" · {states.count(each)} {each}" for each in known)


def _notes(listing: Listing) -> list[str]:
    notes = []
    if listing.cut:
        notes.append(f"The search ended {listing.cut}, so there may be more: add ?folder=… to the address.")
    if listing.refused:
        many = "store was" if listing.refused == 1 else "stores were"
        notes.append(f"{listing.refused} {many} left out: another user's, or of a notebook outside this server.")
    return notes


def _row(found: FoundStore, root: Path, base_url: str, front_ends: Sequence[FrontEnd]) -> str:
    entry = found.entry(root)
    folder, _, name = entry["path"].rpartition("/")
    links = [
        (each.name, escape(f"{base_url}{each.place}{quote(entry['path'])}")) for each in front_ends if entry["exists"]
    ]
    title = f"<a class='name' href='{links[0][1]}'>{escape(name)}</a>" if links else f"<b>{escape(name)}</b>"
    gone = "" if entry["exists"] else "<small>gone: a notebook that was renamed takes its checkpoints over</small>"
    opens = " ".join(f"<a class='open' href='{link}'>{name}</a>" for name, link in links)
    state = entry["state"]
    return (
        f"<tbody data-path='{escape(entry['path'])}'><tr>"
        f"<td>{title}<small>{escape(folder)}</small>{gone}</td>"
        f"<td><span class='state {state}'><i aria-hidden='true'>{_MARKS[state]}</i>{state}</span>"
        f"<small>{escape(entry['tells'])}</small></td>"
        f"<td>{_checkpoints(found)}</td>"
        f"<td>{_time(entry['newest'])}</td><td class='number'>{size(entry['bytes'])}</td><td>{opens}</td></tr></tbody>"
    )


def _checkpoints(found: FoundStore) -> str:
    """Return how many there are; their list unfolds."""
    counts = [(len(found.checkpointed), "step"), (found.calls, "call")]
    text = " · ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts if count)
    lines = [_step(each) for each in found.steps[: -MOST_STEPS - 1 : -1]]
    lines += [
        _line(each["name"], f"{each['count']:,} × saved", each["when"])
        for each in (found.summary["calls"] if found.summary else ())
    ]
    for each in found.attempts:
        which = attempt_text(each, each["number"])
        lines.insert(0, _line(each["name"], f"{found.state}{f', {which}' if which else ''}", each["at"]))
    if not lines:
        return ""
    older = len(found.steps) - MOST_STEPS
    more = f"<li class='older'>… {older:,} older ones</li>" if older > 0 else ""
    return f"<details><summary>{text or 'none yet'}</summary><ul>{''.join(lines)}{more}</ul></details>"


def _step(step: StepSummary) -> str:
    took = f"in {span(step['took'])}, {size(step['size'])}"
    return _line(step["name"], f"{shown_status(step)} {took}", step["when"])


def _line(name: str, text: str, when: float) -> str:
    return f"<li><code>{escape(name)}</code><span>{escape(text)}</span>{_time(when)}</li>"


def _time(unix_seconds: float) -> str:
    """Return a moment as the server's clock has it; the script shows it as the reader's has."""
    if not unix_seconds:
        return ""
    utc = datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="seconds")
    return f"<time datetime='{utc}'>{moment(unix_seconds)}</time>"
