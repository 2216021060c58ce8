"""Rows 13, 14, 19 and 20 of DESIGN §5 switched off: errors, outputs, attempts and interrupts."""

from __future__ import annotations

import os
from dataclasses import replace

from breaks.registry import breaks, tests_of

LIFE, DEATHS, KILL = "hard_cases_life", "hard_cases_deaths", "kill"


# -- row 13


@breaks(
    13, "core.passes:ScopeIndex.counts", *tests_of("kernel", LIFE, "row_13_fatal_errors[itself]", "row_13_killed_scope")
)
def errors_fatal(_):
    """Every recorded error replays."""
    return lambda self, row: row.status in ("success", "error")


@breaks(13, "core.passes:ScopeIndex.counts", *tests_of("kernel", LIFE, "row_13_other_errors", "row_13_killed_scope"))
def errors_handled(_):
    """No recorded error replays."""
    return lambda self, row: row.status == "success"


@breaks(13, "core.passes:ScopeIndex.note_start", *tests_of("kernel", LIFE, "row_13_killed_scope"))
def errors_before_a_kill(_):
    """That a later call started does not show that an error was handled."""
    return lambda self, pass_id, task, sequence: None


def _tree_without(part):
    def off(_):
        def contains(error, wanted):
            inner = {
                "cause": [getattr(error, "__cause__", None)],
                "context": [getattr(error, "__context__", None)],
                "group": getattr(error, "exceptions", ()),
            }
            del inner[part]
            below = [each for found in inner.values() for each in found if each is not None]
            return error is wanted or any(contains(each, wanted) for each in below)

        return contains

    off.__doc__ = f"An error that is the {part} of the one that ended a scope, or in it, is not fatal."
    return off


for _part in ("cause", "context", "group"):
    _tests = tests_of("kernel", LIFE, f"row_13_fatal_errors[{_part}]")
    breaks(13, "core.passes:contains", *_tests, name=f"errors_by_{_part}")(_tree_without(_part))


# -- row 14

OUTPUTS = tests_of("kernel", LIFE, "row_14_outputs")


@breaks(14, "notebook.cell_step:show_again", *OUTPUTS)
def outputs_shown(_):
    """A replay shows nothing."""
    return lambda shell, displays: None


@breaks(14, "notebook.recording:Recording._add_stream", *OUTPUTS)
def streams_shown(add):
    """What is written to stderr is not recorded."""
    return lambda self, name, text: add(self, name, text) if name == "stdout" else None


@breaks(14, "notebook.descriptors:_Pipe.show_waiting", *OUTPUTS)
def descriptors(_):
    """What C code and children write to descriptors is taken, and dropped."""

    def drop(self):
        while not self.ended:
            try:
                self.ended = not os.read(self.reader, 1 << 16)
            except BlockingIOError:
                return

    return drop


@breaks(14, "notebook.recording:Recording._add_clear", *OUTPUTS)
def clears(_):
    """What was cleared is recorded."""
    return lambda self, *, wait: None


@breaks(14, "notebook.recording:Recording._update", *OUTPUTS)
def updates(_):
    """Updates of displays are not recorded."""
    return lambda self, update: None


@breaks(14, "notebook.outputs:_show_figures", *OUTPUTS)
def figures(_):
    """Figures that matplotlib shows at a cell's end are not recorded."""
    return lambda: None


@breaks(14, "notebook.cell_step:bind_result", *OUTPUTS)
def results(_):
    """``Out[n]`` and ``_`` are not set."""
    return lambda shell, value: None


@breaks(14, "notebook.outputs:OutputTee._hear", *tests_of("kernel", LIFE, "row_14_outputs"))
def threads_shown(hear):
    """What other threads show is not recorded."""
    import threading

    def in_main(self, *message):
        if threading.current_thread() is threading.main_thread():
            hear(self, *message)

    return in_main


@breaks(
    14,
    "notebook.recording:_without_model",
    *tests_of("kernel", "outputs", "a_live_model_is_recorded_as_its_last_text_and_html"),
)
def widgets(_):
    """Views of widgets are recorded as they are, though their models die."""
    return lambda content, widget: content


# -- row 19


@breaks(19, "core.attempts:resume_point", *tests_of("kernel", DEATHS, "row_19_attempts[attempt]"))
def attempts_counted(_):
    """Attempts of an earlier process do not count."""
    from durable_nb.core.attempts import ResumePoint

    return lambda self, key, max_attempts, now: ResumePoint()


@breaks(19, "core.attempts:StoredAttemptLog.started", *tests_of("kernel", DEATHS, "row_19_attempts[attempt]"))
def starts_written(_):
    """The start of an attempt leaves no row: an attempt that kills its kernel is made again."""
    return lambda self, number: None


@breaks(
    19,
    "core.attempts:LONG_ATTEMPT_SECONDS",
    *tests_of("kernel", DEATHS, "row_19_a_long_first_attempt_is_counted"),
)
def long_attempts(_):
    """A first attempt leaves no row, however long it runs."""
    return 1e6


@breaks(
    19,
    "core.attempts:resume_point",
    *tests_of("kernel", DEATHS, "row_19_attempts[backoff]"),
)
def deadlines_kept(resume_point):
    """A resumed backoff is over at once."""
    return lambda self, *args: replace(resume_point(self, *args), wait_seconds=0.0)


@breaks(
    19,
    "core.attempts:resume_point",
    *tests_of("kernel", DEATHS, "row_19_attempts[late]"),
)
def deadlines_past(resume_point):
    """A resumed backoff begins anew."""

    def anew(self, *args):
        found, rows = resume_point(self, *args), self.of(args[0])
        return replace(found, wait_seconds=rows[-1].wait_seconds) if rows else found

    return anew


@breaks(19, "core.attempts:resume_point", *tests_of("kernel", DEATHS, "row_19_attempts[clock_back]"))
def deadlines_bounded(resume_point):
    """A clock that was put back makes the wait longer than was planned."""

    def unbounded(self, key, max_attempts, now):
        found, rows = resume_point(self, key, max_attempts, now), self.of(key)
        return replace(found, wait_seconds=max(0.0, rows[-1].retry_at - now)) if rows else found

    return unbounded


@breaks(19, "core.attempts:resume_point", *tests_of("kernel", DEATHS, "row_19_at_least_one_attempt_remains"))
def attempts_left(resume_point):
    """A step that was killed in its last attempt has none left."""

    def none_left(self, key, max_attempts, now):
        found, rows = resume_point(self, key, max_attempts, now), self.of(key)
        return replace(found, attempt=rows[-1].number + 1) if rows else found

    return none_left


@breaks(19, "store.open_attempts:OpenAttempts.close", *tests_of("kernel", KILL, "attempts_go_on_after_a_death"))
def budgets_closed(_):
    """The end of a step leaves its attempts counted."""
    return lambda self, key: False


@breaks(19, "core.attempts:StoredAttemptLog.close", *tests_of("kernel", KILL, "interrupts"))
def budgets_closed_by_interrupts(_):
    """After an interrupt the attempts before it still count."""
    return lambda self: None


@breaks(
    19, "core.attempts:StoredAttemptLog.resume", *tests_of("kernel", KILL, "a_backoff_keeps_its_deadline_over_a_death")
)
def budgets_apart(_):
    """Another step's attempts count."""

    def of_any(self, max_attempts):
        attempts = self._session.attempts
        key = next(iter(attempts._open), self._key)
        return attempts.resume_point(key, max_attempts, self._session.clock.now())

    return of_any


# -- row 20


@breaks(20, "core.engine:Attempt.perform", *tests_of("kernel", KILL, "interrupts"))
def interrupted_body(perform):
    """An interrupt of a body is an error like any other."""

    def swallowed(self):
        try:
            return perform(self)
        except KeyboardInterrupt as interrupt:
            raise RuntimeError("interrupted") from interrupt

    return swallowed


@breaks(
    20, "notebook.interrupts:_noted_interrupts", *tests_of("kernel", "body", "interrupt_ends_a_body_at_once[await]")
)
def interrupted_await(_):
    """An interrupt of an async body is a cancellation."""
    from contextlib import nullcontext

    return lambda: nullcontext([])


@breaks(20, "core.engine:Wait.perform", *tests_of("kernel", KILL, "interrupts"))
def interrupted_backoff(perform):
    """An interrupt ends a backoff, and the next attempt follows."""

    def goes_on(self):
        try:
            return perform(self)
        except KeyboardInterrupt:
            return "elapsed"

    return goes_on


@breaks(20, "core.engine:_commit", *tests_of("kernel", LIFE, "row_20_interrupts"))
def interrupted_save(commit):
    """An interrupt of a save leaves the step unrecorded, and the cell goes on."""

    def swallowed(work, outcome):
        try:
            return commit(work, outcome)
        except KeyboardInterrupt:
            work.give_up("it was interrupted")

    return swallowed


@breaks(20, "store.blobs:BlobStore._write", *tests_of("kernel", "interrupts", "an_interrupted_save_records_nothing"))
def interrupted_blob(write):
    """An interrupt of the writing of a blob is taken for its end."""

    def swallowed(self, handle, view, hasher):
        try:
            return write(self, handle, view, hasher)
        except KeyboardInterrupt:
            return None

    return swallowed


@breaks(20, "core.engine:_replay", *tests_of("kernel", LIFE, "row_20_interrupts"))
def interrupted_replay(replay):
    """An interrupt of a replay makes the step run."""

    def swallowed(work, checkpoint):
        try:
            return replay(work, checkpoint)
        except KeyboardInterrupt:
            return None

    return swallowed


@breaks(
    20,
    "core.mutations:Redo.undo",
    *tests_of(
        "kernel",
        "interrupts",
        "an_interrupted_replay_changes_nothing[cell]",
        "an_interrupted_replay_changes_nothing[call]",
    ),
)
def interrupted_changes(_):
    """What an interrupted replay has changed in live objects stays so."""
    return lambda self: None
