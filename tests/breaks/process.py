"""Rows 16 and 21 of DESIGN §5 switched off: the process around a step, and what still runs in it."""

from __future__ import annotations

from dataclasses import replace

from breaks.registry import breaks, tests_of

# -- row 16: each setting

ROW_16 = tests_of("kernel", "hard_cases_changes", "row_16_process_state[process]")
SETTINGS = {
    "environment variables": ROW_16,
    "current folder": ROW_16,
    "sys.path": ROW_16,
    "warning filters": ROW_16,
    "matplotlib options": ROW_16,
    "unit rectangle": tests_of("kernel", "hard_cases_changes", "row_16_process_state[unit_rectangle]"),
    "numpy options": ROW_16,
    "pandas options": ROW_16,
    "recursion limit": tests_of("kernel", "process", "what_a_step_set_is_set_again[recursion-5000]"),
    "time zone": tests_of("kernel", "process", "what_a_step_set_is_set_again[zone-'JST']"),
    "locale": tests_of("kernel", "process", "what_a_step_set_is_set_again[places-'C.UTF-8']"),
    "decimal context": tests_of("kernel", "process", "what_a_step_set_is_set_again[decimals-50]"),
}


def _not_put(setting):
    def off(settings):
        return tuple(replace(each, put=lambda changes: None) if each.name == setting else each for each in settings)

    off.__doc__ = f"{setting[0].upper()}{setting[1:]}: not set again by a replay."
    return off


for _setting, _tests in SETTINGS.items():
    _name = f"setting_{_setting.replace(' ', '_').replace('.', '_')}"
    breaks(16, "core.settings:ALL", *_tests, name=_name)(_not_put(_setting))


@breaks(
    16,
    "values.figure_reducers:class_dict",
    *tests_of("kernel", "hard_cases_changes", "row_16_process_state[unit_rectangle]"),
)
def unit_rectangle(_):
    """What matplotlib's own rectangle is in is restored with a copy of it."""
    return lambda kind: {}


@breaks(
    16,
    "core.effects:make_again",
    *tests_of("kernel", "hard_cases_notebooks", "row_16_module_attributes"),
    *tests_of("kernel", "process", "what_a_step_set_is_set_again[by_function-'high']"),
)
def module_attributes_assigned(_):
    """Attributes of modules are not assigned again."""
    return lambda changes: None


@breaks(
    16, "core.module_attributes:changed", *tests_of("kernel", "hard_cases_changes", "row_16_process_state[attribute]")
)
def module_attributes_read(_):
    """Attributes of modules are no inputs."""
    return lambda recorded, names: None


@breaks(16, "core.environ:changed_variable", *tests_of("kernel", "hard_cases_changes", "row_16_process_state[environ]"))
def variables_read(_):
    """Variables of the environment are no inputs."""
    return lambda recorded: None


@breaks(16, "core.conditions:decimal_context", *tests_of("kernel", "process", "the_decimal_context_is_an_input"))
def decimals_read(_):
    """How decimals are computed is no input."""
    return lambda: ""


@breaks(
    16,
    "core.settings:ProcessChanges.since",
    *tests_of("kernel", "process", "what_a_call_set_is_set_again[call_variable-cv-'1']"),
)
def settings_of_calls(_):
    """What a call changes in its process is not seen."""
    return classmethod(lambda cls, made: {})


@breaks(16, "notebook.capture:values_of", *tests_of("kernel", "hard_cases_notebooks", "row_16_module_attributes"))
def module_values(_):
    """An input that a step put into a module becomes two objects."""
    return lambda changes: {}


# -- row 21

ROW_21 = tests_of("kernel", "hard_cases_life", "row_21_still_running")


@breaks(21, "notebook.process_state:ProcessState._running_thread", *ROW_21)
def threads(_):
    """Threads that run code of the notebook do not count."""
    return lambda self, shell: None


@breaks(21, "notebook.process_state:ProcessState._running_task", *ROW_21)
def tasks(_):
    """Tasks that run code of the notebook do not count."""
    return lambda self, shell: None


@breaks(
    21,
    "notebook.process_state:ProcessState._running_child",
    *ROW_21,
    *tests_of("kernel", "still_running", "a_program_left_running_counts"),
)
def children(_):
    """Processes that a step leaves running do not count."""
    return lambda self: None


@breaks(
    21,
    "notebook.process_state:ProcessState._running_thread",
    *ROW_21,
    *tests_of("kernel", "still_running", "what_libraries_keep_does_not_count[idle_pool]"),
)
def threads_of_libraries(_):
    """Any new thread counts."""
    import threading

    def any_thread(self, shell):
        new = [each.name for each in threading.enumerate() if each not in self.threads]
        return f"thread {new[0]} still runs code of the notebook" if new else None

    return any_thread


@breaks(
    21,
    "notebook.process_state:_is_helper",
    *tests_of("kernel", "still_running", "what_libraries_keep_does_not_count[joblib_processes]"),
)
def processes_of_libraries(_):
    """Processes that a library keeps for later count."""
    return lambda process: False


@breaks(
    21,
    "notebook.process_state:_will_run",
    *tests_of("notebook", "process_state", "a_thread_that_has_only_just_started"),
)
def threads_not_yet_running(_):
    """A thread that was started but did not get to its function yet does not count."""
    return lambda thread, names: False
