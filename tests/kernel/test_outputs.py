"""What a replay shows is what the first run showed: real kernels, compared as saved notebooks are."""

import json

import pytest

CELLS = {
    "print": "print('out'); import sys; print('err', file=sys.stderr); print('again')",
    "c_puts": "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.puts(b'from C')\nlibc.fflush(None)\nNone",
    "os_write": "import os\nos.write(1, 'grüße\\n'.encode()); os.write(2, b'to 2\\n')\nNone",
    "os_write_much": "import os\nfor i in range(3000): os.write(1, b'%d,' % i)",
    "subprocess": "import subprocess\nsubprocess.run(['echo', 'child'])\nNone",
    "bang": "!echo bang",
    "threads": (
        "import threading\n"
        "def work(i): print('thread', i)\n"
        "for i in range(5):\n"
        "    t = threading.Thread(target=work, args=(i,)); t.start(); t.join()"
    ),
    "rich": "from rich.console import Console\nConsole().print('[bold red]rich[/]')",
    "pandas": "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);\nprint('after plot')",
    "figure_object": ("from matplotlib.figure import Figure\nf = Figure()\nf.subplots().plot([1])\nf"),
    "figure laid out by drawing it": (  # each drawing lays it out anew, a little different from the last
        "import matplotlib.pyplot as plt\n_, axes = plt.subplots(1, 2, figsize=(5, 2.7), layout='constrained')\n"
        "axes[0].plot(range(100))\naxes[1].set_yscale('log')\naxes[1].plot([10**-3.1, 10**1.9])\nNone"
    ),
    "update": (
        "from IPython.display import display, HTML\n"
        "h = display(HTML('<b>one</b>'), display_id='shown')\nprint('x')\nh.update(HTML('<b>2</b>'))"
    ),
    "clear": "from IPython.display import clear_output\nprint('old')\nclear_output()\nprint('new')",
    "clear_wait": (
        "from IPython.display import clear_output\n"
        "for i in range(3):\n    clear_output(wait=True)\n    print('frame', i)\nclear_output(wait=True)"
    ),
    "result": "{'a': 1}",
    "semicolon": "1 + 1;",
    "nothing": "x = 3",
    "markdown": "from IPython.display import Markdown\ndisplay(Markdown('# T'), {'a/b': 1}, raw=False)",
    "bytes_image": (
        "import io\nfrom IPython.display import Image\nfrom PIL import Image as P\n"
        "f = io.BytesIO(); P.new('RGB', (2, 2)).save(f, 'png'); Image(f.getvalue())"
    ),
    "await": "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')\nawait asyncio.sleep(0, 'value')",
    "async_task": (
        "import asyncio\nasync def talk(): print('task')\nawait asyncio.gather(*(talk() for _ in range(3)))\nNone"
    ),
    "nested_magic": "%%time\nprint('timed')",
    "capture": "%%capture held\nprint('hidden')",
    "warning": "import warnings\nwarnings.warn('careful')",
    "logging": "import logging\nlogging.warning('logged')",
}
# ipykernel passes text on at the latest after a fifth of a second: on a busy machine that splits what is one piece.
UNTIMED = "import sys\nsys.stdout.flush_interval = sys.stderr.flush_interval = 3600"
# In a plain cell ipykernel may show these late, under the next cell: nothing to compare with.
DESCRIPTORS = {"c_puts", "os_write", "os_write_much", "subprocess"}
EXPECTED = {
    "c_puts": "from C\n",
    "os_write": "grüße\nto 2\n",
    "os_write_much": "".join(f"{i}," for i in range(3000)),
    "subprocess": "child\n",
    "bang": "bang\r\n",
    "threads": "".join(f"thread {i}\n" for i in range(5)),
    "update": "<IPython.core.display.HTML object>x\n",
    "clear": "new\n",
    "clear_wait": "frame 2\n",
    "semicolon": "",
    "await": "awaited\n'value'",
    "async_task": "task\n" * 3,
    "capture": "",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each cell three times: plain, first as a step, and replayed by a fresh kernel."""
    from driver import Kernel

    kernel = Kernel(tmp_path_factory.mktemp("outputs"))

    def run_all(prefix, names=tuple(CELLS)):
        kernel.run("%load_ext tiny_step\n%matplotlib inline", "load")
        kernel.run(UNTIMED, "untimed")
        found = {}
        for name in names:
            found[name] = kernel.run(prefix + CELLS[name], name)
        return found

    plain = run_all("", [name for name in CELLS if name not in DESCRIPTORS])
    kernel.restart()
    first = run_all("%%step a\n")
    kernel.restart()
    again = run_all("%%step a\n")
    yield plain, first, again
    kernel.close()


def _comparable(outputs, name):
    outputs = [{k: v for k, v in each.items() if k != "execution_count"} for each in outputs]
    text = json.dumps(outputs)
    if name == "nested_magic":  # the time it took
        return json.dumps([each["output_type"] for each in outputs])
    if name == "warning":  # the file's name has the kernel's pid in it
        return text.partition("UserWarning")[2]
    return text


@pytest.mark.parametrize("name", CELLS)
def test_a_step_shows_what_the_plain_cell_shows(runs, name):
    """Running as a step changes nothing about a cell's outputs, neither their order nor their number."""
    plain, first, _ = runs
    assert first[name].status == "ok"
    if name not in DESCRIPTORS:
        assert _comparable(first[name].outputs, name) == _comparable(plain[name].outputs, name)
    if name in EXPECTED:
        assert first[name].text == EXPECTED[name]


@pytest.mark.parametrize("name", CELLS)
def test_a_replay_shows_what_the_first_run_showed(runs, name):
    """A saved notebook has the same outputs after a replay in a fresh kernel."""
    _, first, again = runs
    assert again[name].own_lines == ["↻ replayed"]
    assert again[name].foreign == first[name].foreign
    assert again[name].execution_count == first[name].execution_count


def test_an_underscore_of_the_user_is_bound_again(start_kernel):
    """``_ = gettext.gettext`` is a variable like any other, and no later result takes its place."""
    cells = ["%load_ext durable_nb", "'one'", "%%step\n_ = str.upper\n'two'", "'three'", "_('said'), Out[3]"]
    kernel = start_kernel()
    (kernel.folder / "notebook.ipynb").write_text("{}")
    first = kernel.run_notebook(cells)
    kernel.kill()
    kernel.restart()
    again = kernel.run_notebook(cells)
    assert first[4].text == again[4].text == "('SAID', 'two')"
    assert len(again[2].own_lines) == 1


def test_out_and_underscore_are_set_again(start_kernel):
    """After a replay ``Out[n]``, ``_n`` and ``_`` hold the value that the cell shows."""
    kernel = start_kernel()
    cells = ["%load_ext tiny_step", "%%step\n[1, 2]", "_, Out[2], _2", "%%step\n7;", "_ is Out[3]"]
    first = kernel.run_notebook(cells)
    kernel.restart()
    again = kernel.run_notebook(cells)
    assert [each.text for each in first[2:]] == ["([1, 2], [1, 2], [1, 2])", "", "True"]
    assert [each.foreign for each in again] == [each.foreign for each in first]


def test_updates_after_a_replay_reach_the_replayed_display(kernel):
    """A later cell updates a display that was replayed, by its id, and that update replays too."""
    cells = [
        "%load_ext tiny_step",
        "%%step\nfrom IPython.display import display\nh = display('first', display_id='d')",
        "%%step\nfrom IPython.display import update_display as u\nfor i in range(9): u(f'update {i}', display_id='d')",
    ]
    first = kernel.run_notebook(cells)
    assert first[1].text == "'update 8'"
    kernel.restart()
    again = kernel.run_notebook(cells)
    assert again[1].foreign == first[1].foreign
    kinds = [kind for kind, _ in again[2].messages]
    assert kinds.count("update_display_data") == 1  # the last one is enough


def test_an_update_to_a_display_of_the_same_cell_is_folded_in(kernel):
    """A progress display replays as its last state, in one message."""
    body = (
        "%%step\nfrom IPython.display import display\nh = display('0 %', display_id=True)\n"
        "for i in range(100): h.update(f'{i + 1} %')"
    )
    kernel.run_notebook(["%load_ext tiny_step", body])
    kernel.restart()
    again = kernel.run_notebook(["%load_ext tiny_step", body])[1]
    assert again.foreign[0]["data"] == {"text/plain": "'100 %'"}
    assert [kind for kind, _ in again.messages] == ["display_data", "display_data"]


def test_output_is_live(kernel, tmp_path):
    """What is recorded is shown while the cell runs, not at its end."""
    go = tmp_path / "go"
    body = (
        "%%step\nimport os, pathlib\nprint('printed'); os.write(1, b'written')\n"
        f"while not pathlib.Path({str(go)!r}).exists(): pass"
    )
    kernel.run("%load_ext tiny_step")
    running = kernel.start(body)
    kernel.wait_for(running, "printed")
    kernel.wait_for(running, "written")
    go.touch()
    assert kernel.finish(running).status == "ok"


def test_a_live_model_is_recorded_as_its_last_text_and_html(kernel):
    """A widget replays as what it showed last; a widget that was closed replays as nothing."""
    body = """%%step
import ipywidgets as w
class Bar(w.HBox):
    done = 0
    def __repr__(self): return f'{self.done} of 9 ' + '#' * 120
bar, note, gone = Bar(), w.HTML('<b>old</b>'), w.IntSlider()
display(bar, note, gone)
bar.done, note.value = 9, '<b>new</b>'
gone.close()"""
    first = kernel.run_notebook(["%load_ext tiny_step", body])[1]
    assert "application/vnd.jupyter.widget-view+json" in first.outputs[0]["data"]
    kernel.restart()
    again = kernel.run_notebook(["%load_ext tiny_step", body])[1]
    assert [each["data"] for each in again.foreign] == [
        {"text/plain": "9 of 9 " + "#" * 120},
        {"text/plain": "HTML(value='<b>new</b>')", "text/html": "<b>new</b>"},
    ]


def test_the_extensions_own_lines_are_not_recorded(kernel):
    """Lines of ours inside a step, and their updates, are shown once and never replayed."""
    body = (
        "%%step\nfrom durable_nb.notebook.outputs import say\n"
        "line = say(get_ipython(), '↻ attempt 1 failed')\nline.update('↻ attempt 2 failed')\nprint('x')"
    )
    first = kernel.run_notebook(["%load_ext tiny_step", body])[1]
    assert first.own_lines == ["↻ attempt 2 failed"]
    assert "<div" in first.outputs[0]["data"]["text/html"]
    kernel.restart()
    again = kernel.run_notebook(["%load_ext tiny_step", body])[1]
    assert again.own_lines == ["↻ replayed"]
    assert again.foreign == first.foreign


def test_an_excluded_display_is_not_recorded(kernel):
    """A panel that is shown by another part of the extension stays out, with its updates."""
    kernel.run("%load_ext tiny_step")
    shown = kernel.run(
        "from durable_nb.notebook.outputs import tee_for\n"
        "with tee_for(get_ipython()) as tee:\n"
        "    h = display('panel', display_id='p'); tee.exclude('p'); h.update('later'); print('kept')\n"
        "[(d.msg_type, d.content) for d in tee.displays]"
    )
    assert "('stream', {'name': 'stdout', 'text': 'kept\\n'})" in shown.text
    assert "panel" not in shown.outputs[-1]["data"]["text/plain"]


def test_headless_lines_go_to_the_process_not_into_the_notebook(kernel):
    """Without a cell id (nbclient) our lines are on the kernel's own stderr, repeats left out."""
    code = (
        "from durable_nb.notebook.outputs import say, is_headless\n"
        "line = say(get_ipython(), '↻ one'); line.update('↻ one'); line.update('↻ two')\n"
        "print(is_headless(get_ipython()))"
    )
    headless = kernel.run(code)
    assert headless.text == "True\n"
    assert [line for line in kernel.stderr.splitlines() if "↻" in line] == ["↻ one", "↻ two"]
    assert kernel.run(code, cell_id="c").foreign[-1]["text"] == "False\n"


def test_figures_of_a_failed_attempt_are_not_recorded_with_the_next(kernel):
    """A figure left open by a failed attempt is shown, but belongs to no later recording."""
    shown = kernel.run(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\n"
        "from durable_nb.notebook.outputs import tee_for\n"
        "try:\n"
        "    with tee_for(get_ipython()): plt.plot([1]); 1/0\n"
        "except ZeroDivisionError: pass\n"
        "with tee_for(get_ipython()) as tee: print('second')\n"
        "[d.msg_type for d in tee.displays]"
    )
    kinds = [each["output_type"] for each in shown.outputs]
    assert kinds == ["display_data", "stream", "execute_result"]
    assert shown.outputs[-1]["data"]["text/plain"] == "['stream']"


def test_post_execute_callbacks_run_once_per_cell(kernel):
    """A callback of the user's or of a library runs once, after the step, as in a plain cell."""
    kernel.run(
        "%load_ext tiny_step\nn = []\n"
        "get_ipython().events.register('post_execute', lambda: n.append(1) or print('called'))"
    )
    assert kernel.run("%%step\nprint('body')", "c").text == "body\ncalled\n"
    assert kernel.run("print(len(n))").text == "2\ncalled\n"  # the cell that registers it counts
    replayed = kernel.run("%%step\nprint('body')", "c")
    assert [each.get("text") for each in replayed.outputs] == ["body\n", None, "called\n"]


def test_a_redirection_that_the_cell_makes_for_good_stays(kernel, tmp_path):
    """A step that points descriptor 1 at a file leaves it there; the step's end does not undo it."""
    kernel.run("%load_ext tiny_step\nimport os\nkept = os.dup(1)")
    kernel.run("%%step\nf = open('log.txt', 'wb'); os.dup2(f.fileno(), 1); f = None")
    kernel.run("os.write(1, b'into the file')")
    assert (tmp_path / "log.txt").read_bytes() == b"into the file"
    running = kernel.start("os.dup2(kept, 1)\nos.write(1, b'back')\nwhile not os.path.exists('seen'): pass")
    kernel.wait_for(running, "back")  # a thread of the kernel's own shows it, which a cell's end does not wait for
    (tmp_path / "seen").touch()
    assert kernel.finish(running).text == "back"


def test_what_was_written_to_a_descriptor_is_there_when_the_recording_ends(kernel):
    """The end of a recording reads what is left itself: no byte depends on when a thread runs."""
    shown = kernel.run(
        "import os\nfrom durable_nb.notebook.descriptors import Descriptors\n"
        "class Held(list):\n    write = list.append\n    def fileno(self): return sink\n"
        "sink, wrong = os.open(os.devnull, os.O_WRONLY), 0\n"
        "for i in range(500):\n"
        "    held = Held()\n    taken = Descriptors({1: held})\n"
        "    os.write(1, b'%d' % i)\n    taken.close()\n    wrong += ''.join(held) != str(i)\n"
        "wrong"
    )
    assert shown.text == "0"


COUNT = """import os, threading
fds = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]
links = [os.readlink(fd) for fd in fds if os.path.islink(fd)]
print(sum(link.startswith('pipe') for link in links), threading.active_count())"""


def test_what_is_just_being_sent_is_recorded(kernel):
    """Text that the sending thread has taken, and has not sent yet when the cell ends, is in."""
    kernel.run("%load_ext tiny_step\nimport sys, time\nstreams = type(sys.stdout)")
    kernel.run(
        "def slowly(self, flush=streams._flush_buffers):\n"
        "    found = list(flush(self))\n    time.sleep(0.5 if found else 0)\n    yield from found\n"
        "streams._flush_buffers = slowly"
    )
    cell = "%%step\nprint('on its way')\ntime.sleep(0.4)"  # ipykernel sends what is printed after 0.2 s
    assert kernel.run(cell).text == "on its way\n"
    assert kernel.run(cell).text == "on its way\n"


def test_a_child_that_outlives_the_step_is_still_shown(kernel, tmp_path):
    """A background process keeps its place to write to after the step."""
    wait = f"while [ ! -e {tmp_path}/go ]; do :; done; echo late"
    kernel.run("%load_ext tiny_step\nimport pathlib, subprocess, time")
    kernel.run(f"%%step\nsubprocess.Popen(['sh', '-c', {wait!r}])\nNone")
    late = kernel.start("pathlib.Path('go').touch()\nwhile True: time.sleep(0.01)")
    kernel.wait_for(late, "late")
    kernel.interrupt()
    kernel.finish(late)


def test_steps_leave_no_descriptors_and_threads_behind(kernel):
    """Twenty steps with output of child processes need no more pipes and threads than one."""
    kernel.run("%load_ext tiny_step")
    kernel.run("%%step\n!echo warm up")
    before = kernel.run(COUNT).text
    for number in range(20):
        kernel.run(f"%%step\nimport os\nos.system('echo {number}')")
    assert kernel.run(COUNT).text == before


def test_a_tee_leaves_no_trace(kernel):
    """After a step the session sends as before, and the descriptors are those of before."""
    kernel.run("%load_ext tiny_step\nimport os\nsession = get_ipython().kernel.session")
    before = kernel.run("os.fstat(1).st_ino, os.fstat(2).st_ino").text
    kernel.run("%%step\nprint(1)")
    assert kernel.run("'send' in vars(session) and type(session.send).__name__").text == "'method'"
    assert kernel.run("os.fstat(1).st_ino, os.fstat(2).st_ino").text == before


def test_terminal_replay_prints_what_was_printed(start_terminal):
    """In terminal IPython streams, displays and results are shown again, with the current prompt."""
    body = "%%step\nimport sys\nprint('out')\nprint('err', file=sys.stderr)\ndisplay('shown')\n6 * 7"
    terminal = start_terminal()
    terminal.run("%load_ext tiny_step")
    first = terminal.run(body)
    terminal.kill()
    terminal = start_terminal()
    terminal.run("%load_ext tiny_step")
    again = terminal.run(body)
    assert first == "out\nerr\n'shown'\nOut[2]: 42"
    assert again == "out\nerr\n'shown'\nOut[2]: 42\n↻ replayed"
    assert terminal.run("_ + 1").endswith("43")
