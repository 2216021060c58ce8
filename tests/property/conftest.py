"""Profiles for hypothesis, and the processes that fork shells."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

sys.path.insert(0, str(Path(__file__).parent))  # the tests share modules with the processes they start

pytest.register_assert_rewrite("machine")

from fork_server import Server  # noqa: E402 - found and rewritten only now

_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "print_blob": False}
settings.register_profile("default", derandomize=True, max_examples=100, stateful_step_count=10, **_COMMON)
# Whether anything is found is all that matters there; making it small would take minutes.
_FOUND = {"derandomize": True, "max_examples": 100, "stateful_step_count": 10, "phases": [Phase.generate]}
settings.register_profile("breaks", **_FOUND, **_COMMON)
settings.register_profile("nights", derandomize=False, max_examples=3000, stateful_step_count=30, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Two processes that fork shells, in which sets of text have different orders."""
    folder = tmp_path_factory.mktemp("servers")
    found = [Server(folder, seed) for seed in (1, 2)]
    yield found
    for each in found:
        each.close()
