"""A person watches a step that fails, and clicks: real Chromium, real kernels, and the times that people wait."""

from __future__ import annotations

from places import SOON, everywhere, thoroughly

FLAKY = """
%%step {name} --max-attempts 3 --interval-seconds 30
if tally.nth("{name}") < 2:
    raise ValueError("not yet")
print("{name} worked")
"""
FLAKY_ASYNC = """
%%step {name} --max-attempts 3 --interval-seconds 30
await asyncio.sleep(0)
if tally.nth("{name}") < 2:
    raise ValueError("not yet")
print("{name} worked")
"""
BAD = """
%%step bad --max-attempts 3 --interval-seconds 30
raise ValueError("always")
"""


@everywhere
def test_buttons(open_notebook, place):
    """*Retry now* ends a backoff in sync and async cells, *Stop* raises the step's error and Run All stops."""
    page = open_notebook(
        {
            "sync": FLAKY.format(name="sync"),
            "async": FLAKY_ASYNC.format(name="async"),
            "bad": BAD,
            "after": "print('not to be seen')",
        },
        place,
    )
    page.run_all()
    for cell in ("sync", "async"):
        clicked = page.click(cell, "retry_now")
        ended = page.ended(cell)
        assert (ended.error, ended.at - clicked < SOON) == ("NoneType", True), ended.at - clicked
        page.wait_text(cell, f"{cell} worked")
    clicked = page.click("bad", "stop")
    ended = page.ended("bad")
    assert (ended.error, ended.at - clicked < SOON) == ("ValueError", True), ended.at - clicked
    page.wait_idle()
    assert "ValueError: always" in page.shown("bad")
    assert page.shown("after") == ""
    for cell in ("sync", "async", "bad"):
        assert page.output(cell).locator("button").count() == 0


@thoroughly
def test_the_countdown_needs_no_kernel(open_notebook, place):
    """The countdown changes every second while nothing at all goes to or comes from the kernel."""
    page = open_notebook({"flaky": FLAKY.format(name="counted")}, place)
    page.run_all()
    countdown = page.monitor("flaky").locator(".durable-nb-countdown").first
    countdown.wait_for(timeout=120_000)
    page.page.wait_for_timeout(1000)  # what the first failure set off has come
    before = len(page.messages)
    texts = countdown.evaluate(
        """async (element) => {
            const texts = [];
            for (let tenth = 0; tenth < 40; tenth++) {
                texts.push(element.textContent);
                await new Promise((done) => setTimeout(done, 100));
            }
            return texts;
        }"""
    )
    page.page.wait_for_timeout(50)  # what came meanwhile is told
    assert page.messages[before:] == []
    assert len(set(texts)) >= 4, texts
    page.click("flaky", "retry_now")
    assert page.ended("flaky").error == "NoneType"


@thoroughly
def test_interrupting_a_backoff(open_notebook, place):
    """■ in a backoff ends the step with KeyboardInterrupt within 2 s, in sync and async cells, and Run All stops."""
    page = open_notebook({"sync": FLAKY.format(name="held"), "async": FLAKY_ASYNC.format(name="held_async")}, place)
    page.run_all()
    interrupt(page, "sync")
    page.wait_idle()
    assert page.shown("async") == ""
    page.run("async")
    interrupt(page, "async")


def interrupt(page, cell):
    """Press ■ in the backoff of a cell, and assert that it ended it."""
    page.monitor(cell).wait_for(timeout=120_000)
    page.interrupt()
    pressed = page.clicked_at()
    ended = page.ended(cell)
    assert (ended.error, ended.at - pressed < SOON) == ("KeyboardInterrupt", True), ended.at - pressed
    page.wait_text(cell, "KeyboardInterrupt")
    page.wait_done(cell)
    assert page.output(cell).locator("button").count() == 0
