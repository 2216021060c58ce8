"""``%durable``: what was checkpointed, why a step ran, and what to run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from durable_nb.core.history import Table
from durable_nb.notebook.report import StepReport, StepRow, step_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.notebook.extension import DurableNB
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import StepRecord

COMMANDS = ("status", "why", "show", "rerun", "forget")


@dataclass(frozen=True, slots=True)
class _Request:
    """A parsed ``%durable`` line."""

    notebook: Notebook
    name: str
    rows: list[StepRecord]
    from_here: bool


@magics_class
class DurableMagics(Magics):
    """The line magic."""

    def __init__(self, extension: DurableNB) -> None:
        super().__init__(extension.shell)
        self._extension = extension
        self._commands: dict[str, Callable[[_Request], Any]] = {
            "why": _why,
            "show": _show,
            "rerun": self._rerun,
            "forget": self._forget,
        }

    @line_magic
    def durable(self, line: str) -> Any:
        """Show and steer the checkpoints of this notebook.

        ::

            %durable                      the notebook's steps: state, when, took, size, attempts, why
            %durable why NAME             why NAME ran or replayed, and what its checkpoint depends on
            %durable show NAME            code, inputs, outputs and attempts of its newest checkpoint
            %durable rerun NAME [--from]  run NAME again the next time its cell runs; --from: what follows it, too
            %durable forget NAME          remove the checkpoints of NAME

        NAME is a step's name, or the beginning of one; a step without a name is shown by the start of its code's
        digest.
        """
        words = line.split()
        notebook = self._extension.notebook
        if notebook is None:
            raise UsageError("no store is open, so there are no checkpoints: see the line %load_ext durable_nb printed")
        if not words or words == ["status"]:
            return _status(notebook)
        command = self._commands.get(words[0])
        if command is None:
            raise UsageError(f"%durable {words[0]} is unknown; there are {', '.join(COMMANDS)} (see %durable?)")
        return command(_request(notebook, words))

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


def _request(notebook: Notebook, words: list[str]) -> _Request:
    flags = [word for word in words[1:] if word.startswith("-")]
    names = [word for word in words[1:] if not word.startswith("-")]
    if set(flags) - {"--from"} or (flags and words[0] != "rerun"):
        raise UsageError(f"%durable {words[0]}: {flags[0]} is unknown (see %durable?)")
    if len(names) != 1:
        raise UsageError(f"%durable {words[0]} takes the name of one step, e.g. %durable {words[0]} load")
    name, rows = _find(notebook.checkpoints.steps(), names[0])
    return _Request(notebook, name, rows, bool(flags))


def _find(steps: dict[str, list[StepRecord]], asked: str) -> tuple[str, list[StepRecord]]:
    found = [asked] if asked in steps else [name for name in steps if name.startswith(asked)]
    if len(found) == 1:
        return found[0], steps[found[0]]
    known = ", ".join(steps) or "none yet"
    why = "could be " + ", ".join(found) if found else f"is no step of this notebook; there are {known}"
    raise UsageError(f"{asked} {why}")


def _status(notebook: Notebook) -> Table[StepRow]:
    return Table(step_row(name, rows, notebook) for name, rows in notebook.checkpoints.steps().items())


def _why(request: _Request) -> StepReport:
    return StepReport.why(request.notebook, request.name, request.rows)


def _show(request: _Request) -> StepReport:
    return StepReport.show(request.notebook, request.name, request.rows)


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
