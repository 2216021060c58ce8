"""Threads and children that libraries keep are no work of a step (DESIGN §5 row 21)."""

from __future__ import annotations

import pytest
from scenes import play, was_not_recorded, was_replayed


def step(name, *lines):
    """Return a step that tallies that it ran."""
    return "\n".join([f"%%step {name}", *lines, f"tally.hit('{name}')"])


SCENES = {
    "idle_pool": [
        "from concurrent.futures import ThreadPoolExecutor\ndef work(i):\n    return i + 1",
        "pool = ThreadPoolExecutor(2)\ndef through_pool():\n    return list(pool.map(work, range(3)))",
        step("idle_pool", "ip = through_pool()"),
    ],
    "joblib_threads": [
        "from joblib import Parallel, delayed",
        step("joblib_threads", "jt = Parallel(2, backend='threading')(delayed(work)(i) for i in range(3))"),
    ],
    "joblib_processes": [step("joblib_processes", "jp = Parallel(2)(delayed(abs)(i) for i in range(3))")],
    "done_task": [
        "import asyncio\nasync def quick():\n    return 1",
        step("done_task", "dt = await asyncio.create_task(quick())"),
    ],
    "program": ["import subprocess", step("program", "_ = [subprocess.Popen(['sleep', '60'])] and None")],
}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return play(tmp_path_factory.mktemp("running"), SCENES)


@pytest.mark.parametrize("scene", [name for name in SCENES if name != "program"])
def test_what_libraries_keep_does_not_count(story, scene):
    """Idle pools and finished tasks leave a step recorded."""
    was_replayed(story[scene], scene)


def test_a_program_left_running_counts(story):
    """A step that leaves a program running is not recorded, since a replay would not start it."""
    was_not_recorded(story["program"], "program", "process sleep (pid ")
