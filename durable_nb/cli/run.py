"""``durable-nb run``: notebooks without a front end, for schedules."""

from __future__ import annotations

import argparse
import os
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from durable_nb.cli.command import Command, CommandError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Mapping

    from nbformat import NotebookNode

    from durable_nb.cli.progress import Progress

STORE_BUSY: Final = 75
"""Exit status when another process holds the store: EX_TEMPFAIL of sysexits.h, so that a scheduler tries again."""


def _arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    pair: dict[str, Any] = {"nargs": 2, "action": "append", "default": []}
    add("notebook", type=Path, help="a notebook, or a folder: its notebooks run in the order of their names")
    add("-o", "--output", type=Path, metavar="PATH", help="notebook (or folder) to write (the input itself)")
    add("-p", "--parameter", metavar=("NAME", "VALUE"), help="a parameter, as papermill has them", **pair)
    add("-r", "--raw-parameter", metavar=("NAME", "TEXT"), help="a parameter that is a text", **pair)
    add("-y", "--yaml", action="append", default=[], metavar="TEXT", help="parameters as YAML or JSON")
    add("-f", "--file", type=Path, action="append", default=[], metavar="PATH", help="a file with parameters")
    add("--auto", action="store_true", help="make every cell a step, without magics in the notebook")
    add("--execution-id", metavar="ID", help="the execution to go on with or begin; a completed one returns at once")
    add("--reuse", action="store_true", help="also replay checkpoints of other executions, a person's among them")
    often = "replace a kernel that dies so often (3)"
    add("--max-kernel-restarts", type=_at_least(0), default=3, metavar="N", help=often)
    add("--timeout-seconds", type=_at_least(1), metavar="S", help="bound on one cell; none unless given")
    add("--kernel", default="", metavar="NAME", help="kernel to use, rather than the notebook's")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quiet", action="store_true", help="say nothing; the exit status tells")
    how.add_argument("--json", action="store_true", help="tell each event as a line of JSON, for machines")


def _at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.strip().isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"has to be a whole number, {least} or more, not {text}")
        return int(text)

    return whole


def _run(options: Namespace) -> int:
    _need_nbclient()
    from durable_nb.cli import parameters
    from durable_nb.cli.headless import CELL_FAILED, SIGNALLED

    if options.execution_id == "":
        raise CommandError("--execution-id is empty: name the execution, or leave the option out")
    values = parameters.gather(options.parameter, options.raw_parameter, options.yaml, options.file)
    pairs = list(_notebooks(options.notebook, options.output))
    if len(pairs) == 1:
        return _run_one(options, *pairs[0], values)
    status = 0
    for source, target in pairs:
        if not (options.quiet or options.json):
            _tell(f"{source}")
        try:
            status = max(status, _run_one(options, source, target, values))
        except CommandError as error:
            _tell(f"durable-nb run: {error}")
            status = max(status, CELL_FAILED)
        if status > SIGNALLED:
            break  # it is this process that was asked to end
    return status


def _need_nbclient() -> None:
    try:
        import nbclient  # noqa: F401
    except ImportError as error:
        raise CommandError(f"{error}: pip install 'durable-nb[run]'") from error


def _notebooks(source: Path, target: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield each notebook and where it is written."""
    if not source.is_dir():
        yield source, target or source
        return
    if target is not None and target.exists() and not target.is_dir():
        raise CommandError(f"{target} is no folder, and {source} is one: name another with -o")
    found = sorted(
        path for path in source.rglob("*.ipynb") if path.is_file() and not _is_left_out(path, source, target)
    )
    if not found:
        raise CommandError(f"{source} holds no notebook: name one, or a folder that does")
    for path in found:
        yield path, path if target is None else target / path.relative_to(source)


def _is_left_out(path: Path, source: Path, target: Path | None) -> bool:
    """Say whether a file in a folder is hidden there, or is what an earlier run made in a folder of its own there."""
    if any(part.startswith(".") for part in path.relative_to(source).parts):
        return True
    if target is None or source.absolute() not in target.absolute().parents:
        return False
    return target.absolute() in path.absolute().parents


def _run_one(options: Namespace, source: Path, target: Path, values: Mapping[str, Any]) -> int:
    from durable_nb.cli import parameters
    from durable_nb.cli.headless import Task, run_notebook
    from durable_nb.cli.kernels import need_kernel
    from durable_nb.cli.notebook_file import make_place, read_notebook
    from durable_nb.errors import DuplicateStepName, StoreError, StoreLocked
    from durable_nb.notebook.file import refuse_named_twice
    from durable_nb.notebook.magics import name_on

    notebook = read_notebook(source)
    parameters.inject(notebook, values)
    need_kernel(source, notebook, options.kernel)
    try:
        refuse_named_twice(source, name_on)
        execution = _execution(source, options.execution_id, parameters.digest(values))
    except StoreLocked as error:
        _tell(f"{source}: {error}")
        return STORE_BUSY
    except (DuplicateStepName, StoreError) as error:
        raise CommandError(str(error)) from error
    if execution is None:
        _tell_completed(options, source)
        return 0
    make_place(target)
    task = Task(
        source,
        target,
        notebook,
        _environment(options, source, execution),
        options.kernel,
        options.max_kernel_restarts,
        options.timeout_seconds,
    )
    return run_notebook(task, _progress(options, notebook, target))


def _tell_completed(options: Namespace, source: Path) -> None:
    if options.json:
        from durable_nb.cli.progress import say_json

        say_json({"event": "had_completed", "execution": options.execution_id})
    elif not options.quiet:
        _tell(f"execution {options.execution_id} of {source} had completed: another --execution-id begins a new one")


def _execution(source: Path, asked: str | None, arguments_key: bytes) -> str | None:
    """Return the id of the execution to go on with or to begin, recorded; None when the one asked for completed.

    Raises:
        StoreError: the store cannot be used.
    """
    import time

    from durable_nb.core import executions
    from durable_nb.store.ledger import Ledger
    from durable_nb.store.location import store_path

    ledger = Ledger.open(store_path(source.absolute(), os.environ), notebook=str(source.absolute()))
    try:
        known = ledger.executions()
        found = executions.find(known, asked) if asked else executions.unfinished(known, arguments_key)
        if found is None:
            found = executions.Execution(asked or _new_id(), time.time())
            ledger.commit(executions.begun(found, arguments_key))
    finally:
        ledger.close()
    return None if found.completed else found.id


def _new_id() -> str:
    return f"{datetime.now():%Y-%m-%d-%H%M%S}-{uuid.uuid4().hex[:4]}"  # noqa: DTZ005 - for people, in their time


def _environment(options: Namespace, source: Path, execution: str) -> dict[str, str]:
    told = {
        "DURABLE_NB_NOTEBOOK": str(source.absolute()),
        "DURABLE_NB_EXECUTION_ID": execution,
        "DURABLE_NB_AUTO": "1" if options.auto else "",
        "DURABLE_NB_REUSE": "1" if options.reuse else "",
    }
    return {name: value for name, value in told.items() if value}


def _progress(options: Namespace, notebook: NotebookNode, target: Path) -> Progress:
    import sys

    from durable_nb.cli import progress
    from durable_nb.cli.notebook_file import read_notebook, seconds_taken

    cells = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    try:
        expected = seconds_taken(read_notebook(target))
    except CommandError:
        expected = {}  # there is none yet
    ids = [notebook.cells[number].get("id", "") for number in cells]
    expected = {own: expected[own] for own in ids if own in expected}
    tell: Any = progress.say_json if options.json else progress.say_nothing
    if not (options.json or options.quiet):
        tell = progress.People(expected, terminal=sys.stderr.isatty())
    return progress.Told(tell, cells, expected)


def _tell(text: str) -> None:
    import sys

    sys.stderr.write(text + "\n")


RUN = Command("run", "run notebooks without a front end; what an earlier run completed replays", _arguments, _run)
