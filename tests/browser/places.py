"""Where the browser tests run, a front end and an ipykernel, and how long people wait there."""

from __future__ import annotations

import os

import pytest

PLACES = ("lab-7", "notebook-7", "lab-6", "notebook-6")
_ALL = bool(os.environ.get("DURABLE_NB_ALL_BROWSERS"))

everywhere = pytest.mark.parametrize("place", PLACES)
"""A short test of what differs between front ends and kernels."""
thoroughly = pytest.mark.parametrize("place", PLACES if _ALL else PLACES[:1])
"""A test of JupyterLab with ipykernel 7; of all places in ``make test-browsers``."""
SOON = 2.0
"""Seconds from a click, or ■, to the step's end; the backoffs are 30 s."""
