from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest
from samples import call

from durable_nb.errors import StoreError
from durable_nb.store.records import AttemptRecord
from durable_nb.store.writer import Batch

NO_ROW = (2**70, 0, "call", "{}", None, b"")  # DuckDB refuses it: the id is no BIGINT


def hold_first_commit(ledger):
    """Make the writer wait inside its next transaction; return what lets it go on."""
    inside, go_on = threading.Event(), threading.Event()

    def wait():
        ledger.writer.before_commit = None
        inside.set()
        assert go_on.wait(60)

    ledger.writer.before_commit = wait
    return inside, go_on


def test_all_that_waits_is_written_in_one_transaction(ledger):
    """While one commit runs 500 writes queue up; the next commit takes them all."""
    inside, go_on = hold_first_commit(ledger)
    first = ledger.write(call(1))
    assert inside.wait(60)
    futures = [ledger.write(call(number)) for number in range(2, 502)]
    assert not any(future.done() for future in futures)
    go_on.set()
    for future in [first, *futures]:
        future.result(60)
    assert ledger.writer.commits == 2
    assert [head.id for head in ledger.step_heads()] == list(range(1, 502))


def test_records_of_one_write_are_one_transaction(ledger):
    """Nothing of a write is visible before its commit, all of it after."""
    inside, go_on = hold_first_commit(ledger)
    future = ledger.write(call(1), call(2))
    assert inside.wait(60)
    assert ledger.step_heads() == []
    go_on.set()
    future.result(60)
    assert len(ledger.step_heads()) == 2


def test_a_failed_transaction_fails_its_future_and_the_writer_lives_on(ledger):
    """The error reaches the future as StoreError with its cause; nothing of it is stored; later writes work."""

    def fail():
        ledger.writer.before_commit = None
        raise OSError(28, "No space left on device")

    ledger.writer.before_commit = fail
    with pytest.raises(StoreError, match="No space left") as caught:
        ledger.write(call(1)).result(60)
    assert isinstance(caught.value.__cause__, OSError)
    ledger.write(call(2)).result(60)
    ledger.commit(call(3))
    assert [head.id for head in ledger.step_heads()] == [2, 3]


def test_one_bad_row_does_not_fail_the_others(ledger):
    """When a group cannot be committed each write is tried alone, so only the culprit fails."""
    inside, go_on = hold_first_commit(ledger)
    ledger.write(call(1))
    assert inside.wait(60)
    bad = ledger.writer.submit(Batch([NO_ROW]))
    good = [ledger.write(call(number)) for number in (2, 3)]
    go_on.set()
    with pytest.raises(StoreError):
        bad.result(60)
    for future in good:
        future.result(60)
    assert [head.id for head in ledger.step_heads()] == [1, 2, 3]


def test_commit_raises_what_failed(ledger):
    """commit() on the caller's thread raises StoreError, and the next one works."""
    with pytest.raises(StoreError):
        ledger.writer.commit(Batch([NO_ROW]))
    ledger.commit(call(1))
    assert [head.id for head in ledger.step_heads()] == [1]


def test_commit_never_overtakes_an_earlier_write(ledger):
    """Rows are in the log in the order in which they were handed over."""
    inside, go_on = hold_first_commit(ledger)
    ledger.write(call(1))
    assert inside.wait(60)
    ledger.write(call(2))
    third = threading.Thread(target=ledger.commit, args=(call(3),))
    third.start()
    go_on.set()
    third.join(60)
    assert [head.id for head in ledger.step_heads()] == [1, 2, 3]


def attempt(number):
    return AttemptRecord(b"k" * 16, "fetch", 2, number, "started", float(number))


def wait_for(ledger, count):
    done = threading.Event()
    for _ in range(2400):
        if len(ledger.attempts()) >= count:
            return
        done.wait(0.025)
    raise AssertionError(f"{ledger.attempts()} instead of {count} attempts")


def test_what_is_due_later_is_written_in_the_order_of_moments(ledger):
    """write_later writes each at its moment, also when a sooner one is added after a later one."""
    slow = ledger.write_later(0.3, lambda: attempt(2))
    ledger.write_later(0.05, lambda: attempt(1))
    wait_for(ledger, 2)
    assert [each.number for each in ledger.attempts()] == [1, 2]
    assert slow.cancel() is False


def test_what_is_cancelled_is_never_written(ledger):
    """cancel() in time says True and nothing is written, then or at close."""
    cancelled = ledger.write_later(0.05, lambda: attempt(1))
    assert cancelled.cancel() is True
    assert cancelled.cancel() is True
    ledger.write_later(0.1, lambda: attempt(2))
    wait_for(ledger, 1)
    ledger.write_later(60, lambda: attempt(3))
    assert [each.number for each in ledger.attempts()] == [2]


def test_a_loop_of_short_calls_wakes_the_writer_once(ledger, monkeypatch):
    """A thousand cancelled timers cost the writer's thread a wake-up or a few, not a thousand."""
    wakes = []
    put = ledger.writer._queue
    monkeypatch.setattr(ledger.writer, "_queue", _Counting(put, wakes))
    for number in range(1000):
        ledger.write_later(30, lambda: attempt(number)).cancel()
    assert len(wakes) <= 20  # on a busy machine its thread comes to run, and sleeps again, in the middle


class _Counting:
    def __init__(self, queue, wakes):
        self._queue = queue
        self._wakes = wakes

    def put(self, item):
        self._wakes.append(item)
        self._queue.put(item)

    def __getattr__(self, name):
        return getattr(self._queue, name)


def test_flush_returns_when_all_before_it_is_durable(ledger):
    """After flush every earlier future is done."""
    futures = [ledger.write(call(number)) for number in range(1, 50)]
    ledger.flush()
    assert all(future.done() for future in futures)


def test_a_full_disk_is_told_and_what_was_committed_stays(tmp_path, open_ledger):
    """When the file cannot grow writes fail with StoreError, and every resolved row is there afterwards."""
    script = """
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from samples import KEY, call
        from durable_nb.store.ledger import Ledger
        from durable_nb.store.records import Payload
        from durable_nb.errors import StoreError
        import os
        ledger = Ledger.open(Path(sys.argv[1]), key=KEY)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        written = []
        try:
            for number in range(1, 1000):
                ledger.write(call(number, payload=Payload(os.urandom(20_000)))).result(60)
                written.append(number)
        except StoreError as error:
            print("refused", len(written), flush=True)
        os._exit(0)
    """
    path = tmp_path / "nb.duckdb"
    run = [sys.executable, "-c", textwrap.dedent(script), str(path), str(__import__("pathlib").Path(__file__).parent)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=180, check=True)
    word, count = done.stdout.split()
    assert word == "refused"
    assert int(count) > 5
    heads = open_ledger(path).step_heads()
    assert [head.id for head in heads][: int(count)] == list(range(1, int(count) + 1))
