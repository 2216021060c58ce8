"""Loading, loading twice, unloading, loading again, and ``%config``."""

from __future__ import annotations

import ast
import subprocess
import sys

from driver import Kernel
from scenes import SETUP, hits, kernel_in, prepare, replayed, run, shown

STATE = """
def _state():
    import gc, threading, asyncio
    from concurrent.futures import ThreadPoolExecutor
    ip = get_ipython()
    names = lambda hooks: sorted(getattr(hook, '__qualname__', repr(hook)) for hook in hooks)
    return {
        'magics': {kind: sorted(found) for kind, found in ip.magics_manager.magics.items()},
        'events': {event: names(hooks) for event, hooks in ip.events.callbacks.items()},
        'transformers': names(ip.input_transformers_cleanup) + names(ip.input_transformers_post),
        'ast': names(ip.ast_transformers),
        'configurables': sorted(type(each).__name__ for each in ip.configurables),
        'names': sorted(name for name in ip.user_ns if not name.strip('_i').isdigit()),
        'hidden': sorted(name for name in ip.user_ns_hidden if not name.strip('_i').isdigit()),
        'builtins': sorted(ip.builtin_trap.auto_builtins),
        'start': threading.Thread.start.__code__.co_filename,
        'submit': ThreadPoolExecutor.submit.__code__.co_filename,
        'task factory': repr(asyncio.get_event_loop().get_task_factory()),
        'attributes': sorted(name for name in vars(ip) if 'durable' in name or 'run' in name),
        'send': ip.kernel.session.send.__qualname__,
    }
"""
BODY = "%%step s\ntally.hit('ran')\nfrom threading import Thread\nprint('in body')\nx = 1\nx"


def state(kernel):
    return ast.literal_eval(shown(kernel.run("_state()", "state")))


def test_unload_leaves_nothing(tmp_path):
    """No magic, hook, transformer, configurable or name remains, and threads start as Python has it."""
    kernel = Kernel(prepare(tmp_path))
    try:
        run(kernel, [STATE, "import tally, durable_nb", "%unload_ext nothing"])  # IPython loads that magic late
        state(kernel)
        before = state(kernel)
        run(kernel, SETUP)
        assert shown(kernel.run(BODY, "body")) == "in body\n1"
        during = state(kernel)
        assert "step" in during["magics"]["cell"]
        assert during["start"] != before["start"]
        kernel.run("del x, step, Thread", "del")
        kernel.run("%durable auto on", "auto")
        assert kernel.run("%unload_ext durable_nb", "unload").own_lines == []
        assert state(kernel) == before
        assert "UsageError: Cell magic `%%step` not found" in kernel.run(BODY, "body").text
        again = kernel.run("%load_ext durable_nb", "load")
        assert again.own_lines[0].startswith("↻ 1 step checkpointed, the newest 20")
        assert replayed(kernel.run(BODY, "body"), "s")
        assert hits(tmp_path) == {"ran": 1}
    finally:
        kernel.close()


def test_loading_is_quiet_on_a_fresh_notebook(tmp_path):
    """Nothing is shown, nothing is bound; and a second load changes nothing."""
    kernel = Kernel(prepare(tmp_path))
    try:
        names = "sorted(name for name in dir() if not name.startswith('_'))"
        before = shown(kernel.run(names, "names"))
        result = kernel.run("%load_ext durable_nb", "load")
        assert (result.status, result.outputs) == ("ok", [])
        assert shown(kernel.run(names, "names")) == before
        twice = kernel.run("import durable_nb\ndurable_nb.load_ipython_extension(get_ipython())", "twice")
        assert (twice.status, twice.outputs) == ("ok", [])
        counted = "len(get_ipython().events.callbacks['pre_run_cell'])"
        hooks = int(shown(kernel.run(counted, "hooks")))
        kernel.run("%reload_ext durable_nb", "reload")
        assert int(shown(kernel.run(counted, "hooks"))) == hooks
        kernel.run("import tally", "tally")
        assert shown(kernel.run(BODY, "body")) == "in body\n1"
        assert hits(tmp_path) == {"ran": 1}
    finally:
        kernel.close()


def test_config(tmp_path):
    """``%config DurableNB`` shows the options; a new store is opened, and switching off and on works."""
    with kernel_in(tmp_path) as kernel:
        options = kernel.run("%config DurableNB", "config").text
        for name in ("DurableNB.store", "DurableNB.notebook_file", "DurableNB.enabled"):
            assert name in options
        run(kernel, [BODY])
        kernel.run("%config DurableNB.store = 'elsewhere/mine.duckdb'", "config")
        assert (tmp_path / "elsewhere" / "mine.duckdb").exists()
        kernel.run(BODY, "cell-0")
        assert hits(tmp_path) == {"ran": 2}
        kernel.run("%config DurableNB.enabled = False", "config")
        kernel.run(BODY, "cell-0")
        assert hits(tmp_path) == {"ran": 3}
        kernel.run("%config DurableNB.enabled = True", "config")
        assert replayed(kernel.run(BODY, "cell-0"), "s")
        assert hits(tmp_path) == {"ran": 3}


def test_the_import_is_light():
    """``import durable_nb`` loads neither IPython nor widgets, DuckDB or data libraries, nor do its step decorators."""
    heavy = {"IPython", "ipywidgets", "anywidget", "duckdb", "pandas", "numpy", "pyarrow", "traitlets", "ipykernel"}
    code = (
        "import sys, durable_nb\nprint(sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "@durable_nb.step\ndef f():\n    return 1\nassert f() == 1\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert heavy & set(ast.literal_eval(found[0])) == set()
    assert heavy & set(ast.literal_eval(found[1])) == set()
