"""The page in a real browser: it keeps itself current, and can be used without a mouse."""

from __future__ import annotations

import pytest
from needed import needed_browser
from running import TOKEN
from stores import make_store, step

from durable_nb.store.ledger import Ledger
from durable_nb.store.location import store_path


@pytest.fixture(scope="module")
def browser():
    with needed_browser() as started:
        yield started


@pytest.fixture
def open_page(browser, server):
    """Open the page of one folder, logged in; no error may be left in its console."""
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))

    def opener(folder):
        page.goto(f"{server.url}durable-nb?folder={folder}&token={TOKEN}")
        return page

    yield opener
    page.close()
    assert errors == []


def test_it_keeps_itself_current(open_page, store, root):
    """What changes shows by itself; what was unfolded stays so, and the focus where it was."""
    store("live/a.ipynb")
    page = open_page("live")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    make_store(root / "live/b.ipynb", step(status="ended"))
    page.wait_for_selector(".state.failed", timeout=30_000)
    assert page.locator("#counts").inner_text() == "2 notebooks · 1 failed · 1 saved"
    assert page.locator("tbody[data-path='live/a.ipynb'] details[open]").count() == 1
    assert page.evaluate("document.activeElement.closest('tbody').dataset.path") == "live/a.ipynb"
    with_calls = Ledger.open(store_path(root / "live/a.ipynb", {}), notebook=str(root / "live/a.ipynb"), key=b"k" * 32)
    with_calls.commit(step(7, kind="call", name="fetch"))
    with_calls.close()
    page.wait_for_selector("text=1 step · 1 call", timeout=30_000)


def test_it_filters_from_the_keyboard(open_page, store):
    """A slash goes to the filter, which takes words of paths and states; Escape empties it."""
    store("many/alpha.ipynb")
    store("many/beta.ipynb")
    page = open_page("many")
    page.keyboard.press("/")
    page.keyboard.type("SAVED alp")
    visible = page.locator("tbody:visible")
    assert visible.evaluate_all("rows => rows.map(each => each.dataset.path)") == ["many/alpha.ipynb"]
    page.keyboard.press("Escape")
    assert visible.count() == 2


def test_it_says_when_the_server_is_away(open_page, store):
    """The list stays, and is not taken for current."""
    store("away/a.ipynb")
    page = open_page("away")
    page.route("**/durable-nb*", lambda route: route.abort())
    page.wait_for_selector("#stale:visible", timeout=30_000)
    assert page.locator("tbody").count() == 1


@pytest.mark.parametrize(("scheme", "light"), [("light", True), ("dark", False)])
def test_it_follows_the_colour_scheme(open_page, store, scheme, light):
    """Each state's word has a contrast of 4.5 to 1 on its card, as the guidelines for accessibility ask."""
    store("colours/a.ipynb")
    page = open_page("colours")
    page.emulate_media(color_scheme=scheme)
    states = ("interrupted", "running", "failed", "open", "saved", "unknown")
    for state in states:
        page.locator(".state").evaluate("(each, state) => each.className = `state ${state}`", state)
        text, card = (
            _luminance(page.locator(each).first.evaluate("(each, name) => getComputedStyle(each)[name]", name))
            for each, name in ((".state", "color"), ("table", "backgroundColor"))
        )
        assert (card > 0.5) == light
        assert (max(text, card) + 0.05) / (min(text, card) + 0.05) >= 4.5, state


def _luminance(colour):
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    parts = [int(each) / 255 for each in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
