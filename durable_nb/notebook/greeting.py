"""The one line that ``%load_ext`` shows when there is something to resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from durable_nb.core.executions import last_completion
from durable_nb.notebook.spans import moment
from durable_nb.store.found import under_way
from durable_nb.store.keys import key_path
from durable_nb.store.summary import attempt_summary

if TYPE_CHECKING:
    from durable_nb.core.session import Session


_ANOTHER: Final = "to begin a new execution, set DURABLE_NB_EXECUTION_ID or put %durable execution ID after %load_ext"


def greeting(session: Session, *, headless: bool) -> str:
    """Say what is checkpointed, what the last kernel died in, and how to go on; "" for a fresh notebook.

    Args:
        session: the open store.
        headless: whether a runner without a page runs all cells. Whoever schedules it may not want what an execution
            that completed left, so that it is told how to begin another.
    """
    ended = [head for head in session.heads if head.status == "success"]
    counts = [(sum(head.kind == kind for head in ended), word) for kind, word in (("cell", "step"), ("call", "call"))]
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    interrupted = max(session.attempts.last(), key=lambda attempt: attempt.at, default=None)
    safe = " and ".join(parts)
    if parts and session.ledger.foreign():
        return (
            f"{safe} checkpointed with another key than yours ({key_path()}), so they run again: "
            "%durable trust if you trust who made them, or let DURABLE_NB_KEY_FILE name that key"
        )
    if interrupted is not None:
        died = under_way(attempt_summary(interrupted), ended=True)
        return f"{died}{f'; {safe} checkpointed' if safe else ''}: run the cells to go on there"
    if not parts:
        return ""
    if not headless:
        newest = max(head.ended_at for head in session.heads)
        return f"{safe} checkpointed, the newest {moment(newest)}: run the cells to resume, or %durable restore"
    return _before_a_run(session, safe)


def _before_a_run(session: Session, safe: str) -> str:
    execution = session.execution
    if execution.completed:
        return f"execution {execution.id} had completed, and what it did replays ({safe}); another id begins a new one"
    newest = f"{safe} checkpointed, the newest {moment(max(head.ended_at for head in session.heads))}"
    if execution.id:
        return f"execution {execution.id} goes on: {newest}"
    completed = last_completion(session.executions.values(), session.heads)
    state = (
        f"the last execution completed {moment(completed)}, and what it did replays ({safe})" if completed else newest
    )
    return f"{state}; {_ANOTHER}"
