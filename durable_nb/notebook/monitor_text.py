"""What the retry monitor says where there is no widget: while it goes on, and in the end."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

from durable_nb.notebook.spans import plural, span

if TYPE_CHECKING:
    from durable_nb.notebook.activity import Calls, Picture
    from durable_nb.notebook.retrying import Failure, Retrying

End = Literal["completed", "failed", "interrupted"]
"""How a cell ended."""
_MOST_KINDS = 3
_STATUS = re.compile(r"\b[45]\d\d\b")


def status_text(picture: Picture, *, counting: bool) -> str:
    """Say what goes on now, in one line.

    Args:
        picture: what there is to see.
        counting: whether the calls are told by number.
    """
    parts = []
    active = [each for each in picture.rows if each.active]
    if active:
        newest = max(active, key=lambda row: (row.state == "waiting", row.changed_at))
        parts.append(run_text(newest, picture.at))
        if picture.retrying > 1:
            parts.append(f"{picture.retrying - 1:,} more retrying")
    if counting:
        parts.append(progress_text(picture.calls))
    if not parts:
        parts = [end_text(picture.rows[-1])] if picture.rows else [progress_text(picture.calls)]
    return " · ".join(parts)


def run_text(run: Retrying, at: float) -> str:
    """Say what a run does now: ``fetch: attempt 2 of 5 failed (OSError: busy); next in 4.0 s``."""
    of = f"attempt {run.attempt} of {run.max_attempts}"
    if run.state == "waiting":
        error = run.failures[-1].line if run.failures else "no error is known"
        left = max(0.0, run.deadline - at)
        goes_on = f", goes on at attempt {run.goes_on_at}" if run.goes_on_at > run.attempt else ""
        return f"{run.name}: {of} failed ({error}); next in {span(left)}{goes_on}"
    if run.goes_on_at == run.attempt and run.goes_on_at > 1:
        return f"{run.name} goes on at {of}"
    after = f", {run.attempt - 1} failed" if run.attempt > 1 else ""
    return f"{run.name}: {of} runs{after}"


def progress_text(calls: Calls) -> str:
    """Say how far the calls are: ``538 of 1,000 calls: 536 replayed, 2 done · 8.1 per second · 57 s left``."""
    of = f"{calls.ended:,} of {plural(calls.total, 'call')}" if calls.total else plural(calls.ended, "call")
    parts = [f"{of}: {counts_text(calls)}"]
    if calls.rate:
        parts.append(rate_text(calls.rate))
    if calls.seconds_left is not None:
        parts.append(f"{span(calls.seconds_left)} left")
    return " · ".join(parts)


def rate_text(rate: float) -> str:
    """Return calls per second, or per minute where those are too few."""
    if rate < 1:
        return f"{rate * 60:.1f} per minute"
    return f"{rate:.1f} per second" if rate < 100 else f"{rate:,.0f} per second"  # noqa: PLR2004 - then tenths are noise


def counts_text(calls: Calls, *, replayed_note: str = "") -> str:
    """Return the counts that are not 0, with what to do about replays where somebody wants to."""
    counts = (
        (calls.replayed, f"replayed{replayed_note}"),
        (calls.done, "done"),
        (calls.failed, "failed"),
        (calls.retrying, "retrying"),
        (calls.running, "running"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count) or "none yet"


def final_text(picture: Picture, end: End, *, counting: bool, replayed_note: str = "") -> str:
    """Say in one line how it went.

    Args:
        picture: what there was to see.
        end: how the cell ended.
        counting: whether the calls are told by number.
        replayed_note: what to do to call the replayed ones again.
    """
    rows = [*picture.rows]
    cell = [each for each in rows if each.kind == "cell"]
    parts = [end_text(each) for each in cell]
    if counted(picture, counting=counting):
        parts.append(_calls_text(picture.calls, end, replayed_note))
    elif len(rows) > len(cell):
        parts.append(end_text(next(each for each in rows if each.kind != "cell")))
    return " · ".join(parts)


def counted(picture: Picture, *, counting: bool) -> bool:
    """Say whether the last line tells of the calls by number, rather than of the one that was retried."""
    return counting or picture.calls.retried > 1


def _calls_text(calls: Calls, end: End, replayed_note: str) -> str:
    parts = [f"{plural(calls.made, 'call')}: {counts_text(calls, replayed_note=replayed_note)}"]
    if calls.retried:
        parts.append(f"{calls.retried:,} retried")
    if end == "interrupted":
        parts.append("interrupted")
    parts.append(span(calls.seconds))
    return " · ".join(parts)


def end_text(run: Retrying) -> str:
    """Say how a run ended: ``fetch: succeeded at attempt 3 of 5 after 2 failed (OSError) · waited 3.0 s``."""
    of, failed = f"attempt {run.attempt} of {run.max_attempts}", len(run.failures)
    kinds = f" ({kinds_text(run.failures)})" if run.failures else ""
    if run.state == "succeeded":
        after = f" after {failed} failed{kinds}" if failed else ""
        text = f"{run.name}: succeeded at {of}{after}"
    elif run.state == "failed":
        text = f"{run.name}: failed at {of}{kinds}"
    elif run.state == "stopped":
        text = f"{run.name}: stopped after {of}{kinds}"
    elif run.state == "interrupted":
        text = f"{run.name}: interrupted {'in' if len(run.failures) < len(run.attempts) else 'after'} {of}{kinds}"
    else:
        text = f"{run.name}: still retrying when the cell ended, {of}{kinds}"
    rounds = [text]
    if run.goes_on_at:
        rounds.append(f"went on at attempt {run.goes_on_at} after a restart")
    if run.waited_seconds >= 0.1:  # noqa: PLR2004 - less than that nobody waited for
        rounds.append(f"waited {span(run.waited_seconds)}")
    return " · ".join(rounds)


def kinds_text(failures: tuple[Failure, ...]) -> str:
    """Return the kinds of errors, each once: ``ConnectionError, HTTPError 503``."""
    counts = Counter(_kind(each) for each in failures)
    shown = [f"{kind} ×{count}" if count > 1 else kind for kind, count in counts.most_common(_MOST_KINDS)]
    return ", ".join([*shown, *(["…"] if len(counts) > _MOST_KINDS else [])])


def _kind(failure: Failure) -> str:
    """Return an error's type, with the status where it is one of HTTP that names it."""
    status = _STATUS.search(failure.message) if "HTTP" in failure.type else None
    return f"{failure.type} {status[0]}" if status else failure.type
