"""``%durable``: what was checkpointed, why a step ran, and what to run again."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from durable_nb.core.history import Table
from durable_nb.errors import OptionError
from durable_nb.notebook.auto import steer
from durable_nb.notebook.diff import diff
from durable_nb.notebook.report import StepReport, StepRow, numbered, show, step_row
from durable_nb.notebook.restore import restore
from durable_nb.notebook.spans import moment
from durable_nb.notebook.why import why, why_unfinished, why_unrecorded
from durable_nb.notebook.why_calls import call_names, why_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from durable_nb.notebook.extension import DurableNB
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord

COMMANDS = ("status", "why", "show", "diff", "rerun", "forget", "restore", "auto", "execution")


@dataclass(frozen=True, slots=True)
class _Request:
    """A parsed ``%durable`` line."""

    notebook: Notebook
    name: str
    rows: list[StepRecord]
    from_here: bool
    numbers: tuple[int, ...] = ()


@magics_class
class DurableMagics(Magics):
    """The line magic."""

    def __init__(self, extension: DurableNB) -> None:
        super().__init__(extension.shell)
        self._extension = extension
        self._commands: dict[str, Callable[[_Request], Any]] = {
            "show": _show,
            "diff": _diff,
            "rerun": self._rerun,
            "forget": self._forget,
        }

    @line_magic
    def durable(self, line: str) -> Any:
        """Show and steer the checkpoints of this notebook.

        ::

            %durable                      the notebook's steps: state, when, took, size, attempts, why
            %durable why NAME             why NAME ran or replayed, what has changed since, and what will happen next
            %durable show NAME            code, inputs, outputs and attempts of its newest checkpoint; all by number
            %durable diff NAME [A B]      what its newest two checkpoints hold, compared; or numbers A and B
            %durable rerun NAME [--from]  run NAME again the next time its cell runs; --from: what follows it, too
            %durable forget NAME          remove the checkpoints of NAME
            %durable execution [ID]       which execution goes on here; with ID, go on with that one, or begin it
            %durable restore              bind what the steps bound last, without running cells
            %durable auto on|off          make every cell a step; --only-slow TIME records those that take longer

        NAME is a step's name, or the beginning of one; a step without a name is shown by the start of its code's
        digest.
        """
        words = line.split()
        notebook = self._extension.notebook
        if notebook is None:
            raise UsageError("no store is open, so there are no checkpoints: see the line %load_ext durable_nb printed")
        if not words or words == ["status"]:
            return _status(notebook)
        if words[0] == "why":
            return _why(notebook, *_arguments(words))
        if words == ["restore"]:
            return restore(notebook)
        if words[0] == "auto":
            return self._auto(words[1:])
        if words[0] == "execution":
            return self._execution(words[1:])
        command = self._commands.get(words[0])
        if command is None:
            raise UsageError(f"%durable {words[0]} is unknown; there are {', '.join(COMMANDS)} (see %durable?)")
        return command(_request(notebook, words))

    def _auto(self, words: list[str]) -> None:
        try:
            self._extension.display.line(steer(self._extension, words))
        except OptionError as error:
            raise UsageError(str(error)) from None

    def _execution(self, words: list[str]) -> None:
        if len(words) > 1:
            raise UsageError("%durable execution takes one id, e.g. %durable execution nightly-2026-11-22")
        if words:
            self._extension.execution_id = words[0]
        self._extension.display.line(told(self._extension))

    def _rerun(self, request: _Request) -> None:
        names = [request.name]
        if request.from_here:
            names += _downstream(request.notebook, request.name)
        request.notebook.rerun.update(names)
        self._extension.display.line(f"{', '.join(names)} will run again when the cell runs")

    def _forget(self, request: _Request) -> None:
        ids = {row.id for row in request.rows}
        request.notebook.forget(ids).result()
        many = "" if len(ids) == 1 else "s"
        self._extension.display.line(
            f"forgot {len(ids)} row{many} of {request.name}; variables in memory stay as they are"
        )


def _arguments(words: list[str], flags: frozenset[str] = frozenset()) -> list[str]:
    """Return what follows a command, checked.

    Raises:
        UsageError: a flag is unknown, or there is not one name.
    """
    command, *rest = words
    unknown = [word for word in rest if word.startswith("-") and word not in flags]
    if unknown:
        raise UsageError(f"%durable {command}: {unknown[0]} is unknown (see %durable?)")
    names = [word for word in rest if not word.startswith("-")]
    if command == "diff" and len(names) == 3 and all(map(str.isdecimal, names[1:])):  # noqa: PLR2004 - NAME A B
        return names
    if len(names) != 1:
        more = ", or that and two numbers of its checkpoints" if command == "diff" else ""
        raise UsageError(f"%durable {command} takes the name of one step, e.g. %durable {command} load{more}")
    return names


def _request(notebook: Notebook, words: list[str]) -> _Request:
    flags = frozenset({"--from"}) if words[0] == "rerun" else frozenset[str]()
    asked, *numbers = _arguments(words, flags)
    steps = notebook.checkpoints.steps()
    name = _find(steps, asked)
    return _Request(notebook, name, steps[name], "--from" in words, tuple(map(int, numbers)))


def _find(known: Iterable[str], asked: str) -> str:
    """Return the one name that is, or begins with, what was asked for.

    Raises:
        UsageError: there is none, or more than one.
    """
    known = list(known)
    found = [asked] if asked in known else [name for name in known if name.startswith(asked)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{asked} could be {', '.join(found)}")
    near = difflib.get_close_matches(asked, known, 3)
    there = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none yet'}"
    raise UsageError(f"{asked} is no step of this notebook; {there}")


def _status(notebook: Notebook) -> Table[StepRow]:
    return Table(step_row(name, rows, notebook) for name, rows in notebook.checkpoints.steps().items())


def _why(notebook: Notebook, asked: str) -> StepReport:
    steps = notebook.checkpoints.steps()
    open_attempts = notebook.session.attempts.newest()
    name = _find(dict.fromkeys((*steps, *notebook.unrecorded, *open_attempts, *call_names(notebook))), asked)
    if name in steps:
        return why(notebook, name, steps[name])
    if name in notebook.unrecorded:
        return why_unrecorded(name, notebook.unrecorded[name])
    return why_unfinished(name, open_attempts[name]) if name in open_attempts else why_called(notebook, name)


def _show(request: _Request) -> StepReport:
    return show(request.notebook, request.name, request.rows)


def _diff(request: _Request) -> StepReport:
    found = numbered(request.rows)
    chosen = request.numbers or tuple(found)[-2:]
    absent = [str(number) for number in chosen if number not in found]
    if len(chosen) < 2 or absent:  # noqa: PLR2004 - it takes two
        there = f"{len(found)} checkpoint{'' if len(found) == 1 else 's'}"
        what = f"no checkpoint {absent[0]}" if absent else "nothing to compare"
        raise UsageError(f"{request.name} has {there}, {what} (see %durable show {request.name})")
    return diff(request.notebook, request.name, {number: found[number] for number in chosen})


def _downstream(notebook: Notebook, name: str) -> list[str]:
    """Return the steps that read what a step binds, directly or through others, in the order of their first run."""
    steps = notebook.checkpoints.steps()
    newest = {each: notebook.checkpoints.load(rows[-1]) for each, rows in steps.items()}
    bound = {output.name for output in newest[name].outputs}
    found: list[str] = []
    for each in list(newest)[list(newest).index(name) + 1 :]:
        if bound & {read.name for read in newest[each].inputs}:
            found.append(each)
            bound |= {output.name for output in newest[each].outputs}
    return found


def told(extension: DurableNB) -> str:
    """Say which execution of the notebook goes on."""
    notebook = extension.notebook
    execution = notebook.session.execution if notebook is not None else None
    if execution is None or not execution.id:
        return "no execution is named: the notebook is one long execution, all checkpoints count"
    state = "had completed and replays" if execution.completed else f"goes on since {moment(execution.started_at)}"
    return f"execution {execution.id} {state}"
