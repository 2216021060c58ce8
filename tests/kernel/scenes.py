"""Plays scenes in a real kernel, kills it with SIGKILL, and plays them again in a fresh one."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

from driver import Kernel

_TALLY = """
import os

def hit(what):
    # one write of a line survives any death of the process
    with open(os.path.join(os.path.dirname(__file__), "tally.log"), "a") as log:
        log.write(what + "\\n")

def so_far(what):
    # how often in all processes, where nothing else is tallied; by the size, since reading would make it an input
    return os.path.getsize(os.path.join(os.path.dirname(__file__), "tally.log")) // (len(what) + 1)

_made = {}

def nth(what):
    # the how-manieth time in this process
    _made[what] = _made.get(what, 0) + 1
    return _made[what]

def block_once(marker):
    # block for ever, but only until somebody was killed here
    folder = os.path.dirname(__file__)
    if not os.path.exists(os.path.join(folder, marker)):
        os.mkdir(os.path.join(folder, marker))
        import threading
        threading.Event().wait()
"""
SETUP = ("%load_ext durable_nb", "import tally\nfrom durable_nb import step")


@dataclass
class Played:
    """What the cells of one scene showed, before the kill and after it, and how often each hit was made."""

    first: list = field(default_factory=list)
    again: list = field(default_factory=list)
    hits_first: Counter = field(default_factory=Counter)
    hits_again: Counter = field(default_factory=Counter)

    @property
    def lines(self):
        """The extension's own lines of the second play, one string."""
        return "\n".join(line for result in self.again for line in result.own_lines)

    @property
    def value(self):
        """What the last cell of the second play showed, without the extension's own lines."""
        return shown(self.again[-1])


def shown(result):
    """Return what a cell showed of its own, as text."""
    return "".join(_text(each) for each in result.foreign).strip()


def _text(output):
    if output["output_type"] == "error":
        return output["ename"]
    return output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", "")


def prepare(folder):
    """Make the folder of a notebook, with the module that tallies what really ran."""
    (folder / "notebook.ipynb").write_text("{}")
    (folder / "tally.py").write_text(_TALLY)
    return folder


def hits(folder):
    """Return how often each thing was tallied."""
    log = folder / "tally.log"
    return Counter(log.read_text().split() if log.exists() else ())


def run(kernel, cells, prefix="cell"):
    """Run cells, failing ones too, and return what each showed."""
    return [kernel.run(code, f"{prefix}-{number}") for number, code in enumerate(cells)]


def ready(kernel):
    """Load the extension."""
    results = run(kernel, SETUP, "setup")
    assert [each.status for each in results] == ["ok", "ok"], [each.text for each in results]
    return kernel


@contextmanager
def kernel_in(folder, env=None, **options):
    """Start a kernel with the extension loaded, and end it."""
    kernel = Kernel(prepare(folder), env, **options)
    try:
        yield ready(kernel)
    finally:
        kernel.close()


def play(folder, scenes, between=lambda folder: None):
    """Play scenes twice, with a SIGKILL in between.

    Args:
        folder: of the notebook.
        scenes: name -> cells, or (cells, cells of the second play).
        between: called with the folder while no kernel runs.
    """
    played = {name: Played() for name in scenes}
    with kernel_in(folder) as kernel:
        for name, cells in scenes.items():
            before = hits(folder)
            played[name].first = run(kernel, cells[0] if isinstance(cells, tuple) else cells, name)
            played[name].hits_first = hits(folder) - before
        kernel.kill()
        between(folder)
        kernel.restart()
        ready(kernel)
        for name, cells in scenes.items():
            before = hits(folder)
            played[name].again = run(kernel, cells[1] if isinstance(cells, tuple) else cells, name)
            played[name].hits_again = hits(folder) - before
    return played


def was_replayed(scene, *names):
    """Assert that steps ran in the first play only, and that lines say that they were replayed."""
    for name in names:
        assert (scene.hits_first[name], scene.hits_again[name]) == (1, 0), scene.lines
        assert any(replayed(result, name) for result in scene.again), scene.lines


def ran_again(scene, name, why):
    """Assert that a step ran in both plays, and that a line says why."""
    assert (scene.hits_first[name], scene.hits_again[name]) == (1, 1), scene.lines
    assert f"↻ running {name} again: {why}" in scene.lines, scene.lines


def was_not_recorded(scene, name, why):
    """Assert that a step ran in both plays, and that a line told at once why it has no checkpoint."""
    assert (scene.hits_first[name], scene.hits_again[name]) == (1, 1), scene.lines
    said = "".join(line for result in scene.first for line in result.own_lines)
    assert f"↻ {name} was not checkpointed and will run again: {why}" in said, said


def replayed(result, name):
    """Tell whether a cell's only line of the extension says that it replayed ``name``."""
    lines = result.own_lines
    return len(lines) == 1 and lines[0].startswith(f"↻ replayed {name} · ran 20")
