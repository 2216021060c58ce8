"""``durable-nb run``: notebooks without a front end, for schedules."""

from __future__ import annotations

import os
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from durable_nb.cli.command import Command, CommandError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

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
    add("--max-kernel-restarts", type=int, default=3, metavar="N", help="replace a kernel that dies so often (3)")
    add("--timeout-seconds", type=int, metavar="S", help="bound on one cell")
    add("--kernel", default="", metavar="NAME", help="kernel to use, rather than the notebook's")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quiet", action="store_true", help="say nothing; the exit status tells")
    how.add_argument("--json", action="store_true", help="tell each event as a line of JSON, for machines")


def _run(options: Namespace) -> int:
    _need_nbclient()
    if options.max_kernel_restarts < 0:
        raise CommandError("--max-kernel-restarts has to be 0 or more")
    pairs = list(_notebooks(options.notebook, options.output))
    status = 0
    for source, target in pairs:
        if len(pairs) > 1 and not (options.quiet or options.json):
            _tell(f"{source}")
        status = max(status, _run_one(options, source, target))
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
    found = sorted(path for path in source.rglob("*.ipynb") if not any(part.startswith(".") for part in path.parts[1:]))
    if not found:
        raise CommandError(f"{source} holds no notebook")
    for path in found:
        yield path, path if target is None else target / path.relative_to(source)


def _run_one(options: Namespace, source: Path, target: Path) -> int:
    from durable_nb.cli import parameters
    from durable_nb.cli.headless import Task, run_notebook
    from durable_nb.cli.notebook_file import read_notebook
    from durable_nb.errors import DuplicateStepName, StoreError, StoreLocked
    from durable_nb.notebook.file import refuse_named_twice
    from durable_nb.notebook.magics import name_on

    notebook = read_notebook(source)
    values = parameters.gather(options.parameter, options.raw_parameter, options.yaml, options.file)
    parameters.inject(notebook, values)
    _need_kernel(options.kernel or notebook.metadata.get("kernelspec", {}).get("name", ""))
    _make_folder(target)
    try:
        refuse_named_twice(source, name_on)
        execution = _execution(source, options.execution_id, parameters.digest(values))
    except StoreLocked as error:
        _tell(f"{source}: {error}")
        return STORE_BUSY
    except (DuplicateStepName, StoreError) as error:
        raise CommandError(str(error)) from error
    if execution is None:
        _tell(f"execution {options.execution_id} of {source} had completed: another --execution-id begins a new one")
        return 0
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


def _need_kernel(name: str) -> None:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    known = KernelSpecManager()
    try:
        if name:
            known.get_kernel_spec(name)
    except NoSuchKernel:
        others = ", ".join(sorted(known.find_kernel_specs())) or "none"
        raise CommandError(f"there is no kernel {name}: choose another with --kernel (there are: {others})") from None


def _make_folder(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error


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
