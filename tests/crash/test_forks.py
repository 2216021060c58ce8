"""Scripts that fork while a store is open, and are killed afterwards (DESIGN §5 row 24)."""

from __future__ import annotations

import multiprocessing

import pytest

if "fork" not in multiprocessing.get_all_start_methods():
    pytest.skip("no fork on this system", allow_module_level=True)

FORK = """
import atexit, gc, signal


@step
def work(i):
    runs(i)
    return i


def in_child():
    signal.alarm(60)
    atexit.register(runs, "exit")
    work(5)
    gc.collect()


store = open_store("s.duckdb")
found = [work(i) for i in range(3)]
if mode != "again":
"""
SYS_EXIT = """
    child = os.fork()
    if child == 0:
        in_child()
        sys.exit(7)  # a full exit: finalizers run
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
PROCESS = """
    import multiprocessing
    process = multiprocessing.get_context("fork").Process(target=lambda: (in_child(), sys.exit(7)))
    process.start()
    process.join()
    code = process.exitcode
"""
END = """
    assert code == 7, code
found += [work(i) for i in range(3, 6)]
die("die")
print(found, active_session().heads[-1].id, len(active_session().heads))
"""


@pytest.mark.parametrize(("child", "exits"), [(SYS_EXIT, ["exit"]), (PROCESS, [])], ids=["sys.exit", "multiprocessing"])
def test_what_a_forked_child_leaves_of_the_store(script, child, exits):
    """A child calls a step, collects garbage and exits; its parent is killed later: the parent's rows are all there."""
    here = script(FORK + child + END)
    assert here.run("die") == (-9, [])
    assert here.ran() == ["0", "1", "2", "5", *exits, "3", "4", "5"]
    code, lines = here.run("again")
    assert (code, here.ran()) == (0, [])
    assert lines[0].startswith("[0, 1, 2, 3, 4, 5] ")
    assert lines[0].endswith(" 6")
