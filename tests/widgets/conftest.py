"""Widgets on a page without a kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests share the page module
sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from monitor_page import Shown
from needed import needed_browser

HOST = "http://durable.test"
WIDGETS = Path(__file__).parents[2] / "durable_nb" / "widgets"
MODEL = """
import widget from "/table.js";
window.sent = [];
const listeners = {};
window.tell = (name, value) => (listeners[name] ?? []).forEach((each) => each(value));
const model = {
  get: () => "TOKEN",
  on: (name, listener) => (listeners[name] ??= []).push(listener),
  off: (name, listener) => (listeners[name] = listeners[name].filter((each) => each !== listener)),
  send: (message) => window.sent.push(message),
};
window.answer = (html, done = true) => window.tell("msg:custom", { id: window.sent.at(-1).id, html, done });
window.end = widget.initialize({ model });
"""


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    with needed_browser() as started:
        yield started


@pytest.fixture
def show(browser):
    """Show a monitor: ``show(rows=…, calls=…, …)``; ``reduced=True`` for who wants no motion."""
    contexts = []

    def make(*rows, calls=None, more=0, clickable=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        state = {"place": "here", "rows": list(rows), "calls": calls, "more": more, "clickable": clickable}
        return Shown(context.new_page(), state)

    yield make
    for each in contexts:
        each.close()


@pytest.fixture
def page(browser):
    """An empty page; nothing that it asks for leaves this machine, and an error in it fails the test."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.set_default_timeout(20_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - it sets attributes of what it is given
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def show_html(page):
    """Show HTML, with the table's model where it is asked for."""

    def show(body, *, model=False, theme="light"):
        script = f'<script type="module">{MODEL}</script>' if model else ""
        css = f"<style>{(WIDGETS / 'table.css').read_text('utf-8')}</style>"
        is_light = str(theme == "light").lower()
        head = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8">{css}'
        html = f'{head}<body data-jp-theme-light="{is_light}">{body}{script}</body></html>'
        page.unroute_all()
        page.route(f"{HOST}/", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.route(f"{HOST}/table.js", lambda route: route.fulfill(path=WIDGETS / "table.js"))
        page.goto(f"{HOST}/")
        if model:
            page.wait_for_function("window.end !== undefined")
        return page

    return show
