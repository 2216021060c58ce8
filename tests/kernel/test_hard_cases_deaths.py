"""Rows 17 and 19 of DESIGN §5: checkpoints that cannot be loaded, and attempts that a kernel's death cut short."""

from __future__ import annotations

import shutil

import duckdb
import pytest
from hard_cases import cells, notebook_in, resume, start_anew, uninterrupted
from scenes import hits, replayed, run, shown

# -- row 17

DAMAGED = """
%%step rows
rows = [1, 2]
alias = rows
print('rows')
# %%
%%step large
large = np.arange(300_000)
view = large[1:3]
# %%
%%step total
total = sum(rows) + int(large.sum())
# %%
total, alias is rows, np.shares_memory(view, large)
"""


def change_row(store):
    with duckdb.connect(str(store / "notebook.duckdb")) as connection:
        connection.execute("UPDATE log SET body = body || '\\x00'::BLOB WHERE head->>'name' = 'rows'")
        assert connection.execute("SELECT count(*) FROM log WHERE head->>'name' = 'rows'").fetchone() == (1,)


def change_blob(store):
    (blob,) = (store / "notebook.blobs").iterdir()
    data = bytearray(blob.read_bytes())
    data[1_000_000] ^= 0xFF
    blob.chmod(0o600)
    blob.write_bytes(data)


def cut_blob(store):
    (blob,) = (store / "notebook.blobs").iterdir()
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.truncate(1000)


def lose_blobs(store):
    shutil.rmtree(store / "notebook.blobs")


DAMAGES = {
    "row": (change_row, "rows", "was not written with this user's key"),
    "blob": (change_blob, "large", "has changed since it was written"),
    "cut_blob": (cut_blob, "large", "has changed since it was written"),
    "lost_blob": (lose_blobs, "large", "cannot be read"),
}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """The story of the whole notebook, and a folder of the same whose kernel was killed."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = uninterrupted(folder / "whole", DAMAGED)
    with notebook_in(folder / "killed") as kernel:
        run(kernel, cells(DAMAGED), "cell")
        kernel.run("get_ipython()._durable_nb.notebook.session.ledger._connection.execute('CHECKPOINT');", "checkpoint")
    return folder / "killed", whole


@pytest.mark.parametrize("name", DAMAGES)
def test_row_17_damaged_checkpoints(damaged, tmp_path, name):
    """Row 17: a checkpoint whose row or blob is not what was written runs its step again, says why, others replay."""
    damage, step, why = DAMAGES[name]
    folder, whole = damaged
    with notebook_in(tmp_path / "damaged") as kernel:
        kernel.kill()
        shutil.rmtree(kernel.folder / ".durable_nb")
        for part in (".durable_nb", "key", "tally.log"):
            copy = shutil.copytree if (folder / part).is_dir() else shutil.copy
            copy(folder / part, kernel.folder / part)
        damage(kernel.folder / ".durable_nb")
        resumed = resume(kernel, whole, DAMAGED)
    assert resumed.ran_again == {step: 1}
    assert any(line.startswith(f"↻ running {step} again: ") and why in line for line in resumed.lines), resumed.lines


# -- row 19

RETRIED = """
rows = []
alias = rows
# %%
%%step tries --max-attempts 5 --interval-seconds 10
tally.hit('tries')
n = tally.so_far('tries')
if n == 3:
    tally.block_once('third')
rows.append(n)
if n < 5:
    raise ValueError(n)
print('done after', n)
n
# %%
rows, alias is rows, n
"""
CLOCK = (
    "from durable_nb.core.session import active_session\nfrom durable_nb.testing import FakeClock\n"
    "clock = active_session().clock = FakeClock(1_790_000_000.0 + {0})\n"
    "clock.on_wait = lambda wake: tally.block_once('waits') if tally.so_far('tries') == 2 else None"
)
BACKOFF = "↻ tries: attempt 2 of 5 failed (ValueError: 2); next in"


@pytest.mark.parametrize(
    ("dies_at", "now", "waits", "line"),
    [
        ("third", 1031, "[80.0]", "↻ tries goes on at attempt 4 of 5"),
        (
            "waits",
            1024,
            "[6.0, 40.0, 80.0]",
            f"{BACKOFF} 6.0 s, goes on at attempt 3",
        ),
        ("waits", 5000, "[40.0, 80.0]", "↻ tries goes on at attempt 3 of 5"),
        (
            "waits",
            500,
            "[20.0, 40.0, 80.0]",
            f"{BACKOFF} 20 s, goes on at attempt 3",
        ),
    ],
    ids=["attempt", "backoff", "late", "clock_back"],
)
def test_row_19_attempts(tmp_path, dies_at, now, waits, line):
    """Row 19: killed in attempt 3, or in the backoff before it, the rest is made when due; all ends as without."""
    whole = uninterrupted(tmp_path / "whole", RETRIED, first=_without_blocking(CLOCK.format(1000)))
    with notebook_in(tmp_path / "killed") as kernel:
        other, at_death = {"third": ("waits", 3), "waits": ("third", 2)}[dies_at]
        (kernel.folder / other).mkdir()
        assert kernel.run(CLOCK.format(1000), "first").status == "ok"
        setup, cell, _ = cells(RETRIED)
        run(kernel, [setup], "cell")
        kernel.run_until(cell, kernel.folder / dies_at, "cell-1")
        assert hits(kernel.folder) == {"tries": at_death}
        resumed = resume(kernel, whole, RETRIED, first=CLOCK.format(now))
        assert resumed.ran_again == {"tries": 5 - at_death}
        assert line in all_lines(resumed.again[1])
        assert shown(kernel.run("clock.waits", "waits")) == waits
        start_anew(kernel)
        run(kernel, [setup], "cell")
        assert replayed(kernel.run(cell, "cell-1"), "tries")


def all_lines(result):
    """Return the extension's own lines, also those that a later one took the place of."""
    contents = [content for _, content in result.messages if content.get("metadata", {}).get("durable_nb")]
    return [content["data"]["text/plain"] for content in contents]


def _without_blocking(first):
    return f"os.mkdir('third')\nos.mkdir('waits')\n{first}"


LAST = """
%%step last --max-attempts 2 --interval-seconds 0.01
tally.hit('last')
attempt = tally.so_far('last')
if attempt == 1:
    raise ValueError('first')
if attempt < 4:
    tally.block_once(f'blocks_{attempt}')
del attempt
last = [7]
last[0]
# %%
last
"""


def test_row_19_at_least_one_attempt_remains(tmp_path):
    """Row 19: killed in its last attempt, again and again, a step has one more each time."""
    whole = uninterrupted(tmp_path / "whole", LAST, first="os.mkdir('blocks_2')")
    with notebook_in(tmp_path / "killed") as kernel:
        for attempt in (2, 3):
            kernel.run_until(cells(LAST)[0], kernel.folder / f"blocks_{attempt}", "cell-0")
            start_anew(kernel)
        resumed = resume(kernel, whole, LAST)
        assert "↻ last: succeeded at attempt 2 of 2 · went on at attempt 2 after a restart" in resumed.lines
    assert hits(kernel.folder) == {"last": 4}


LONG = """
%%step long --max-attempts 3 --interval-seconds 0.01
tally.hit('long')
long = [7]
if tally.so_far('long') == 1:
    wait_until_known()
    tally.block_once('blocks')
print('done')
# %%
long
"""


KNOWN = """
import time
from durable_nb.core.session import active_session
def wait_until_known():
    until = time.monotonic() + 20
    while not active_session().ledger.attempts() and time.monotonic() < until:
        time.sleep(0.05)
"""


def test_row_19_a_long_first_attempt_is_counted(tmp_path):
    """Row 19: a first attempt that had run for more than a second when its kernel died counts."""
    whole = uninterrupted(tmp_path / "whole", LONG, first=f"{KNOWN}\nos.mkdir('blocks')")
    with notebook_in(tmp_path / "killed") as kernel:
        kernel.run(KNOWN, "first")
        kernel.run_until(cells(LONG)[0], kernel.folder / "blocks", "cell-0")
        resumed = resume(kernel, whole, LONG, first=KNOWN)
        assert "↻ long: succeeded at attempt 2 of 3 · went on at attempt 2 after a restart" in resumed.lines
    assert hits(kernel.folder) == {"long": 2}
