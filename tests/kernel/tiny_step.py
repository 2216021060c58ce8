"""A ``%%step`` that records outputs in a pickle file and replays them: the room's parts, no engine."""

import pickle
from pathlib import Path

from durable_nb.notebook.body import (
    ASYNC_STEP_NAME,
    CellBody,
    bind_result,
    last_result,
    transform_async_step,
)
from durable_nb.notebook.outputs import replay, say, tee_for
from durable_nb.notebook.tracebacks import clean_traceback

STORE = Path("tiny.pickle")


def _begin(shell, body):
    code = CellBody.compile(shell, body)
    rows = pickle.loads(STORE.read_bytes()) if STORE.exists() else {}
    if body not in rows:
        return code, rows
    displays, value = rows[body]
    if value is not None:
        bind_result(shell, value)
    replay(shell, displays)
    say(shell, "↻ replayed")
    return None, rows


def _end(shell, rows, body, tee):
    rows[body] = tee.displays, last_result(shell)
    STORE.write_bytes(pickle.dumps(rows))


def load_ipython_extension(shell):
    def step(line, cell):
        with clean_traceback(shell):
            code, rows = _begin(shell, cell)
            if code is not None:
                with tee_for(shell) as tee:
                    code.run(shell)
                _end(shell, rows, cell, tee)

    async def async_step(line, cell):
        with clean_traceback(shell):
            code, rows = _begin(shell, cell)
            if code is not None:
                with tee_for(shell) as tee:
                    await code.arun(shell)
                _end(shell, rows, cell, tee)

    shell.register_magic_function(step, "cell", "step")
    shell.input_transformers_cleanup.append(transform_async_step)
    shell.builtin_trap.auto_builtins[ASYNC_STEP_NAME] = async_step
