"""A step's body is an ordinary cell: values, tracebacks, interrupts; in real kernels."""

import re

import pytest

CLEAN = "%load_ext tiny_step"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One kernel for the tests that leave nothing behind."""
    from driver import Kernel

    kernel = Kernel(tmp_path_factory.mktemp("body"))
    kernel.run(CLEAN)
    yield kernel
    kernel.close()


def _comparable(text):
    """Drop what may differ: the cell's number, the pid in file names, and the first line's text."""
    text = re.sub(r"In\[\d+\]", "In[n]", text)
    text = re.sub(r"ipykernel_\d+/\d+\.py", "cell.py", text)
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"^[ |]*File [^\n]*interactiveshell\.py[^\n]*\n[^\n]*\n", "", text, flags=re.M)
    text = re.sub(r"^[^\n]*UserWarning: To exit[^\n]*\n[^\n]*\n", "", text, flags=re.M)  # once
    text = re.sub(r"\n\n+", "\n", text)
    return re.sub(r"^(.*\d) # plain$", r"\1 ", text, flags=re.M)


ERRORS = {
    "simple": "1 / 0",
    "function": "def f(x):\n    y = x\n    return [y][x]\n\n\nf(3)",
    "library": "import json\njson.loads('{')",
    "chained": "def f():\n    try: 1 / 0\n    except ZeroDivisionError as e: raise ValueError('v') from e\nf()",
    "context": "try:\n    {}['k']\nexcept KeyError:\n    undefined",
    "notes": "e = ValueError('v')\ne.add_note('a note')\nraise e",
    "own_rendering": "class E(Exception):\n    def _render_traceback_(self): return ['mine']\nraise E",
    "frozen": "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass E(Exception):\n    x: int = 1\nraise E",
    "blank_lines": "\n\nx = 1\n1 / 0",
    "syntax": "x = 1\ny = = 2",
    "indentation": "if True:\nx = 1",
    "return": "return 5",
    "syntax_at_run_time": "x = 1\neval('1 +')",
    "await": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    1 / 0\nawait f()",
    "after_await": "import asyncio\nawait asyncio.sleep(0)\n1 / 0",
    "task": "import asyncio\nasync def f(): 1 / 0\nawait asyncio.gather(f(), asyncio.sleep(0))",
    "cancelled": "import asyncio\nt = asyncio.ensure_future(asyncio.sleep(9))\nt.cancel()\nawait t",
    "exit": "raise SystemExit(3)",
    "keyboard": "raise KeyboardInterrupt",
    "assertion": "assert 1 == 2, 'no'",
    "recursion_free_lambda": "(lambda: [][1])()",
    "comprehension": "[1 / x for x in (1, 0)]",
    "group": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
    "group_as_context": ("try:\n    raise ExceptionGroup('g', [ValueError(1)])\nexcept* ValueError:\n    1 / 0"),
}


@pytest.mark.parametrize("mode", ["Context", "Plain", "Verbose", "Minimal"])
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_reads_as_in_a_plain_cell(shared, name, mode):
    """The traceback of a step has the text of the plain cell's: frames, lines, carets, chain."""
    shared.run(f"%xmode {mode}")
    plain = shared.run("# plain\n" + ERRORS[name])
    step = shared.run("%%step\n" + ERRORS[name])
    shared.run("%xmode Context")
    assert step.status == plain.status == "error"
    assert step.error_name == plain.error_name
    assert "durable_nb" not in step.text
    assert "run_cell_magic" not in step.text
    if mode == "Verbose" and "SyntaxError" not in plain.error_name:
        return  # it shows all globals, which differ by what ran before
    assert _comparable(step.text) == _comparable(plain.text)


def test_run_all_stops_at_a_failing_step(shared, tmp_path):
    """Cells that were sent after a failing step are aborted, as after a plain failing cell."""
    go = tmp_path / "go"
    failing = shared.start(f"%%step\nimport pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): pass\n1 / 0")
    following = shared.start("print('not reached')")
    shared.wait_until_queued()  # what arrives after the failure is no part of this Run All
    go.touch()
    assert shared.finish(failing).status == "error"
    assert shared.finish(following).status == "aborted"


def test_post_mortem_finds_the_users_frame(shared):
    """``sys.last_value`` and the debugger end in the function that failed, with its locals."""
    shared.run("%%step\ndef broken(x):\n    secret = x + 41\n    1 / 0\nbroken(1)")
    locals_ = shared.run(
        "import sys\ntb = sys.last_value.__traceback__\n"
        "while tb.tb_next: tb = tb.tb_next\nprint(tb.tb_frame.f_locals['secret'])"
    )
    assert locals_.text == "42\n"
    debugger = shared.run(
        "from unittest.mock import patch\n"
        "replies = iter(['p secret', 'up', 'p \"cell\", x_of_cell', 'up', 'q'])\n"
        "x_of_cell = 'global'\n"
        "with patch('builtins.input', lambda *a: next(replies)): get_ipython().run_line_magic('debug', '')"
    )
    assert "42" in debugger.text
    assert "'cell', 'global'" in debugger.text
    assert "durable_nb" not in debugger.text


def test_tb_magic_shows_the_users_frames_again(shared):
    """``%tb Plain`` after a failing step has the user's frames only, without its first one lost."""
    shared.run("%%step\ndef broken():\n    1 / 0\nbroken()")
    again = shared.run("%tb Plain")
    assert "in broken" in again.text
    assert "broken()" in again.text
    assert "durable_nb" not in again.text


def test_a_shown_error_still_pickles(shared):
    """The error object, once shown, can be pickled, and shows the same lines elsewhere."""
    shared.run("%%step\nraise ValueError('kept')")
    pickled = shared.run(
        "import pickle, sys\ne = pickle.loads(pickle.dumps(sys.last_value))\n"
        "repr(e), 'ValueError: kept' in e._render_traceback_()[-1].replace('\\x1b[0m', '') or e._render_traceback_()"
    )
    assert pickled.outputs[-1]["data"]["text/plain"].startswith("(\"ValueError('kept')\"")


def test_the_users_own_exception_handler_is_asked(shared):
    """A handler set with ``set_custom_exc`` sees the errors of steps, and stays installed."""
    shared.run(
        "def handle(self, kind, value, tb, tb_offset=None): print('handled', kind.__name__)\n"
        "get_ipython().set_custom_exc((ZeroDivisionError, ExceptionGroup), handle)"
    )
    try:
        assert shared.run("%%step\n1 / 0").text == "handled ZeroDivisionError\n"
        assert shared.run("%%step\nraise ExceptionGroup('g', [OSError()])").text == "handled ExceptionGroup\n"
        assert shared.run("%%step\nx = = 1").error_name == "SyntaxError"
        assert shared.run("1 / 0").text == "handled ZeroDivisionError\n"
    finally:
        shared.run("get_ipython().set_custom_exc((), None)")


def test_one_shot_handler_is_gone_after_a_group(shared):
    """Showing an exception group changes nothing for later errors."""
    shared.run("%%step\nraise ExceptionGroup('g', [OSError()])")
    assert shared.run("get_ipython().custom_exceptions").text == "()"


def test_a_body_that_does_not_compile_does_not_run(shared):
    """Nothing of a syntactically wrong body is executed, also where only a late statement is."""
    shared.run("ran = False")
    assert shared.run("%%step\nran = True\nreturn 1").status == "error"
    assert shared.run("ran").text == "False"


@pytest.mark.parametrize("interactivity", ["all", "last", "last_expr", "none", "last_expr_or_assign"])
@pytest.mark.parametrize(
    "body", ["1\n2", "1\nx = 5", "1\nx = 5;", "1\n2;", "x: int = 4", "for i in (1,): i", "x = y = 3"]
)
def test_results_follow_ast_node_interactivity(shared, interactivity, body):
    """Which values are shown is what the shell's setting says, as in a plain cell; ``;`` silences."""
    shared.run("import pathlib; pathlib.Path('tiny.pickle').unlink(missing_ok=True)")
    shared.run(f"get_ipython().ast_node_interactivity = {interactivity!r};")
    try:
        plain, step = shared.run(body), shared.run("%%step name\n" + body)
        again = shared.run("%%step\n" + body, "c")
    finally:
        shared.run("get_ipython().ast_node_interactivity = 'last_expr';")
    texts = [output["data"]["text/plain"] for output in plain.outputs]
    assert [output["data"]["text/plain"] for output in step.foreign] == texts
    assert [output["data"]["text/plain"] for output in again.foreign] == texts


def test_functions_defined_inside_have_their_source(shared):
    """``inspect.getsource`` works for what a step defines, also after the cell was replayed."""
    body = "%%step\nx = 1\ndef f():\n    return 'source'  # here\n"
    for _ in range(2):
        shared.run(body)
        source = shared.run("import inspect\nprint(inspect.getsource(f), f.__code__.co_firstlineno)")
        assert source.text == "def f():\n    return 'source'  # here\n 3\n"


def test_ast_transformers_and_futures_hold(shared):
    """A body passes the shell's AST transformers, and a ``__future__`` import holds in it."""
    shared.run(
        "import ast\nclass Negate(ast.NodeTransformer):\n"
        "    def visit_Constant(self, node):\n"
        "        return ast.copy_location(ast.Constant(-1 if node.value == 77 else node.value), node)\n"
        "get_ipython().ast_transformers.append(Negate())"
    )
    assert shared.run("%%step\n77").foreign[0]["data"]["text/plain"] == "-1"
    shared.run("get_ipython().ast_transformers.pop()")
    shared.run("from __future__ import annotations")
    shown = shared.run("%%step\ndef g(x: undefined_name): ...\ng.__annotations__")
    assert "undefined_name" in shown.text
    shared.run("get_ipython().compile.reset_compiler_flags()")


def test_magics_in_a_body(shared):
    """Line magics, ``!``, ``?`` and automagic of one-line bodies work as in a plain cell."""
    assert shared.run("%%step\n%env HOME_OF_TEST=1\nimport os\nos.environ['HOME_OF_TEST']").text == (
        "env: HOME_OF_TEST=1\n'1'"
    )
    assert shared.run("%%step\nfiles = !echo a b\nfiles").text == "['a b']"
    plain, step = shared.run("pwd"), shared.run("%%step\npwd")
    assert step.text == plain.text
    missing = shared.run("%%step\n%no_such_magic")
    assert "UsageError: Line magic function `%no_such_magic` not found." in missing.text
    assert missing.status == "error"


def test_leading_blank_lines_and_comments(shared):
    """A ``%%step`` after blank lines is one; after a comment it is none, as IPython has it."""
    assert shared.run("\n\n%%step\nimport asyncio\nawait asyncio.sleep(0, 'blank')").text == "'blank'"
    assert shared.run("\n \n%%step\n'sync'").text == "'sync'"
    assert "`%%step` not found" in shared.run("# comment\n%%step\nawait x").text
    help_ = shared.run("%%step?")
    assert help_.status == "ok"
    assert shared.run("%%steps\nawait x").text.startswith("UsageError: Cell magic `%%steps` not found.")


def test_only_bodies_that_await_are_rewritten(shared):
    """The word ``await`` in a string or function leaves a step the magic it was."""
    lines = (
        "from durable_nb.notebook.body import transform_async_step as t\n"
        "def rewritten(cell): return t(cell.splitlines(True)) != cell.splitlines(True)\n"
        "[rewritten(c) for c in ("
        "'%%step a b\\nawait x', '%%step\\nasync with a: pass', '%%step\\n[y async for y in z]', "
        "'%%step\\n\"await x\"', '%%step\\nasync def f(): await x', '%%step\\nawait x(', "
        "'%%time\\nawait x', '%%step?\\nawait x', '%%step\\n%%step\\nawait x')]"
    )
    expected = [True, True, True, False, False, False, False, False, False]
    assert shared.run(lines).text == str(expected)
    shared.run("%autoawait False")
    assert shared.run(lines).text == str([False] * 9)
    shared.run("%autoawait True")
    assert shared.run("t(['%%step load --x 1  \\n', 'await x'])").text == (
        "[\"await __durable_step__('load --x 1', 'await x')\\n\"]"
    )


def test_a_sync_call_of_an_awaiting_body_is_refused(shared):
    """``run_cell_magic`` with a body that awaits says what to do instead of failing obscurely."""
    refused = shared.run("get_ipython().run_cell_magic('step', '', 'import asyncio\\nawait asyncio.sleep(0)')")
    assert refused.error_name == "DurableError"
    assert "run it as a cell of its own" in refused.error


LONG_SECONDS = 120
WAITS = {
    "sync": f"import time\nprint('ready', flush=True)\ntime.sleep({LONG_SECONDS})",
    "busy": "print('ready', flush=True)\nwhile True: pass",
    "sync_after_await": (
        f"import asyncio, time\nawait asyncio.sleep(0)\nprint('ready', flush=True)\ntime.sleep({LONG_SECONDS})"
    ),
    "sync_inside_await": (
        "import asyncio, time\nasync def f():\n    await asyncio.sleep(0)\n"
        "    print('ready', flush=True)\n    while True: pass\nawait f()"
    ),
    "await": f"import asyncio\nprint('ready', flush=True)\nawait asyncio.sleep({LONG_SECONDS})",
    "subprocess": f"import subprocess\nprint('ready', flush=True)\nsubprocess.run(['sleep', '{LONG_SECONDS}'])",
}


@pytest.mark.parametrize("name", WAITS)
def test_interrupt_ends_a_body_at_once(shared, name):
    """■ raises KeyboardInterrupt, not when the body is done but at once, whatever it does; the kernel goes on."""
    result = shared.run_and_interrupt("%%step\n" + WAITS[name], "ready\n")
    assert result.seconds < LONG_SECONDS / 2
    assert result.error_name == "KeyboardInterrupt"
    assert "durable_nb" not in result.error
    assert shared.run("'alive'").text == "'alive'"
    # the handlers are those of before: a plain async cell is cancelled again
    ticking = "import asyncio\nprint('on')\nfor i in range(300): await asyncio.sleep(0.1)"
    plain = shared.run_and_interrupt(ticking, "on\n")
    assert plain.error_name == "CancelledError"


def test_cancelling_from_outside_stays_a_cancellation(shared):
    """A timeout around an async body cancels it; only ■ becomes KeyboardInterrupt."""
    shown = shared.run(
        "import asyncio\nfrom durable_nb.notebook.body import CellBody\n"
        "body = CellBody.compile(get_ipython(), 'await asyncio.sleep(30)')\n"
        "try:\n    async with asyncio.timeout(0.05): await body.arun(get_ipython())\n"
        "except BaseException as e: print(type(e).__name__)"
    )
    assert shown.text == "TimeoutError\n"


def test_retries_exhausted_shows_each_attempts_own_frames(shared):
    """An error of ours raised from the body's error shows the user's frames of the cause only."""
    shown = shared.run(
        "from durable_nb.notebook.body import CellBody\n"
        "from durable_nb.notebook.tracebacks import clean_traceback\n"
        "from durable_nb.errors import MaxStepRetriesExceeded\n"
        "body = CellBody.compile(get_ipython(), 'def f():\\n    1 / 0\\nf()')\n"
        "with clean_traceback(get_ipython()):\n"
        "    try: body.run(get_ipython())\n"
        "    except ZeroDivisionError as e: raise MaxStepRetriesExceeded('load', 3, [e]) from e"
    )
    assert shown.error_name == "MaxStepRetriesExceeded"
    assert "in f()" in shown.error
    assert "body.run" not in shown.error
    assert "exec(" not in shown.error


def test_a_body_runs_in_terminal_ipython(start_terminal):
    """In a terminal a body with and without ``await`` runs, and its errors are the user's only."""
    terminal = start_terminal()
    terminal.run(CLEAN)
    assert terminal.run("%%step\nx = 20\nx + 1") == "Out[2]: 21"
    assert terminal.run("%%step\nimport asyncio\nawait asyncio.sleep(0, 5)") == "Out[3]: 5"
    error = terminal.run("%%step\nx = 1\n1 / 0")
    assert error.endswith("ZeroDivisionError: division by zero")
    assert "durable_nb" not in error
