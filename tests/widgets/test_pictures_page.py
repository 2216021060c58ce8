"""The timeline and the graph in a page: plain HTML that opens by mouse and keyboard, without a kernel."""

from __future__ import annotations

import pytest

from durable_nb.notebook.pictures.bars import Bar, Lane
from durable_nb.notebook.pictures.graph import Graph
from durable_nb.notebook.pictures.nodes import Edge, Node, Steps
from durable_nb.notebook.pictures.timeline import Timeline
from durable_nb.notebook.report import Section, StepReport

EVIL = "<img src=x onerror=window.evil=1><script>window.evil=1</script>"
T = 1_790_000_000.0


def timeline(end=10.0, live=""):
    lanes = [
        Lane(
            "load",
            (
                Bar("failed", T, T + 4, 1, f"OSError: {EVIL}"),
                Bar("waiting", T + 4, T + 6),
                Bar("running", T + 6, T + end, 2),
            ),
        ),
        Lane(EVIL, (Bar("ran", T + 1, T + 2),)),
    ]
    return Timeline(lanes, live=live).html()


def graph():
    nodes = [
        Node(name, "stale", "runs: its code changed", "1 s", StepReport(f"page of {name}", (Section("Code", (name,)),)))
        for name in ("load", "fit", EVIL)
    ]
    return Graph(Steps(tuple(nodes), (Edge("load", "fit", ("rows",)), Edge("fit", EVIL, (EVIL,))))).html()


def test_a_lane_opens_by_keyboard(show_html):
    """Tab reaches it, with a visible focus, and Enter opens what it tells."""
    page = show_html(timeline())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.parentElement.dataset.lane") == "load"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    opened = page.locator("details[open]")
    assert opened.count() == 1
    assert f"attempt 1 failed after 4.0 s · OSError: {EVIL}" in opened.locator(".d-more").inner_text()


def test_opened_lanes_stay_open_in_an_update(show_html):
    """An update is a new document: what was open is open in it, and the focus is where it was."""
    page = show_html(f'<div id="out">{timeline(10, "one")}</div>')
    page.locator("summary").first.click()
    page.wait_for_function("window.durableOpen.one.lanes.size === 1")
    # as JupyterLab renders HTML: scripts are made anew, so that they run
    page.evaluate(
        """html => { const out = document.getElementById('out'); out.innerHTML = html;
        for (const old of out.querySelectorAll('script')) {
          const made = document.createElement('script');
          made.textContent = old.textContent;
          old.replaceWith(made);
        } }""",
        timeline(20, "one"),
    )
    assert page.locator("details[open]").get_attribute("data-lane") == "load"
    assert page.evaluate("document.activeElement.parentElement.dataset.lane") == "load"


def test_a_node_shows_its_page(show_html):
    """A click shows the page of a step; arrows go on to the next one, and only one page is shown."""
    page = show_html(graph())
    shown = page.locator(".d-pages > div:visible")
    assert shown.count() == 0
    page.locator(".d-hit").first.click()
    assert shown.inner_text().startswith("page of load")
    page.keyboard.press("ArrowDown")
    assert shown.count() == 1
    assert shown.inner_text().startswith("page of fit")
    outline = page.locator(".d-hit").nth(1).evaluate("each => getComputedStyle(each).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("make", [timeline, graph])
def test_nothing_that_the_user_wrote_is_run(show_html, make):
    """Markup in names and errors is text."""
    page = show_html(make())
    for each in page.locator("summary, .d-hit").all():
        each.click()
    assert page.evaluate("window.evil") is None
    assert EVIL in page.locator(".durable-view").inner_text()
    assert page.locator(".durable-view img").count() == 0


def test_motion_is_reduced_where_asked_for(show_html, page):
    """What runs pulses, but not for those who do not want motion."""
    animation = "getComputedStyle(document.querySelector('.d-lanes .d-running')).animationName"
    show_html(timeline())
    assert page.evaluate(animation) == "durable-runs"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(animation) == "none"


@pytest.mark.parametrize("make", [timeline, graph])
def test_it_follows_the_theme(show_html, make):
    """Dark pages get lighter colours, and JupyterLab's theme counts more than the system's."""
    colours = {}
    for theme in ("light", "dark"):
        page = show_html(make(), theme=theme)
        page.emulate_media(color_scheme="light")
        colours[theme] = page.locator(".durable-view").evaluate(
            "each => getComputedStyle(each).getPropertyValue('--d-ran')"
        )
    assert colours == {"light": "#0072B2", "dark": "#4FA8E0"}
