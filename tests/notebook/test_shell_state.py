"""What a cell sets up in the shell is found, and what IPython does for itself is not taken for it."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from durable_nb.notebook.shell_state import ShellState


@pytest.fixture
def fresh():
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("%precision 3", "sets %precision"),
        ("%alias greet echo hello", "defines %greet"),
        ("%load_ext autoreload", "loads the extension"),
        ("from IPython.core.magic import register_cell_magic as r\n@r\ndef own(line, cell): pass", "defines %%own"),
        ("%colors nocolor", None),
        ("%time 1", None),
        ("x = %pwd", None),
        ("1", None),
    ],
)
def test_what_a_cell_sets_up(fresh, cell, what):
    """Magics, aliases, extensions and the format of numbers are named; to use a magic sets up nothing."""
    before = ShellState.now(fresh)
    assert fresh.run_cell(cell).success
    found = before.what_changed(fresh)
    assert found is None if what is None else found.startswith(f"it {what}"), found


def test_a_magic_defined_anew(fresh):
    """Another function under the same name is another magic."""
    define = "from IPython.core.magic import register_line_magic as r\n@r\ndef own(line): return {0}"
    fresh.run_cell(define.format(1))
    before = ShellState.now(fresh)
    fresh.run_cell("%own")
    assert before.what_changed(fresh) is None
    fresh.run_cell(define.format(2))
    assert before.what_changed(fresh) == "it defines %own, which a replay would not: do that in a plain cell"
