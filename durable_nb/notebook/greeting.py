"""The one line that ``%load_ext`` shows when there is something to resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.notebook.spans import moment
from durable_nb.store.found import under_way
from durable_nb.store.summary import attempt_summary

if TYPE_CHECKING:
    from durable_nb.core.session import Session


def greeting(session: Session) -> str:
    """Say what is checkpointed, what the last kernel died in, and how to go on; "" for a fresh notebook."""
    ended = [head for head in session.heads if head.status == "success"]
    counts = [(sum(head.kind == kind for head in ended), word) for kind, word in (("cell", "step"), ("call", "call"))]
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    interrupted = max(session.attempts.last(), key=lambda attempt: attempt.at, default=None)
    safe = " and ".join(parts)
    if interrupted is not None:
        died = under_way(attempt_summary(interrupted), ended=True)
        return f"{died}{f'; {safe} checkpointed' if safe else ''}: run the cells to go on there"
    if not parts:
        return ""
    newest = max(head.ended_at for head in session.heads)
    return f"{safe} checkpointed, the newest {moment(newest)}: run the cells to resume, or %durable restore"
