"""``durable-nb run`` as a process: real kernels, killed with it or alone, and run again."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import nbformat
import psutil
import pytest
from driver import Kernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PATIENCE_SECONDS = 180
CELLS = 8
KILLS = 10
TALLY = """\
import os, time

def tally(what):
    with open("tally.log", "a") as log:
        log.write(what + "\\n")"""


def cell(number):
    """A cell that tells when it begins and ends, takes a while, and goes on from the one before."""
    before = f"v{number - 1}" if number else "start"
    return (
        f"tally('begin {number}')\ntime.sleep(0.15)\nv{number} = {before} + [{number}]\ntally('end {number}')\n"
        f"print(v{number})\nlen(v{number})"
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a notebook of several slow cells."""
    write_report(tmp_path, CELLS)
    return tmp_path


def write_report(folder, count):
    """Write ``report.ipynb`` with so many slow cells."""
    cells = [
        new_markdown_cell("# A report", id="title"),
        new_code_cell(TALLY, id="tally"),
        new_code_cell("start = []", id="defaults", metadata={"tags": ["parameters"]}),
        *(new_code_cell(cell(number), id=f"cell-{number}") for number in range(count)),
    ]
    write(folder / "report.ipynb", cells)


def write(path, cells):
    made = [each if isinstance(each, dict) else new_code_cell(each) for each in cells]
    nbformat.write(new_notebook(cells=made), path)


def environment(folder):
    own = {"DURABLE_NB_KEY_FILE": folder / "key", "IPYTHONDIR": folder / ".ipython", "JUPYTER_PLATFORM_DIRS": "1"}
    return os.environ | {name: str(value) for name, value in own.items()}


def start(folder, *words, **options):
    command = [sys.executable, "-m", "durable_nb.cli", "run", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), **pipes | options)


def run(folder, *words):
    """Run it to its end; return (exit status, stdout, stderr)."""
    with start(folder, *words) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out, err


def told(folder):
    log = folder / "tally.log"
    return log.read_text().splitlines() if log.exists() else []


def outputs(path):
    """Return the outputs of a notebook as a person sees them, by cell."""
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return {
        each.id: [out.get("text") or out.get("data", {}).get("text/plain") or out.get("ename") for out in each.outputs]
        for each in notebook.cells
        if each.cell_type == "code"
    }


def wait_until(true, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"waited {PATIENCE_SECONDS} s for {what}"
        time.sleep(0.01)


def gone(pids):
    """Wait until orphaned kernels have noticed that their parent is gone."""
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "orphaned kernels to end")


def assert_each_completed_cell_ran_once(lines):
    """A cell that begins proves that those before it are recorded: none of them begins again."""
    reached = -1
    for line in lines:
        word, number = line.split()
        if word == "begin":
            assert int(number) >= reached, lines
            reached = max(reached, int(number))
    assert all(count == 1 for count in Counter(line for line in lines if line.startswith("end")).values()), lines


def test_killed_at_random_instants_it_ends_as_an_uninterrupted_run(tmp_path_factory):
    """SIGKILLed ten times, kernel and all, and run again each time: the same notebook, each completed cell once."""
    folder, whole = (tmp_path_factory.mktemp(name) for name in ("killed", "whole"))
    cells = 2 * KILLS + 4  # more than ten processes finish before their kills: one that completed would begin anew
    for each in (folder, whole):
        write_report(each, cells)
    assert run(whole, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet") == (0, "", "")
    seed = random.randrange(10**6)
    instants = random.Random(seed)
    kills = 0
    while kills < KILLS:
        process = start(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet", start_new_session=True)
        before = len(told(folder))
        wanted = before + instants.choice((0, 1, 1, 2))
        wait_until(
            lambda wanted=wanted, process=process: len(told(folder)) >= wanted or process.poll() is not None, seed
        )
        time.sleep(instants.random() * 0.2)
        children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, seed
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        gone(children)
        kills += 1
        if (folder / "out.ipynb").exists():
            outputs(folder / "out.ipynb")  # valid at each moment
    status, _, err = run(folder, "report.ipynb", "-o", "out.ipynb", "--auto")
    assert status == 0, err
    assert outputs(folder / "out.ipynb") == outputs(whole / "out.ipynb"), seed
    killed_inside = [line for line in told(folder) if line.startswith("end")]
    assert sorted(set(killed_inside)) == sorted(f"end {number}" for number in range(cells))
    for first, second in pairwise(int(line.split()[1]) for line in told(folder) if line.startswith("begin")):
        assert second >= first, (seed, told(folder))


def test_a_completed_run_is_not_replayed_by_the_next_one(folder):
    """Tonight's run runs everything; the id of one that completed returns at once."""
    for night in ("monday", "tuesday"):
        before = len(told(folder))
        assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--execution-id", night, "--quiet")[0] == 0
        assert len(told(folder)) - before == 2 * CELLS
    before = told(folder)
    status, _, err = run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--execution-id", "monday")
    assert (status, told(folder)) == (0, before)
    assert "execution monday of report.ipynb had completed" in err
    assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet")[0] == 0
    assert len(told(folder)) - len(before) == 2 * CELLS
    before = told(folder)
    assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--reuse", "--quiet")[0] == 0
    assert told(folder) == before


def test_a_kernel_that_dies_is_replaced(folder):
    """What was complete replays in the next kernel; a kernel that dies each time is given up."""
    dies_once = "if not os.path.exists('died'):\n    open('died', 'w').close()\n    os.kill(os.getpid(), 9)\nlast = v0"
    write(folder / "dies.ipynb", [TALLY, "start = []", cell(0), dies_once, "last"])
    status, _, err = run(folder, "dies.ipynb", "--auto")
    assert status == 0, err
    assert told(folder) == ["begin 0", "end 0"]
    assert "the kernel died: starting another" in err
    assert "↻ replayed" in err
    write(folder / "always.ipynb", [TALLY, "os.write(2, b'no more memory') and os.kill(os.getpid(), 9)"])
    status, _, err = run(folder, "always.ipynb", "--max-kernel-restarts", "1")
    assert status == 3
    assert err.count("the kernel died") == 2
    assert "no more memory" in err  # what its process said last


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_the_next_run_goes_on(folder, number):
    """The cell that runs is interrupted, the output is written, and nothing complete runs again."""
    process = start(folder, "report.ipynb", "-o", "out.ipynb", "--auto")
    wait_until(lambda: "begin 2" in told(folder), "the third cell")
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number, err
    assert outputs(folder / "out.ipynb")["cell-1"] == ["[0, 1]\n", "2"]
    assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet")[0] == 0
    counts = Counter(told(folder))
    assert counts["begin 0"] == counts["begin 1"] == 1
    assert counts["end 7"] == 1


def test_a_failed_cell_ends_it_and_is_tried_again(folder):
    """The output has the error; once it is mended the next run goes on there."""
    write(folder / "fails.ipynb", [TALLY, "start = []", cell(0), "open('missing').read()"])
    status, _, err = run(folder, "fails.ipynb", "-o", "out.ipynb", "--auto")
    assert status == 1
    assert "failed after" in err
    assert "FileNotFoundError" in err
    assert list(outputs(folder / "out.ipynb").values())[-1] == ["FileNotFoundError"]
    (folder / "missing").write_text("here")
    assert run(folder, "fails.ipynb", "-o", "out.ipynb", "--auto", "--quiet")[0] == 0
    assert told(folder) == ["begin 0", "end 0"]


def test_a_cell_that_takes_too_long_is_told(folder):
    """The interrupted cell's line names the bound."""
    write(folder / "slow.ipynb", ["import time\ntime.sleep(600)"])
    status, _, err = run(folder, "slow.ipynb", "--timeout-seconds", "1")
    assert status == 1
    assert err.endswith(": KeyboardInterrupt: it took longer than --timeout-seconds 1\n")


def test_parameters(folder):
    """As papermill has them: after the defaults, by type, and another set is another execution."""
    show = "day, count, rate, on, text"
    defaults = new_code_cell("day = 'none'\ncount = 0", metadata={"tags": ["parameters"]})
    write(folder / "p.ipynb", [defaults, "rate, on, text = 0, True, ''", "import json", show])
    write(folder / "p.ipynb", ["rate, on, text = 0, True, ''", defaults, show])
    (folder / "more.json").write_text(json.dumps({"rate": 0.5, "count": 1}))
    words = ["-p", "day", "2026-11-22", "-p", "count", "3", "-p", "on", "false", "-r", "text", "3", "-f", "more.json"]
    assert run(folder, "p.ipynb", "-o", "out.ipynb", "--quiet", *words)[0] == 0
    made = nbformat.read(folder / "out.ipynb", 4).cells
    assert made[2].metadata.tags == ["injected-parameters"]
    assert made[-1].outputs[-1].data["text/plain"] == "('2026-11-22', 3, 0.5, False, '3')"
    assert run(folder, "out.ipynb", "--quiet", "-p", "day", "x")[0] == 0
    again = nbformat.read(folder / "out.ipynb", 4).cells
    assert len(again) == len(made)
    assert again[-1].outputs[-1].data["text/plain"] == "('x', 0, 0, True, '')"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.ipynb"], "missing.ipynb does not exist"),
        (["report.ipynb", "-p", "not a name", "1"], "parameter 'not a name' is no name of a variable"),
        (["report.ipynb", "-y", "3"], "-y has to hold names and values"),
        (["report.ipynb", "-f", "none.yaml"], "-f none.yaml: No such file or directory"),
        (["report.ipynb", "-f", "latin.yaml"], "-f latin.yaml is no text in UTF-8"),
        (["report.ipynb", "-f", "open.yaml"], "-f open.yaml is no YAML (expected ',' or ']'"),
        (["report.ipynb", "-y", "rate: [1"], "-y is no YAML (expected ',' or ']'"),
        (["report.ipynb", "-y", "- 1"], "-y has to hold names and values"),
        (["report.ipynb", "--execution-id", ""], "--execution-id is empty: name the execution"),
        (["report.ipynb", "-p", "class", "2"], "parameter 'class' is no name of a variable"),
        (["report.ipynb", "--kernel", "cobol"], "there is no kernel cobol: choose another with --kernel"),
        (["report.ipynb", "-o", "broken.ipynb/out.ipynb"], "broken.ipynb/out.ipynb cannot be written"),
        (["report.ipynb", "-o", "nothing"], "nothing is a folder: name another notebook to write with -o"),
        (["nothing"], "nothing holds no notebook: name one"),
        (["nothing", "-o", "report.ipynb"], "report.ipynb is no folder, and nothing is one"),
        (["broken.ipynb"], "broken.ipynb is no valid notebook"),
        (["empty.ipynb"], "empty.ipynb is no valid notebook: it is empty"),
        (["list.ipynb"], "list.ipynb is no valid notebook: it holds no JSON object"),
        (["open.yaml"], "open.yaml is no valid notebook: it is no JSON"),
        (["latin.yaml"], "latin.yaml is no valid notebook: it is no text in UTF-8"),
        (["julia.ipynb"], "julia.ipynb is in julia, and steps are for Python: run it with jupyter execute"),
        (["twice.ipynb"], "load"),
    ],
)
def test_mistakes_are_told(folder, words, message):
    """One line that names what is wrong; nothing runs and nothing is written."""
    for name, text in (("broken.ipynb", '{"cells": 3}'), ("empty.ipynb", ""), ("list.ipynb", "[]")):
        (folder / name).write_text(text)
    (folder / "open.yaml").write_text("rate: [1")
    (folder / "latin.yaml").write_text("name: é", encoding="latin-1")
    (folder / "nothing").mkdir()
    write(folder / "twice.ipynb", ["%%step load\na = 1", "%%step load\nb = 1"])
    julia = new_notebook(metadata={"kernelspec": {"name": "julia-1.11", "display_name": "", "language": "julia"}})
    nbformat.write(julia, folder / "julia.ipynb")
    before = {path.name for path in folder.iterdir()}
    status, out, err = run(folder, *words)
    assert status == 1
    assert out == ""
    assert err.startswith("durable-nb run: ")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert {path.name for path in folder.iterdir()} - {".durable_nb", ".ipython", "key"} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-kernel-restarts", "-1"], "--max-kernel-restarts: has to be a whole number, 0 or more, not -1"),
        (["--timeout-seconds", "0"], "--timeout-seconds: has to be a whole number, 1 or more, not 0"),
        (["-p", "day"], "-p/--parameter: expected 2 arguments"),
    ],
)
def test_options_are_checked(folder, words, message):
    """One line that names the option, with the status of a command line that cannot be understood."""
    status, out, err = run(folder, "report.ipynb", *words)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"durable-nb run: .*{re.escape(message)} \(see durable-nb run --help\)\n", err), err


WITHOUT = """\
import sys

class Missing:
    def find_spec(self, name, *_):
        if name == "durable_nb":
            raise ModuleNotFoundError("No module named 'durable_nb'")

sys.meta_path.insert(0, Missing())
from ipykernel.kernelapp import launch_new_instance

launch_new_instance()
"""


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ({"argv": ["/no/such/python"]}, "does not start ([Errno 2] No such file or directory: '/no/such/python')"),
        ({"argv": [sys.executable, "-c", "raise SystemExit('out of luck')"]}, "does not start (out of luck)"),
        (
            {"argv": [sys.executable, "-c", WITHOUT, "-f", "{connection_file}"]},
            "cannot load durable_nb (ModuleNot",
        ),
        ({"argv": [sys.executable], "language": "R"}, "is for R, and steps are for Python: choose another"),
        ({"argv": 3}, "cannot be used (The 'argv' trait"),
    ],
    ids=["missing", "dies", "without durable_nb", "R", "malformed"],
)
def test_a_kernel_that_cannot_be_used_is_told(folder, monkeypatch, kernel, message):
    """One line that says why and what to do; the notebook, which would be written in place, stays as it is."""
    put_kernel(folder, monkeypatch, kernel)
    report = nbformat.read(folder / "report.ipynb", 4)
    report.cells[1].outputs = [new_output("stream", text="of an earlier run")]
    nbformat.write(report, folder / "report.ipynb")
    before = (folder / "report.ipynb").read_bytes()
    status, out, err = run(folder, "report.ipynb", "--kernel", "odd")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"durable-nb run: .*kernel odd .*choose another with --kernel( \(.*\))?\n", err), err
    assert message in err
    assert (folder / "report.ipynb").read_bytes() == before


def put_kernel(folder, monkeypatch, spec):
    """Install a kernel named ``odd``."""
    place = folder / ".jupyter" / "kernels" / "odd"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps({"display_name": "odd", "language": "python"} | spec))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / ".jupyter"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_kernel_starts(folder, monkeypatch, number):
    """It ends at once, with its kernel; nothing ran, so nothing is written, and nobody reads a traceback."""
    waits = "import os, time\nopen('draft', 'w').write(str(os.getpid()))\nos.rename('draft', 'pid')\ntime.sleep(600)"
    put_kernel(folder, monkeypatch, {"argv": [sys.executable, "-c", waits]})
    process = start(folder, "report.ipynb", "-o", "out.ipynb", "--kernel", "odd")
    wait_until((folder / "pid").exists, "the kernel's process")
    process.send_signal(number)
    assert process.communicate(timeout=PATIENCE_SECONDS) == ("", "")
    assert process.returncode == 128 + number
    assert not psutil.pid_exists(int((folder / "pid").read_text()))
    assert not (folder / "out.ipynb").exists()


def test_a_completed_execution_leaves_no_trace(folder):
    """Its id returns at once, before a folder is made for the output; quietly, or as a line of JSON."""
    write(folder / "short.ipynb", ["a = 1"])
    words = ["short.ipynb", "--execution-id", "odd '../\n☃ id", "-o", "made/out.ipynb"]
    assert run(folder, *words, "--quiet") == (0, "", "")
    shutil.rmtree(folder / "made")
    assert run(folder, *words, "--quiet") == (0, "", "")
    status, out, err = run(folder, *words, "--json")
    assert (status, json.loads(out), err) == (0, {"event": "had_completed", "execution": words[2]}, "")
    assert not (folder / "made").exists()


def test_a_completion_that_cannot_be_recorded_is_told(folder):
    """The next run would replay it, so that it is no success."""
    breaks = "from durable_nb.core.session import Session\nSession.complete_execution = None"
    write(folder / "breaks.ipynb", [breaks])
    status, _, err = run(folder, "breaks.ipynb", "-o", "out.ipynb")
    assert status == 1
    assert "durable-nb run: breaks.ipynb completed, which could not be recorded (TypeError: " in err
    assert outputs(folder / "out.ipynb")


def test_a_held_store_is_told_with_a_status_of_its_own(folder):
    """While another process holds the store a scheduler may try again later."""
    waits = "open('begun', 'w').close()\nwhile not os.path.exists('go on'): time.sleep(0.05)"
    write(folder / "held.ipynb", [TALLY, waits])
    first = start(folder, "held.ipynb", "-o", "out.ipynb", "--quiet")
    wait_until((folder / "begun").exists, "the cell")
    status, out, err = run(folder, "held.ipynb", "-o", "second.ipynb")
    assert (status, out) == (75, "")
    assert err.startswith("held.ipynb: ")
    assert re.search(r"process \d+|pid \d+", err), err
    assert not (folder / "second.ipynb").exists()
    (folder / "go on").touch()
    assert first.communicate(timeout=PATIENCE_SECONDS) == ("", "")
    assert first.returncode == 0


def test_a_folder_is_run_in_order(folder):
    """Each notebook by its name, hidden ones left out; the worst status is returned."""
    inside = folder / "all"
    (inside / ".hidden").mkdir(parents=True)
    for name in ("b", "a", ".hidden/c"):
        write(inside / f"{name}.ipynb", ["import os", f"open(os.path.join('..', 'order'), 'a').write('{name} ')"])
    assert run(folder, "all", "-o", "made", "--quiet")[0] == 0
    assert (folder / "order").read_text() == "a b "
    assert sorted(path.name for path in (folder / "made").iterdir()) == ["a.ipynb", "b.ipynb"]


def test_a_folder_goes_on_after_what_cannot_be_run(folder):
    """The others run, wherever the folder lies, and what an earlier run made in it is none of them."""
    inside = folder / ".hidden" / "all"
    inside.mkdir(parents=True)
    for name in "ac":
        write(inside / f"{name}.ipynb", [f"open({str(folder / 'order')!r}, 'a').write('{name} ')"])
    (inside / "b.ipynb").write_text("")
    for _ in range(2):
        status, _, err = run(folder, inside, "-o", inside / "made", "--quiet")
        assert status == 1
        assert err == f"durable-nb run: {inside / 'b.ipynb'} is no valid notebook: it is empty\n"
    assert (folder / "order").read_text() == "a c a c "
    assert sorted(path.name for path in (inside / "made").iterdir()) == ["a.ipynb", "c.ipynb"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to catch")
def test_a_signal_ends_a_folder(folder):
    """The notebooks that follow do not run."""
    (folder / "all").mkdir()
    write(folder / "all" / "a.ipynb", ["import time\nopen('begun', 'w').close()\ntime.sleep(600)"])
    write(folder / "all" / "b.ipynb", ["open('second', 'w').close()"])
    process = start(folder, "all", "--quiet")
    wait_until((folder / "all" / "begun").exists, "the first notebook")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert not (folder / "all" / "second").exists()


def test_people_are_told_of_attempts(folder):
    """A failed attempt is a line with its error and how long the next one waits."""
    flaky = "if not os.path.exists('once'):\n    open('once', 'w').close()\n    raise OSError('no')"
    write(folder / "flaky.ipynb", [TALLY, f"%%step flaky --max-attempts 3 --interval-seconds 1\n{flaky}"])
    status, _, err = run(folder, "flaky.ipynb")
    assert status == 0
    assert "↻ flaky: attempt 1 of 3 failed (OSError: no); next in 1.0 s" in err.splitlines()


def test_json_lines_tell_all(folder):
    """Each event is a line of JSON: cells with place and seconds, attempts, replays."""
    fails_once = "if not os.path.exists('once'):\n    open('once', 'w').close()\n    raise OSError('no')"
    flaky = f"%%step flaky --max-attempts 3 --interval-seconds 0\n{fails_once}"
    write(folder / "flaky.ipynb", [TALLY, flaky])
    status, out, err = run(folder, "flaky.ipynb", "--json")
    assert (status, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [each["event"] for each in events if each["event"].startswith("cell")] == ["cell_started", "cell_ended"] * 2
    failed = [each for each in events if each.get("kind") == "attempt_failed"]
    assert [(each["name"], each["attempt"], each["max_attempts"], each["error"]) for each in failed] == [
        ("flaky", 1, 3, "OSError: no")
    ]
    assert [(each["place"], each["of"]) for each in events if each["event"] == "cell_ended"] == [(1, 2), (2, 2)]


LOOP = [
    "import time\nfrom durable_nb import step\n@step\ndef call(n):\n    time.sleep(0.1)\n    return n",
    "numbers = range(45)",
    "rows = [call(n) for n in numbers]",
]


def test_how_far_a_long_loop_is(folder):
    """Each second a line of JSON has counts and the seconds that are left; no other line tells of it but the last."""
    write(folder / "loop.ipynb", LOOP)
    status, out, err = run(folder, "loop.ipynb", "--json")
    assert (status, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [each["event"] for each in events]
    assert [each["place"] for each in events[: kinds.index("calls")] if each["event"] == "cell_started"] == [1, 2, 3]
    first, *more = [each for each in events if each["event"] == "calls"]
    assert 1 <= len(more) <= 6
    assert [first["total"], first["replayed"], first["failed"]] == [45, 0, 0]
    assert 10 < first["done"] < more[-1]["done"] < 45
    assert 0 < more[-1]["seconds_left"] < first["seconds_left"] < 10
    rate = first["done"] / first["seconds"]
    assert first["seconds_left"] == pytest.approx((45 - first["done"]) / rate, rel=0.01)
    assert re.fullmatch(r"\d+ of 45 calls: \d+ done(, 1 running)? · [\d.]+ per second · [\d.]+ s left", first["text"])
    (line,) = [each["text"] for each in events if each["event"] == "line"]
    assert line.startswith("↻ 45 calls: 45 done · ")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no terminals of this kind")
def test_how_far_a_long_loop_is_in_a_terminal(folder, monkeypatch):
    """The row of the cell that runs tells it, and stays one row."""
    import pty

    write(folder / "loop.ipynb", LOOP)
    monkeypatch.setenv("COLUMNS", "80")
    ours, theirs = pty.openpty()
    process = start(folder, "loop.ipynb", stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 1 << 16):
            shown += part
    except OSError:
        pass  # a terminal ends so
    os.close(ours)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    rows = [row.rpartition("\x1b[K")[2] for row in shown.decode().replace("\r\n", "\n").split("\r")]
    counted = [row for row in rows if " of 45 calls: " in row]
    assert len(counted) >= 2
    assert all(re.match(r"\[3/3\] r.*… · \d+ of 45 calls: .* s left$", row) for row in counted), counted
    assert max(map(len, counted)) < 80
    assert "[3/3] rows = [call(n) for n in numbers] · " in rows[-1]  # how long it took, with the whole of its name


def test_it_shares_checkpoints_with_jupyterlab(folder):
    """With --reuse what a person ran in JupyterLab replays, and what it ran replays there; without, all runs."""
    name = str(folder / "report.ipynb")
    cells = [each for each in nbformat.read(name, 4).cells if each.cell_type == "code"]
    lab = {"JPY_SESSION_NAME": name, "DURABLE_NB_KEY_FILE": str(folder / "key"), "DURABLE_NB_AUTO": "1"}
    kernel = Kernel(folder, lab)
    try:
        kernel.run("%load_ext durable_nb", "load")
        first = [kernel.run(each.source, each.id) for each in cells]
        assert [each.status for each in first] == ["ok"] * len(cells)
        once = Counter(told(folder))
        assert set(once.values()) == {1}
        kernel.kill()
        assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet", "--reuse")[0] == 0
        assert Counter(told(folder)) == once
        shown = [[out.get("text") or out["data"]["text/plain"] for out in each.foreign] for each in first]
        assert list(outputs(folder / "out.ipynb").values()) == shown
        assert run(folder, "report.ipynb", "-o", "out.ipynb", "--auto", "--quiet")[0] == 0
        assert Counter(told(folder)) == once + once
        kernel.restart()
        kernel.run("%load_ext durable_nb", "load")
        again = [kernel.run(each.source, each.id) for each in cells]
        assert sum(line.startswith("↻ replayed") for each in again for line in each.own_lines) == CELLS
        assert Counter(told(folder)) == once + once
    finally:
        kernel.close()
