"""What the timeline shows, as data: a lane for each step, a bar for each of its attempts, waits and replays."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from durable_nb.core.attempts import LONG_ATTEMPT_SECONDS
from durable_nb.notebook.pictures.axis import clock
from durable_nb.notebook.spans import moment, span
from durable_nb.store.records import COMPLETED, LABEL_LENGTH, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from durable_nb.notebook.journal import Underway
    from durable_nb.notebook.notebook import Notebook
    from durable_nb.store.records import AttemptRecord, ScopeRecord, StepRecord

BarKind = Literal["ran", "failed", "waiting", "replayed", "running", "killed", "unsaved"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt, wait or replay.

    Attributes:
        kind: ``ran`` to its end, ``failed``, ``waiting`` for the next attempt, ``replayed``, ``running`` now,
            ``killed`` with its kernel, or ``unsaved``: it ran and has no checkpoint.
        start, end: Unix seconds; a replay is a moment.
        attempt: 1-based.
        note: an error, or what else is to be said.
        who: of a call, its name and start order in its pass.
    """

    kind: BarKind
    start: float
    end: float
    attempt: int = 1
    note: str = ""
    who: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Lane:
    """What happened to one step, or to the calls in one cell that is no step.

    Attributes:
        name: the step's label; of a plain cell, the functions that it calls.
        bars: of the step itself, oldest first.
        calls: of the calls in it, each attempt of each call, oldest first.
        replayed_calls: how many of its calls were replayed in this kernel.
    """

    name: str
    bars: tuple[Bar, ...] = ()
    calls: tuple[Bar, ...] = ()
    replayed_calls: int = 0

    @property
    def all_bars(self) -> tuple[Bar, ...]:
        """Everything in it."""
        return self.bars + self.calls

    @property
    def took(self) -> float:
        """Seconds of its newest run, waits included; of a plain cell, from its first call to its last."""
        bars = [each for each in self.bars or self.calls if each.kind != "replayed"]
        if not bars:
            return 0.0
        if not self.bars:
            return sum(each.seconds for each in bars if each.kind != "waiting")
        begins = [number for number, each in enumerate(bars) if each.attempt == 1 and each.kind != "waiting"]
        return sum(each.seconds for each in bars[begins[-1] if begins else 0 :])


def lanes_of(notebook: Notebook) -> tuple[Lane, ...]:
    """Return the lanes of a notebook in the order of their beginnings.

    Of a step its newest run is shown, wherever it ran, and all that happened to it in this kernel.
    """
    found = [each for each in _Reader(notebook).lanes() if each.all_bars]
    return tuple(sorted(found, key=lambda lane: min(bar.start for bar in lane.all_bars)))


class _Reader:
    """Reads rows, attempts and the journal of this kernel."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._journal = notebook.journal
        self._now = notebook.session.clock.now()
        self._steps = notebook.checkpoints.steps()
        heads = list(notebook.session.heads)
        self._calls = [each for each in heads if each.kind != "cell"]
        self._underway = list(self._journal.underway.values())
        self._tries: defaultdict[bytes, list[AttemptRecord]] = defaultdict(list)
        for attempt in list(notebook.session.attempts.history):
            self._tries[attempt.key].append(attempt)
        self._ended: defaultdict[bytes, list[float]] = defaultdict(list)
        for each in heads:
            self._ended[each.key].append(each.ended_at)
        passes = {each.pass_id: label(each) for each in heads if each.kind == "cell"}
        self._scope_names = {each.scope_id: passes[each.pass_id] for each in self._calls if each.pass_id in passes}
        self._scopes = {each.id: each for each in notebook.session.scopes()}
        self._scope_of_pass = {each.pass_id: each.scope_id for each in self._calls}

    def lanes(self) -> Iterator[Lane]:
        bars = {name: list(self._step(rows)) for name, rows in self._steps.items()}
        for name, opened in self._open(cells=True):
            newest = self._steps[name][-1].ended_at if name in self._steps else 0.0
            bars.setdefault(name, []).extend(each for each in opened if each.start > newest)
        for each in self._here():
            bars.setdefault(each.who, []).append(replace(each, who=""))
        calls, functions = self._called()
        replayed = self._replayed()
        for name in dict.fromkeys((*bars, *calls, *replayed)):
            shown = replayed.get(name, [])
            inner = (*calls.get(name, ()), *(bar for bar, _ in shown))
            of_cell = sorted(bars.get(name, ()), key=lambda bar: (bar.start, bar.attempt))
            title = functions.get(name, name)
            yield Lane(title, tuple(of_cell), tuple(sorted(inner, key=_start)), sum(count for _, count in shown))

    # -- cells

    def _step(self, rows: list[StepRecord]) -> Iterator[Bar]:
        for row in rows:
            if row is rows[-1] or row.started_at >= self._journal.opened_at:
                yield from self._run(row)

    def _run(self, row: StepRecord, who: str = "") -> list[Bar]:
        """Return the bars of a recorded run: its attempts, in earlier kernels too, and the waits between them."""
        before = max((each for each in self._ended[row.key] if each < row.ended_at), default=0.0)
        tries = [each for each in self._tries.get(row.key, ()) if before < each.at <= row.ended_at]
        bars, begun = _tried(tries, who)
        start = max(bars[-1].end, row.started_at) if bars else row.started_at
        if begun.get(row.attempts, 0.0) >= row.started_at:  # else one of this number died with its kernel
            start = begun.pop(row.attempts)
        bars += [_killed(number, at, who) for number, at in begun.items()]
        done = row.status in COMPLETED
        note = row.reason if done else self._error(row)
        bars.append(Bar("ran" if done else "failed", min(start, row.ended_at), row.ended_at, row.attempts, note, who))
        return _trimmed(bars)

    def _error(self, row: StepRecord) -> str:
        """Return what a step failed with; heads do not tell."""
        from durable_nb.errors import StoreError

        try:
            error = (row if row.error is not None else self._notebook.session.ledger.load(row.id)).error
        except (StoreError, KeyError) as why:
            return str(why)
        return f"{error.type}: {error.message}".split("\n")[0] if error is not None else ""

    def _here(self) -> Iterator[Bar]:
        """Yield what the journal tells of cells: replays, runs without a row, and what is under way."""
        for each in list(self._journal.replays):
            note = f"ran {moment(each.recorded_at)} in {span(each.took_seconds)}"
            yield Bar("replayed", each.at, each.at, note=note, who=each.name)
        for run in list(self._journal.unrecorded):
            yield Bar("unsaved", run.started_at, run.ended_at, note=run.reason, who=run.name)
        for under in self._underway:
            if under.step_kind == "cell":
                yield self._live(under, under.name)

    def _live(self, under: Underway, who: str) -> Bar:
        end = max(self._now, under.since)
        if under.wait_seconds:
            due = f"next attempt at {clock(under.since + under.wait_seconds)}"
            return Bar("waiting", under.since, end, under.attempt, due, who)
        return Bar("running", under.since, end, under.attempt, "", who)

    # -- attempts of what has not ended

    def _open(self, *, cells: bool) -> Iterator[tuple[str, list[Bar]]]:
        """Yield the attempts that no row follows: of a step that runs, or whose kernel died."""
        live = {(each.name, each.step_kind == "cell"): each.wait_seconds for each in self._underway}
        for key, tries in self._tries.items():
            ended = max(self._ended.get(key, ()), default=0.0)
            rest = [each for each in tries if each.at > ended]
            if not rest or (rest[0].pass_id == 0) != cells:
                continue
            name = rest[0].name if cells else self._lane_of(self._scope_of_pass.get(rest[-1].pass_id, 0), rest[0].name)
            bars, begun = _tried(rest, "" if cells else rest[0].name)
            wait_seconds = live.get((rest[0].name, cells))
            if wait_seconds is not None:  # its attempt, or its wait, is drawn as one that goes on
                bars = bars[:-1] if wait_seconds and bars and bars[-1].kind == "waiting" else bars
                begun.clear()
            yield name, _trimmed([*bars, *(_killed(number, at, "") for number, at in begun.items())])

    # -- calls

    def _called(self) -> tuple[dict[str, list[Bar]], dict[str, str]]:
        """Return the bars of calls by lane, and what lanes of plain cells are called."""
        found: defaultdict[str, list[Bar]] = defaultdict(list)
        names: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for row in _newest(self._calls):
            lane = self._lane_of(row.scope_id, row.name)
            names[lane][row.name] = None
            found[lane] += self._run(row, f"{row.name} {row.sequence}")
        for lane, bars in self._open(cells=False):
            newest = max((each.end for each in found[lane]), default=0.0)
            found[lane] += [each for each in bars if each.start >= newest or each.kind == "failed"]
        for under in self._underway:
            if under.step_kind != "cell":
                lane = self._lane_of(under.scope_id, under.name)
                names[lane][under.name] = None
                found[lane].append(self._live(under, under.name))
        return found, {lane: _functions(each) for lane, each in names.items() if lane.startswith(_PLAIN)}

    def _lane_of(self, scope_id: int, name: str) -> str:
        """Return the step that a scope belongs to; of a plain cell, a name of its own."""
        scope = self._scopes.get(scope_id)
        if scope is None:
            return f"{_PLAIN}{name}"
        if scope_id not in self._scope_names:
            self._scope_names[scope_id] = self._name_of(scope)
        return self._scope_names[scope_id]

    def _name_of(self, scope: ScopeRecord) -> str:
        if scope.kind == "workflow":
            return f"workflow {scope.name}"
        start = scope.code_digest[:LABEL_LENGTH]
        return scope.name or (start if start in self._steps else f"{_PLAIN}{scope.id}")

    def _replayed(self) -> dict[str, list[tuple[Bar, int]]]:
        """Return a bar for the calls that were replayed in each pass, and how many."""
        found: defaultdict[str, list[tuple[Bar, int]]] = defaultdict(list)
        for each in list(self._journal.call_replays.values()):
            many = f"{each.count:,} call{'' if each.count == 1 else 's'} replayed"
            bar = Bar("replayed", each.first, each.first, note=many, who=each.name)
            found[self._lane_of(each.scope_id, each.name)].append((bar, each.count))
        return found


_PLAIN = "\0cell "
"""Begins the key of a lane that is no step; no name begins so."""


def _functions(names: Iterable[str]) -> str:
    """Return what a plain cell is called by the functions that it calls."""
    first, *rest = names
    return f"{first}()" + (f" and {len(rest)} more" if rest else "")


def _newest(calls: list[StepRecord]) -> list[StepRecord]:
    """Return the newest row of each call, of the newest code of each function in each cell."""
    code = {(each.scope_id, each.name): each.code_digest for each in calls}
    rows = {(each.scope_id, each.base_key, each.occurrence): each for each in calls}
    return [each for each in rows.values() if code[each.scope_id, each.name] == each.code_digest]


def _tried(tries: list[AttemptRecord], who: str) -> tuple[list[Bar], dict[int, float]]:
    """Return the bars that attempt rows make, and the attempts that began and did not end: number -> start."""
    bars: list[Bar] = []
    begun: dict[int, float] = {}
    for each in tries:
        if each.state == "started":
            bars += [_killed(number, at, who) for number, at in begun.items()]
            begun = {each.number: each.at}
            continue
        start = begun.pop(each.number, 0.0) or each.started_at or each.at
        if each.state == "closed":
            begun.clear()
            continue
        error = f"{each.error.type}: {each.error.message}".split("\n")[0] if each.error is not None else ""
        bars.append(Bar("failed", start, each.at, each.number, error, who))
        if each.wait_seconds:
            bars.append(Bar("waiting", each.at, each.retry_at, each.number, "", who))
    return bars, begun


def _killed(number: int, at: float, who: str) -> Bar:
    note = "the kernel died in it: how long it had run is not known"
    return Bar("killed", at, at + LONG_ATTEMPT_SECONDS, number, note, who)


def _trimmed(bars: list[Bar]) -> list[Bar]:
    """Let no bar go on after the next one has begun: a wait ends early when somebody says so."""
    ordered = sorted(bars, key=lambda bar: (bar.start, bar.attempt))
    cut = [replace(one, end=min(one.end, two.start)) for one, two in pairwise(ordered)]
    return [*cut, *ordered[-1:]]


def _start(bar: Bar) -> float:
    return bar.start
