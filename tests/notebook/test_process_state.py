"""What a cell leaves behind that a replay would not."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import threading

import pytest

from durable_nb.notebook.process_state import ProcessState


@pytest.fixture
def bare(make_shell):
    return make_shell(load=False)


def test_nothing_changed(bare):
    """A cell that left everything as it was is recordable."""
    assert ProcessState.now().what_changed(bare) is None


def test_a_thread_that_runs_notebook_code(bare):
    """A thread that the cell started and that is in the notebook's code is named; after its end it is not."""
    state = ProcessState.now()
    stop, running = threading.Event(), threading.Event()
    bare.user_ns.update(stop=stop, running=running)
    bare.run_cell("def wait_on():\n    running.set()\n    stop.wait()")
    thread = threading.Thread(target=bare.user_ns["wait_on"], name="waits", daemon=True)
    thread.start()
    running.wait()
    assert state.what_changed(bare) == "thread waits still runs code of the notebook"
    assert ProcessState.now().what_changed(bare) is None
    stop.set()
    thread.join()
    assert state.what_changed(bare) is None


def test_a_library_thread_does_not_count(bare):
    """A thread that runs no code of the notebook is nobody's."""
    state = ProcessState.now()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, daemon=True)
    thread.start()
    assert state.what_changed(bare) is None
    stop.set()
    thread.join()


async def test_a_task_that_will_run_notebook_code(bare):
    """A pending task of a notebook coroutine is named, also where a library awaits it; the current one is not."""
    bare.user_ns["asyncio"] = asyncio
    bare.run_cell("async def late():\n    await asyncio.Event().wait()\nasync def outer():\n    await late()")
    state = ProcessState.now()
    assert state.what_changed(bare) is None
    task = asyncio.create_task(bare.user_ns["outer"](), name="later")
    assert state.what_changed(bare) == "task later still runs code of the notebook"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert state.what_changed(bare) is None


async def test_a_library_task_does_not_count(bare):
    """A task of other code is not the cell's."""
    state = ProcessState.now()
    task = asyncio.create_task(asyncio.Event().wait())
    assert state.what_changed(bare) is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_child_that_still_runs(bare):
    """A process that ``multiprocessing`` started is named while it runs."""
    state = ProcessState.now()
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    child = context.Process(target=stop.wait, name="Child")
    child.start()
    assert state.what_changed(bare) == f"process Child (pid {child.pid}) still runs"
    stop.set()
    child.join()
    assert state.what_changed(bare) is None


def test_a_thread_that_has_only_just_started(bare):
    """A thread that is yet to enter the notebook's function is named, and one of a class of the notebook's too."""
    state = ProcessState.now()
    stop = threading.Event()
    bare.user_ns["threading"] = threading
    bare.run_cell("def work():\n    pass\nclass Own(threading.Thread):\n    def run(self):\n        pass")
    threads = [
        threading.Thread(target=bare.user_ns["work"], name="late", daemon=True),
        bare.user_ns["Own"](name="late", daemon=True),
    ]
    for thread in threads:
        thread.run = stop.wait
        thread.start()
        assert state.what_changed(bare) == "thread late still runs code of the notebook"
        stop.set()
        thread.join()
        stop.clear()
    assert state.what_changed(bare) is None


def test_a_program_that_still_runs(bare):
    """A program that the cell started is named while it runs, whoever holds its handle."""
    state = ProcessState.now()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert f"(pid {child.pid}) still runs" in state.what_changed(bare)
    child.communicate()
    assert state.what_changed(bare) is None
