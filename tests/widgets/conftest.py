"""A browser for tests of widgets."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests share the page module

from monitor_page import Shown

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: .ci/setup lab pictures")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium on PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


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
