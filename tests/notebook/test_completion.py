"""Completion of the extension's own lines, in a real shell."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter


@pytest.fixture
def recorded(shell):
    """A shell with the extension loaded and one recorded step, ``load``."""
    shell.run_cell("%%step load\nx = 1")
    return shell


def completions(shell, text, cursor=None):
    """Return what is offered at the cursor, by default the end of the text."""
    with provisionalcompleter():
        return {each.text for each in shell.Completer.completions(text, len(text) if cursor is None else cursor)}


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%%step --max", {"--max-attempts", "--max-interval-seconds"}),
        ("%%step lo", {"load"}),
        ("%%step load --ke", {"--keep"}),
        ("%%step load --ep", {"--ephemeral"}),
        ("%durable w", {"why"}),
        ("%durable why l", {"load"}),
        ("%durable tr", {"trust"}),
        ("%durable auto o", {"on", "off"}),
    ],
)
def test_own_lines_are_completed(recorded, text, offered):
    """Flags, commands and step names are offered where they can stand."""
    assert completions(recorded, text) == offered


def test_flags_complete_above_a_body(recorded):
    """The flags of a cell that has a body already are offered on its first line, and only there."""
    text = "%%step load --ex\nx = 1\n--ex"
    assert "--expires" in completions(recorded, text, len("%%step load --ex"))
    assert "--expires" not in completions(recorded, text)


def test_nothing_is_left_of_the_matcher(shell):
    """Unloading takes the matcher away."""
    before = len(shell.Completer.custom_matchers)
    shell.extension_manager.unload_extension("durable_nb")
    assert len(shell.Completer.custom_matchers) == before - 1
    assert "--max-attempts" not in completions(shell, "%%step --max")
