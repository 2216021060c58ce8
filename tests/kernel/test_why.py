"""``%durable why`` and ``diff``: what changed, through which path, and what will happen next; and the quiet line."""

from __future__ import annotations

import json
import os
import textwrap

import pytest
from scenes import kernel_in, ready, replayed, run, shown

PREPARE = textwrap.dedent("""\
    SCALE = 2
    def normalise(x):
        # scales
        y = x * SCALE
        return y
    class Model:
        bias = 1
        def fit(self, rows):
            return [normalise(row) + self.bias for row in rows]
    def prepare(rows):
        return Model().fit(rows)""")
LOAD = "%%step load\nn = 4\nrows = [{'x': i} for i in range(n)]"
CLEAN = "%%step clean\nclean = prepare([row['x'] for row in rows])\nprint('cleaned')"
NEXT = "The next time its cell runs, it:"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A kernel with three cells run, which each test leaves as it found them."""
    with kernel_in(tmp_path_factory.mktemp("why")) as kernel:
        setup(kernel)
        yield kernel


def setup(kernel):
    results = run(kernel, [PREPARE, LOAD, CLEAN])
    assert [each.status for each in results] == ["ok"] * 3, [each.text for each in results]


def page(kernel, line):
    """Return the lines of a page."""
    return shown(kernel.run(f"%durable {line}", "page")).splitlines()


def section(lines, heading):
    """Return the lines under a heading, without their indentation."""
    start = lines.index(heading) + 1
    rest = lines[start:]
    end = next((number for number, line in enumerate(rest) if not line.startswith("  ")), len(rest))
    return [line[2:] for line in rest[:end]]


def verdict(lines):
    return section(lines, NEXT)[0]


def said(kernel, code, cell):
    """Return the one line that the extension says when a cell runs."""
    (line,) = kernel.run(code, cell).own_lines
    return line


def test_nothing_changed(lab):
    """A step that holds says that it will replay, and on what it depends, with the function that reads each global."""
    lines = page(lab, "why clean")
    assert "What changed since:" not in lines
    assert verdict(lines).startswith("replays the checkpoint of 20")
    depends = section(lines, "Its checkpoint depends on its code and:")
    assert "SCALE: int 2 (read by normalise)" in depends
    assert "normalise: function (read by Model)" in depends
    assert "Model: class (read by prepare)" in depends
    assert "rows: list 4 items" in depends


def test_a_code_line(lab):
    """An edited line of the cell is shown with its neighbour, comments apart; its number is in the quiet line."""
    edited = CLEAN.replace("print('cleaned')", "# a comment\nprint('clean')")
    assert said(lab, edited, "cell-2") == "↻ running clean again: its code changed (line 4)"
    lines = page(lab, "why clean")
    assert lines[1].endswith("because its code changed (line 4)")
    assert section(lines, "What had changed then:") == [
        "its code changed (line 4)",
        "    @@ line 4 @@",
        "      clean = prepare([row['x'] for row in rows])",
        "    - print('cleaned')",
        "    + print('clean')",
    ]
    assert verdict(lines).startswith("replays the checkpoint of 20")
    assert replayed(lab.run(CLEAN, "cell-2"), "clean")


def test_an_input_edited_upstream(lab):
    """The first difference of an input that a step bound is told before the step runs, in the line its summary."""
    edited = LOAD + "\nrows[2]['x'] = 7"
    assert said(lab, edited, "cell-1") == "↻ running load again: its code changed (line 4)"
    lines = page(lab, "why clean")
    assert section(lines, "What changed since:") == ["rows changed", "    rows[2]['x']: 2 → 7"]
    assert verdict(lines) == "runs: rows changed"
    assert said(lab, edited.replace("n = 4", "n = 5"), "cell-1").endswith("its code changed (line 2)")
    lines = page(lab, "why clean")
    assert section(lines, "What changed since:") == [
        "rows changed (list 4 items → list 5 items)",
        "    len(rows): 4 → 5; rows[2]['x']: 2 → 7",
    ]
    assert said(lab, CLEAN, "cell-2") == "↻ running clean again: rows changed (list 4 items → list 5 items)"
    assert section(page(lab, "why clean"), "What had changed then:") == [
        "rows changed (list 4 items → list 5 items)",
        "    len(rows): 4 → 5; rows[2]['x']: 2 → 7",
    ]
    run(lab, [PREPARE, LOAD, CLEAN])
    assert verdict(page(lab, "why clean")).startswith("replays")


def test_a_helper_two_levels_down(lab):
    """The path from the cell to the changed function, and a diff of it; its comments do not count."""
    lab.run(PREPARE.replace("# scales", "# scales it"), "cell-0")
    assert verdict(page(lab, "why clean")).startswith("replays")
    lab.run(PREPARE.replace("# scales", "# more").replace("x * SCALE", "x * SCALE + 1"), "cell-0")
    lines = page(lab, "why clean")
    assert section(lines, "What changed since:") == [
        "normalise changed (called by Model)",
        "    prepare → Model → normalise",
        "    @@ line 3 @@",
        "      def normalise(x):",
        "    -     y = x * SCALE",
        "    +     y = x * SCALE + 1",
        "          return y",
    ]
    assert verdict(lines) == "runs: normalise changed (called by Model)"
    assert said(lab, CLEAN, "cell-2") == "↻ running clean again: normalise changed (called by Model)"
    run(lab, [PREPARE, CLEAN])


def test_a_class_attribute(lab):
    """A class is told by its source."""
    lab.run(PREPARE.replace("bias = 1", "bias = 3"), "cell-0")
    found = section(page(lab, "why clean"), "What changed since:")
    assert found[:2] == ["Model changed (called by prepare)", "    prepare → Model"]
    assert "    -     bias = 1" in found
    assert "    +     bias = 3" in found
    lab.run(PREPARE, "cell-0")


def test_a_global_of_a_helper(lab):
    """Old and new value, who reads it, and the path."""
    lab.run("SCALE = 3", "other")
    lines = page(lab, "why clean")
    assert section(lines, "What changed since:") == [
        "SCALE changed (int 2 → int 3, read by normalise)",
        "    prepare → Model → normalise → SCALE",
    ]
    assert said(lab, CLEAN, "cell-2") == "↻ running clean again: SCALE changed (int 2 → int 3, read by normalise)"
    lab.run("SCALE = 2", "other")
    assert replayed(lab.run(CLEAN, "cell-2"), "clean")


def test_a_name_that_is_gone(lab):
    """An input that was deleted is told as not bound, with the step that binds it."""
    lab.run("del rows", "other")
    lines = page(lab, "why clean")
    assert section(lines, "What changed since:") == ["rows is not bound (step load binds it)"]
    assert verdict(lines) == "replays if rows is bound again as before; nothing has bound it here yet"
    run(lab, [PREPARE, LOAD, CLEAN])


def test_names(lab):
    """A beginning is enough, a near miss is asked about, an unnamed step has the start of its digest."""
    assert page(lab, "why cl") == page(lab, "why clean")
    result = lab.run("%durable why laod", "page")
    assert result.text.strip() == "UsageError: laod is no step of this notebook; did you mean load?"
    lab.run("%%step\nunnamed = SCALE", "unnamed")
    label = shown(lab.run("%durable", "page")).splitlines()[-1].split()[0]
    assert page(lab, f"why {label[:6]}")[0] == f"{label} ran in this kernel"
    assert said(lab, "%%step\nunnamed = SCALE + 1", "unnamed").endswith("again: its code changed (line 2)")


def test_a_failed_run(lab):
    """A step whose last run failed tells the error; and that it runs."""
    lab.run("%%step broken --max-attempts 2 --interval-seconds 0.01\n1 / 0", "broken")
    lines = page(lab, "why broken")
    assert lines[1].startswith("  last run failed 20")
    assert lines[1].endswith(": step broken failed on all 2 attempts: ZeroDivisionError: division by zero")
    assert verdict(lines) == "runs: its last run failed"


def test_what_is_not_checkpointed(lab):
    """A step that was refused has no row, and why says so all the same."""
    lab.run("%%step dynamic\nfound = eval('1 + 1')", "dynamic")
    lines = page(lab, "why dynamic")
    assert lines[0] == "dynamic ran in this kernel, and was not checkpointed"
    assert lines[1] == "  it calls eval(), so what it reads cannot be known: name it with --inputs NAME"
    assert verdict(lines) == "runs"


def test_rerun_is_part_of_what_will_happen(lab):
    """What was asked for with rerun is told."""
    lab.run("%durable rerun load", "page")
    assert verdict(page(lab, "why load")) == "runs: %durable rerun asked for it"
    lab.run(LOAD, "cell-1")
    assert verdict(page(lab, "why load")).startswith("replays")


def test_the_rich_form(lab):
    """Front ends get the diff with the theme's colours, escaped."""
    lab.run(CLEAN.replace("'cleaned'", "'<b>'"), "cell-2")
    html = lab.run("%durable why clean", "page").foreign[0]["data"]["text/html"]
    assert html.startswith("<strong>clean ran in this kernel</strong>")
    assert "<span style='color:var(--jp-success-color1, inherit)'>    + print(&#x27;&lt;b&gt;&#x27;)</span>" in html
    assert "<span style='color:var(--jp-error-color1, inherit)'>    - print(&#x27;cleaned&#x27;)</span>" in html
    lab.run(CLEAN, "cell-2")


def test_diff(lab):
    """Two checkpoints name by name: equal, first difference, added, deleted; and size, time and what was shown."""
    first = "%%step pair\na, b, c = 1, [1, 2], 'x'\nprint(a)"
    lab.run(first, "pair")
    lab.run(first.replace("[1, 2]", "[1, 3]").replace(", c =", ", d =") + "\ngone = 1; del c", "pair")
    lines = page(lab, "diff pair")
    assert lines[0] == "pair: checkpoint 1 and checkpoint 2"
    assert lines[1].startswith("  1 · ran 20")
    assert lines[2].endswith(" · its code, c changed")
    assert section(lines, "Names:") == [
        "a: equal",
        "b[1]: 2 → 3",
        "c: deleted now",
        "d: added (str 'x')",
        "gone: added (int 1)",
    ]
    rest = section(lines, "And:")
    assert [line.split(":")[0] for line in rest] == ["bytes", "took", "shown"]
    assert rest[2] == "shown: equal"
    assert section(page(lab, "diff pair 2 1"), "Names:")[1] == "b[1]: 3 → 2"
    numbers = [line.split()[0] for line in section(page(lab, "show pair"), "Checkpoints:")]
    assert numbers == ["2", "1"]
    for line, expected in {
        "diff load 1 9": "no checkpoint 9 (see %durable show load)",
        "diff broken": "broken has 0 checkpoints, nothing to compare",
        "diff load 1": "%durable diff takes the name of one step",
    }.items():
        text = lab.run(f"%durable {line}", "page").text.strip()
        assert text.startswith("UsageError: ") and expected in text and "\n" not in text, text


def test_after_a_restart(tmp_path):
    """In a fresh kernel why answers before any cell ran; what is not bound yet is no reason to run."""
    with kernel_in(tmp_path) as kernel:
        setup(kernel)
        kernel.kill()
        kernel.restart()
        ready(kernel)
        lines = page(kernel, "why clean")
        assert lines[0] == "clean was not run in this kernel yet"
        assert section(lines, "What changed since:") == [
            "Model is not bound",
            "SCALE is not bound",
            "normalise is not bound",
            "prepare is not bound",
            "rows is not bound (step load binds it)",
        ]
        assert verdict(lines).startswith("replays if Model, SCALE, normalise, prepare, rows are bound again as before")
        run(kernel, [PREPARE.replace("x * SCALE", "SCALE * x"), LOAD])
        lines = page(kernel, "why clean")
        found = section(lines, "What changed since:")
        assert found[:2] == ["normalise changed (called by Model)", "    prepare → Model → normalise"]
        assert found[-3:] == ["    -     y = x * SCALE", "    +     y = SCALE * x", "          return y"]
        run(kernel, [LOAD + "\nrows[0]['x'] = 1", PREPARE])
        assert section(page(kernel, "why clean"), "What changed since:") == ["rows changed", "    rows[0]['x']: 0 → 1"]
        run(kernel, [LOAD])
        assert verdict(page(kernel, "why clean")).startswith("replays the checkpoint")
        assert replayed(kernel.run(CLEAN, "cell-2"), "clean")
        assert page(kernel, "why clean")[0] == "clean was replayed in this kernel"


def test_a_kernel_that_died_between_attempts(tmp_path):
    """A step without any row is known by its attempts: why says where it goes on."""
    with kernel_in(tmp_path) as kernel:
        cell = "%%step shaky --max-attempts 5 --interval-seconds 60\nraise OSError('no answer')"
        kernel.run_until(cell, "attempt 1 of 5 failed", "shaky")
        kernel.restart()
        ready(kernel)
        assert page(kernel, "why shaky") == [
            "shaky has not ended: its kernel died after attempt 1",
            "  attempt 1 failed: OSError: no answer",
            NEXT,
            "  goes on at attempt 2",
        ]


def test_what_lies_outside_of_the_notebook(tmp_path):
    """A module edited and reloaded, one only edited, a package's version, a file, a variable: each is named."""
    (tmp_path / "lib.py").write_text("LIMIT = 3\n\n\ndef f(x):\n    return x + LIMIT\n")
    os.utime(tmp_path / "lib.py", (1e9, 1e9))
    site = tmp_path / "env" / "site-packages"
    install(site, "1.0")
    (tmp_path / "in.txt").write_text("one")
    use = (
        "%%step use\nimport os\nuse = lib.f(1), tinypkg.one(), open('in.txt').read(), os.environ.get('WHY_REGION')\n"
        "tally.hit('u')"
    )
    with kernel_in(
        tmp_path, {"PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))}
    ) as kernel:
        imports = f"import sys; sys.path.insert(0, {str(site)!r})\nimport lib, tinypkg, importlib"
        run(kernel, [imports, use])
        assert verdict(page(kernel, "why use")).startswith("replays")

        (tmp_path / "lib.py").write_text("LIMIT = 3\n\n\ndef f(x):\n    return x + LIMIT + 10\n")
        edited = "lib was edited but not reloaded: this kernel still runs the old code"
        lines = page(kernel, "why use")
        assert section(lines, "What changed since:") == [edited]
        assert verdict(lines).startswith("replays")
        line = said(kernel, use, "cell-1")
        assert line.startswith("↻ replayed use · ran 20") and line.endswith(f" · {edited}")

        kernel.run("importlib.reload(lib);", "reload")
        lines = page(kernel, "why use")
        assert section(lines, "What changed since:") == [
            "lib changed",
            "    lib:",
            "    @@ line 5 @@",
            "      def f(x):",
            "    -     return x + LIMIT",
            "    +     return x + LIMIT + 10",
        ]
        assert said(kernel, use, "cell-1") == "↻ running use again: lib changed"

        (tmp_path / "in.txt").write_text("other")
        kernel.run("import os; os.environ['WHY_REGION'] = 'eu'", "other")
        lines = page(kernel, "why use")
        assert section(lines, "What changed since:") == [
            "in.txt changed (size 3 → 5 bytes)",
            "environment variable WHY_REGION has another value",
        ]
        assert verdict(lines) == "runs: in.txt changed (size 3 → 5 bytes)"
        assert said(kernel, use, "cell-1") == "↻ running use again: in.txt changed (size 3 → 5 bytes)"

        kernel.kill()
        install(site, "2.0")
        kernel.restart()
        ready(kernel)
        run(kernel, [imports + "\nimport os; os.environ['WHY_REGION'] = 'eu'"])
        lines = page(kernel, "why use")
        assert section(lines, "What changed since:") == ["tinypkg changed (tinypkg 1.0 → tinypkg 2.0)"]
        assert said(kernel, use, "cell-1") == "↻ running use again: tinypkg changed (tinypkg 1.0 → tinypkg 2.0)"


PACKAGE = """
LEVEL = {0}
def one(): return LEVEL
class One:
    def one(self): return LEVEL
def shift(f): return lambda x: f(x) + LEVEL
"""
BY_NAME = (
    "import sys; sys.path.insert(0, 'env/site-packages')\nfrom tinypkg import one, One, shift\nalias = [one]\n"
    "made = One()\nclass Two(One): pass\n@shift\ndef shifted(x): return x\ndef helper(): return one()\n"
    "def importing():\n    from tinypkg import one as again\n    return again()"
)


@pytest.mark.parametrize(
    ("called", "named"),
    [
        ("one()", "one"),
        ("One().one()", "One"),
        ("made.one()", "made"),
        ("helper()", "one"),
        ("importing()", "tinypkg"),
        ("alias[0]()", ""),
        ("Two().one()", ""),
        ("shifted(0)", ""),
    ],
)
def test_an_upgraded_package(upgraded, called, named):
    """What a package defines counts with its version, however a step came by it; and the version is named."""
    line, value = upgraded[called]
    assert value == "20"
    assert line.startswith("↻ running ")
    assert not named or line.endswith(f" again: {named} changed (tinypkg 1.0 → tinypkg 2.0)")


def test_data_do_not_change_with_a_version(upgraded):
    """A value that has nothing to do with the upgraded package is as it was."""
    line, _ = upgraded["data.sum()"]
    assert line.startswith("↻ replayed ")


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upgraded")
    calls = [
        "one()",
        "One().one()",
        "made.one()",
        "helper()",
        "importing()",
        "alias[0]()",
        "Two().one()",
        "shifted(0)",
        "data.sum()",
    ]
    steps = [f"%%step s{number}\nr{number} = {call}" for number, call in enumerate(calls)]
    found = {}
    install(folder / "env" / "site-packages", "1.0", PACKAGE.format(1))
    with kernel_in(folder) as kernel:
        setup = [BY_NAME, "import pandas as pd; data = pd.DataFrame({'x': [1]})"]
        run(kernel, [*setup, *steps])
        kernel.kill()
        install(
            folder / "env" / "site-packages", "2.0", PACKAGE.format(20)
        )  # of another size, as bytecode files look at it
        kernel.restart()
        run(ready(kernel), setup)
        for number, call in enumerate(calls):
            line = said(kernel, steps[number], f"cell-{number + 2}")
            found[call] = (line, kernel.run(f"print(r{number})", "value").text.strip())
    return found


def install(site, version, text="def one():\n    return 1\n"):
    """Install a tiny package of a version, as pip leaves it."""
    (site / "tinypkg").mkdir(parents=True, exist_ok=True)
    (site / "tinypkg" / "__init__.py").write_text(text)
    for old in site.glob("*.dist-info/METADATA"):
        old.unlink()
        old.parent.rmdir()
    folder = site / f"tinypkg-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tinypkg\nVersion: {version}\n")


def test_the_terminal(start_terminal, tmp_path):
    """In a terminal the quiet line and the page are the same, as text."""
    terminal = start_terminal()
    terminal.run("%load_ext durable_nb")
    for code in ("k = 2", "def f(x): return x * k", "%%step fit\nm = f(1)"):
        terminal.run(code)
    terminal.run("k = 3")
    assert "↻ running fit again: k changed (int 2 → int 3, read by f)" in terminal.run("%%step fit\nm = f(1)")
    assert "f → k" in terminal.run("%durable why fit")


FETCH = "LIMIT = 3\ndef clip(x):\n    return min(x, LIMIT)\n@step\ndef fetch(x):\n    return clip(x)"
LOOP = "[fetch(x) for x in range(3)]"
CALLED = "The next time it is called, it:"


def test_calls_of_a_step(tmp_path):
    """Why calls ran is told by the function and what it reaches, once in a cell, also after a restart."""
    with kernel_in(tmp_path) as kernel:
        assert [each.own_lines for each in run(kernel, [FETCH, LOOP])] == [[], []]
        lines = page(kernel, "why fetch")
        assert lines[0] == "fetch: 3 calls are recorded"
        assert lines[1].endswith("because no call with its arguments was recorded")
        assert section(lines, CALLED)[0].startswith("replays with arguments that are recorded")
        depends = section(lines, "Its calls depend on its code, their arguments and:")
        assert depends == ["LIMIT: int 3 (read by clip)", "clip: function"]
        assert kernel.run("fetch(7)", "more").own_lines == []
        kernel.run("LIMIT = 2", "other")
        lines = page(kernel, "why fetch")
        assert section(lines, "What changed since:") == [
            "LIMIT changed (int 3 → int 2, read by clip)",
            "    clip → LIMIT",
        ]
        assert section(lines, CALLED) == ["runs: LIMIT changed (int 3 → int 2, read by clip)"]
        assert said(kernel, LOOP, "cell-1") == "↻ running fetch again: LIMIT changed (int 3 → int 2, read by clip)"
        kernel.kill()
        kernel.restart()
        ready(kernel)
        assert section(page(kernel, "why fetch"), CALLED) == [
            "cannot be told: the function is not defined in this kernel yet"
        ]
        kernel.run(FETCH.replace("LIMIT = 3", "LIMIT = 2").replace("return clip(x)", "# twice\n    return clip(x) * 2"))
        lines = page(kernel, "why fetch")
        assert section(lines, "What had changed then:")[0] == "LIMIT changed (int 3 → int 2, read by clip)"
        assert section(lines, "What changed since:") == [
            "its code changed (line 4)",
            "    @@ line 4 @@",
            "      def fetch(x):",
            "    -     return clip(x)",
            "    +     return clip(x) * 2",
        ]
        assert said(kernel, LOOP, "cell-1") == "↻ running fetch again: its code changed (line 4)"
        assert kernel.run(LOOP, "cell-1").own_lines == ["↻ 3 calls replayed (fetch.fresh(…) or --rerun to call again)"]


def test_a_cell_that_was_edited_and_saved(tmp_path):
    """In a fresh kernel the cell counts as it was saved, until it runs."""
    with kernel_in(tmp_path, {"DURABLE_NB_NOTEBOOK": str(tmp_path / "notebook.ipynb")}) as kernel:
        cell = "%%step load\nn = 4\nrows = list(range(n))"
        kernel.run(cell, "a")
        kernel.kill()
        edited = cell.replace("n = 4", "n = 5  # five")
        saved = {"cells": [{"cell_type": "code", "id": "a", "source": edited}]}
        (tmp_path / "notebook.ipynb").write_text(json.dumps(saved))
        kernel.restart()
        ready(kernel)
        lines = page(kernel, "why load")
        assert section(lines, "What changed since:")[:4] == [
            "its code changed (line 2)",
            "    @@ line 2 @@",
            "    - n = 4",
            "    + n = 5  # five",
        ]
        assert verdict(lines) == "runs: its code changed (line 2)"
        assert replayed(kernel.run(cell, "a"), "load")
        assert verdict(page(kernel, "why load")).startswith("replays the checkpoint")


def test_a_partial_checkpoint(kernel):
    """What is missing is told, and that the step runs; with the flag that allows for it, that it replays."""
    kernel.run("%load_ext durable_nb")
    cell = "%%step part\nimport threading\nlock = threading.Lock()\nx = [1]"
    kernel.run(cell, "c")
    lines = page(kernel, "why part")
    missing = "partial: lock cannot be saved (lock: _thread.lock)"
    assert lines[1].startswith("  last ran 20") and lines[2] == f"  {missing}"
    assert verdict(lines) == f"runs: its checkpoint is {missing}"
    allowed = cell.replace("part\n", "part --ephemeral lock\n")
    assert "↻ replayed part · ran 20" in "".join(kernel.run(allowed, "c").own_lines)
    assert verdict(page(kernel, "why part")).startswith("replays the checkpoint")
    kernel.run(cell.replace("[1]", "[2]"), "c")
    assert section(page(kernel, "diff part"), "Names:") == [
        "lock: _thread.lock",
        "threading: equal",
        "x[0]: 1 → 2",
    ]
