"""Rows 13, 14, 20 and 21 of DESIGN §5: errors, outputs, interrupts, and what runs beside a step."""

from __future__ import annotations

import pytest
from hard_cases import Case, asked, cells, holds, notebook_in, play, resume, start_anew, uninterrupted
from scenes import hits, replayed, run, shown

FAILING = """
from durable_nb import step
@step
def {0}_handled():
    tally.hit('{0}_handled')
    raise KeyError('handled')
@step
def {0}_fatal():
    tally.hit('{0}_fatal')
    raise ValueError('fatal')
@step
def {0}_good(i):
    tally.hit('{0}_good')
    return i
# %%
try:
    {0}_handled()
except KeyError:
    pass
{0}_good(1)
try:
    {0}_fatal()
except ValueError as error:
    {1}
# %%
'done'
"""
CASES = {
    # -- row 13: the error that ends the cell, or is the cause of it, is tried afresh; the handled one replays
    # (each is linked to it in one way only: an error that is raised while another is handled has that for its context)
    "cause": Case(FAILING.format("cause", "kept = error\nraise RuntimeError('outer') from kept"), "'done'"),
    "context": Case(FAILING.format("context", "raise RuntimeError('outer')"), "'done'"),
    "group": Case(FAILING.format("group", "kept = error\nraise ExceptionGroup('outer', [OSError(), kept])"), "'done'"),
    "itself": Case(FAILING.format("itself", "raise"), "'done'"),
    "unrelated": Case(FAILING.format("unrelated", "pass\\n{}['missing']").replace("\\n", "\n"), "'done'"),
    # -- row 14
    "outputs": Case(
        """
        import ctypes, subprocess, threading
        import matplotlib.pyplot as plt
        from IPython.display import HTML, Markdown, clear_output, display, update_display
        %matplotlib inline
        # %%
        %%step streams
        print('out')
        print('err', file=sys.stderr)
        for number in range(2):
            thread = threading.Thread(target=print, args=('thread', number))
            thread.start()
            thread.join()
        del thread
        print('again')
        # %%
        %%step below
        os.write(1, 'grüße\\n'.encode())
        ctypes.CDLL(None).puts(b'from C')
        ctypes.CDLL(None).fflush(None)
        subprocess.run(['echo', 'child'])
        !echo bang
        None
        # %%
        %%step displays
        print('gone')
        clear_output()
        shown = display(HTML('<b>one</b>'), display_id='kept')
        display(Markdown('# two'), {'a/b': 1}, raw=False)
        shown.update(HTML('<b>three</b>'))
        del shown
        # %%
        %%step elsewhere
        update_display(HTML('<b>four</b>'), display_id='kept')
        # %%
        %%step figure
        plt.plot([1, 2, 3])
        plt.title('t');
        # %%
        %%step value
        tally.hit('value')
        pd.DataFrame({'a': [1]})
        # %%
        (list(_), list(Out[max(Out)]))
        # %%
        %%step silent
        tally.hit('silent')
        5;
        # %%
        print('last')
        """,
        "last",
        replays=("streams", "below", "displays", "elsewhere", "figure", "value", "silent"),
    ),
    # -- row 21
    "thread": Case(
        """
        import asyncio, multiprocessing, threading
        stop = threading.Event()
        # %%
        %%step thread
        def wait_on():
            stop.wait()
        threading.Thread(target=wait_on, daemon=True, name='waits').start()
        # %%
        %%step task
        async def late():
            await asyncio.sleep(600)
        asyncio.ensure_future(late()).set_name('late')
        await asyncio.sleep(0)
        # %%
        %%step child
        import subprocess
        _ = [subprocess.Popen(['sleep', '20'])] and None
        # %%
        %%step library
        timer = threading.Timer(600, print)
        timer.daemon = True
        timer.start()
        del timer
        # %%
        stop.set()
        [each.cancel() for each in asyncio.all_tasks() if each.get_name() == 'late']
        """,
        "[True]",
        replays=("library",),
        runs={
            "thread": "thread waits still runs code",
            "task": "task late still runs code",
            "child": "process sleep (pid ",
        },
    ),
}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    return play(tmp_path_factory.mktemp("life"), asked(request, CASES))


@pytest.mark.parametrize("name", ["cause", "context", "group", "itself"])
def test_row_13_fatal_errors(stories, name):
    """Row 13: an error in the tree of the one that ended the scope is tried afresh; others and results replay."""
    story = stories[name]
    holds(CASES[name], story)
    assert story.ran_before == {f"{name}_handled": 1, f"{name}_good": 1, f"{name}_fatal": 1}
    assert story.ran_again == {f"{name}_fatal": 1}


def test_row_13_other_errors(stories):
    """Row 13: where the scope ended with another error, the handled ones replay."""
    holds(CASES["unrelated"], stories["unrelated"])
    assert [each.error_name for each in stories["unrelated"].again] == ["", "KeyError", ""]
    assert stories["unrelated"].ran_again == {}


KILLED = """
from durable_nb import step
@step
def bad(i):
    tally.hit(f'bad{i}')
    raise ValueError(i)
@step
def good():
    tally.hit('good')
    return 'good'
def tried(i):
    try:
        bad(i)
    except ValueError as error:
        return error.args
# %%
first = tried(1)
seen = good()
last = tried(2)
tally.block_once('blocked')
print(first, seen, last)
"""


def test_row_13_killed_scope(tmp_path):
    """Row 13: in a killed scope an error replays only if a later call shows that it was handled."""
    setup, cell = cells(KILLED)
    whole = uninterrupted(tmp_path / "whole", KILLED, first="os.mkdir('blocked')")
    with notebook_in(tmp_path / "killed") as kernel:
        run(kernel, [setup], "cell")
        kernel.run_until(cell, kernel.folder / "blocked", "cell-1")
        assert hits(kernel.folder) == {"bad1": 1, "good": 1, "bad2": 1}
        resumed = resume(kernel, whole, KILLED)
    assert shown(resumed.again[1]) == "(1,) good (2,)"
    assert resumed.ran_again == {"bad2": 1}


def test_row_14_outputs(stories):
    """Row 14: streams, C code, children, threads, displays with their updates, figures and values are shown again."""
    holds(CASES["outputs"], stories["outputs"])
    texts = [shown(each) for each in stories["outputs"].again]
    assert texts[1] == "out\\nthread 0\\nthread 1\\nagain\\nerr".replace("\\n", "\n")
    assert texts[2].split() == ["grüße", "from", "C", "child", "bang"]
    assert [each["data"]["text/html"] for each in stories["outputs"].again[3].foreign[:1]] == ["<b>four</b>"]
    assert "image/png" in stories["outputs"].again[5].foreign[0]["data"]
    assert texts[7] == "(['a'], ['a'])"


SLOW = """
def held_up(marker):
    if os.path.exists('slow') and not os.path.exists(marker):
        pathlib.Path(marker).touch()
        import time
        time.sleep(120)
class Slow:
    def __reduce__(self):
        held_up('saving')
        return revive, ()
def revive():
    held_up('loading')
    return Slow()
# %%
%%step slow
made = Slow()
made_too = 1
# %%
type(made) is Slow, made_too
"""


def test_row_20_interrupts(tmp_path):
    """Row 20: ■ in a save and in a replay is a KeyboardInterrupt at once; nothing is recorded, and nothing lost."""
    setup, cell, _ = cells(SLOW)
    whole = uninterrupted(tmp_path / "whole", SLOW)
    with notebook_in(tmp_path / "killed") as kernel:
        (kernel.folder / "slow").touch()
        run(kernel, [setup], "cell")
        interrupted = kernel.run_and_interrupt(cell, kernel.folder / "saving", "cell-1")
        assert (interrupted.error_name, interrupted.seconds < 60) == ("KeyboardInterrupt", True)
        assert kernel.run(cell, "cell-1").status == "ok"
        assert hits(kernel.folder)["slow"] == 2
        start_anew(kernel)
        run(kernel, [setup], "cell")
        interrupted = kernel.run_and_interrupt(cell, kernel.folder / "loading", "cell-1")
        assert (interrupted.error_name, interrupted.seconds < 60) == ("KeyboardInterrupt", True)
        resumed = resume(kernel, whole, SLOW)
        assert replayed(resumed.again[1], "slow")
    assert shown(resumed.again[2]) == "(True, 1)"
    assert hits(kernel.folder) == {"slow": 2}


def test_row_21_still_running(stories):
    """Row 21: while a thread, task or child of the step still runs nothing is checkpointed; a library's may run."""
    holds(CASES["thread"], stories["thread"])
