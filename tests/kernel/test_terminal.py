"""Terminal IPython: no notebook, no cell ids, lines in the terminal."""

from __future__ import annotations

import pytest
from scenes import hits, prepare

CELLS = [
    "%load_ext durable_nb",
    "import tally; from durable_nb import step",
    "%%step load\ntally.hit('load')\nrows = [1, 2]\nsame = rows\nprint('loaded')\nrows",
    "same is rows, _",
    "%%step\nimport asyncio\nawait asyncio.sleep(0)\nlater = 5",
    "@step\ndef call(i):\n    tally.hit(f'call{i}')\n    return i\n",
    "[call(i) for i in range(3)]",
]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """What the cells showed in a first IPython, and in a second one after the first was killed."""
    from driver import Terminal

    folder = prepare(tmp_path_factory.mktemp("terminal"))
    shown = []
    for number in range(2):
        terminal = Terminal(folder)
        try:
            shown.append([terminal.run(cell) for cell in CELLS])
            if number:
                shown.append(
                    [
                        terminal.run("%%step load --max-attempts 0\nprint('still runs')"),
                        terminal.run("%durable"),
                        terminal.run("%durable why load"),
                        terminal.run("%%step fails\n1 / 0"),
                        terminal.run(
                            "%%step retried --max-attempts 2 --interval-seconds 0.01\n"
                            "if tally.nth('r') < 2:\n    raise OSError('busy')"
                        ),
                    ]
                )
        finally:
            terminal.kill()
    return folder, *shown


def test_a_first_session(sessions):
    """Cells show what they would show without the extension, and nothing else."""
    _, first, _, _ = sessions
    assert first[0] == ""
    assert first[2].splitlines()[0] == "loaded"
    assert first[2].endswith("[1, 2]")
    assert "↻" not in "".join(first)


def test_the_next_session_replays(sessions):
    """Equal cells replay though a terminal has no cell ids; each shows its line, outputs and value again."""
    folder, first, second, _ = sessions
    assert second[0].startswith("↻ 2 steps and 3 calls checkpointed, the newest 20")
    assert "loaded" in second[2]
    assert "[1, 2]" in second[2]
    assert "↻ replayed load · ran 20" in second[2]
    assert second[3].endswith("(True, [1, 2])")
    assert first[3].endswith("(True, [1, 2])")
    assert "↻ replayed " in second[4]
    assert "↻ 3 calls replayed" in second[6]
    assert hits(folder) == {"load": 1, "call0": 1, "call1": 1, "call2": 1}


def test_there_is_no_notebook(sessions):
    """A terminal's store is its own, and does not take that of a notebook that lies in the folder."""
    folder, *_ = sessions
    assert [path.name for path in (folder / ".durable_nb").glob("*.duckdb")] == ["session.duckdb"]


def test_commands_and_errors_are_text(sessions):
    """Bad flags, ``%durable`` and tracebacks are plain text."""
    _, _, _, (flag, table, why, fails, retried) = sessions
    assert "--max-attempts: must be a whole number of at least 1, not 0" in flag
    assert "still runs" in flag
    assert "load" in table
    assert "replayed" in table
    assert "load was replayed in this kernel" in why
    assert "ZeroDivisionError: division by zero" in fails
    assert "durable_nb" not in fails
    assert "↻ retried: attempt 1 of 2 failed (OSError: busy); next in 10 ms" in retried


_CLEAR = "\r\x1b[2K"


def left_on_screen(shown):
    """Return what a terminal shows in the end of lines that were drawn over."""
    return [line.rpartition(_CLEAR)[2] for line in shown.split("\n") if line.rpartition(_CLEAR)[2]]


def test_retries_change_in_place(start_terminal, tmp_path):
    """While it waits, one line counts down, about once a second; it makes way for what the step prints."""
    prepare(tmp_path)
    terminal = start_terminal()
    for cell in CELLS[:2]:
        terminal.run(cell)
    shown = terminal.run(
        "%%step slow --max-attempts 3 --interval-seconds 3 --backoff-rate 1\n"
        "print('no newline', end='')\nif tally.nth('slow') < 3:\n    raise OSError('busy')"
    )
    begin = "↻ slow: attempt 1 of 3 failed (OSError: busy); next in "
    waits = [
        float(each[len(begin) :].split()[0]) for each in shown.replace("\n", _CLEAR).split(_CLEAR) if begin in each
    ]
    assert 2.9 < waits[0] <= 3.0
    assert 3 <= len(waits) <= 5
    assert sorted(waits, reverse=True) == waits
    screen = left_on_screen(shown)
    assert screen[:3] == ["no newline", "no newline", "no newline"]
    assert len(screen) == 4
    assert screen[3].startswith("↻ slow: succeeded at attempt 3 of 3 after 2 failed (OSError ×2) · waited 6.")
    assert terminal.run("print('after')") == "after"


def test_progress_changes_in_place(start_terminal, tmp_path):
    """A long loop has a live line below what it prints."""
    prepare(tmp_path)
    terminal = start_terminal()
    for cell in CELLS[:2]:
        terminal.run(cell)
    terminal.run("import time")
    terminal.run("@step\ndef slow(n):\n    time.sleep(0.1)\n    return n\n")
    shown = terminal.run("for n in range(40):\n    print(slow(n))\n")
    assert "of 40 calls: " in shown
    screen = left_on_screen(shown)
    assert screen[:-1] == [str(n) for n in range(40)]
    assert screen[-1].startswith("↻ 40 calls: 40 done · ")
