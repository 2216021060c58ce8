from __future__ import annotations

import json
import os
import threading

import pytest
from samples import call

from durable_nb.store.location import summary_path
from durable_nb.store.processes import start_of
from durable_nb.store.records import AttemptRecord, ForgetRecord, Payload
from durable_nb.store.summary import MOST_STEPS, SummaryFile, parse_summary, read_summary


def wait_for_steps(path, count):
    pause = threading.Event()
    for _ in range(2400):
        summary = read_summary(path)
        if summary is not None and len(summary["steps"]) >= count:
            return summary
        pause.wait(0.025)
    raise AssertionError(f"{read_summary(path)} instead of {count} steps")


def cell(number, name, **changes):
    return call(number, kind="cell", scope_id=0, name=name, **changes)


def test_others_can_read_who_holds_the_store(open_ledger):
    """While the ledger is open the summary names pid, notebook and the newest row of each step."""
    ledger = open_ledger(notebook="nb.ipynb")
    ledger.commit(cell(1, "load", payload=Payload(b"p" * 968)), cell(2, "plot"), call(3))
    summary = wait_for_steps(summary_path(ledger.path), 2)
    assert (summary["pid"], summary["notebook"]) == (os.getpid(), "nb.ipynb")
    assert summary["store_id"] == ledger.store_id
    assert [step["name"] for step in summary["steps"]] == ["load", "plot"]
    assert summary["steps"][0] == {
        "name": "load",
        "kind": "cell",
        "status": "success",
        "when": 1_700_000_001.5,
        "took": 1.25,
        "size": 1000,
    }


def test_a_closed_store_has_no_owner_and_its_steps_stay(open_ledger):
    """close() writes pid null at once, rate limit or not; reopening starts from the recorded steps."""
    ledger = open_ledger(notebook="nb.ipynb")
    blob = ledger.put_buffer(b"b" * 100_000)
    ledger.write(cell(1, "load", payload=Payload(b"p" * 968, (blob,)))).result()
    ledger.write(cell(2, "load", status="error", payload=Payload(b"p" * 968, (blob,)))).result()
    ledger.close()
    summary = read_summary(summary_path(ledger.path))
    assert summary["pid"] is None
    [step] = summary["steps"]
    assert (step["status"], step["size"]) == ("error", 101_000)
    assert {path.name for path in ledger.folder.iterdir()} == {".gitignore", "nb.blobs", "nb.duckdb", "nb.json"}
    open_ledger()
    [reopened] = wait_for_steps(summary_path(ledger.path), 1)["steps"]
    assert reopened == step


def attempt(number, state="started", **changes):
    fields = {"key": b"a" * 16, "name": "train", "pass_id": 0, "number": number, "state": state, "at": 5.0}
    return AttemptRecord(**(fields | {"max_attempts": 5} | changes))


def test_an_attempt_is_open_until_its_step_ends(open_ledger):
    """Others see which attempt of how many runs, also when the ledger is opened again, until its step is recorded."""
    ledger = open_ledger()
    path = summary_path(ledger.path)
    ledger.commit(attempt(1, "failed", at=4.0, retry_at=4.5, wait_seconds=0.5), attempt(2))
    ledger.close()
    told = {"name": "train", "state": "started", "number": 2, "max_attempts": 5, "at": 5.0, "retry_at": 0.0}
    assert read_summary(path)["attempts"] == [told]
    ledger = open_ledger()
    ledger.flush()
    ledger.close()
    assert read_summary(path)["attempts"] == [told]
    ledger = open_ledger()
    ledger.commit(cell(1, "train", key=b"a" * 16, started_at=4.0, ended_at=6.0))
    ledger.close()
    assert read_summary(path)["attempts"] == []
    open_ledger().close()
    assert read_summary(path)["attempts"] == []


def test_calls_are_counted(open_ledger):
    """A call is no step of the list: the checkpoints of each step's calls are counted, before and after a close."""
    ledger = open_ledger()
    ledger.commit(call(1), call(2, ended_at=1_700_000_009.0), call(3, status="error"), call(4, name="parse"))
    ledger.close()
    expected = [
        {"name": "fetch", "count": 2, "when": 1_700_000_009.0},
        {"name": "parse", "count": 1, "when": 1_700_000_001.5},
    ]
    assert read_summary(summary_path(ledger.path))["calls"] == expected
    open_ledger().close()
    assert read_summary(summary_path(ledger.path))["calls"] == expected


def test_forgotten_steps_are_not_told_of(open_ledger):
    """A step that was forgotten is in the summary no more."""
    ledger = open_ledger()
    ledger.commit(cell(1, "load"), cell(2, "plot"), call(3))
    ledger.write(ForgetRecord((2, 3))).result()
    ledger.close()
    summary = read_summary(summary_path(ledger.path))
    assert [each["name"] for each in summary["steps"]] == ["load"]
    assert summary["calls"] == []


def test_steps_without_a_name_are_told_apart(open_ledger):
    """They are shown by the start of their code's digest, as elsewhere."""
    ledger = open_ledger()
    ledger.commit(cell(1, "", code_digest="aaaaaaaabb"), cell(2, "", code_digest="ccccccccdd"))
    ledger.close()
    assert [each["name"] for each in read_summary(summary_path(ledger.path))["steps"]] == ["aaaaaaaa", "cccccccc"]


def test_the_owner_is_told_from_a_later_process_of_its_pid(open_ledger):
    """The summary says when the owner's process began, where the system knows."""
    ledger = open_ledger()
    summary = wait_for_steps(summary_path(ledger.path), 0)
    assert summary["start"] == start_of(os.getpid())


def test_the_writer_is_woken_once_for_many_changes(tmp_path):
    """Only the first change after a write asks for another one, so a loop of calls does not wake anybody each time."""
    summary = SummaryFile(tmp_path / "nb.json", "nb", "id")
    summary.write(1)
    assert [summary.add(call(number), 0) for number in range(3)] == [True, False, False]
    summary.write(1)
    assert summary.add(attempt(1), 0)


def test_it_is_written_at_most_once_a_second(tmp_path, monkeypatch):
    """tick() writes the first time, then says how long to wait, and does nothing when nothing changed."""
    now = [100.0]
    monkeypatch.setattr("durable_nb.store.summary.time.monotonic", lambda: now[0])
    summary = SummaryFile(tmp_path / "nb.json", "nb", "id")
    assert summary.tick() is None
    assert summary.tick() is None
    now[0] += 0.25
    summary.add(cell(1, "load"), 5)
    assert summary.tick() == 0.75
    assert read_summary(tmp_path / "nb.json")["steps"] == []
    now[0] += 0.75
    assert summary.tick() is None
    assert len(read_summary(tmp_path / "nb.json")["steps"]) == 1


def test_it_stays_small(tmp_path):
    """Only the newest steps are kept."""
    summary = SummaryFile(tmp_path / "nb.json", "nb", "id")
    for number in range(MOST_STEPS + 10):
        summary.add(cell(number, f"step {number}"), 0)
    summary.tick()
    steps = read_summary(tmp_path / "nb.json")["steps"]
    assert len(steps) == MOST_STEPS
    assert steps[0]["name"] == "step 10"


def test_what_is_no_summary_is_none(tmp_path):
    """A missing, broken or newer file is no summary."""
    path = tmp_path / "nb.json"
    assert read_summary(path) is None
    for content in ("{", "[]", json.dumps({"format": 99}), "[" * 100_000):
        path.write_text(content)
        assert read_summary(path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "1"},
        {"pid": True},
        {"notebook": None},
        {"steps": {}},
        {"steps": [{"name": "load"}]},
        {"calls": [{"name": "f", "count": "many", "when": 0.0}]},
        {"attempts": None},
        {"updated": "now"},
    ],
)
def test_a_summary_of_another_shape_is_none(tmp_path, change):
    """Whoever reads a summary may rely on its shape: one that was tampered with is no summary."""
    summary = SummaryFile(tmp_path / "nb.json", "nb", "id")
    summary.add(cell(1, "load"), 5)
    summary.write(os.getpid())
    content = json.loads((tmp_path / "nb.json").read_text())
    assert parse_summary(json.dumps(content)) is not None
    assert parse_summary(json.dumps(content | change)) is None
