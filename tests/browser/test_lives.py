"""What is left of a retried step when its kernel restarts, dies, or is gone: replays, attempts, static lines."""

from __future__ import annotations

import time

from pages import wait_until
from places import SOON, thoroughly

WAIT_SECONDS = 15
RETRIED = """
%%step {name} --max-attempts 2 --interval-seconds 0.2
tally.hit("{name}")
if tally.nth("{name}") < 2:
    raise ValueError("not yet")
print("{name} worked")
"""
DYING = f"""
%%step dying --max-attempts 2 --interval-seconds {WAIT_SECONDS}
tally.hit(f"{{name}}-at-{{{{time.time()}}}}")
raise ValueError("always")
"""
BAD_SOON = """
%%step bad --max-attempts 2 --interval-seconds 0.2
raise ValueError("always")
"""
CALLS = """
@step(retries_allowed=True, max_attempts=3, interval_seconds=30)
async def call(number):
    if tally.nth(f"{name} {{number}}") < 2:
        raise ValueError(f"call {{number}} is not ready")
    return number

print(await asyncio.gather(*(call(number) for number in range(3))))
"""


@thoroughly
def test_restart_and_run_all(open_notebook, place):
    """Restart and Run All shows the replay lines in place of running again, and nothing of the old widgets."""
    page = open_notebook({"first": RETRIED.format(name=f"first-{place}"), "next": "print('next')"}, place)
    page.run_all()
    assert page.ended("next").error == "NoneType"
    page.wait_idle()
    page.restart_and_run_all()
    assert page.ended("next", times=2).error == "NoneType"
    page.wait_text("first", f"replayed first-{place}")
    assert f"first-{place} worked" in page.shown("first")
    assert_static(page, "first")
    assert page.hits(f"first-{place}") == 2


@thoroughly
def test_killed_in_a_backoff(open_notebook, place):
    """A kernel killed in the middle of a backoff: Run All makes the attempt that was next, when it was due."""
    name = f"dying-{place}"
    page = open_notebook({"dying": DYING.format(name=name), "after": "print('no')"}, place)
    page.run_all()
    page.monitor("dying").wait_for(timeout=120_000)
    page.server.kill_kernel(page.file.name)
    page.accept_dialog()
    page.wait_kernel()
    again = time.time()
    page.run_all()
    assert page.ended("dying").error == "MaxStepRetriesExceeded"
    first, second = page.times(name)
    assert second - first >= WAIT_SECONDS - 0.1
    assert second <= max(first + WAIT_SECONDS, again) + 5
    page.wait_idle()
    assert page.shown("after") == ""
    assert "failed at attempt 2 of 2" in page.shown("dying")
    assert_static(page, "dying")


@thoroughly
def test_reopened_without_a_kernel(open_notebook, place):
    """A saved notebook shows static lines in HTML and when it is opened again, with no kernel and with a fresh one."""
    page = open_notebook({"saved": RETRIED.format(name=f"saved-{place}"), "bad": BAD_SOON}, place)
    page.run_all()
    assert page.ended("bad").error == "MaxStepRetriesExceeded"
    page.wait_idle()
    lines = {cell: page.shown(cell) for cell in ("saved", "bad")}
    static = {"saved": "succeeded at attempt 2 of 2", "bad": "failed at attempt 2 of 2"}
    page.save()
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_filename(str(page.file))
    for cell, line in static.items():
        assert (line in lines[cell], line in html) == (True, True)
    assert "widget-view" not in page.file.read_text()
    page.reopen_without_kernel()
    for _ in ("no kernel", "a fresh one"):
        for cell, line in lines.items():
            assert page.shown(cell) == line
            assert_static(page, cell)
        page.open()


@thoroughly
def test_calls_share_a_monitor(open_notebook, place):
    """Several calls that retry at a time share one monitor, which is a static line when they are done."""
    page = open_notebook({"calls": CALLS.format(name=f"calls-{place}")}, place)
    page.run_all()
    monitor = page.monitor("calls")
    rows = monitor.locator('.durable-nb-row[data-state="waiting"]')
    wait_until(lambda: rows.count() == 3, "three calls that wait")
    assert monitor.count() == 1
    monitor.locator(".durable-nb-foot").locator('button[data-action="retry_now"]').click()
    ended = page.ended("calls")
    assert (ended.error, ended.at - page.clicked_at() < SOON) == ("NoneType", True)
    page.wait_text("calls", "[0, 1, 2]")
    page.wait_idle()
    assert_static(page, "calls")


@thoroughly
def test_unload(open_notebook, place):
    """After ``%unload_ext`` no widget, no comm and no magic is left, and what was shown stays as it is."""
    left = """
import ipywidgets.widgets.widget as widgets
print("left:", len(widgets._instances), len(get_ipython().kernel.comm_manager.comms))
print("step" in get_ipython().magics_manager.magics["cell"], "durable" in get_ipython().magics_manager.magics["line"])
"""
    page = open_notebook(
        {"used": RETRIED.format(name=f"used-{place}"), "unload": "%unload_ext durable_nb", "left": left}, place
    )
    page.run_all()
    page.wait_text("left", "left:")
    assert page.shown("left").split("\n")[:2] == ["left: 0 0", "False False"]
    assert_static(page, "used")


def assert_static(page, cell):
    """Assert that a cell shows text only: no monitor, no button, no widget that has lost its model."""
    output = page.output(cell)
    assert output.locator("button, .durable-nb-monitor, .jupyter-widgets, .lm-mod-disconnected").count() == 0
    assert "not found" not in output.inner_text()
    assert "Loading widget" not in output.inner_text()
