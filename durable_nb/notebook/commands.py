"""``%durable``: what was checkpointed, why a step ran, and what to run again."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from durable_nb.errors import OptionError, StoreError
from durable_nb.notebook.auto import steer
from durable_nb.notebook.diff import diff
from durable_nb.notebook.picturing import picture
from durable_nb.notebook.report import StepReport, numbered, show, step_row
from durable_nb.notebook.restore import restore
from durable_nb.notebook.spans import moment, plural
from durable_nb.notebook.status import StatusTable
from durable_nb.notebook.why import why, why_unfinished, why_unrecorded
from durable_nb.notebook.why_calls import call_names, why_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from durable_nb.notebook.extension import DurableNB
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.notebook.views import RowAction
    from durable_nb.store.records import StepRecord

COMMANDS = (
    "status", "why", "show", "diff", "rerun", "forget", "timeline", "graph", "restore", "auto", "execution",
    "trust",
)  # fmt: skip


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
        self._commands: dict[str, Callable[[Notebook, list[str]], Any]] = {
            "status": self._status,
            "why": lambda notebook, words: why_named(notebook, *_arguments(words)),
            "show": lambda notebook, words: _show(_request(notebook, words)),
            "diff": lambda notebook, words: _diff(_request(notebook, words)),
            "rerun": lambda notebook, words: self._rerun(_request(notebook, words)),
            "forget": lambda notebook, words: self._forget(_request(notebook, words)),
            "timeline": partial(picture, extension),
            "graph": partial(picture, extension),
            "restore": self._restore,
            "auto": self._auto,
            "execution": self._execution,
            "trust": self._trust,
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
            %durable timeline             a bar per step and attempt over time, live while cells run
            %durable graph                the steps and the variables between them, those that are stale marked
                                          both: --save FILE writes an .svg, .html or .png
            %durable restore              bind what the steps bound last, without running cells
            %durable execution [ID]       which execution goes on here; with ID, go on with that one, or begin it
            %durable trust                load what was written with another key: only do so if you trust who wrote it
            %durable auto on|off          make every cell a step; --only-slow TIME records those that take longer

        NAME is a step's name, or the beginning of one; a step without a name is shown by the start of its code's
        digest.
        """
        words, notebook = line.split() or ["status"], self._extension.notebook
        if notebook is None:
            raise UsageError("no store is open, so there are no checkpoints: see the line %load_ext durable_nb printed")
        command = self._commands.get(words[0])
        if command is None:
            raise UsageError(f"%durable {words[0]} is unknown; there are {', '.join(COMMANDS)} (see %durable?)")
        return command(notebook, words)

    def _status(self, notebook: Notebook, words: list[str]) -> StatusTable:
        _alone(words)
        rows = [step_row(name, rows, notebook) for name, rows in notebook.checkpoints.steps().items()]
        return StatusTable(rows, self._extension.table_token(partial(act, notebook)))

    def _restore(self, notebook: Notebook, words: list[str]) -> StepReport:
        _alone(words)
        return restore(notebook)

    def _auto(self, notebook: Notebook, words: list[str]) -> None:  # noqa: ARG002 - it is the shell's
        try:
            self._extension.display.line(steer(self._extension, words[1:]))
        except OptionError as error:
            raise UsageError(str(error)) from None

    def _execution(self, notebook: Notebook, words: list[str]) -> None:  # noqa: ARG002 - another may be opened
        if len(words) > 2:  # noqa: PLR2004 - the command and its id
            raise UsageError("%durable execution takes one id, e.g. %durable execution nightly-2026-11-22")
        if words[1:]:
            self._extension.execution_id = words[1]
        self._extension.display.line(told(self._extension))

    def _trust(self, notebook: Notebook, words: list[str]) -> None:
        _alone(words)
        ledger = notebook.session.ledger
        try:
            count = ledger.trust()
        except StoreError as error:
            raise UsageError(str(error)) from None
        if not count:
            self._extension.display.line(f"all of {ledger.path} was written with your key: there is nothing to trust")
            return
        what = f"{plural(count, 'row')} of {ledger.path} that another key had signed"
        self._extension.display.line(f"trusted {what}: their pickles are loaded now, and can run any code")
        self._extension.reopen()

    def _rerun(self, request: _Request) -> None:
        names = [request.name]
        if request.from_here:
            names += _downstream(request.notebook, request.name)
        self._extension.display.line(rerun(request.notebook, names))

    def _forget(self, request: _Request) -> None:
        self._extension.display.line(forget(request.notebook, request.name, request.rows))


def _alone(words: list[str]) -> None:
    """Refuse what follows a command that takes nothing.

    Raises:
        UsageError: something does.
    """
    if words[1:]:
        raise UsageError(f"%durable {words[0]} takes nothing, not {words[1]} (see %durable?)")


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


def act(notebook: Notebook, action: RowAction, name: str) -> StepReport:
    """Do what a button beside a step says, and return what is to be shown.

    Raises:
        UsageError: the step is not there any more.
    """
    steps = notebook.checkpoints.steps()
    name = _find(steps, name)
    if action == "why":
        return why_named(notebook, name)
    if action == "show":
        return show(notebook, name, steps[name])
    return StepReport(rerun(notebook, [name]) if action == "rerun" else forget(notebook, name, steps[name]), ())


def rerun(notebook: Notebook, names: list[str]) -> str:
    """Let steps run again; say so."""
    notebook.rerun.update(names)
    return f"{', '.join(names)} will run again when the cell runs"


def forget(notebook: Notebook, name: str, rows: list[StepRecord]) -> str:
    """Remove the rows of a step; say how many."""
    ids = {row.id for row in rows}
    notebook.forget(ids).result()
    return f"forgot {len(ids)} row{'' if len(ids) == 1 else 's'} of {name}; variables in memory stay as they are"


def why_named(notebook: Notebook, asked: str) -> StepReport:
    """Explain the step that is asked for, by any unique beginning of its name.

    Raises:
        UsageError: there is none, or more than one.
    """
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
