"""The table of steps in a page: sorted, steered by keyboard, its buttons, and what stays when the kernel goes."""

from __future__ import annotations

import pytest

from durable_nb.notebook.report import Section, StepReport, StepRow
from durable_nb.notebook.status import StatusTable

EVIL = "<script>window.evil=1</script>"
ROWS = [
    StepRow("load", "ran", "2026-11-22 16:40", "4 m 12 s", "2.0 GB", 3, ""),
    StepRow("fit", "replayed", "2026-11-22 16:44", "42 s", "512 B", 1, ""),
    StepRow(EVIL, "failed", "2026-11-21 09:10", "3 ms", "", 10, "scale changed"),
    StepRow("plot", "partial", "2026-11-22 17:00", "2 h 5 m", "3.4 KB", 2, ""),
]


@pytest.fixture
def table(show_html):
    """A page with the table, its buttons and a link after it."""
    html = StatusTable(ROWS, "TOKEN")._repr_html_()
    return show_html(f'<a id="before" href="#">x</a>{html}<a id="after" href="#">y</a>', model=True)


def names(page):
    return page.locator("tr[data-step]").evaluate_all("rows => rows.map(row => row.dataset.step)")


def sort(page, column):
    page.locator("th button", has_text=column).click()
    return names(page)


def button(page, action, step):
    return page.get_by_role("button", name=f"{action} {step}", exact=True)


def focused(page):
    return page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")


@pytest.mark.parametrize(
    ("column", "ascending"),
    [
        ("step", [EVIL, "fit", "load", "plot"]),
        ("state", [EVIL, "plot", "load", "fit"]),
        ("when", [EVIL, "load", "fit", "plot"]),
        ("took", [EVIL, "fit", "load", "plot"]),
        ("size", [EVIL, "fit", "plot", "load"]),
        ("attempts", ["fit", "plot", "load", EVIL]),
        ("why", ["load", "fit", "plot", EVIL]),
    ],
)
def test_every_column_sorts(table, column, ascending):
    """Durations and sizes by what they mean, not by their letters; a second click turns it round."""
    head = table.locator("th", has_text=column).first
    assert head.get_attribute("aria-sort") == "none"
    assert sort(table, column) == ascending
    assert head.get_attribute("aria-sort") == "ascending"
    assert table.locator('th[aria-sort="ascending"]').count() == 1
    down = sort(table, column)
    assert head.get_attribute("aria-sort") == "descending"
    assert down[0] == ascending[-1]


def test_a_result_stays_below_its_row(table):
    """Sorting moves it with its row."""
    button(table, "show", "fit").click()
    table.evaluate("answer('<b>page</b>')")
    sort(table, "took")
    assert table.locator('tr[data-step="fit"] + tr.durable-result b').inner_text() == "page"


@pytest.mark.parametrize("action", ["why", "show", "rerun"])
def test_a_button_asks_the_kernel(table, action):
    """The message names action and step; the answer appears below the row, and the button says that it is open."""
    asked = button(table, action, EVIL)
    asked.click()
    assert table.evaluate("sent") == [{"id": 1, "action": action, "step": EVIL}]
    assert asked.get_attribute("aria-expanded") == "true"
    report = StepReport(EVIL, (Section("Code", (EVIL,)),))
    table.evaluate("html => answer(html)", report._repr_html_())
    result = table.locator("tr.durable-result")
    assert result.locator("strong").inner_text() == EVIL
    assert result.locator("[aria-live=polite]").count() == 1
    asked.click()
    assert result.count() == 0
    assert asked.get_attribute("aria-expanded") == "false"


def test_nothing_that_a_name_holds_is_run(table):
    """A step named like a script is a name."""
    button(table, "forget", EVIL).click()
    assert table.locator("tr.durable-result span").inner_text().startswith(f"Forget {EVIL}?")
    assert table.evaluate("window.evil") is None


def test_forget_asks_first(table):
    """Nothing is sent before it is confirmed in place; *Keep* has the focus and sends nothing."""
    button(table, "forget", "load").click()
    assert focused(table) == "Keep"
    table.keyboard.press("Enter")
    assert focused(table) == "forget load"
    assert table.locator("tr.durable-result").count() == 0
    assert table.evaluate("sent") == []
    button(table, "forget", "load").click()
    table.get_by_role("button", name="Forget", exact=True).click()
    assert table.evaluate("sent") == [{"id": 1, "action": "forget", "step": "load"}]
    table.evaluate("answer('forgot 2 rows of load')")
    assert "forgot 2 rows" in table.locator("tr.durable-result").inner_text()
    assert table.locator('tr[data-step="load"] .durable-actions button:disabled').count() == 4


def test_what_was_not_forgotten_keeps_its_buttons(table):
    """An answer that says no changes nothing."""
    button(table, "forget", "load").click()
    table.get_by_role("button", name="Forget", exact=True).click()
    table.evaluate("answer('a cell is running', false)")
    assert table.locator('tr[data-step="load"] .durable-actions button:disabled').count() == 0


def test_by_keyboard(table):
    """One tab stop for the heads and one for the rows; arrows move, Enter acts, Escape closes and goes back."""
    table.locator("#before").focus()
    table.keyboard.press("Tab")
    assert focused(table) == "step"
    table.keyboard.press("ArrowRight")
    assert focused(table) == "state"
    table.keyboard.press("Tab")
    assert focused(table) == "why load"
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
        table.keyboard.press(key)
    assert focused(table) == "show fit"
    outline = table.evaluate(
        "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    )
    assert outline == "solid2px"
    table.keyboard.press("Enter")
    assert table.evaluate("sent") == [{"id": 1, "action": "show", "step": "fit"}]
    table.keyboard.press("Tab")
    assert focused(table) == "close"
    table.keyboard.press("Escape")
    assert focused(table) == "show fit"
    assert table.locator("tr.durable-result").count() == 0
    table.keyboard.press("Tab")
    assert focused(table) == "y"
    table.keyboard.press("Shift+Tab")
    assert focused(table) == "show fit"


def test_arrows_do_not_reach_the_page(table):
    """JupyterLab's own keys would move to another cell."""
    table.evaluate("window.heard = []; document.body.addEventListener('keydown', event => heard.push(event.key))")
    button(table, "why", "load").focus()
    table.keyboard.press("ArrowDown")
    table.keyboard.press("x")
    assert table.evaluate("heard") == ["x"]
    assert table.locator("table").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_busy_kernel_is_told(show_html):
    """Without an answer the line says why, and shows the answer when it comes."""
    from playwright.sync_api import expect

    page = show_html(StatusTable(ROWS, "TOKEN")._repr_html_(), model=True)
    page.clock.install()
    button(page, "why", "load").click()
    page.clock.run_for(5000)
    expect(page.locator(".durable-box")).to_have_text("The kernel is busy: it answers when its cell has ended.")
    page.evaluate("answer('<b>late</b>')")
    expect(page.locator(".durable-box")).to_have_text("late")


@pytest.mark.parametrize("how", ["end()", "tell('comm_live_update')"])
def test_when_the_kernel_goes_the_plain_table_stays(show_html, how):
    """Not one dead button: the table is what it was, also after it was sorted."""
    page = show_html(StatusTable(ROWS, "TOKEN")._repr_html_())
    plain = page.locator("table").evaluate("table => table.outerHTML")
    page = show_html(StatusTable(ROWS, "TOKEN")._repr_html_(), model=True)
    sort(page, "took")
    button(page, "why", "fit").click()
    page.evaluate(how)
    assert page.locator("button").count() == 0
    assert page.locator("table").evaluate("table => table.outerHTML") == plain


def test_only_tables_of_this_kernel_have_buttons(table):
    """One that is shown later gets them; one of an earlier kernel stays plain."""
    table.evaluate("document.body.append(document.createElement('section'))")
    for token in ("TOKEN", "EARLIER"):
        html = StatusTable(ROWS[:1], token)._repr_html_()
        table.evaluate("html => document.querySelector('section').insertAdjacentHTML('beforeend', html)", html)
    later = table.locator("section table")
    later.first.locator("button").first.wait_for()
    assert later.nth(0).locator(".durable-actions button").count() == 4
    assert later.nth(1).locator("button").count() == 0
