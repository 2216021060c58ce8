"""``%durable timeline`` and ``graph`` in real kernels: killed and resumed, live, headless, in a terminal."""

from __future__ import annotations

import re

from scenes import kernel_in, ready, run, shown

FETCH = (
    "from durable_nb import step, step_status\n"
    "@step(retries_allowed=True, max_attempts=3, interval_seconds=0.01)\n"
    "def fetch(n):\n"
    "    if n == 2 and step_status().current_attempt == 0:\n        raise OSError('busy')\n"
    "    return n"
)
FLAKY = (
    "%%step shaky --max-attempts 4 --interval-seconds 0.01\n"
    "tries = tally.nth('shaky')\n"
    "if not os.path.exists('killed') and tries < 3:\n    raise OSError(f'not yet {tries}')\n"
    "tally.block_once('killed')\nvalue = 7"
)
BARS = """
from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.pictures.bars import lanes_of
for lane in lanes_of(extension_of(get_ipython()).notebook):
    print(lane.name, *(f"{bar.kind}{bar.attempt}" for bar in lane.bars), "/",
          *(f"{bar.kind}{bar.attempt}" for bar in lane.calls))
"""


def bars(kernel):
    """Return the bars of each lane, those of the step and those of its calls."""
    lines = shown(kernel.run(BARS, "bars")).splitlines()
    return {line.split()[0]: line.split(None, 1)[1] for line in lines}


def test_a_killed_kernel_leaves_its_attempts(tmp_path):
    """Attempts before the kill are shown with the one that died, then those of the next kernel, and replays."""
    cells = ["import os", FETCH, "%%step load\nrows = [fetch(n) for n in range(4)]", FLAKY]
    with kernel_in(tmp_path) as kernel:
        run(kernel, cells[:3])
        kernel.run_until(FLAKY, tmp_path / "killed", "cell-3")
        kernel.restart()
        ready(kernel)
        assert bars(kernel) == {
            "load": "ran1 / ran1 ran1 failed1 waiting1 ran2 ran1",
            "shaky": "failed1 waiting1 failed2 waiting2 killed3 /",
        }
        run(kernel, cells)
        found = bars(kernel)
        assert found["load"] == "ran1 replayed1 / ran1 ran1 failed1 waiting1 ran2 ran1"
        assert found["shaky"] == "failed1 waiting1 failed2 waiting2 killed3 ran4 /"
        page = kernel.run("%durable timeline", "timeline").outputs[0]["data"]
        assert "attempt 3 was killed · the kernel died in it" in page["text/html"]
        assert "attempt 1 failed after" in page["text/html"]
        assert "OSError: not yet 1" in page["text/html"]
        assert "↻" in page["text/plain"] and "†" in page["text/plain"]


ATTEMPT_ROW = """
import os, threading

def wait():
    # the row of a first attempt is written when it has run for a second; only this process can read it
    from durable_nb.core.session import active_session
    while not os.path.exists("killed") and not active_session().ledger.attempts():
        threading.Event().wait(0.05)
"""


def test_a_step_without_retries_that_was_killed(tmp_path):
    """Its next run is another bar: the time between two kernels is nobody's work."""
    cell = "%%step load\nattempt_row.wait()\ntally.block_once('killed')\nrows = 1"
    (tmp_path / "attempt_row.py").write_text(ATTEMPT_ROW)
    with kernel_in(tmp_path) as kernel:
        kernel.run("import attempt_row", "import")
        kernel.run_until(cell, tmp_path / "killed", "cell")
        kernel.restart()
        ready(kernel)
        kernel.run("import attempt_row", "import")
        kernel.run(cell, "cell")
        assert bars(kernel) == {"load": "killed1 ran1 /"}


def test_it_follows_what_happens_in_later_cells(tmp_path):
    """Shown by an early cell, it is updated while later ones run: a few times a second, and to the very end."""
    slow = (
        "%%step slow --max-attempts 3 --interval-seconds 0.8\n"
        "time.sleep(2.2)\nif tally.nth('slow') < 2:\n    raise OSError('not yet')"
    )
    with kernel_in(tmp_path) as kernel:
        kernel.run("import time", "import")
        first = kernel.run("%durable timeline", "timeline")
        assert "no step has run yet" in first.outputs[0]["data"]["text/plain"]
        result = kernel.run(slow, "slow")
        after = kernel.run("time.sleep(1.5)", "after")
        seen = updates(result) + updates(after)
        assert result.foreign == []
        assert shown(kernel.run(DISPLAYS, "displays")) == "slow 0"
    kinds = [set(re.findall(r'<rect class="d-(ran|failed|waiting|running)"', html)) for html in seen]
    assert sum("running" in each for each in kinds) >= 4  # its bar grows
    assert any("waiting" in each and "ran" not in each for each in kinds)
    assert kinds[-1] == {"ran", "failed", "waiting"}
    assert 4 <= len(seen) <= 4 * (result.seconds + after.seconds)
    assert first.outputs[0]["data"]["text/html"] == seen[-1]
    assert {"text/html", "image/svg+xml", "text/plain"} == set(first.outputs[0]["data"])


def updates(result):
    """Return the pages that updates of the timeline brought while a cell ran."""
    found = [content["data"] for kind, content in result.messages if kind == "update_display_data"]
    return [data["text/html"] for data in found if "durable-timeline" in data.get("text/html", "")]


DISPLAYS = """
from durable_nb.notebook.extension import extension_of
for name, (row,) in extension_of(get_ipython()).notebook.checkpoints.steps().items():
    print(name, len(extension_of(get_ipython()).notebook.checkpoints.load(row).displays))
"""


def test_only_the_newest_is_live_and_unloading_ends_it(tmp_path):
    """One thread follows, however often it was asked for; after unloading there is none."""
    count = "import threading; print([each.name for each in threading.enumerate()].count('durable_nb timeline'))"
    with kernel_in(tmp_path) as kernel:
        for number in range(3):
            kernel.run("%durable timeline", f"timeline-{number}")
        assert shown(kernel.run(count, "count")) == "1"
        kernel.run("%unload_ext durable_nb", "unload")
        assert shown(kernel.run(count, "count")) == "0"


def test_it_is_static_where_nobody_watches(kernel, tmp_path):
    """A notebook that is run by nbclient gets an ordinary result with all forms, and no thread."""
    (tmp_path / "notebook.ipynb").write_text("{}")
    for cell in ("%load_ext durable_nb", "%%step load\nrows = 1"):
        kernel.run(cell)
    for line in ("%durable timeline", "%durable graph", "%durable"):
        (output,) = kernel.run(line).outputs
        assert output["output_type"] == "execute_result"
        assert "load" in output["data"]["text/plain"]
        assert "load" in output["data"]["text/html"]
    assert shown(
        kernel.run("import threading; print(threading.active_count() < 12, 'anywidget' in __import__('sys').modules)")
    ).endswith("False")


def test_loading_the_extension_loads_no_picture(tmp_path):
    """Pictures and widgets are imported when they are first asked for."""
    loaded = (
        "import sys; print([name for name in ('anywidget', 'durable_nb.notebook.pictures', "
        "'durable_nb.widgets') if name in sys.modules])"
    )
    with kernel_in(tmp_path) as kernel:
        assert shown(kernel.run(loaded, "loaded")) == "[]"
        kernel.run("%durable timeline", "timeline")
        assert shown(kernel.run(loaded, "loaded")) == "['durable_nb.notebook.pictures']"


def test_the_graph_of_a_notebook(tmp_path):
    """What is stale says why, also after a restart, when nothing has been bound yet."""
    cells = ["%%step load\nrows = [1, 2]", "%%step fit\ntotal = sum(rows)"]
    with kernel_in(tmp_path) as kernel:
        run(kernel, cells)
        kernel.run("rows.append(3)", "edit")
        text = shown(kernel.run("%durable graph", "graph"))
        assert text.splitlines()[:3] == [
            "2 steps · 1 will run again",
            "● load → rows",
            "  ◌ fit ← rows (load) → total",
        ]
        assert "rows changed (list 2 items → list 3 items)" in text
        kernel.kill()
        kernel.restart()
        ready(kernel)
        assert "replays if rows is bound again" in kernel.run("%durable graph", "g").outputs[0]["data"]["text/html"]


def test_in_a_terminal(start_terminal):
    """A terminal shows text as wide as it is, and needs no widget."""
    terminal = start_terminal()
    for cell in ("%load_ext durable_nb", "%%step load\nrows = [1, 2]\n", "%%step fit\ntotal = sum(rows)\n"):
        terminal.run(cell)
    timeline = terminal.run("%durable timeline")
    assert "2 steps · " in timeline
    assert re.search(r"load +█+.* ms", timeline)
    assert max(map(len, timeline.splitlines())) <= 200
    assert "● fit ← rows (load) → total" in terminal.run("%durable graph")
