"""The browser of the tests that need one; a test fails where it is missing."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from pages import NO_CHROMIUM, chromium, find_chromium

_PACKAGES = ("playwright", "jupyterlab", "notebook")


@contextmanager
def needed_browser():
    """Start a headless Chromium; for one module only, since playwright keeps an event loop running in its thread."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        pytest.fail(f"not installed: {', '.join(missing)}: run .ci/setup lab pictures browsers", pytrace=False)
    path = find_chromium()
    if path is None:
        pytest.fail(NO_CHROMIUM, pytrace=False)
    with chromium(path) as browser:
        yield browser
