"""The retry monitor in a browser: what it shows by itself, what it says, and what it sends."""

from __future__ import annotations

import pytest
from monitor_page import failed, row, running


def seconds(text):
    """Return the seconds that a countdown shows."""
    return float(text.removesuffix(" s"))


def test_it_takes_the_place_of_the_line(show):
    """Where the line of text was there is the monitor, and the line again when the comm is closed."""
    shown = show(row(failed(1)))
    assert shown.root.count() == 1
    assert not shown.page.locator("#line").is_visible()
    shown.page.evaluate("window.leave()")
    assert shown.root.count() == 0
    assert shown.page.locator("#line").is_visible()


def test_a_dead_kernel_leaves_the_line(show):
    """When the kernel is gone there is no button that nobody hears, but the line of text."""
    shown = show(row(failed(1)))
    shown.page.evaluate("window.model.tell('comm_live_update')")
    assert shown.root.count() == 0
    assert shown.page.locator("#line").is_visible()


def test_the_countdown_runs_by_itself(show):
    """It goes down as time passes, without a message from the kernel or to it."""
    shown = show(row(failed(1), ends=30.0))
    first = seconds(shown.text("countdown"))
    assert 25 < first <= 30
    shown.page.wait_for_timeout(1500)
    second = seconds(shown.text("countdown"))
    assert 1 <= first - second <= 5
    assert shown.sent == []
    assert shown.page.evaluate("window.messages") == 0


def test_a_message_about_another_run_leaves_the_countdown(show):
    """The seconds that remain count from an attempt's first message: one that repeats them resets nothing."""
    shown = show(row(failed(1), ends=30.0))
    shown.page.wait_for_timeout(1500)
    shown.update(rows=[row(failed(1), ends=30.0), row(failed(1), run=2, name="other")])
    assert seconds(shown.text("countdown")) < 29.5


def test_a_new_attempt_sets_the_countdown_anew(show):
    """Each backoff begins with its own seconds."""
    shown = show(row(failed(1), ends=3.0))
    shown.update(rows=[row(failed(1), running(2), state="running")])
    assert shown.text("next").startswith("running")
    shown.update(rows=[row(failed(1), failed(2), ends=50.0)])
    assert 45 < seconds(shown.text("countdown")) <= 50


def test_drawing_the_line_anew_keeps_the_monitor(show):
    """A front end draws an updated line as new elements: countdown, open traceback and focus stay."""
    shown = show(row(failed(1), ends=30.0))
    shown.page.wait_for_timeout(1200)
    shown.root.locator("summary").click()
    shown.root.locator("[data-action=stop]").first.focus()
    shown.page.evaluate("document.getElementById('output').innerHTML = '<div class=here><div>new</div></div>'")
    assert shown.root.count() == 1
    assert seconds(shown.text("countdown")) < 29.5
    assert shown.root.locator("details").evaluate("each => each.open")
    assert shown.page.evaluate("document.activeElement.dataset.action") == "stop"


def test_the_line_may_come_late(show):
    """The comm may be open before its line is on the page."""
    shown = show(row(failed(1)))
    shown.page.evaluate("document.getElementById('output').innerHTML = ''")
    shown.update(rows=[row(failed(1), failed(2), ends=20.0)])
    shown.page.evaluate("document.getElementById('output').innerHTML = '<div class=here></div>'")
    assert shown.text("attempt") == "attempt 2 of 5"


def test_two_views_of_one_output(show):
    """Where the front end shows an output twice, both have the monitor."""
    shown = show(row(failed(1)))
    shown.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div class=here></div>')")
    shown.page.wait_for_timeout(50)
    assert shown.root.count() == 2


def test_attempts_are_told_without_colour(show):
    """Each attempt is a cell with a sign and its time; the rest are outlined, and the strip has words for it."""
    shown = show(row(failed(1, 0.02), failed(2, 75.0), running(3), state="running"))
    cells = shown.root.locator(".durable-nb-cell")
    assert cells.all_inner_texts() == ["✕\n20 ms", "✕\n1 m 15 s", "", "", ""]
    states = cells.evaluate_all("cells => cells.map(each => each.dataset.state)")
    assert states == ["failed", "failed", "running", "future", "future"]
    label = shown.root.locator(".durable-nb-strip").get_attribute("aria-label")
    assert label == "attempts: 1 failed, 2 failed, 3 runs, 5 at most"


def test_many_attempts_are_not_many_cells(show):
    """Of a thousand attempts a dozen are shown, around the newest, and the others counted."""
    shown = show(row(*(failed(n) for n in range(1, 501)), max_attempts=1000))
    assert shown.root.locator(".durable-nb-cell").count() == 12
    assert shown.root.locator(".durable-nb-beyond").all_inner_texts() == ["491 +", "+ 497"]


def test_tracebacks_are_folded(show):
    """The newest error is one line, which opens the traceback of every failed attempt; text is never markup."""
    evil = "<img src=x onerror=window.evil=1>"
    shown = show(row(failed(1, traceback="the first"), failed(2, error=f"KeyError: {evil}", traceback=evil)))
    assert shown.text("error") == f"KeyError: {evil}"
    assert not shown.root.locator(".durable-nb-traceback").first.is_visible()
    shown.root.locator("summary").click()
    assert shown.root.locator(".durable-nb-traceback").all_inner_texts() == ["the first", evil]
    assert shown.page.evaluate("window.evil") is None


def test_clicks(show):
    """A click says what to do with which run, once."""
    shown = show(row(failed(1), run=7))
    shown.root.get_by_role("button", name="Retry now").click()
    assert shown.sent == [{"action": "retry_now", "run": 7}]
    assert shown.root.locator("[data-action=retry_now]").first.is_disabled()
    shown.root.get_by_role("button", name="Stop retrying").click()
    assert shown.sent[1:] == [{"action": "stop", "run": 7}]


def test_keys(show):
    """Everything is reached by Tab, with a visible focus, and works by Enter and Space."""
    shown = show(row(failed(1)))
    keyboard, focused = shown.page.keyboard, "document.activeElement.dataset.action || document.activeElement.tagName"
    keyboard.press("Tab")
    assert shown.page.evaluate(focused) == "retry_now"
    style = "getComputedStyle(document.activeElement)"
    assert shown.page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth") == "solid2px"
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Space")
    assert [each["action"] for each in shown.sent] == ["retry_now", "stop"]
    shown.page.locator("summary").focus()
    keyboard.press("Enter")
    assert shown.root.locator("details").evaluate("each => each.open")


def test_no_buttons_where_nobody_hears(show):
    """Without buttons it says what does stop the retries."""
    shown = show(row(failed(1)), clickable=False)
    assert shown.root.get_by_role("button").count() == 0
    assert shown.text("hint") == "interrupt the kernel (■) to stop retrying"


def test_what_is_said_aloud(show):
    """The end of an attempt and of a countdown is announced, its ticks are not."""
    shown = show(row(running(1), state="running"))
    status = shown.root.get_by_role("status")
    assert status.get_attribute("aria-live") == "polite"
    shown.page.evaluate(
        "window.said = []; new MutationObserver(() => said.push(document.querySelector('[role=status]').textContent))"
        ".observe(document.querySelector('[role=status]'), {childList: true, characterData: true, subtree: true})"
    )
    shown.update(rows=[row(failed(1), ends=1.2, wait=1.2)])
    shown.page.wait_for_function("window.said.length == 2")
    assert shown.page.evaluate("window.said") == [
        "fetch: attempt 1 of 5 failed, OSError: busy, next attempt in 1.2 s",
        "fetch: attempt 2 of 5 begins",
    ]
    assert shown.root.locator("[aria-live]").count() == 1


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_motion(show, motion):
    """The bar moves by itself and the running attempt pulses, unless reduced motion is asked for."""
    shown = show(row(failed(1)), reduced_motion=motion)
    moving = "document.getAnimations().length"
    expected = 0 if motion == "reduce" else 1
    assert shown.page.evaluate(moving) == expected
    shown.update(rows=[row(failed(1), running(2), state="running")])
    assert shown.page.evaluate(moving) == expected


def test_several_runs(show):
    """Each has a row; the rest are counted, and two buttons are for all of them."""
    rows = [row(failed(1), run=n, ends=20.0 + n) for n in range(1, 4)]
    shown = show(*rows, more=1240)
    assert shown.root.locator(".durable-nb-row").count() == 3
    assert shown.text("more") == "and 1,240 more retrying"
    shown.root.get_by_role("button", name="Retry all now").click()
    shown.root.get_by_role("button", name="Stop all").click()
    assert shown.sent == [{"action": "retry_now", "run": None}, {"action": "stop", "run": None}]
    shown.update(rows=rows[1:2], more=0)
    assert shown.root.locator(".durable-nb-row").count() == 1
    assert 18 < seconds(shown.text("countdown")) <= 22


def test_progress(show):
    """Calls are a bar with its legend; what is not known is not shown."""
    calls = {"total": 1000, "replayed": 536, "done": 20, "retrying": 1, "failed": 2, "running": 4}
    shown = show(calls={**calls, "rate": 8.0, "left": 55.0})
    assert shown.text("name") == "558 of 1,000 calls"
    assert shown.text("totals") == "8.0 per second · 55 s left"
    widths = shown.root.locator(".durable-nb-part").evaluate_all("parts => parts.map(each => each.style.width)")
    assert widths == ["53.6%", "2%", "0.2%", "0.1%"]
    entries = [text for text in shown.root.locator(".durable-nb-entry").all_inner_texts() if text]
    assert entries == ["536 replayed", "20 done", "2 failed", "1 retrying", "4 running"]
    shown.update(calls={**calls, "total": None, "rate": 0.5, "left": None})
    assert shown.text("name") == "558 calls"
    assert shown.text("totals") == "30.0 per minute"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(show, scheme):
    """Text has a contrast of at least 4.5 on its surface, in light and dark pages without a theme."""
    shown = show(row(failed(1)), color_scheme=scheme)
    shown.root.locator("summary").click()
    measured = shown.page.evaluate(CONTRAST)
    assert {name: ratio for name, ratio in measured.items() if ratio < 4.5} == {}
    assert len(measured) >= 6


CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map((each) => each / 255)
      .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const surface = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const name of ["name", "attempt", "error", "countdown", "totals", "traceback", "button"]) {
    for (const element of document.querySelectorAll(`.durable-nb-${name}:not(:empty)`)) {
      const [a, b] = [light(getComputedStyle(element).color), light(surface(element))];
      found[`${name} ${element.textContent}`.slice(0, 20)] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }
  }
  return found;
}"""
