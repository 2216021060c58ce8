"""A few quick notebooks of the corpus, killed and resumed; ``make test-corpus`` runs them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "kernel")]

from cells import cells_of, is_step  # noqa: E402 - found only now
from compare import Seen, first_difference  # noqa: E402
from run import corpus, play  # noqa: E402

SAMPLE = {  # notebook -> the least number of its steps that replay
    "networkx/plot_subgraphs.py": 7,
    "matplotlib/bar_label_demo.py": 5,
    "matplotlib/date_precision_and_epochs.py": 7,
}


@pytest.mark.parametrize("name", SAMPLE)
def test_a_public_notebook_that_is_killed_comes_to_the_same(name, tmp_path):
    """Outputs and names after kills are those of plain runs; where the source cannot be fetched, this fails."""
    (entry,) = (each for each in corpus() if each.name == name)
    report = play(entry, tmp_path)
    assert report.difference == ""
    assert report.kills
    assert report.replayed >= SAMPLE[name], report.why


def test_blocks_of_a_gallery_script_are_cells():
    """Comments and a script's prose are no cells; what only imports and defines is no step."""
    script = (
        '"""Prose."""\nimport os\n\n' + "#" * 79 + "\n# Text\n\nx = 1\n\n# %%\n# more text\n\n# %%\ndef f(): pass\n"
    )
    cells = cells_of("script.py", script)
    assert [is_step(each) for each in cells] == [False, False, False]
    assert [is_step(each) for each in ("%%time\nx = f()", "%matplotlib inline", "!ls", "x = f()")] == [
        True,
        False,
        True,
        True,
    ]


def _seen(*texts, **left):
    return Seen([[{"stdout": each}] for each in texts], left)


def test_what_plain_runs_differ_in_is_their_own():
    """A word in which plain runs differ may differ, every other word and name must agree."""
    plain = [_seen("at 0x1, took 3 s\nmean 4", x="1", t="5"), _seen("at 0x2, took 4 s\nmean 4", x="1", t="6")]
    assert first_difference(_seen("at 0x3, took 5 s\nmean 4", x="1", t="7"), plain) == ""
    assert "stdout" in first_difference(_seen("at 0x3, took 5 s\nmean 5", x="1", t="7"), plain)
    assert "stdout" in first_difference(_seen("at 0x3, took 5 s", x="1", t="7"), plain)
    assert first_difference(_seen("at 0x1, took 3 s\nmean 4", x="2", t="5"), plain) == "x is 2, not 1"
    assert first_difference(_seen("at 0x1, took 3 s\nmean 4", t="5"), plain) == "x is unbound, not 1"


def test_how_many_lines_random_numbers_take_is_the_notebooks_own():
    """Only where plain runs have no line in common, and there are no words: a word binds its whole text."""
    plain = [_seen("[1.5\n 2.5]"), _seen("[3.5\n 4.5]")]
    assert first_difference(_seen("[5.5\n 6.5\n 7.5]"), plain) == ""
    assert "stdout" in first_difference(_seen("[5.5\n error]\n"), plain)
    plain = [_seen("[1.5\n 2.5]"), _seen("[3.5\n 2.5]")]
    assert "stdout" in first_difference(_seen("[5.5\n 6.5\n 2.5]"), plain)
    plain = [_seen("1.5"), _seen("3.5")]
    assert "stdout" in first_difference(_seen("5.5\n6.5"), plain)
