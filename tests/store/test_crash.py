"""Processes that die in the middle of a commit, and children that must not touch the store."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from samples import KEY, call

from durable_nb.store.fork import StoreDetached

HERE = Path(__file__).parent
ENV = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}

# Prints the id of each row once its future is resolved: what must be there after the kill.
WRITE = """
    import itertools, os, signal, sys, threading
    from pathlib import Path
    from samples import KEY, call
    from durable_nb.store.ledger import Ledger
    from durable_nb.store.records import Payload
    ledger = Ledger.open(Path(sys.argv[1]), key=KEY)
    fatal = int(sys.argv[2])
    def before():
        if ledger.writer.commits >= fatal:
            os.kill(os.getpid(), signal.SIGKILL)
    if fatal >= 0:
        ledger.writer.before_commit = before
    def work(through):
        while True:
            number = ledger.new_id()
            blob = ledger.put_buffer(os.urandom(70_000)) if number % 50 == 0 else b"inline"
            record = call(number, payload=Payload(b"stream %d" % number, (blob,)))
            through(record)
            os.write(1, b"%d\\n" % number)
    for through in (lambda record: ledger.write(record).result(), ledger.commit):
        threading.Thread(target=work, args=(through,), daemon=True).start()
    threading.Event().wait()
"""


def start(path, fatal=-1):
    command = [sys.executable, "-c", textwrap.dedent(WRITE), str(path), str(fatal)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=ENV)


def resolved(process):
    lines = process.stdout.read().split(b"\n")
    return {int(line) for line in lines[:-1]}  # the last one may be cut


def check(open_ledger, path, expected):
    ledger = open_ledger(path)
    found = {stored.head.id for stored in ledger.steps_of_scope(1)}
    assert expected <= found
    for stored in ledger.steps_of_scope(1):
        record = stored.load()
        assert record.payload.stream == b"stream %d" % record.id
        for buffer in record.payload.buffers:
            assert len(ledger.get_buffer(buffer)) in {6, 70_000}
    assert ledger.new_id() > max(found, default=0)
    ledger.close()


def test_nothing_resolved_is_lost_however_often_the_process_is_killed(open_ledger, tmp_path):
    """Killed at random moments ten times in a row: the ledger opens, and each resolved row is there."""
    path = tmp_path / ".durable_nb" / "nb.duckdb"
    expected: set[int] = set()
    dice = random.Random(5)
    for _ in range(10):
        process = start(path)
        seen = [process.stdout.readline() for _ in range(dice.randrange(1, 120))]
        os.kill(process.pid, signal.SIGKILL)
        expected |= {int(line) for line in seen} | resolved(process)
        process.wait()
        process.stdout.close()
        check(open_ledger, path, expected)
    assert len(expected) > 100


@pytest.mark.parametrize("fatal", [0, 1, 7, 30])
def test_a_kill_right_before_commit_leaves_none_of_that_transaction(open_ledger, tmp_path, fatal):
    """Killed inside the transaction: what was resolved before is there, the rest is not."""
    path = tmp_path / "nb.duckdb"
    process = start(path, fatal)
    expected = resolved(process)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    check(open_ledger, path, expected)


def test_a_kill_while_the_ledger_is_made_leaves_none_or_a_whole_one(open_ledger, tmp_path):
    """Killed at moments around creation, the next open always works."""
    dice = random.Random(7)
    script = (
        "import sys; import duckdb; from pathlib import Path; from durable_nb.store.ledger import Ledger\n"
        "print('go', flush=True)\n"
        f"Ledger.open(Path(sys.argv[1]), key={KEY!r})"
    )
    for turn in range(8):
        path = tmp_path / f"{turn}" / "nb.duckdb"
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENV) as process:
            process.stdout.readline()
            try:
                process.wait(dice.uniform(0, 0.12))
            except subprocess.TimeoutExpired:
                process.kill()
        ledger = open_ledger(path)
        ledger.commit(call(ledger.new_id()))
        assert len(ledger.step_heads()) == 1
        ledger.close()


def test_an_exit_without_close_loses_nothing(open_ledger, tmp_path):
    """At a normal exit the ledger closes itself, with what is waiting written."""
    script = """
        import sys
        from pathlib import Path
        from samples import KEY, call
        from durable_nb.store.ledger import Ledger
        ledger = Ledger.open(Path(sys.argv[1]), key=KEY)
        for number in range(1, 101):
            ledger.write(call(number))
    """
    path = tmp_path / "nb.duckdb"
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=180, check=True)
    assert done.stderr == ""
    assert not path.with_name("nb.duckdb.wal").exists()
    assert len(open_ledger(path).step_heads()) == 100


FORK = """
    import os, sys
    from pathlib import Path
    from samples import KEY, call
    from durable_nb.store.fork import StoreDetached
    from durable_nb.store.ledger import Ledger
    ledger = Ledger.open(Path(sys.argv[1]), key=KEY)
    ledger.write(call(1)).result()
    child = os.fork()
    if child == 0:
        calls = (ledger.new_id, ledger.scopes, ledger.step_heads, ledger.flush, ledger.attempts, ledger.trust,
                 lambda: ledger.write(call(2)), lambda: ledger.commit(call(2)), lambda: ledger.load(1),
                 lambda: ledger.write_later(0, lambda: call(2)), lambda: ledger.query("SELECT 1"),
                 lambda: ledger.put_buffer(b"x"))
        refused = 0
        for each in calls:
            try:
                each()
            except StoreDetached:
                refused += 1
        ledger.close()
        ok = ledger.detached and refused == len(calls)
        sys.exit(7 if ok else 1)  # a full exit: finalizers run
    _, status = os.waitpid(child, 0)
    assert not ledger.detached
    for number in range(2, 50):
        ledger.write(call(number)).result()
    print(os.waitstatus_to_exitcode(status))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_never_touches_the_store(open_ledger, tmp_path):
    """Every call in the child raises StoreDetached, its exit writes nothing, and the parent goes on."""
    path = tmp_path / "nb.duckdb"
    command = [sys.executable, "-c", textwrap.dedent(FORK), str(path)]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout == "7\n", done.stderr
    assert [head.id for head in open_ledger(path).step_heads()] == list(range(1, 50))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # just that is tried
def test_a_child_of_a_worker_pool_leaves_the_file_alone(ledger, tmp_path):
    """Forking while the writer is busy neither hangs the child nor changes a byte of the file."""
    for number in range(1, 20):
        ledger.write(call(number))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ledger.new_id()
        except StoreDetached:
            code = 7
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    ledger.flush()
    assert len(ledger.step_heads()) == 19


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # just that is tried
def test_a_child_never_frees_its_copy_of_the_database(ledger):
    """DuckDB's destructor would write a checkpoint into the parent's file, so the child's copy is immortal."""
    before = [sys.getrefcount(handle) for handle in ledger.handles if handle is not None]
    child = os.fork()
    if child == 0:
        after = [sys.getrefcount(handle) for handle in ledger.handles if handle is not None]
        os._exit(7 if all(now > then for now, then in zip(after, before, strict=True)) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


INTERRUPT = """
    import os, random, signal, sys, threading
    from pathlib import Path
    from samples import KEY, call
    from durable_nb.store.ledger import Ledger
    armed = False
    def interrupt(*_):
        global armed
        if armed:
            armed = False  # between two turns nothing would catch it
            raise KeyboardInterrupt
    signal.signal(signal.SIGINT, interrupt)
    ledger = Ledger.open(Path(sys.argv[1]), key=KEY)
    done, interrupts = set(), 0
    dice = random.Random(9)
    def poke():
        for _ in range(150):
            enough = len(done) + dice.choice((0, 1))  # of slow commits, interrupting each lets none through
            while len(done) < enough:
                threading.Event().wait(0.001)
            threading.Event().wait(dice.uniform(0, 0.004))
            os.kill(os.getpid(), signal.SIGINT)
        stop.append(True)
    stop = []
    number = 0
    threading.Thread(target=poke, daemon=True).start()
    while not stop:
        number += 1
        try:
            armed = True
            ledger.commit(call(number))
            done.add(number)
            if number % 5 == 0:
                ledger.load(max(done))
            armed = False
        except KeyboardInterrupt:
            interrupts += 1
    other = ledger.write(call(number + 1))
    other.result(60)
    found = {head.id for head in ledger.step_heads()}
    assert done <= found <= done | set(range(1, number + 2)), sorted(done - found)
    print(interrupts > 10, len(done) > 10)
    ledger.close()
"""


def test_an_interrupt_in_a_commit_loses_nothing_else(tmp_path):
    """SIGINT in the middle of commits raises KeyboardInterrupt at once; every completed row is there."""
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPT), str(tmp_path / "nb.duckdb")]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout == "True True\n", done.stderr
