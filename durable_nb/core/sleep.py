"""Durable sleep: the time to wake up is recorded, so a restart does not begin the wait anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.call import step_key
from durable_nb.core.clock import Wake
from durable_nb.core.engine import Commit, Wait, drive, drive_async
from durable_nb.core.passes import OwnStep
from durable_nb.core.scope import current_place
from durable_nb.core.session import active_session, clock_without_store
from durable_nb.core.transaction import Transaction
from durable_nb.errors import CheckpointUntrusted, OptionError
from durable_nb.store.records import StepRecord

if TYPE_CHECKING:
    from collections.abc import Generator

    from durable_nb.core.engine import Operation
    from durable_nb.core.passes import ScopePass


def sleep(seconds: float) -> None:
    """Sleep until ``seconds`` after the first time this call was reached.

    When the process dies meanwhile, the next run sleeps only for what is left. Inside a step, or without an open
    store, it is an ordinary sleep.

    Args:
        seconds: how long, 0 or more.

    Raises:
        OptionError: ``seconds`` is negative or not a number.
    """
    drive(_sleep(seconds))


async def sleep_async(seconds: float) -> None:
    """Do the same without blocking the event loop."""
    await drive_async(_sleep(seconds))


def _sleep(seconds: float) -> Generator[Operation, Any, None]:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise OptionError("seconds", f"must be 0 or more, not {seconds!r}")
    session = active_session()
    clock = session.clock if session is not None else clock_without_store()
    place = current_place()
    if session is None or (place is not None and place.step is not None):
        yield Wait(clock, seconds, Wake())
        return
    scope_pass = session.pass_here()
    base = xxhash.xxh3_128_digest(f"sleep {float(seconds)!r}".encode())
    occurrence, sequence, task = scope_pass.start_call(base)
    for row in scope_pass.index.answers(base, occurrence, scope_pass.floor):
        try:
            deadline = row.load().ended_at
        except CheckpointUntrusted as error:
            session.warn_once("sleep", f"a recorded sleep begins anew: {error}")
            continue
        scope_pass.replayed += 1
        yield Wait(clock, min(max(0.0, deadline - clock.now()), seconds), Wake())
        return
    now = clock.now()
    record = StepRecord(
        id=session.ledger.new_id(),
        scope_id=scope_pass.index.record.id,
        pass_id=scope_pass.id,
        kind="sleep",
        name="sleep",
        key=step_key(scope_pass.index.record.id, base, occurrence),
        base_key=base,
        occurrence=occurrence,
        status="success",
        sequence=sequence,
        task=task,
        attempts=1,
        started_at=now,
        ended_at=now + seconds,
        execution=session.execution.id,
    )
    scope_pass.executed += 1
    yield Commit(Transaction(session, (*scope_pass.begin_records(), record), partial(_committed, scope_pass, record)))
    yield Wait(clock, seconds, Wake())


def _committed(scope_pass: ScopePass, record: StepRecord) -> None:
    scope_pass.index.add(OwnStep(record))
    scope_pass.session.committed(record)
