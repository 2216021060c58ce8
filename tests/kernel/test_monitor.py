"""The retry monitor in real kernels: which messages are sent, what stays of them, and where it is text."""

from __future__ import annotations

import re

import pytest
from scenes import SETUP, kernel_in, prepare, ready

VIEW = "application/vnd.jupyter.widget-view+json"
RETRIED = (
    "%%step flaky --max-attempts 3 --interval-seconds {wait} --backoff-rate 1\n"
    "print('body')\nif tally.nth('{name}') < 3:\n    raise OSError('busy')\n'{name}'"
)
SLOW_CALLS = (
    "@step(retries_allowed=True, max_attempts=2, interval_seconds=0)\n"
    "def call(n):\n"
    "    while n == 100 and not os.path.exists('killed'):\n        time.sleep(0.03)\n"
    "    if n == 150 and tally.nth('call') == 1:\n        raise OSError('busy')\n"
    "    time.sleep(0.03)\n"
    "    return n\n"
    "numbers = range(200)"
)
LOOP = "done = [call(n) for n in numbers]"
LOADED = "import sys; print('anywidget' in sys.modules)"


@pytest.fixture
def kernel(tmp_path):
    """A kernel with the extension loaded."""
    with kernel_in(tmp_path) as kernel:
        yield kernel


def comms(result, kind):
    return [content for each, content in result.comms if each == kind]


def own_displays(result):
    """Return the bundles of the extension's own displays and their updates."""
    return [content["data"] for _, content in result.messages if content.get("metadata", {}).get("durable_nb")]


def assert_only_text(result):
    """Nothing that was shown needs a widget's model, and every comm that was opened is closed."""
    assert all(VIEW not in bundle for bundle in own_displays(result))
    opened, closed = comms(result, "comm_open"), comms(result, "comm_close")
    assert {each["comm_id"] for each in opened} == {each["comm_id"] for each in closed}


def test_a_retried_step(kernel):
    """A widget while it retries, a line of text that says how it went in the end; a plain step has none of it."""
    plain = kernel.run("%%step\nx = 1", "plain")
    assert plain.comms == []
    assert kernel.run(LOADED, "loaded").text.strip() == "False"
    result = kernel.run(RETRIED.format(name="a", wait=0.3), "a")
    assert result.status == "ok"
    assert_only_text(result)
    models = [each["data"]["state"] for each in comms(result, "comm_open")]
    assert [each["_model_name"] for each in models if "place" in each] == ["AnyModel"]
    (line,) = result.own_lines
    assert line.startswith("↻ flaky: succeeded at attempt 3 of 3 after 2 failed (OSError ×2) · waited 0.")
    (final,) = [each for each in result.outputs if each.get("metadata", {}).get("durable_nb")]
    assert set(final["data"]) == {"text/plain", "text/html"}
    place = next(each["place"] for each in models if "place" in each)
    assert place in own_displays(result)[0]["text/html"]
    assert place not in final["data"]["text/html"]
    assert kernel.run(LEFT, "left").text.strip() == "{} []"


LEFT = (
    "import ipywidgets.widgets.widget as w, threading\n"
    "print(w._instances, [each for each in threading.enumerate() if 'durable_nb display' in each.name])"
)


def test_a_backoff_needs_no_messages(kernel):
    """The countdown is the browser's: ten times the wait is not one message more."""
    short = kernel.run(RETRIED.format(name="a", wait=0.3), "a")
    long = kernel.run(RETRIED.format(name="b", wait=3), "b")
    assert len(comms(long, "comm_msg")) <= len(comms(short, "comm_msg"))
    assert 1 <= len(comms(long, "comm_msg")) <= 8
    assert len(own_displays(long)) <= len(own_displays(short)) + 3  # the saved text, which is changed every two seconds


def test_what_the_browser_is_told(kernel):
    """Attempts with their errors and tracebacks, and the seconds that remain, not a time of the kernel's clock."""
    result = kernel.run(RETRIED.format(name="a", wait=2), "a")
    rows = [row for each in comms(result, "comm_msg") for row in each["data"].get("state", {}).get("rows", [])]
    first = next(each for each in rows if each["state"] == "waiting")
    assert (first["name"], first["max_attempts"], first["wait"]) == ("flaky", 3, 2.0)
    assert 1.0 < first["ends"] <= 2.0
    (attempt,) = first["attempts"]
    assert (attempt["number"], attempt["state"], attempt["error"]) == (1, "failed", "OSError: busy")
    assert attempt["traceback"].splitlines() == ["Cell In[3], line 4", "    raise OSError('busy')", "OSError: busy"]
    states = [each["state"] for each in rows]
    assert [state for n, state in enumerate(states) if state != states[n - 1] or not n][:3] == [
        "waiting",
        "running",
        "waiting",
    ]


def test_nothing_of_it_is_recorded(kernel):
    """A replay shows what the step showed, and no monitor."""
    code = RETRIED.format(name="a", wait=0.2)
    first = kernel.run(code, "a")
    kernel.kill()
    kernel.restart()
    ready(kernel)
    again = kernel.run(code, "a")
    assert [line.split(" · ")[0] for line in again.own_lines] == ["↻ replayed flaky"]
    assert again.comms == []
    texts = [each.get("text", "") for each in first.foreign]
    assert "".join(texts) == "body\n" * 3  # one of each attempt; a replay shows that of the last one
    assert [each.get("text") or each["data"] for each in again.foreign] == ["body\n", {"text/plain": "'a'"}]
    shown = kernel.run("%durable show flaky", "show").text
    assert "ipywidgets" not in shown
    assert "monitor" not in shown
    assert kernel.run(LOADED, "loaded").text.strip() == "False"


def test_what_the_monitor_reads_is_no_dependency(kernel):
    """A step whose call is retried does not depend on the files whose lines its traceback shows."""
    (kernel.folder / "helper.py").write_text("import tally\ndef fetch():\n    assert tally.nth('c') > 1")
    kernel.run("import helper\n@step(retries_allowed=True, interval_seconds=0.1)\ndef call(): helper.fetch()", "call")
    result = kernel.run("%%step around\nx = call()", "around")
    assert "succeeded at attempt 2" in result.text
    assert "File helper.py, line 3, in fetch" in str(comms(result, "comm_msg"))
    assert "Files" not in kernel.run("%durable show around", "show").text


@pytest.mark.parametrize("how", ["interrupt", "fail"])
def test_other_ends(kernel, how):
    """The line says how it ended, and the widget is gone."""
    code = "%%step bad --max-attempts 2 --interval-seconds {}\nraise ValueError('no')"
    if how == "interrupt":
        running = kernel.start(code.format(60), "bad")
        kernel.wait_for(running, "next in 1 m 0 s")
        kernel.wait_until_queued()  # it waits now, and no longer tells of it
        kernel.interrupt()
        result = kernel.finish(running)
        expected = ("KeyboardInterrupt", "↻ bad: interrupted after attempt 1 of 2 (ValueError)")
    else:
        result = kernel.run(code.format(0), "bad")
        expected = ("MaxStepRetriesExceeded", "↻ bad: failed at attempt 2 of 2 (ValueError ×2)")
    (line,) = result.own_lines
    assert (result.error_name, line.partition(" · waited")[0]) == expected
    assert_only_text(result)


INTERRUPTED_AS_IT_IS_SHOWN = """
import signal
kind = type(get_ipython().display_pub)
publish = kind.publish
def publish_and_interrupt(self, *given, **named):
    kind.publish = publish
    self.publish(*given, **named)
    signal.raise_signal(signal.SIGINT)
kind.publish = publish_and_interrupt
"""


def test_an_interrupt_as_the_first_line_is_shown(kernel):
    """At the instant at which it was sent: it is the last line as well, and says how the step ended."""
    kernel.run(INTERRUPTED_AS_IT_IS_SHOWN, "patch")
    result = kernel.run("%%step bad --max-attempts 2 --interval-seconds 60\nraise ValueError('no')", "bad")
    assert result.error_name == "KeyboardInterrupt"
    assert result.own_lines == ["↻ bad: interrupted after attempt 1 of 2 (ValueError)"]
    assert_only_text(result)


def test_killed_in_a_backoff(kernel):
    """What a saved notebook holds then is text: which attempt failed, and with what."""
    result = kernel.run_until(
        "%%step bad --max-attempts 2 --interval-seconds 60\nraise ValueError('no')", "next in 1 m 0 s", "bad"
    )
    (left,) = [each for each in result.outputs if each["output_type"] == "display_data"]
    assert set(left["data"]) == {"text/plain", "text/html"}
    for text in left["data"].values():
        assert "bad: attempt 1 of 2 failed (ValueError: no); next in 1 m 0 s" in text


def test_the_monitor_from_the_start(kernel):
    """``--monitor`` shows it before anything failed; the line says at which attempt the step succeeded."""
    code = "%%step calm --monitor --max-attempts 3\nx = 1"
    result = kernel.run(code, "calm")
    assert own_displays(result)[0]["text/plain"] == "↻ calm: attempt 1 of 3 runs"
    assert result.own_lines == ["↻ calm: succeeded at attempt 1 of 3"]
    assert_only_text(result)
    assert kernel.run(code, "calm").own_lines[0].startswith("↻ replayed calm")
    assert kernel.run("%%step other\nx = 2", "other").own_lines == []


def test_progress_of_a_loop(kernel, tmp_path):
    """Calls that go on for over two seconds are shown by number; killed and resumed, its line counts the replays."""
    kernel.run("import os, time\n" + SLOW_CALLS, "def")
    kernel.run_until(LOOP, "of 200 calls", "loop")
    (tmp_path / "killed").touch()  # no call before this gets to the one that is retried
    kernel.restart()
    ready(kernel)
    kernel.run("import os, time\n" + SLOW_CALLS, "def")
    result = kernel.run(LOOP, "loop")
    assert_only_text(result)
    states = [
        each["data"]["state"]["calls"]
        for each in comms(result, "comm_msg")
        if each["data"].get("state", {}).get("calls")
    ]
    assert {each["total"] for each in states} == {200}
    assert all(each["left"] is None or each["left"] < 60 for each in states)
    line = result.own_lines[-1]
    how_to = re.escape("(call.fresh(…) or --rerun to call again)")
    found = re.fullmatch(rf"↻ 200 calls: (\d+) replayed {how_to}, (\d+) done · 1 retried · \d+(\.\d)? s", line)
    assert found, line
    assert int(found[1]) + int(found[2]) == 200
    assert int(found[1]) >= 2
    assert sum("200 calls" in each for each in result.own_lines) == 1
    assert not any("calls replayed" in each for each in result.own_lines)


def test_messages_of_a_fast_loop(kernel):
    """However fast calls are, at most ten pictures a second are sent."""
    kernel.run("import time\n@step\ndef call(n):\n    return n", "def")
    result = kernel.run("start = time.time()\nwhile time.time() < start + 4:\n    call(1)", "loop")
    sent = [each for each in comms(result, "comm_msg") if each["data"].get("state", {}).get("calls")]
    assert 3 <= len(sent) <= 25
    assert len(own_displays(result)) <= 4


@pytest.mark.parametrize("without", ["disabled", "locked"])
def test_retries_are_shown_without_a_store(tmp_path, start_kernel, without):
    """Retries of cells and calls are told of also where nothing is recorded."""
    prepare(tmp_path)
    if without == "locked":
        owner = start_kernel()
        owner.run(SETUP[0], "setup")
    kernel = start_kernel({"DURABLE_NB_DISABLE": "1"} if without == "disabled" else None)
    ready(kernel)
    (line,) = kernel.run(RETRIED.format(name="a", wait=0.1), "a").own_lines
    assert line.startswith("↻ flaky: succeeded at attempt 3 of 3 after 2 failed (OSError ×2)")
    kernel.run(
        "@step(retries_allowed=True, interval_seconds=0.1)\n"
        "def call():\n    if tally.nth('b') < 3:\n        raise OSError('busy')",
        "def",
    )
    (line,) = kernel.run("call()", "call").own_lines
    assert line.startswith("↻ call: succeeded at attempt 3 of 3 after 2 failed (OSError ×2)")
    kernel.run("%unload_ext durable_nb", "unload")
    kernel.run("tally._made.clear()", "clear")
    assert kernel.run("call()", "call").own_lines == []


def test_several_calls_at_a_time(kernel):
    """Calls that retry in threads share one display, whose line counts them."""
    kernel.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "@step(retries_allowed=True, max_attempts=2, interval_seconds=0.3)\n"
        "def call(n):\n    if tally.nth(f'c{n}') < 2 and n % 2:\n        raise OSError(n)\n    return n",
        "def",
    )
    result = kernel.run("with ThreadPoolExecutor(8) as pool: print(list(pool.map(call, range(20))))", "fan")
    assert_only_text(result)
    assert len([each for each in comms(result, "comm_open") if "place" in each["data"]["state"]]) == 1
    (line,) = result.own_lines
    assert line.startswith("↻ 20 calls: 20 done · 10 retried · ")


def test_without_widgets(kernel):
    """Where no widget can be made retries are told of in text all the same, and the log says why."""
    kernel.run("import sys; sys.modules['anywidget'] = None", "break")
    result = kernel.run(RETRIED.format(name="a", wait=0.2), "a")
    assert (result.status, result.comms) == ("ok", [])
    texts = [bundle["text/plain"] for bundle in own_displays(result)]
    assert texts[0] == "↻ flaky: attempt 1 of 3 failed (OSError: busy); next in 0.2 s"
    assert texts[-1].startswith("↻ flaky: succeeded at attempt 3 of 3")
    assert "its widget could not be made" in result.text


def test_headless(kernel):
    """Without a page it is lines in the process's stderr: each failed attempt, and the end."""
    result = kernel.run(RETRIED.format(name="a", wait=0.3))
    assert result.comms == []
    assert own_displays(result) == []
    lines = [line for line in kernel.stderr.splitlines() if "flaky" in line]
    assert lines[:2] == [
        "↻ flaky: attempt 1 of 3 failed (OSError: busy); next in 0.3 s",
        "↻ flaky: attempt 2 of 3 failed (OSError: busy); next in 0.3 s",
    ]
    assert len(lines) == 3
    assert lines[2].startswith("↻ flaky: succeeded at attempt 3 of 3 after 2 failed (OSError ×2) · waited 0.")
