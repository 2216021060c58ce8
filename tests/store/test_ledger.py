from __future__ import annotations

import asyncio
import stat
import threading
from dataclasses import replace

import duckdb
import pytest
from samples import KEY, call

from durable_nb.errors import CheckpointUntrusted, StoreError
from durable_nb.store.reader import LedgerReader
from durable_nb.store.records import (
    AttemptRecord,
    BlobRef,
    CodeRecord,
    DisplayRecord,
    ErrorRecord,
    ExecutionRecord,
    FileRecord,
    ForgetRecord,
    InputRecord,
    OutputRecord,
    PassEndRecord,
    PassRecord,
    Payload,
    ScopeRecord,
)
from durable_nb.store.schema import VIEWS

ERROR = ErrorRecord("ValueError", "bad \ud800", ("'x'",), ("note",), "Traceback …", b"pickle")


def full(number, buffers=(b"inline", b"")):
    return call(
        number,
        kind="cell",
        scope_id=0,
        name="lo'ad 😀",
        code_digest="c0",
        cell_id="id",
        reason="first run",
        environment="python 3.11",
        payload=Payload(b"stream", buffers),
        error=ERROR,
        inputs=(InputRecord("a", "int", "1", "f1"), InputRecord("b", "str", "\udcff, \ud83d\ude00", "f2")),
        outputs=(OutputRecord("c", "list", "[…]", 80, "f3"), OutputRecord("d", "", "", 0, deleted=True)),
        displays=(DisplayRecord("stream", {"name": "stdout", "text": "hi\0there\n", "n": [1, None, 1.5]}),),
        files=(FileRecord("data/\udcff.csv", "file", 12, 1_700_000_000_123_456_789, "d1"),),
        extra={"streams": ["random"], "\0escaped:k": "\0escaped:v"},
    )


def test_a_step_comes_back_as_it_was_written(ledger):
    """Every field of a full step survives, odd strings, empty buffers and an error's pickle included."""
    record = full(ledger.new_id())
    ledger.write(record).result()
    assert ledger.load(record.id) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None},
        {"payload": Payload(b"")},
        {"payload": Payload(b"x", (b"",))},
        {"payload": None, "error": ERROR},
        {"payload": None, "error": replace(ERROR, payload=None)},
        {"payload": None, "error": replace(ERROR, payload=b"")},
        {"payload": Payload(b"x"), "error": ERROR},
        {"extra": {}},
        {"payload": Payload(b"s" * 70_000)},
        {"payload": Payload(b"s" * 70_000, (b"i" * 10,)), "error": ERROR},
    ],
)
def test_each_shape_of_payload_comes_back(ledger, changes):
    """None, empty, inline and blob streams, with and without an error, are told apart."""
    record = call(ledger.new_id(), **changes)
    ledger.commit(record)
    assert ledger.load(record.id) == record
    [stored] = ledger.steps_of_scope(1)
    assert stored.load() == record


def test_a_large_stream_leaves_the_row(ledger):
    """A pickle stream of 64 KiB and more goes to a blob file, a smaller one does not."""
    ledger.write(call(1, payload=Payload(b"s" * 65_535))).result()
    assert not ledger.blobs.folder.exists()
    ledger.write(call(2, payload=Payload(b"s" * 65_536))).result()
    assert len(list(ledger.blobs.folder.iterdir())) == 1


def test_buffers_are_inline_when_small_and_blobs_when_large(ledger):
    """A buffer comes back with equal content, writable and private, wherever it was put."""
    small, large = ledger.put_buffer(b"s" * 65_535), ledger.put_buffer(b"l" * 65_536)
    assert small == b"s" * 65_535
    assert isinstance(large, BlobRef)
    view = ledger.get_buffer(large)
    view[0] = 0
    assert bytes(ledger.get_buffer(large)) == b"l" * 65_536
    view = ledger.get_buffer(small)
    view[0] = 0
    assert bytes(ledger.get_buffer(small)) == small


def test_a_fortran_array_keeps_its_bytes(ledger):
    """Buffers are stored as they lie in memory, small and large alike."""
    numpy = pytest.importorskip("numpy")
    for side in (3, 200):
        array = numpy.asfortranarray(numpy.arange(side * side, dtype="f8").reshape(side, side))
        stored = ledger.put_buffer(array)
        assert bytes(ledger.get_buffer(stored)) == array.tobytes(order="F")


def test_heads_are_all_steps_without_what_is_heavy(ledger):
    """step_heads lists every step of the kinds asked for, oldest first, without payload and the like."""
    record, other = full(ledger.new_id()), call(ledger.new_id())
    ledger.write(record, other).result()
    bare = replace(record, payload=None, error=None, inputs=(), outputs=(), displays=(), files=(), extra=None)
    assert ledger.step_heads() == [bare, replace(other, payload=None)]
    assert ledger.step_heads(["cell"]) == [bare]


def test_steps_of_a_scope_load_without_a_query(ledger):
    """After steps_of_scope a hit needs no DuckDB: it works while the ledger cannot be read."""
    ledger.write(call(1), call(2), call(3, scope_id=9)).result()
    stored = ledger.steps_of_scope(1)
    ledger._rows = None
    assert [each.head.id for each in stored] == [1, 2]
    assert [each.load() for each in stored] == [call(1), call(2)]


def test_scopes_passes_and_code_come_back_in_order(ledger):
    """Scopes, passes, their ends and sources are read as they were written; equal sources once."""
    scope = ScopeRecord(ledger.new_id(), "nb", "cell", "load", "id", "c0", 2, 5.5)
    other = ScopeRecord(ledger.new_id(), "", "background", "", "", "", 0, 6.5)
    first, second = PassRecord(10, scope.id, 7.0), PassRecord(11, scope.id, 8.0, forced=True)
    end = PassEndRecord(10, "failed", 7.5, (3, 4))
    code = CodeRecord("c0", "x = 1\n'é'\n")
    ledger.write(scope, other, first, end, second, code, code).result()
    ledger.write(code, PassRecord(12, other.id, 9.0), PassEndRecord(12, "completed", 9.5)).result()
    assert ledger.scopes() == [scope, other]
    assert ledger.passes(scope.id) == [first, second]
    assert ledger.pass_ends(scope.id) == [end]
    assert LedgerReader.sources(ledger, ["c0", "c1"]) == {"c0": "x = 1\n'é'\n"}
    assert ledger.query("SELECT count(*) FROM code").rows == [(1,)]


def test_sources_of_this_process_need_no_query(ledger):
    """What an edited cell was before is told without DuckDB when it ran here; other digests are looked up."""
    ledger.write(CodeRecord("c0", "x = 1")).result()
    read, ledger._rows = ledger._rows, None
    assert ledger.sources(["c0"]) == {"c0": "x = 1"}
    ledger._rows = read
    ledger._written_sources.clear()
    assert ledger.sources(["c0", "c1"]) == {"c0": "x = 1"}


def test_attempts_come_back_in_order_with_their_errors(ledger):
    """Attempts are read in the order of writing."""
    started = AttemptRecord(b"k" * 16, "fetch", 2, 2, "started", 1.0)
    failed = AttemptRecord(b"k" * 16, "fetch", 2, 2, "failed", 2.0, 4.0, 6.0, ERROR)
    ledger.write(started).result()
    ledger.write(failed).result()
    assert ledger.attempts() == [started, failed]


def test_the_newest_state_of_an_execution_counts(ledger):
    """executions() has one row per workflow id, the newest, and load_execution its result."""
    running = ExecutionRecord("w1", "main", b"a" * 16, "c0", "running", 7, 1.0)
    done = replace(running, status="success", ended_at=2.0, payload=Payload(b"result"), parent_id="p")
    other = replace(running, workflow_id="w2", status="error", error=ERROR)
    ledger.write(running, other, done).result()
    assert ledger.executions() == [
        replace(other, error=replace(ERROR, payload=None)),
        replace(done, payload=None),
    ]
    assert ledger.load_execution("w1") == done
    assert ledger.load_execution("w2") == other
    with pytest.raises(KeyError):
        ledger.load_execution("w3")


def test_forgotten_steps_are_gone_and_their_ids_too(ledger, open_ledger):
    """ForgetRecord removes the rows, and no later ledger gives their ids again."""
    first, last = ledger.new_id(), ledger.new_id()
    ledger.write(call(first), call(last)).result()
    ledger.write(ForgetRecord((last,))).result()
    assert [head.id for head in ledger.step_heads()] == [first]
    with pytest.raises(KeyError):
        ledger.load(last)
    ledger.close()
    assert open_ledger().new_id() == last + 1


def test_ids_go_on_after_reopening_and_are_unique_across_threads(ledger, open_ledger):
    """new_id never gives an id twice."""
    ids: list[int] = []
    threads = [threading.Thread(target=lambda: ids.extend(ledger.new_id() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(1, 2001))
    ledger.write(call(2000)).result()
    ledger.close()
    assert open_ledger().new_id() == 2001


def test_a_tampered_row_is_not_loaded(ledger, open_ledger):
    """One changed byte of payload, head, detail or identity makes a row untrusted."""
    changes = {
        1: "body = body[1:-2]::BLOB",
        2: "body = unhex(hex(body[1:32]::BLOB) || hex('stream 1'::BLOB))",
        3: "head = replace(head, 'success', 'error')",
        4: "detail = replace(detail, 'f1', 'f9')",
        5: "parent = 8",
        6: "kind = 'call'",
        7: "body = NULL",
        8: "detail = NULL",
    }
    steps = [full(number) if number in {4, 6, 8} else call(number) for number in (*changes, 9)]
    ledger.write(*steps).result()
    path = ledger.path
    ledger.close()
    with duckdb.connect(str(path)) as raw:
        for number, change in changes.items():
            raw.execute(f"UPDATE log SET {change} WHERE id = {number}")
    reopened = open_ledger()
    for number in changes:
        with pytest.raises(CheckpointUntrusted, match=f"row {number} of .*%durable trust"):
            reopened.load(number)
    assert reopened.load(9) == call(9)
    for stored in reopened.steps_of_scope(1):
        if stored.head.id != 9:
            with pytest.raises(CheckpointUntrusted):
                stored.load()


def test_a_row_moved_to_another_store_is_not_loaded(ledger, open_ledger, tmp_path):
    """The store's id is signed: a row copied into another ledger of the same user is untrusted."""
    other = open_ledger(tmp_path / "other.duckdb")
    ledger.write(call(1)).result()
    path, target = ledger.path, other.path
    ledger.close()
    other.close()
    with duckdb.connect(str(target)) as raw:
        raw.execute(f"ATTACH '{path}' AS source (READ_ONLY)")
        raw.execute("INSERT INTO log SELECT * FROM source.log")
    with pytest.raises(CheckpointUntrusted):
        open_ledger(target).load(1)


def test_a_foreign_store_is_listed_and_not_loaded_until_trusted(ledger, open_ledger):
    """With another key heads are listed, nothing pickled comes out; trust() signs it anew."""
    failed = AttemptRecord(b"k" * 16, "fetch", 2, 2, "failed", 2.0, error=ERROR)
    execution = ExecutionRecord("w1", "main", b"a" * 16, "c0", "success", 7, 1.0, payload=Payload(b"r"))
    ledger.write(call(1), failed, execution).result()
    ledger.close()
    foreign = open_ledger(key=b"z" * 32)
    assert [head.name for head in foreign.step_heads()] == ["fetch"]
    with pytest.raises(CheckpointUntrusted):
        foreign.load(1)
    with pytest.raises(CheckpointUntrusted):
        foreign.load_execution("w1")
    assert foreign.executions()[0].payload is None
    assert foreign.attempts() == [replace(failed, error=replace(ERROR, payload=None))]
    assert foreign.trust() == 3
    assert foreign.trust() == 0
    assert foreign.load(1) == call(1)
    assert foreign.load_execution("w1") == execution
    assert foreign.attempts() == [failed]


def test_verify_hashes_blobs_that_look_unchanged(ledger):
    """A stream in a blob is always hashed; verify() hashes buffers too."""
    ref = ledger.put_buffer(b"b" * 100_000)
    record = call(1, payload=Payload(b"s" * 100_000, (ref,)))
    ledger.write(record).result()
    ledger.verify(1)
    assert ledger.referenced_blobs() == {path.name for path in ledger.blobs.folder.iterdir()}
    damage(ledger.blobs.folder / ref.address)
    assert ledger.load(1) == record
    with pytest.raises(CheckpointUntrusted):
        ledger.verify(1)
    [stream] = [path for path in ledger.blobs.folder.iterdir() if path.name != ref.address]
    damage(stream)
    with pytest.raises(CheckpointUntrusted):
        ledger.load(1)


def damage(path):
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def test_every_view_answers(ledger):
    """Each view of the schema can be selected from and shows what was written, times as timestamps."""
    record = full(1, (ledger.put_buffer(b"b" * 70_000),))
    ledger.write(
        record,
        AttemptRecord(b"k" * 16, "fetch", 2, 2, "failed", 1_700_000_000.0, error=ErrorRecord("E", "m")),
        ScopeRecord(3, "", "cell", "load", "", "", 0, 1.0),
        PassRecord(4, 3, 1.0),
        PassEndRecord(4, "completed", 2.0, (1,)),
        ExecutionRecord("w", "main", b"a" * 16, "", "running", 3, 1.0),
        CodeRecord("c0", "x"),
    ).result()
    answers = {}
    for view in VIEWS:
        if view in {"inputs", "files"}:
            continue  # hold names that no UTF-8 has, see below
        answer = ledger.query(f"SELECT * FROM {view}")
        answers[view] = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        assert answers[view], view
    [step] = answers["steps"]
    assert (step["name"], step["seconds"], step["started_at"].isoformat()) == (
        "lo'ad 😀",
        1.25,
        "2023-11-14T22:13:20.250000",
    )
    assert answers["outputs"][0] | {"step_id": 1, "name": "c", "size": 80} == answers["outputs"][0]
    assert answers["attempts"][0]["error_message"] == "m"
    assert answers["pass_ends"][0]["fatal"] == [1]
    assert answers["blobs"][0]["size"] == 70_000
    assert answers["displays"][0]["msg_type"] == "stream"
    rows = ledger.query("SELECT name, fingerprint FROM inputs").rows
    assert rows == [("a", "f1"), ("b", "f2")]
    assert ledger.query("SELECT kind, size FROM files").rows == [("file", 12)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM log",
        "INSERT INTO meta VALUES ('a', 'b')",
        "SELECT 1; DROP TABLE log",
        "COPY log TO 'out.csv'",
        "ATTACH ':memory:' AS other",
        "EXPLAIN ANALYZE DELETE FROM log",
        "SET threads = 1",
        "",
        "SELECT nothing FROM steps",
        "not sql",
    ],
)
def test_a_query_cannot_change_anything(ledger, sql):
    """Whatever is not one plain SELECT is refused with a StoreError, and nothing is changed."""
    ledger.write(call(1)).result()
    with pytest.raises(StoreError):
        ledger.query(sql)
    assert ledger.query("FROM steps SELECT id").rows == [(1,)]


def test_a_record_that_is_no_json_is_refused_at_once(ledger):
    """A display that JSON cannot hold raises StoreError naming the record; the ledger lives on."""
    with pytest.raises(StoreError, match="StepRecord"):
        ledger.write(call(1, displays=(DisplayRecord("stream", {"data": object()}),)))
    ledger.write(call(2)).result()
    assert [head.id for head in ledger.step_heads()] == [2]


def test_what_is_resolved_can_be_read_at_once(ledger):
    """A row is visible to readers on any thread as soon as its future is resolved."""
    for number in range(1, 50):
        ledger.write(call(number)).result()
        assert ledger.load(number).id == number


def test_asyncio_and_threads_share_commits(ledger):
    """1,000 concurrent writes from an event loop and from threads are all there, in few commits."""

    async def from_a_loop():
        await asyncio.gather(*(asyncio.wrap_future(ledger.write(call(n))) for n in range(1, 1001)))

    def from_a_thread(start):
        for future in [ledger.write(call(n)) for n in range(start, start + 250)]:
            future.result()

    asyncio.run(from_a_loop())
    commits = ledger.writer.commits
    assert commits <= 100
    threads = [threading.Thread(target=from_a_thread, args=(1001 + 250 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.writer.commits - commits <= 100
    assert sorted(head.id for head in ledger.step_heads()) == list(range(1, 2001))


def test_commit_and_write_from_many_threads_lose_nothing(ledger):
    """commit() on the caller's thread and write() on the writer's never disturb each other."""

    def work(start):
        for number in range(start, start + 60):
            if number % 3:
                ledger.commit(call(number))
            else:
                ledger.write(call(number), CodeRecord(str(number), "x")).result()

    threads = [threading.Thread(target=work, args=(1 + 60 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(head.id for head in ledger.step_heads()) == list(range(1, 241))


def test_a_cancelled_task_does_not_stop_the_writer(ledger):
    """Asyncio cancels the future of a cancelled task; its row is written and the writer lives on."""

    async def cancelled():
        task = asyncio.wrap_future(ledger.write(call(1)))
        task.cancel()

    asyncio.run(cancelled())
    ledger.write(call(2)).result(timeout=10)
    assert [head.id for head in ledger.step_heads()] == [1, 2]


def test_files_are_private_and_ignored_by_git(ledger, tmp_path):
    """The folder is 0700 with a self-ignoring .gitignore, ledger and log 0600, blobs 0400."""
    ref = ledger.put_buffer(b"b" * 70_000)
    ledger.commit(call(1))
    ledger.close()
    folder = tmp_path / ".durable_nb"

    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(folder) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert mode(ledger.path) == 0o600
    assert mode(ledger.blobs.folder) == 0o700
    assert mode(ledger.blobs.folder / ref.address) == 0o400
    assert ledger.size_bytes() >= ledger.path.stat().st_size + 70_000


def test_a_users_own_folder_is_left_as_it_is(open_ledger, tmp_path):
    """A store in an existing folder changes neither its mode nor what git sees."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    open_ledger(folder / "nb.duckdb")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert not (folder / ".gitignore").exists()


def test_close_checkpoints_and_may_be_repeated(ledger, open_ledger):
    """After close the log is folded in, calls say that the store is closed, and it opens again."""
    future = ledger.write(call(1))
    ledger.close()
    ledger.close()
    assert future.done()
    assert [path.name for path in ledger.folder.glob("*.wal")] == []
    for attempt in (lambda: ledger.write(call(2)), ledger.new_id, ledger.scopes, ledger.flush):
        with pytest.raises(StoreError, match="is closed"):
            attempt()
    assert open_ledger().load(1) == call(1)


def test_the_meta_table_says_who_made_it(open_ledger):
    """A new ledger notes notebook and versions, and keeps its id."""
    ledger = open_ledger(notebook="/home/me/nb.ipynb")
    assert ledger.meta["format"] == "1"
    assert ledger.meta["notebook"] == "/home/me/nb.ipynb"
    assert ledger.meta["duckdb"] == duckdb.__version__
    ledger.close()
    assert open_ledger(notebook="/home/me/copy.ipynb").store_id == ledger.store_id


def test_key_is_the_users_when_none_is_given(tmp_path, monkeypatch, open_ledger):
    """Without a key the user's own is made and used."""
    monkeypatch.setenv("DURABLE_NB_KEY_FILE", str(tmp_path / "keys" / "key"))
    ledger = open_ledger(key=None)
    ledger.commit(call(1))
    ledger.close()
    assert open_ledger(key=None).load(1) == call(1)
    assert (tmp_path / "keys" / "key").read_bytes() != KEY
