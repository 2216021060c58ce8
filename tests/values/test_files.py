"""Which files code reads and writes, and whether they still are as they were."""

# ruff: noqa: SIM115, ASYNC240
# The ways users open and list files are what is tested.

from __future__ import annotations

import asyncio
import contextvars
import glob
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

import pytest

from durable_nb.values import dependencies
from durable_nb.values.files import (
    FileDependency,
    FileWatch,
    changed,
    named_files,
    observe,
    watched_by,
    watches_here,
)
from durable_nb.values.written import WrittenFile

OLD = 1_600_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A notebook's folder with data of long ago, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("data.csv", "sub/a.csv", "sub/b.csv"):
        write(tmp_path / name, f"content of {name}")
    os.utime(tmp_path / "sub", (OLD, OLD))
    return tmp_path


def write(path, text, at=OLD):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (at, at))


def kinds(watch):
    return {(dependency.path, dependency.kind) for dependency in watch.reads()}


# -- what is seen


def test_reads_writes_and_failed_opens(folder):
    """Files read, looked for in vain and written are told apart, with size, time and digest."""
    with FileWatch(folder) as watch:
        Path("data.csv").read_text()
        with pytest.raises(FileNotFoundError):
            open("missing.csv")
        Path("out.csv").write_text("x")
        Path("out.csv").read_text()
    expected = observe("data.csv", "file", folder)
    assert watch.reads() == (expected, FileDependency("missing.csv", "missing"))
    assert (expected.size, expected.mtime_ns) == (19, OLD * 10**9)
    assert len(expected.digest) == 32
    assert watch.writes() == ("out.csv",)
    assert watch.problems == []


def test_libraries_reads_are_seen(folder):
    """Readers of pandas and numpy, bytes paths, descriptors and r+ count as reads."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    np.save("array.npy", np.arange(3))
    with FileWatch(folder) as watch:
        pd.read_csv("data.csv")
        np.load("array.npy")
        os.close(os.open(b"sub/a.csv", os.O_RDONLY))
        with open("sub/b.csv", "r+"):
            pass
    assert kinds(watch) == {(n, "file") for n in ("data.csv", "array.npy", "sub/a.csv", "sub/b.csv")}
    assert watch.writes() == ("sub/b.csv",)


def test_the_first_look_for_the_temporary_folder(tmp_path):
    """It opens files while it holds a lock, and is not asked again by whoever watches them."""
    code = (
        "import sys, tempfile\n"
        "from durable_nb.values.files import FileWatch\n"
        "with FileWatch(sys.argv[1]):\n"
        "    print(tempfile.gettempdir())\n"
    )
    told = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True, timeout=30)
    assert told.strip() == tempfile.gettempdir()


def test_listings_and_patterns(folder):
    """listdir, scandir and iterdir depend on a folder's names, patterns on what they match."""
    with FileWatch(folder) as watch:
        os.listdir("sub")
        assert len(glob.glob("sub/*.csv")) == 2
        assert len(list(Path("sub").glob("a*"))) == 1
        assert len(list(Path().rglob("*.csv"))) == 3
    assert kinds(watch) == {
        ("sub", "listing"), ("sub/*.csv", "glob"), ("sub/a*", "glob"), ("**/*.csv", "glob"),
    }  # fmt: skip
    with FileWatch(folder) as watch:
        list(Path("sub").iterdir())
        list(os.walk("."))
    assert kinds(watch) == {("sub", "listing"), (".", "listing")}


def test_the_content_is_that_before_the_steps_own_writes(folder):
    """A file read and then overwritten by the step itself counts as it was when it was read."""
    before = observe("data.csv", "file", folder)
    with FileWatch(folder) as watch:
        text = Path("data.csv").read_text()
        Path("data.csv").write_text(text + "more")
    assert watch.reads() == (before,)
    assert changed(before, folder) == "data.csv changed (size 19 → 23 bytes)"


def test_a_change_by_others_meanwhile_is_marked(folder):
    """A file that another process changes while the step runs equals nothing afterwards."""
    with FileWatch(folder) as watch:
        Path("data.csv").read_text()
        code = "import sys; open(sys.argv[1], 'a').write('x')"
        subprocess.run([sys.executable, "-c", code, "data.csv"], check=True)
    (dependency,) = watch.reads()
    assert dependency.changed_while_running
    assert changed(dependency, folder) == "data.csv changed (size 19 → 20 bytes)"
    Path("data.csv").write_text("content of data.csv")
    assert changed(dependency, folder) == "data.csv changed while the step ran"


def test_own_files_do_not_make_a_listing_stale(folder):
    """What the step itself writes into a folder it lists is no change of the listing."""
    with FileWatch(folder) as watch:
        os.listdir(".")
        glob.glob("*.csv")
        Path("out.csv").write_text("x")
        os.mkdir("made")
    listing, pattern = watch.reads()
    assert changed(listing, folder) is None and changed(pattern, folder) is None
    os.remove("out.csv")
    assert changed(listing, folder) is None and changed(pattern, folder) is None
    write(folder / "other.csv", "")
    assert changed(listing, folder) == "folder . has other files (2 → 3)"
    assert changed(pattern, folder) == "pattern *.csv has other files (1 → 2)"
    assert FileDependency(*[getattr(listing, f) for f in FileDependency.__slots__]) == listing


def test_moves_and_removals_are_writes(folder):
    """Renamed, linked and removed files are written; reading them afterwards is no dependency."""
    with FileWatch(folder) as watch:
        Path("tmp").write_text("x")
        os.replace("tmp", "final")
        Path("final").read_text()
        os.remove("sub/b.csv")
    assert watch.writes() == ("tmp", "final", "sub/b.csv")
    assert watch.reads() == ()


def test_only_this_context_counts(folder):
    """Threads count when they inherit the context, others and those that go on later do not."""
    with FileWatch(folder) as watch:
        inherited = contextvars.copy_context()
        for target, name in ((open, "data.csv"), (inherited.run, None)):
            args = (name,) if name else (lambda: Path("sub/a.csv").read_text(),)
            thread = threading.Thread(target=target, args=args)
            if sys.version_info < (3, 14):
                thread.start()
                thread.join()
    assert kinds(watch) == {("sub/a.csv", "file")}
    inherited.run(lambda: Path("sub/b.csv").read_text())
    assert kinds(watch) == {("sub/a.csv", "file")}


def test_tasks_and_nested_watches(folder):
    """A task sees only its own reads; an outer watch sees what an inner one sees."""

    async def reading(name):
        with FileWatch(folder) as watch:
            await asyncio.sleep(0)
            Path(name).read_text()
            await asyncio.sleep(0)
        return kinds(watch)

    async def both():
        return await asyncio.gather(reading("data.csv"), reading("sub/a.csv"))

    assert asyncio.run(both()) == [{("data.csv", "file")}, {("sub/a.csv", "file")}]
    with FileWatch(folder) as outer:
        Path("data.csv").read_text()
        with FileWatch(folder) as inner:
            Path("sub/a.csv").read_text()
    assert kinds(inner) == {("sub/a.csv", "file")}
    assert kinds(outer) == {("data.csv", "file"), ("sub/a.csv", "file")}


def test_what_never_counts(folder, monkeypatch, tmp_path_factory):
    """The interpreter, caches, temp files, imports and the store never count; the folder does."""
    (folder / "helper_mod.py").write_text("k = 1\n")
    for name in (".durable_nb/x", ".git/y", "__pycache__/z.pyc", "nb.ipynb", "other.ipynb"):
        write(folder / name, "x")
    monkeypatch.syspath_prepend(folder)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "f.txt"
    elsewhere.write_text("x")
    with FileWatch(folder, own=["nb.ipynb"]) as watch:
        import helper_mod  # noqa: F401

        Path(os.__file__).read_bytes()
        Path(sysconfig.get_path("purelib"), "pip").exists()
        for name in (".durable_nb/x", ".git/y", "__pycache__/z.pyc", "nb.ipynb", "other.ipynb"):
            Path(name).read_text()
        elsewhere.read_text()  # below the temp folder, as is the notebook's folder itself
        Path("/proc/self/status").exists() and Path("/proc/self/status").read_text()
    assert kinds(watch) == {("other.ipynb", "file")}


def test_an_excluded_folder_below_the_notebook_stays_excluded(folder, monkeypatch):
    """A virtual environment inside the notebook's folder does not count, data beside it does."""
    venv = os.path.join(folder, "venv", "")
    monkeypatch.setattr("durable_nb.values.files.excluded_folders", lambda: (str(folder.parent), venv))
    watch = FileWatch(folder)
    assert watch.counts(str(folder / "data.csv"))
    assert not watch.counts(str(folder / "venv" / "lib.py"))
    assert not watch.counts(str(folder.parent / "data.csv"))


def test_the_hook_never_raises(folder, monkeypatch):
    """A failure while looking is kept in problems and the user's open works."""

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(dependencies, "listed", broken)
    with FileWatch(folder) as watch:
        assert sorted(os.listdir("sub")) == ["a.csv", "b.csv"]
    assert watch.problems == ["'sub': RuntimeError: broken"]


# -- whether it still is so


def test_changed_names_what_differs(folder):
    """Size, content, disappearance and appearance are told; equal content is no change."""
    dependency = observe("data.csv", "file", folder)
    missing = observe("new.csv", "file", folder)
    assert missing == FileDependency("new.csv", "missing")
    assert changed(dependency, folder) is None and changed(missing, folder) is None
    write(folder / "data.csv", "content of data.csv", OLD + 5)
    assert changed(dependency, folder) is None
    write(folder / "data.csv", "CONTENT of data.csv", OLD + 5)
    assert changed(dependency, folder) == "data.csv changed (same size)"
    write(folder / "data.csv", "shorter")
    assert changed(dependency, folder) == "data.csv changed (size 19 → 7 bytes)"
    os.remove("data.csv")
    assert changed(dependency, folder) == "data.csv is gone"
    write(folder / "new.csv", "")
    assert changed(missing, folder) == "new.csv appeared"


def test_a_fresh_time_is_not_trusted(folder):
    """A file changed a moment ago is compared by content: its time may be too coarse to tell."""
    path = folder / "data.csv"
    path.write_text("one")
    dependency = observe("data.csv", "file", folder)
    times = path.stat()
    path.write_text("two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert dependency.mtime_ns == 0
    assert changed(dependency, folder) == "data.csv changed (same size)"


def test_an_old_time_is_trusted(folder):
    """Equal size and old time suffice: the content is not read again."""
    dependency = observe("data.csv", "file", folder)
    write(folder / "data.csv", "CONTENT of data.csv")
    assert changed(dependency, folder) is None


def test_kinds_are_found_out(folder, tmp_path_factory):
    """Without a kind, observe takes folders for listings and patterns for globs."""
    assert [observe(p, root=folder).kind for p in ("sub", "*.csv", "data.csv", "no")] == [
        "listing", "glob", "file", "missing",
    ]  # fmt: skip
    other = tmp_path_factory.mktemp("other") / "x.csv"
    other.write_text("")
    assert observe(other, root=folder).path == str(other)
    assert changed(observe("gone/", "listing", folder), folder) is None


def test_paths_move_with_the_notebook(folder, tmp_path_factory):
    """A folder moved with its notebook has the same dependencies."""
    found = [observe(p, root=folder) for p in ("data.csv", "sub", "sub/*.csv")]
    new = tmp_path_factory.mktemp("moved") / "nb"
    os.rename(folder / "sub", new.parent / "sub")
    os.rename(folder / "data.csv", new.parent / "data.csv")
    assert [changed(dependency, new.parent) for dependency in found] == [None, None, None]


# -- named files


def test_named_files(folder, tmp_path_factory):
    """Strings and paths that name a file, folder or pattern are found; other values are not."""
    other = tmp_path_factory.mktemp("other") / "x.csv"
    other.write_text("")
    values = [
        "data.csv", Path("sub"), "sub/*.csv", str(other), "nope.csv", "hello world", "", 3, None,
        "a\nb", "https://x/data.csv", "\0", "x" * 5000, ".", "*", "**", "?",
        str(folder), str(folder.parent), b"data.csv",
    ]  # fmt: skip
    assert named_files(values, folder) == (
        ("data.csv", "file"),
        ("sub", "listing"),
        ("sub/a.csv", "file"),
        ("sub/b.csv", "file"),
        ("sub/*.csv", "glob"),
        (str(other), "file"),
    )


def test_named_files_can_be_noted(folder):
    """A named file counts as it was before the run, though only C++ read it; one that the step writes is an output."""
    with FileWatch(folder) as watch:
        for path, kind in named_files(["data.csv", "sub"], folder):
            watch.note(path, kind)
        write(folder / "sub" / "a.csv", "changed by the step")
    assert kinds(watch) == {("data.csv", "file"), ("sub", "listing"), ("sub/b.csv", "file")}
    by_path = {dependency.path: dependency for dependency in watch.reads()}
    assert changed(by_path["sub/b.csv"], folder) is None
    (left,) = watch.left()
    assert left.path == "sub/a.csv"
    assert left.is_untouched("sub/a.csv")
    write(folder / "sub" / "a.csv", "changed by somebody else")
    assert not left.holds("sub/a.csv")


def test_what_was_appended_is_left_behind(folder):
    """Of a file that a step only appends to, the bytes it appended count: more may follow, but none may go."""
    write(folder / "run.log", "before\n")
    with FileWatch(folder) as watch:
        with open(folder / "run.log", "a") as log:
            log.write("one line")
        write(folder / "out.csv", "1")
        write(folder / "tmp", "came and went")
        os.remove("tmp")
    log, out = watch.left()
    assert (log.path, log.kind, log.before, log.size) == ("run.log", "appended", 7, 15)
    assert (out.path, out.kind, out.before, out.size) == ("out.csv", "file", -1, 1)
    with open("run.log", "a") as file:
        file.write(" and more")
    assert log.holds("run.log")
    assert not log.is_untouched("run.log")
    for text in ("before\n", "BEFORE\none LINE and more"):
        write(folder / "run.log", text)
        assert not log.holds("run.log"), text


def test_files_that_only_their_name_tells_of(folder):
    """A named file that is new, or other than it was, after the code ran was written by it: C++ writes unseen."""
    with FileWatch(folder) as watch:
        for path, kind in named_files(["data.csv", "sub/a.csv", "new.csv"], folder):
            watch.note(path, kind)
        code = "import sys; [open(name, 'w').write('x') for name in sys.argv[1:]]"
        subprocess.run([sys.executable, "-c", code, "data.csv", "new.csv"], check=True)
        watch.note_made(named_files(["data.csv", "sub/a.csv", "new.csv"], folder))
    assert kinds(watch) == {("sub/a.csv", "file")}
    assert {(each.path, each.before, each.size) for each in watch.left()} == {("data.csv", 19, 1), ("new.csv", -1, 1)}


def test_what_replays_inside_counts_as_read_and_written(folder):
    """A step that replays inside of watched code hands on what it read first and what it wrote."""
    was = observe("data.csv", "file", folder)
    left = WrittenFile("sub/a.csv", "file", 3, 0, "", 3)
    with FileWatch(folder) as watch:
        watch.note_replayed([was], [left])
        Path("sub/a.csv").read_text()
        Path("data.csv").write_text("new")
    assert watch.reads() == (was,)
    assert watch.writes() == ("sub/a.csv", "data.csv")


def test_a_thread_can_be_seen(folder):
    """Watches may be handed to a thread, whose own context is empty."""

    def read(watches):
        with watched_by(watches):
            Path("data.csv").read_text()

    with FileWatch(folder) as watch:
        thread = threading.Thread(target=read, args=(watches_here(),))
        thread.start()
        thread.join()
    assert kinds(watch) == {("data.csv", "file")}
