"""Local modules a step uses: the code as this kernel loaded it counts, never the file (DESIGN §5 row 8)."""

from __future__ import annotations

from scenes import kernel_in, ready, replayed, run, shown

STEP = "%%step use\nused = lib.f()\ntally.hit('use')"


def write(folder, value, *, name="lib.py", text="def f():\n    return {0}\n"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.format(value))


def test_an_edited_module_that_is_not_reloaded_is_said(tmp_path):
    """The step replays, for the kernel still runs the old code, and a line tells that the file is newer."""
    write(tmp_path, 1)
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["import lib", STEP])
        write(tmp_path, 22)
        again = kernel.run(STEP, "cell-1")
        assert any(line.startswith("↻ replayed use") for line in again.own_lines), again.own_lines
        said = "".join(again.own_lines)
        assert "lib was edited but not reloaded: this kernel still runs the old code" in said, said
        # a step that runs in this state is the old code's: the new code's turn comes with the next kernel
        other = kernel.run("%%step other\nother = lib.f() + 1\ntally.hit('other')", "other")
        assert "lib was edited but not reloaded" in "".join(other.own_lines)
        kernel.restart()
        results = run(
            ready(kernel), ["import lib", STEP, "%%step other\nother = lib.f() + 1\ntally.hit('other')", "used, other"]
        )
        assert "↻ running use again: lib changed" in "".join(results[1].own_lines)
        assert "↻ running other again: lib changed" in "".join(results[2].own_lines)
        assert shown(results[3]) == "(22, 23)"


def test_autoreload_loads_what_was_edited(tmp_path):
    """With ``%autoreload 2`` an edited module is loaded before the cell, and its dependants run again."""
    write(tmp_path, 1)
    write(tmp_path, 5, name="deep.py")
    write(tmp_path, "deep.f()", name="middle.py", text="import deep\ndef f():\n    return {0}\n")
    deep = "%%step far\nfar_off = middle.f()\ntally.hit('far')"
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["%load_ext autoreload\n%autoreload 2\nimport lib, middle", STEP, deep])
        assert replayed(kernel.run(STEP, "cell-1"), "use")
        write(tmp_path, 22)
        write(tmp_path, 55, name="deep.py")
        again = kernel.run(STEP, "cell-1")
        assert "↻ running use again: lib changed" in "".join(again.own_lines), again.own_lines
        far = kernel.run(deep, "cell-2")
        assert "↻ running far again: " in "".join(far.own_lines), far.own_lines
        assert shown(kernel.run("used, far_off", "cell-3")) == "(22, 55)"
        kernel.restart()
        results = run(
            ready(kernel), ["%load_ext autoreload\n%autoreload 2\nimport lib, middle", STEP, deep, "used, far_off"]
        )
        assert replayed(results[1], "use")
        assert replayed(results[2], "far")
        assert shown(results[3]) == "(22, 55)"


def test_only_what_is_reached_counts(tmp_path):
    """A comment in a module, and a module that nothing uses, run no step again; a submodule of a package does."""
    write(tmp_path, 1)
    write(tmp_path, 1, name="unused.py")
    write(tmp_path, "", name="pack/__init__.py", text="from pack.part import g\n")
    write(tmp_path, 3, name="pack/part.py", text="def g():\n    return {0}\n")
    packed = "%%step packed\np = pack.g()\ntally.hit('packed')"
    with kernel_in(tmp_path) as kernel:
        run(kernel, ["import lib, unused, pack", STEP, packed])
        write(tmp_path, "1  # the same", text="# a comment\n\n\ndef f():\n    return {0}\n")
        write(tmp_path, 2, name="unused.py")
        kernel.restart()
        results = run(ready(kernel), ["import lib, unused, pack", STEP, packed])
        assert replayed(results[1], "use"), results[1].own_lines
        assert replayed(results[2], "packed"), results[2].own_lines
        write(tmp_path, 33, name="pack/part.py", text="def g():\n    return {0}\n")
        kernel.restart()
        results = run(ready(kernel), ["import lib, unused, pack", STEP, packed, "p"])
        assert replayed(results[1], "use"), results[1].own_lines
        assert "↻ running packed again: " in "".join(results[2].own_lines)
        assert shown(results[3]) == "33"


def test_the_old_codes_result_is_never_the_new_codes(tmp_path):
    """A module edited while a step that uses it runs, and reloaded later, does not take over the old result."""
    write(tmp_path, 1)
    editing = "%%step use\nopen('lib.py', 'w').write('def f():\\n    return 2\\n')\nused = lib.f()\ntally.hit('use')"
    with kernel_in(tmp_path) as kernel:
        results = run(kernel, ["import lib, importlib", editing, "used"])
        assert shown(results[2]) == "1"
        run(kernel, ["importlib.reload(lib);"], "reload")
        again = kernel.run(editing, "cell-1")
        assert "↻ running use again: lib changed" in "".join(again.own_lines), again.own_lines
        assert shown(kernel.run("used", "cell-2")) == "2"
