"""``%durable``: the table, ``why``, ``show``, ``rerun``, ``forget``; and the help."""

from __future__ import annotations

import pytest
from driver import PATIENCE_SECONDS
from scenes import hits, kernel_in, ready, replayed, run, shown

CELLS = [
    "scale = 2",
    "%%step load\nload_hit = tally.hit('l')\nrows = [1, 2, 3]\nprint('read')\nlen(rows)",
    "%%step fit\nfit_hit = tally.hit('f')\nmodel = sum(rows) * scale",
    "%%step plot\nplot_hit = tally.hit('p')\nshape = model + 1",
    "%%step aside\naside_hit = tally.hit('a')\nother = 1",
    "%%step\nunnamed_hit = tally.hit('u')\nunnamed = 1",
    "%%step broken\n1 / 0",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A kernel in which all steps ran, and its folder."""
    folder = tmp_path_factory.mktemp("commands")
    with kernel_in(folder) as kernel:
        run(kernel, CELLS)
        yield kernel, folder


def table(kernel):
    """Return the table as lists of words, by step."""
    lines = shown(kernel.run("%durable", "table")).splitlines()
    assert lines[0].split() == ["step", "state", "when", "took", "size", "attempts", "why"]
    return {line.split()[0]: line for line in lines[1:]}


def test_the_table(lab):
    """``%durable`` has a line per step in the order of their first run: state, when, took, size, attempts."""
    kernel, _ = lab
    rows = table(kernel)
    names = list(rows)
    assert names[:4] == ["load", "fit", "plot", "aside"]
    assert names[5] == "broken"
    assert len(names[4]) == 8
    assert rows["load"].split()[1] == "ran"
    assert rows["broken"].split()[1] == "failed"
    assert shown(kernel.run("%durable status", "table")) == shown(kernel.run("%durable", "table"))


def test_the_table_has_a_rich_form(lab):
    """Front ends get a table in HTML."""
    kernel, _ = lab
    data = kernel.run("%durable", "table").foreign[0]["data"]
    assert "<table" in data["text/html"]
    assert "load" in data["text/html"]
    assert "load" in data["text/plain"]


def test_show(lab):
    """``%durable show`` tells code, inputs and outputs with their types and sizes."""
    kernel, _ = lab
    page = shown(kernel.run("%durable show fit", "show"))
    assert page.splitlines()[0].startswith("fit · success · ended 20")
    assert "attempts 1" in page.splitlines()[0]
    for line in ("  model = sum(rows) * scale", "  rows: list 3 items", "  scale: int 2", "  model: int 12"):
        assert line in page.splitlines()
    failed = shown(kernel.run("%durable show broken", "show"))
    assert "  ZeroDivisionError: division by zero" in failed.splitlines()


def test_why(lab):
    """``%durable why`` tells why a step last ran, what it depends on, and what has changed since."""
    kernel, _ = lab
    page = shown(kernel.run("%durable why fit", "why"))
    assert page.splitlines()[0] == "fit ran in this kernel"
    assert "because it had no checkpoint" in page
    assert "What changed since" not in page
    kernel.run("scale = 7", "other")
    changed = shown(kernel.run("%durable why fit", "why"))
    assert "  scale changed (int 2 → int 7)" in changed.splitlines()
    kernel.run("scale = 2", "other")
    rich = kernel.run("%durable why fit", "why").foreign[0]["data"]["text/html"]
    assert rich.startswith("<strong>fit ran in this kernel</strong>")


def test_why_after_an_edit(lab):
    """The reason for the last run names exactly what was changed."""
    kernel, _ = lab
    edited = CELLS[4] + "\nmore = 2"
    result = kernel.run(edited, "cell-4")
    assert result.own_lines == ["↻ running aside again: its code changed (line 4)"]
    assert "because its code changed" in shown(kernel.run("%durable why aside", "why"))
    assert table(kernel)["aside"].endswith("its code changed (line 4)")
    assert replayed(kernel.run(CELLS[4], "cell-4"), "aside")
    assert table(kernel)["aside"].split()[1] == "replayed"


def test_rerun_and_from(lab):
    """``rerun`` runs one step again the next time; with ``--from`` also those that read what it binds, and no other."""
    kernel, folder = lab
    before = hits(folder)
    assert kernel.run("%durable rerun load", "rerun").own_lines == ["↻ load will run again when the cell runs"]
    results = run(kernel, CELLS[:5])
    assert hits(folder) - before == {"l": 1}
    assert "↻ running load again: " in results[1].own_lines[0]
    assert replayed(results[2], "fit")
    before = hits(folder)
    said = kernel.run("%durable rerun load --from", "rerun").own_lines
    assert said == ["↻ load, fit, plot will run again when the cell runs"]
    results = run(kernel, CELLS[:5])
    assert hits(folder) - before == {"l": 1, "f": 1, "p": 1}
    assert replayed(results[4], "aside")


def test_rerun_of_an_unnamed_step(lab):
    """A step without a name is found by the start of its code's digest, and runs again."""
    kernel, folder = lab
    name = list(table(kernel))[4]
    before = hits(folder)
    assert kernel.run(f"%durable rerun {name[:5]}", "rerun").own_lines == [
        f"↻ {name} will run again when the cell runs"
    ]
    kernel.run(CELLS[5], "cell-5")
    assert hits(folder) - before == {"u": 1}


def test_errors_are_one_line(lab):
    """Unknown commands, steps and flags, and missing names: one line that says what there is."""
    kernel, _ = lab
    for line, expected in {
        "%durable wat": "UsageError: %durable wat is unknown; there are status, why, show, diff, rerun, forget",
        "%durable show nope": "UsageError: nope is no step of this notebook; there are load, fit, plot, aside,",
        "%durable why": "UsageError: %durable why takes the name of one step, e.g. %durable why load",
        "%durable why load fit": "UsageError: %durable why takes the name of one step",
        "%durable show load --from": "UsageError: %durable show: --from is unknown",
        "%durable rerun load --form": "UsageError: %durable rerun: --form is unknown",
    }.items():
        result = kernel.run(line, "error")
        text = result.text.strip()
        assert text.startswith(expected), text
        assert "\n" not in text


def test_help(lab):
    """``%%step?`` and ``%durable?`` tell flags and commands, with examples."""
    kernel, _ = lab
    texts = []
    for line in ("%%step?", "%durable?"):
        content = {"code": line, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = kernel.client.session.msg("execute_request", content)
        kernel.client.shell_channel.send(message)
        reply = kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)
        while reply["parent_header"]["msg_id"] != message["header"]["msg_id"]:
            reply = kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)
        texts.append(reply["content"]["payload"][0]["data"]["text/plain"])
    for word in (
        "--max-attempts",
        "--interval-seconds",
        "--backoff-rate",
        "--rerun",
        "--expires",
        "--inputs",
        "--depends",
        "%%step load",
    ):
        assert word in texts[0]
    for word in ("why NAME", "show NAME", "rerun NAME", "--from", "forget NAME"):
        assert word in texts[1]


def test_forget(tmp_path):
    """A forgotten step has no checkpoint and no row, here and in the next kernel; its variables stay."""
    with kernel_in(tmp_path) as kernel:
        run(kernel, CELLS[:4])
        said = kernel.run("%durable forget load", "forget").own_lines
        assert said == ["↻ forgot 1 row of load; variables in memory stay as they are"]
        assert list(table(kernel)) == ["fit", "plot"]
        assert shown(kernel.run("rows", "rows")) == "[1, 2, 3]"
        kernel.kill()
        kernel.restart()
        loaded = kernel.run("%load_ext durable_nb", "ext")
        assert loaded.own_lines[0].startswith("↻ 2 steps checkpointed, the newest 20")
        ready(kernel)
        assert list(table(kernel)) == ["fit", "plot"]
        assert table(kernel)["fit"].split()[1] == "saved"
        run(kernel, CELLS[:4])
    assert hits(tmp_path) == {"l": 2, "f": 1, "p": 1}
