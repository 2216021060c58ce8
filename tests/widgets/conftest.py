"""Widgets on a page without a kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests share the page module
sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from monitor_page import Shown
from needed import needed_browser


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
