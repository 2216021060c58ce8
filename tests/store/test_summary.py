from __future__ import annotations

import json
import os
import threading

from samples import call

from durable_nb.store.location import summary_path
from durable_nb.store.records import Payload
from durable_nb.store.summary import MOST_STEPS, SummaryFile, read_summary


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
    for content in ("{", "[]", json.dumps({"format": 99})):
        path.write_text(content)
        assert read_summary(path) is None
