"""Row 24 of DESIGN §5: whatever a forked child does, and however it ends, the parent's store stays the parent's."""

from __future__ import annotations

import multiprocessing
import shutil

import duckdb
import pytest
from hard_cases import Case, holds, play

if "fork" not in multiprocessing.get_all_start_methods():
    pytest.skip("no fork on this system", allow_module_level=True)

# How a child of ``os.fork`` ends, after it has called a step. One that hangs dies by its alarm.
ENDS = {
    "at_once": "os._exit(7)",
    # what a script's ``sys.exit`` comes to: handlers of atexit, destructors
    "exits": "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n        ctypes.pythonapi.Py_Exit(7)",
    "unloads": "get_ipython().run_line_magic('unload_ext', 'durable_nb')\n        gc.collect()\n        os._exit(7)",
    # In CPython a frame of the writer's thread, which no child has, keeps the writer alive; nobody promises that.
    "lets_go": (
        "ledger = get_ipython()._durable_nb.notebook.session.ledger\n"
        "        get_ipython().run_line_magic('unload_ext', 'durable_nb')\n"
        "        for each in (ledger.writer, ledger):\n            vars(each).clear()\n"
        "        gc.collect()\n        os._exit(7)"
    ),
}
FORK = """
import ctypes, gc, signal
read, write = os.pipe()
child = os.fork()
if child == 0:
    try:
        signal.alarm(60)
        os.write(write, str(step_{0}(1)).encode())
        {1}
    finally:
        os._exit(1)
{0} = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.read(read, 10)]
os.close(read)
os.close(write)
del read, write, child
"""
PROCESS = """
import gc, multiprocessing
def work(write):
    write.send(str(step_{0}(1)).encode())
    gc.collect()
    sys.exit(7)
ours, theirs = multiprocessing.get_context('fork').Pipe()
process = multiprocessing.get_context('fork').Process(target=work, args=(theirs,))
process.start()
process.join(60)
{0} = [process.exitcode, ours.recv()]
process.close()
ours.close()
theirs.close()
del ours, theirs, process
"""
POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def called(i):
    return str(step_{0}(i)).encode()
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:
    {0} = [7, *pool.map(called, [1])]
del pool
"""
BODIES = {name: FORK.format(name, end) for name, end in ENDS.items()}
BODIES |= {"process": PROCESS.format("process_told"), "pool": POOL.format("pool_told")}


def case(name):
    told = {"process": "process_told", "pool": "pool_told"}.get(name, name)
    return Case(
        f"from durable_nb import step\n@step\ndef step_{told}(i):\n    tally.hit('step_{told}')\n    return i + 1\n"
        f"# %%\n%%step before_{name}\nbefore_{name} = [1]\n"
        f"# %%\n%%step fork_{name}\n{BODIES[name].strip()}\n"
        f"# %%\n%%step after_{name}\nafter_{name} = [*{told}, before_{name}]\n"
        f"# %%\nstep_{told}(1)\n"
        f"# %%\n{told}, after_{name}[2] is before_{name}",
        "([7, b'2'], True)",
        replays=(f"before_{name}", f"fork_{name}", f"after_{name}"),
    )


@pytest.fixture(scope="module", params=BODIES)
def story(request, tmp_path_factory):
    """The story of one way to fork, which may well ruin the store for the others; with its folder and its name."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    return name, folder / "killed", play(folder, {name: case(name)})[name]


def test_row_24_forks(story):
    """Row 24: the parent's checkpoints of before and after the fork replay after a SIGKILL, in a fresh kernel."""
    name, _, played = story
    holds(case(name), played)


def test_row_24_children_record_nothing(story, tmp_path):
    """Row 24: a step that a child calls is called plainly: no row, no line, no message of the child's."""
    _, folder, played = story
    assert sorted(played.ran_before.values()) == [1, 1, 1, 2]  # the call in the child, and that in the parent
    assert played.ran_again == {}
    shutil.copytree(folder / ".durable_nb", tmp_path / "copy")
    with duckdb.connect(str(tmp_path / "copy" / "notebook.duckdb")) as connection:
        rows = connection.execute("SELECT kind, count(*) FROM steps GROUP BY kind ORDER BY kind").fetchall()
    assert rows == [("call", 1), ("cell", 3)]
    log = (folder / "kernel.log").read_text()
    assert "from fork" not in log
    assert "durable_nb" not in log
