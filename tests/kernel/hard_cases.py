"""Compares a notebook that was killed and resumed with the same notebook run without interruption.

The shape of each test of a row of DESIGN §5: run, SIGKILL, fresh kernel, Run All; all outputs and a description of all
variables, with what is the same object as what, must equal those of the uninterrupted run. That each fails when what
it tests is switched off is seen by ``make breaks``. Where the rows are:

=====================  ================================================================================
1 3 4 5 17 18          test_hard_cases_values
2 3 6 11 12            test_hard_cases_mutation, also test_partial, tests/values/test_states
7 8 9 10 16 23         test_hard_cases_changes, also test_files_and_state, test_calls
13 14 20 21            test_hard_cases_life, also test_calls, test_outputs, test_still_running
15                     test_hard_cases_types
17 19                  test_hard_cases_deaths, also test_store, test_bad_input, test_kill, tests/crash/test_attempts
16 22 25, connections  test_hard_cases_notebooks, also test_opaque, test_process
20 in save, replay     test_interrupts
20 in body, backoff    test_kill.test_interrupts, test_body.test_interrupt_ends_a_body_at_once
24                     test_forks, also tests/crash/test_forks, tests/store/test_crash
what is no edit (§4)   test_hard_cases_edits
=====================  ================================================================================
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

from scenes import hits, kernel_in, ready, replayed, shown

_PROCESS = re.compile(r"ipykernel_\d+")
_STEP = re.compile(r"^%%step (?P<name>\w+).*\n")
_SETUP = (
    "import describe, os, pathlib, random, sys, warnings\nimport numpy as np\nimport pandas as pd\n"
    "sys.stdout.flush_interval = sys.stderr.flush_interval = 3600  # a busy machine does not split a stream"
)


@dataclass(frozen=True)
class Case:
    """A notebook, or a part of one.

    Notebooks are texts whose cells are parted by lines ``# %%``; a cell ``%%step NAME`` tallies that it runs,
    at its beginning where it does not do so itself.

    Attributes:
        notebook: what is run without interruption, and after the kill.
        value: what the last cell shows, in both; None for whatever the uninterrupted run shows.
        before: what was run before the kill, where an edit came between; by default ``notebook``.
        replays: steps that replay after the kill: they ran before it, and do not run again.
        runs: steps that run again after the kill, and what the line says of why; "" where nothing need be said.
    """

    notebook: str
    value: str | None
    before: str = ""
    replays: tuple[str, ...] = ()
    runs: dict[str, str] = field(default_factory=dict)


@dataclass
class Story:
    """What the cells of one case showed, what they left, and what they really ran: without interruption, and resumed.

    Attributes:
        whole: what each cell showed in the uninterrupted run.
        whole_left: the description of the variables then.
        again: what each cell showed after the kill.
        again_left: the description of the variables then.
        ran_before: how often each step ran before the kill.
        ran_again: how often after it.
    """

    whole: list = field(default_factory=list)
    whole_left: str = ""
    again: list = field(default_factory=list)
    again_left: str = ""
    ran_before: Counter = field(default_factory=Counter)
    ran_again: Counter = field(default_factory=Counter)

    @property
    def lines(self):
        """The extension's own lines after the kill."""
        return [line for result in self.again for line in result.own_lines]


def asked(request, cases):
    """Return the cases that the selected tests of a module name; all where one of the tests names none."""
    tests = [each for each in request.session.items if each.module is request.module]
    names = [each.callspec.params.get("name") if hasattr(each, "callspec") else None for each in tests]
    return cases if None in names else {name: case for name, case in cases.items() if name in names}


def play(folder, cases):
    """Run cases without interruption in one kernel; in others up to a SIGKILL, and again; return name -> Story."""
    stories = {name: Story() for name in cases}
    with notebook_in(folder / "whole") as kernel:
        for name, case in cases.items():
            stories[name].whole, stories[name].whole_left, _ = _run(kernel, name, case.notebook)
    with notebook_in(folder / "killed") as kernel:
        for name, case in cases.items():
            _, _, stories[name].ran_before = _run(kernel, name, case.before or case.notebook)
        kernel.kill()
        start_anew(kernel)
        for name, case in cases.items():
            story = stories[name]
            story.again, story.again_left, story.ran_again = _run(kernel, name, case.notebook)
    return stories


@contextmanager
def notebook_in(folder, env=None):
    """Start a kernel in a new folder, with all that the cases import."""
    folder.mkdir()
    with kernel_in(folder, env) as kernel:
        assert kernel.run(_SETUP, "more setup").status == "ok"
        yield kernel


def start_anew(kernel):
    """Start a fresh kernel, with the extension loaded and all that the cases import."""
    kernel.restart()
    ready(kernel)
    assert kernel.run(_SETUP, "more setup").status == "ok"


def uninterrupted(folder, notebook, first="pass"):
    """Run a notebook without interruption; what comes of it after a death is for the test to add.

    Args:
        folder: of the notebook, made here.
        notebook: its cells.
        first: a cell that is run before them, and that is not compared.
    """
    story = Story()
    with notebook_in(folder) as kernel:
        kernel.run(first, "first")
        story.whole, story.whole_left, _ = _run(kernel, "cell", notebook)
    return story


def resume(kernel, story, notebook, first="pass"):
    """Run All in a fresh kernel, and assert that the notebook is as without interruption; arguments as above."""
    start_anew(kernel)
    kernel.run(first, "first")
    story.again, story.again_left, story.ran_again = _run(kernel, "cell", notebook)
    alike(story)
    return story


def cells(notebook):
    """Return the cells of a notebook's text."""
    found = [each.strip("\n") for each in re.split(r"^# %%\n", textwrap.dedent(notebook), flags=re.MULTILINE)]
    return [_STEP.sub(_tallied, each) for each in found]


def _tallied(step):
    tally = f"tally.hit('{step['name']}')\n"
    return step[0] if tally.strip() in step.string else step[0] + tally


def _run(kernel, name, notebook):
    before = hits(kernel.folder)
    kernel.run("describe.begin()", "begin")
    results = [kernel.run(code, f"{name}-{number}") for number, code in enumerate(cells(notebook))]
    left = kernel.run("print(describe.end())", "end")
    assert left.status == "ok", (name, left.error[-2000:])
    return results, shown(left), hits(kernel.folder) - before


def holds(case, story):
    """Assert that a resumed case is like the uninterrupted one, that it ran what it should, and that it said so."""
    alike(story)
    last = story.whole[-1]
    _same((last.status, shown(last)), ("ok", case.value if case.value is not None else shown(last)), story)
    for name in case.replays:
        _same((name, story.ran_before[name] > 0, story.ran_again[name]), (name, True, 0), story)
        _same(any(replayed(each, name) for each in story.again), True, story)
    for name, why in case.runs.items():
        _same((name, story.ran_before[name] > 0, story.ran_again[name] > 0), (name, True, True), story)
        said = [line for line in story.lines if line.startswith((f"↻ running {name} again: ", f"↻ {name} was not"))]
        _same(not why or any(why in line for line in said), True, story)


def alike(story):
    """Assert that each cell showed, and all of them left, what they did without interruption."""
    for whole, again in zip(story.whole, story.again, strict=True):
        _same(_outputs(again), _outputs(whole), story)
    _same(story.again_left.splitlines(), story.whole_left.splitlines(), story)


def _same(found, expected, story):
    said = "\n".join(story.lines)
    assert found == expected, f"after the kill:\n{found}\nwithout interruption:\n{expected}\nlines:\n{said}"


def _outputs(result):
    """Return what a cell showed, in full; of an error type and message; without the number of the kernel's process."""
    errors = [(each["ename"], each["evalue"]) for each in result.foreign if each["output_type"] == "error"]
    others = [each for each in result.foreign if each["output_type"] != "error"]
    return [each | {"text": _PROCESS.sub("", each["text"])} if "text" in each else each for each in others] + errors
