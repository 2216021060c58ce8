"""Kernels of a user who ran ``durable-nb enable``."""

from __future__ import annotations

STEP = "%%step load\nimport os\npid = os.getpid()"


def test_the_first_step_loads_the_extension(run, start_kernel, tmp_path):
    """No %load_ext: the first %%step is recorded, and replays after SIGKILL in another kernel's first cell."""
    run("enable")
    kernel = start_kernel()
    assert kernel.run("1 + 1", "a").status == "ok"
    assert not (tmp_path / ".durable_nb").exists()
    assert kernel.run(STEP, "b").status == "ok"
    pid = kernel.pid
    kernel.kill()
    kernel.restart()
    again = kernel.run(STEP, "b")
    assert any("replayed load" in line for line in again.own_lines), again.own_lines
    assert kernel.run("pid").text == str(pid)


def test_a_line_magic_loads_it_too(run, start_kernel):
    """%durable in the first cell shows the steps, of which there are none."""
    run("enable")
    assert "(none)" in start_kernel().run("%durable").text


def test_a_first_step_that_awaits_says_what_to_do(run, start_kernel):
    """The cell that loads the extension cannot await: it fails, says so, and runs when it is run again."""
    run("enable")
    kernel = start_kernel()
    cell = "%%step nap\nimport asyncio\nslept = await asyncio.sleep(0, 'well')"
    first = kernel.run(cell, "a")
    assert first.status == "error"
    assert "UsageError: durable_nb was loaded by this very cell" in first.text
    assert "run it again" in first.text
    assert kernel.run(cell, "a").status == "ok"
    assert kernel.run("slept").text == "'well'"


def test_always_loads_it_with_the_kernel(run, start_kernel, tmp_path):
    """Calls outside of %%step cells are checkpoints then as well."""
    run("enable", "--always")
    kernel = start_kernel()
    kernel.run("from durable_nb import step\n@step\ndef f(): return 1\nf()", "a")
    assert (tmp_path / ".durable_nb/nb.duckdb").exists()
    kernel.kill()
    assert "nb.ipynb" in run("ls")
    kernel.restart()
    again = kernel.run("from durable_nb import step\n@step\ndef f(): return 1\nf()", "a")
    assert any("1 call replayed" in line for line in again.own_lines), again.own_lines


def test_disabled_again_it_is_unknown(run, start_kernel):
    """As before enable."""
    run("enable")
    run("disable")
    assert "UsageError: Cell magic `%%step` not found" in start_kernel().run(STEP).text
