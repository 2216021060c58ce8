"""Bad input: one clear line each, the user's code still runs, and nothing is lost."""

from __future__ import annotations

import shutil

import pytest
from driver import Kernel
from scenes import SETUP, hits, kernel_in, prepare, ready, replayed, run, shown

FLAGS = {
    "--bogus 1": "unrecognized arguments: --bogus 1",
    "--max-attempts 0": "--max-attempts: must be a whole number of at least 1, not 0",
    "--max-attempts two": "argument --max-attempts: invalid int value: 'two'",
    "--max-attempts 2 --interval-seconds -1": "--interval-seconds: must be at least 0, not -1.0",
    "--max-attempts 2 --interval-seconds nan": "--interval-seconds: must be a finite number, not nan",
    "--max-attempts 2 --backoff-rate 0.5": "--backoff-rate: must be at least 1, not 0.5",
    "--max-attempts 2 --jitter 7": "--jitter: must be",
    "--timeout-seconds 0": "--timeout-seconds: must be",
    "--expires soon": "--expires: must be a time such as 45s, 30m, 6h or 2d, not 'soon'",
    "--max-attempts 2 --should-retry nobody": (
        "--should-retry: must be the name of a function of the notebook, not 'nobody'"
    ),
    "two words": "unrecognized arguments: words",
    "--inputs": "argument --inputs: expected one argument",
}
OPTIONS = {
    "max_attempts=0": "max_attempts: must be a whole number of at least 1, not 0",
    "interval_seconds=-1": "interval_seconds: must be at least 0, not -1",
    "backoff_rate=0.9": "backoff_rate: must be at least 1, not 0.9",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with kernel_in(tmp_path_factory.mktemp("bad")) as started:
        yield started


@pytest.mark.parametrize("flags", FLAGS)
def test_a_bad_flag_is_one_line_and_the_cell_runs(kernel, flags):
    """The line names the flag and what it may be; the cell runs, without a checkpoint."""
    for _ in range(2):
        result = kernel.run(f"%%step {'q ' * (flags != 'two words')}{flags}\nprint('ran')\n6 * 7", "flags")
        assert (result.status, shown(result)) == ("ok", "ran\n42")
        assert len(result.own_lines) == 1
        line = result.own_lines[0]
        assert line.startswith("↻ %%step ")
        assert FLAGS[flags] in line
        assert line.endswith("the cell runs without a checkpoint (see %%step?)")
        assert "\n" not in line


@pytest.mark.parametrize("options", OPTIONS)
def test_a_bad_option_of_a_step_is_refused_at_its_definition(kernel, options):
    """``@step`` with an option without meaning raises at once, and names the option."""
    result = kernel.run(f"@step(retries_allowed=True, {options})\ndef f():\n    return 1", "options")
    assert result.error_name == "OptionError"
    assert OPTIONS[options] in result.error


def test_a_generator_function_is_refused(kernel):
    """A step that yields cannot be recorded, and the error says what to do."""
    result = kernel.run("@step\ndef numbers():\n    yield 1", "generator")
    assert result.error_name == "OptionError"
    assert "numbers is a generator function: return a list instead of yielding" in result.error


def test_a_cell_that_is_no_python(kernel):
    """A syntax error in a step's cell is that of a plain cell."""
    result = kernel.run("%%step syn\ndef f(:\n    pass", "syntax")
    assert result.error_name == "SyntaxError"
    assert result.own_lines == []


def test_an_empty_step(kernel):
    """A step of nothing but a comment completes."""
    assert kernel.run("%%step comment\n# only this", "empty").status == "ok"


# -- stores


def bad_stores(folder):
    """Make stores that cannot be used: path -> what the line must say."""
    (folder / "dir.duckdb").mkdir()
    (folder / "text.duckdb").write_text("my precious notes " * 100)
    (folder / "empty.duckdb").touch()
    import duckdb

    with duckdb.connect(str(folder / "other.duckdb")) as connection:
        connection.execute("CREATE TABLE sales (n INT)")
    good = bytearray((folder / "other.duckdb").read_bytes())
    good[20] ^= 0xFF
    (folder / "damaged.duckdb").write_bytes(good)
    return {
        "dir.duckdb": "is a folder, not a file: set DURABLE_NB_STORE to another path, or move it away",
        "text.duckdb": "is not a DuckDB file: set DURABLE_NB_STORE to another path, or move it away",
        "empty.duckdb": "is not a DuckDB file: set DURABLE_NB_STORE to another path, or move it away",
        "other.duckdb": "is a DuckDB file, but not a ledger of durable_nb",
        "damaged.duckdb": "cannot be opened (Corrupt database file",
        "/proc/durable/x.duckdb": "cannot be made (",
        "/sys/x.duckdb": "cannot be made (",
        "text.duckdb/x.duckdb": "cannot be made (",
    }


def test_a_store_that_cannot_be_used(tmp_path):
    """Each is one line that names the path and what to do; steps run each time, and the file keeps its bytes."""
    expected = bad_stores(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.duckdb") if path.is_file()}
    with kernel_in(tmp_path) as kernel:
        for number, (path, message) in enumerate(expected.items()):
            opened = kernel.run(f"%config DurableNB.store = {path!r}", "config")
            assert len(opened.own_lines) == 1, (path, opened.text)
            assert f"↻ the store {tmp_path / path}" in opened.own_lines[0]
            assert message in opened.own_lines[0]
            for _ in range(2):
                result = kernel.run(
                    f"%%step s{number} --max-attempts 2\ntally.hit('bad{number}')\nv{number} = 1\nprint('ran')", "s"
                )
                assert (shown(result), result.own_lines) == ("ran", [])
            assert shown(kernel.run(f"@step\ndef f():\n    return {number}\nf()", "c")) == str(number)
            asked = kernel.run("%durable", "durable")
            assert "no store is open" in asked.text
        back = kernel.run("%config DurableNB.store = ''", "config")
        assert back.own_lines == []
        assert shown(kernel.run("%%step good\ngood = 1\ngood", "good")) == "1"
        assert replayed(kernel.run("%%step good\ngood = 1\ngood", "good"), "good")
    assert hits(tmp_path) == {f"bad{number}": 2 for number in range(len(expected))}
    assert {path: path.read_bytes() for path in before} == before


def test_a_store_given_by_the_environment(tmp_path):
    """``DURABLE_NB_STORE`` that cannot be used: ``%load_ext`` says so in one line, and cells run."""
    kernel = Kernel(prepare(tmp_path), {"DURABLE_NB_STORE": "/proc/nowhere/x.duckdb"})
    try:
        loaded = kernel.run(SETUP[0], "load")
        assert loaded.status == "ok"
        assert len(loaded.own_lines) == 1
        assert "/proc/nowhere/x.duckdb cannot be made" in loaded.own_lines[0]
        assert shown(kernel.run("%%step a\n1 + 1", "a")) == "2"
    finally:
        kernel.close()


def test_disabled(tmp_path):
    """With ``DURABLE_NB_DISABLE=1`` nothing is recorded or said, no store is made, and steps run and retry."""
    kernel = Kernel(prepare(tmp_path), {"DURABLE_NB_DISABLE": "1"})
    try:
        for result in run(kernel, SETUP):
            assert (result.status, result.own_lines) == ("ok", [])
        for _ in range(2):
            result = kernel.run(
                (
                    "%%step a --max-attempts 3 --interval-seconds 0.01\ntally.hit('off')\n"
                    "if tally.nth('off') % 2:\n    raise ValueError\n'done'"
                ),
                "a",
            )
            assert shown(result) == "'done'"
        assert shown(kernel.run("@step\ndef f():\n    return 3\nf()", "f")) == "3"
        assert hits(tmp_path) == {"off": 4}
        assert not (tmp_path / ".durable_nb").exists()
    finally:
        kernel.close()


def test_a_store_that_another_kernel_holds(tmp_path):
    """A second kernel says in one line which process and notebook hold the store, and runs all cells."""
    with kernel_in(tmp_path) as owner:
        owner.run("%%step own\ntally.hit('mine')\nown = 1", "own")
        (tmp_path / "second").mkdir()
        env = {
            "DURABLE_NB_STORE": str(tmp_path / ".durable_nb" / "notebook.duckdb"),
            "DURABLE_NB_KEY_FILE": str(tmp_path / "key"),
        }
        second = Kernel(prepare(tmp_path / "second"), env)
        try:
            loaded = second.run(SETUP[0], "load")
            assert len(loaded.own_lines) == 1
            line = loaded.own_lines[0]
            assert f"is held by process {owner.pid} (notebook {tmp_path / 'notebook.ipynb'})" in line
            assert "this kernel runs without checkpoints" in line
            result = second.run("%%step own\nown = 2\nown", "own")
            assert (shown(result), result.own_lines) == ("2", [])
        finally:
            second.close()
        assert replayed(owner.run("%%step own\ntally.hit('mine')\nown = 1", "own"), "own")
    assert hits(tmp_path) == {"mine": 1}


STEP = "%%step s\ntally.hit('ran')\ns = [1, 2]\ns"


def test_rows_that_were_tampered_with(tmp_path):
    """A row that was changed outside is never loaded: the step runs again, says why, and then replays."""
    import duckdb

    with kernel_in(tmp_path) as kernel:
        kernel.run(STEP, "s")
        kernel.run("%unload_ext durable_nb", "unload")
        kernel.kill()
        with duckdb.connect(str(tmp_path / ".durable_nb" / "notebook.duckdb")) as connection:
            connection.execute("UPDATE log SET body = body || '\\x00'::BLOB WHERE kind = 'cell'")
            assert connection.execute("SELECT count(*) FROM log WHERE kind = 'cell'").fetchone() == (1,)
        kernel.restart()
        ready(kernel)
        again = kernel.run(STEP, "s")
        assert shown(again) == "[1, 2]"
        assert hits(tmp_path)["ran"] == 2
        assert len(again.own_lines) == 1
        assert again.own_lines[0].startswith("↻ running s again: ")
        assert replayed(kernel.run(STEP, "s"), "s")


def test_a_store_of_another_key(tmp_path):
    """With another key no checkpoint is unpickled; the steps run again and say why; the first key's rows remain."""
    with kernel_in(tmp_path) as kernel:
        kernel.run(STEP, "s")
        kernel.kill()
        shutil.move(tmp_path / "key", tmp_path / "kept")
        kernel.restart()
        ready(kernel)
        foreign = kernel.run(STEP, "s")
        assert hits(tmp_path)["ran"] == 2
        assert "↻ running s again: " in foreign.own_lines[0]
        assert "key" in foreign.own_lines[0]
        kernel.kill()
        shutil.move(tmp_path / "kept", tmp_path / "key")
        kernel.restart()
        ready(kernel)
        assert replayed(kernel.run(STEP, "s"), "s")
        assert hits(tmp_path)["ran"] == 2


def test_a_checkpoint_that_cannot_be_loaded(tmp_path):
    """A value that cannot come back makes the step run again, with a line; never an exception in the cell."""
    (tmp_path / "gone.py").write_text(
        "class Gone:\n    def __reduce__(self):\n        return (revive, ())\ndef revive():\n    import os\n"
        "    if os.path.exists(__file__ + '.off'):\n"
        "        raise ValueError('cannot come back')\n    return Gone()\n"
    )
    cell = "%%step made\ntally.hit('made')\nmade = gone.Gone()"
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["import gone", cell])
        kernel.kill()
        (tmp_path / "gone.py.off").touch()
        kernel.restart()
        ready(kernel)
        _, again = run(kernel, ["import gone", cell])
        assert again.status == "ok"
        assert hits(tmp_path)["made"] == 2
        assert "↻ running made again: its checkpoint cannot be loaded: " in again.own_lines[0]
        assert "cannot come back" in again.own_lines[0]
