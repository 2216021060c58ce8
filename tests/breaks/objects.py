"""Rows 2, 3, 11 and 12 of DESIGN §5 switched off: live objects, and what they share."""

from __future__ import annotations

import copy
from dataclasses import replace

from breaks.registry import breaks, tests_of

MUTATION, VALUES, EDITS = "hard_cases_mutation", "hard_cases_values", "hard_cases_edits"


# -- row 2


@breaks(
    2,
    "notebook.capture:find_mutations",
    *tests_of("kernel", MUTATION, "row_2_mutation[list]", "row_2_mutation[alias_names]"),
)
def changes_found(_):
    """Inputs are not compared with what they were before the cell ran."""
    from durable_nb.core.mutations import NO_MUTATIONS

    return lambda *_: NO_MUTATIONS


@breaks(2, "core.mutations:Redo.apply", *tests_of("kernel", MUTATION, "row_2_mutation[list]"))
def changes_made_again(_):
    """What a cell changed in place is not changed again."""
    return lambda self, fingerprint: None


RELINKED = ("beside_a_change", "class_attribute", "default", "array_of_objects", "column_of_objects")


@breaks(
    2,
    "values.states:States._is_relinked",
    *tests_of("kernel", MUTATION, *(f"row_2_equal_objects[{each}]" for each in RELINKED)),
)
def relinking(_):
    """An equal object in the place of another is no change."""
    return lambda self, obj, parts: False


@breaks(2, "core.mutations:Redo.apply", *tests_of("kernel", MUTATION, "row_2_mutation[no_restorer]"))
def changes_checked(apply):
    """A change in place that could not be made again is taken for made."""

    def claims(self, fingerprint):
        apply(self, fingerprint)

    return claims


FORMS = {
    "list": "list",
    "dict": "dict",
    "set": "set",
    "deque": "deque",
    "bytearray": "bytearray",
    "cell": "nonlocal",
    "attributes": "own_state",
    "slots": "slots",
    "state": "random",
    "class": "class",
    "function": "defaults",
    "array": "array",
    "frame": "frame",
    "frame values": "frame_values",
}
"""How objects are written -> the case in which one of these is."""


def _not_written(form):
    def off(forms):
        return {**forms, form: replace(forms[form], write=lambda obj, state: None)}

    off.__doc__ = f"Objects of the form {form} are not written in place."
    return off


for _form, _case in FORMS.items():
    breaks(
        2,
        "values.inplace:FORMS",
        *tests_of("kernel", MUTATION, f"row_2_mutation[{_case}]"),
        name=f"in_place_{_form.replace(' ', '_')}",
    )(_not_written(_form))


# -- row 3


@breaks(3, "notebook.namespace:Namespace.bind", *tests_of("kernel", VALUES, "row_3_aliases[aliases]"))
def one_stream(bind):
    """Each name is saved by itself, so that no two of them share anything."""
    return lambda self, values, deleted: bind(self, {name: _parted(each) for name, each in values.items()}, deleted)


def _parted(value):
    return copy.deepcopy(value) if type(value) in (list, dict, tuple) else value


@breaks(
    3,
    "values.graph:Graph.shared_with",
    *tests_of("kernel", VALUES, "row_3_aliases[aliases]", "row_3_aliases[owner]"),
    *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[across]"),
)
def addresses(_):
    """What an output shares with an input is copied."""
    return lambda self, other: {}


@breaks(3, "core.recording:_held", *tests_of("kernel", MUTATION, "row_3_aliases_by_way_of_a_library[by_library]"))
def unread_variables(_):
    """A variable that a library hands to a step which does not read it is copied."""
    from durable_nb.values.graph import Graph

    return lambda outputs, variables, namespace: Graph({})


@breaks(
    3,
    "notebook.verify:held_names",
    *tests_of("kernel", MUTATION, "row_3_aliases_by_way_of_a_library[by_library_changed]"),
)
def unread_variables_checked(_):
    """The value of such a variable is no part of what the step depends on."""
    return lambda record: {}


@breaks(3, "core.recording:_addressable", *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[not_addressable]"))
def without_address(_):
    """What an output shares with an input where no path leads to is copied."""
    return lambda shared: {identity: address for identity, address in shared.items() if address is not None}


@breaks(3, "values.graph:_label_of_items", *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[own_containers]"))
def items_of_own_containers(_):
    """No path leads to what a dict or a list of a class of its own holds."""
    return lambda owner, items: None


@breaks(3, "values.graph:Graph.views_in", *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[across]"))
def views_of_inputs(_):
    """An array that looks at memory of an input is copied."""
    return lambda self, other: {}


@breaks(3, "values.views:elements_of", *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[views]"))
def elements_of_views(_):
    """Arrays that share memory are told by bytes only: where the base has gaps there is no way to the view."""
    return lambda base, view: None


@breaks(
    3,
    "values.pickling:object_views",
    *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[views_of_objects]"),
)
def views_of_objects(_):
    """Arrays of objects that share memory are not saved."""
    return lambda arrays: {}


@breaks(
    3,
    "values.views:view_of_objects",
    *tests_of("kernel", MUTATION, "row_3_aliases_across_steps[views_of_objects]"),
)
def views_of_objects_made(_):
    """A view of an array of objects is made of a copy."""
    from durable_nb.values.views import view_of_elements

    return lambda base, place: view_of_elements(base.reshape(-1).copy(), (place[0], (base.dtype.str, (base.size,))))


@breaks(3, "values.buffers:gather", *tests_of("kernel", VALUES, "row_3_aliases[aliases]"))
def views(_):
    """Arrays of one memory are saved one by one."""
    from durable_nb.values.buffers import Beside

    return lambda buffers: Beside(tuple(buffer.raw() for buffer, _ in buffers), None)


@breaks(
    3,
    "values.graph:Graph.sharing_digest",
    *tests_of("kernel", EDITS, "an_edit_that_matters[alias]", "an_edit_that_matters[alias_attribute]"),
    "tests/property/test_notebooks.py::test_a_resumed_notebook_is_like_one_that_never_stopped",
)
def sharing_between_names(_):
    """Which objects names share is no part of a fingerprint."""
    return lambda self: b""


@breaks(
    3,
    "values.walk:Walk._repeats",
    *tests_of("kernel", EDITS, "an_edit_that_matters[alias_inside]"),
)
def sharing_inside(repeats):
    """Which objects a value has twice is no part of its fingerprint."""

    def unnumbered(self, kept, ids):
        numbered, order = dict(self.numbered), list(self.order)
        fresh = repeats(self, kept, ids)
        self.numbered, self.order = numbered, order
        return fresh

    return unnumbered


@breaks(3, "values.hashing:overlapping", *tests_of("kernel", EDITS, "an_edit_that_matters[alias_array]"))
def sharing_of_memory(_):
    """Which arrays look at one memory is no part of a fingerprint."""
    return lambda arrays: []


# -- row 11


@breaks(
    11,
    "notebook.namespace:Snapshot.put_back",
    *tests_of("kernel", MUTATION, "row_11_attempts"),
    *tests_of("kernel", "kill", "attempts_start_from_the_same_names"),
)
def names_put_back(_):
    """What a failed attempt bound or deleted stays so."""
    return lambda self: None


@breaks(11, "values.states:States.put_back", *tests_of("kernel", MUTATION, "row_11_attempts"))
def objects_put_back(_):
    """What a failed attempt changed in place stays so."""
    return lambda self: []


@breaks(11, "values.states:States._undo", *tests_of("kernel", MUTATION, "row_11_attempts_of_large_inputs"))
def skipped_said(undo):
    """Nothing is said of what could not be put back."""

    def silent(self, change):
        undo(self, change)
        return True

    return silent


# -- row 12


@breaks(12, "core.call_capture:find_mutations", *tests_of("kernel", MUTATION, "row_12_calls[call_argument]"))
def changes_by_calls(_):
    """Arguments are not compared with what they were before the call."""
    from durable_nb.core.mutations import NO_MUTATIONS

    return lambda *_: NO_MUTATIONS


@breaks(12, "core.call_capture:encode_connected", *tests_of("kernel", MUTATION, "row_12_calls[call_argument]"))
def returned_argument(encode_connected):
    """A returned argument is saved as a value of its own."""

    def copied(value, made, inputs, namespace, label=""):

        if "result" in value:
            value = {**value, "result": copy.deepcopy(value["result"])}
        return encode_connected(value, made, inputs, namespace, label=label)

    return copied


@breaks(12, "core.rebinding:Globals.rebound", *tests_of("kernel", MUTATION, "row_12_calls[call_global]"))
def globals_bound_by_calls(_):
    """Globals that a call binds are not bound again."""
    return lambda self: {}


@breaks(
    12,
    "core.call_capture:CallCapture._check_recordable",
    *tests_of("kernel", MUTATION, "row_12_calls_at_the_same_time"),
)
def overlapping_changes(_):
    """Calls that changed something while others ran too are recorded."""
    return lambda self, mutations, rebound, watch: None
