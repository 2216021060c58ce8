"""Rows 1, 4, 5, 6, 17 and 18 of DESIGN §5 switched off: what a replay binds."""

from __future__ import annotations

import copy

from breaks.registry import breaks, tests_of

VALUES, DEATHS = "hard_cases_values", "hard_cases_deaths"
PARTIAL = ("kernel", "hard_cases_mutation", "row_6_partial[partial]")


# -- row 1


@breaks(1, "notebook.namespace:Snapshot.changes", *tests_of("kernel", VALUES, "row_1_outputs[outputs]"))
def difference(changes):
    """The namespace is not compared: what no analysis sees bound is not bound again."""

    def none(self):
        found = changes(self)
        return type(found)(frozenset(), found.deleted)

    return none


@breaks(1, "notebook.inputs:CellInputs.may_bind", *tests_of("kernel", VALUES, "row_1_outputs[equal]"))
def may_bind(_):
    """Only the namespace's difference counts: a name bound to the very object it had is not bound again."""
    return lambda self, code: frozenset()


@breaks(1, "notebook.namespace:Snapshot.changes", *tests_of("kernel", VALUES, "row_1_outputs[outputs]"))
def deletion(changes):
    """What a cell deleted is not deleted again."""

    def none(self):
        found = changes(self)
        return type(found)(found.bound, frozenset())

    return none


@breaks(1, "notebook.cell_step:decode", *tests_of("kernel", VALUES, "row_1_outputs[none]"))
def all_or_none(decode):
    """Names are bound one after the other while a checkpoint is loaded, those before a failing one too."""

    def in_order(stream, buffers, *, namespace, roots):
        try:
            return decode(stream, buffers, namespace=namespace, roots=roots)
        except Exception:
            namespace["no_a"] = 1
            raise

    return in_order


# -- row 4


@breaks(4, "values.rebuild:make_function", *tests_of("kernel", VALUES, "row_4_functions"))
def live_globals(make_function):
    """A restored function gets a copy of the notebook's globals."""
    return lambda code, namespace, closure: make_function(code, dict(namespace), closure)


@breaks(4, "values.pickling:restore_source", *tests_of("kernel", VALUES, "row_4_functions"))
def sources(_):
    """The source of a restored function is not put where ``inspect.getsource`` looks."""
    return lambda filename, text: None


@breaks(4, "values.code:code_digest", *tests_of("kernel", VALUES, "row_4_functions"))
def keys_of_functions(code_digest):
    """The file that code was compiled from is part of its digest, which is another one in each kernel."""
    return lambda code: code_digest(code) + code.co_filename.encode()


# -- row 5


@breaks(
    5, "values.reducers:reduce_class", *tests_of("kernel", VALUES, "row_5_classes[classes]", "row_5_classes[redefined]")
)
def classes_by_value(_):
    """Classes of the notebook are saved by name."""
    return lambda pickler, cls: cls.__qualname__ if cls.__module__ == "__main__" else pickler.default(cls)


@breaks(5, "values.reducers:_anew", *tests_of("kernel", VALUES, "row_5_classes[classes]"))
def slots(_):
    """A restored class is made as cloudpickle does it, which sets its slots too late."""
    return lambda cls, reduced: reduced


# -- row 6


@breaks(6, "notebook.capture:encode_part", *tests_of(*PARTIAL))
def partial_checkpoints(encode_part):
    """One value that cannot be saved costs the whole checkpoint."""
    from durable_nb.notebook.partial import Part

    return lambda state, encode: Part(encode(state), {})


@breaks(6, "notebook.partial:culprit_text", *tests_of(*PARTIAL))
def culprits(_):
    """The path to what cannot be saved is not told."""
    return lambda error, name: f"{name}: {error.type_name}"


@breaks(6, "notebook.partial:why_incomplete", *tests_of(*PARTIAL))
def incomplete(_):
    """A checkpoint that lacks a name answers all the same."""
    return lambda record, selection: None


@breaks(
    6, "notebook.partial:Selection.leaves_out", *tests_of("kernel", "hard_cases_mutation", "row_6_partial[ephemeral]")
)
def ephemeral_names(_):
    """``--ephemeral`` leaves nothing out."""
    return lambda self, name: False


@breaks(6, "notebook.partial:LeftOut.explain", *tests_of("kernel", "partial", "a_missing_name_is_explained"))
def missing_names(_):
    """Nothing is said of a NameError about a name that a replay went without."""
    return lambda self, error, names: ""


# -- row 17


@breaks(17, "notebook.cell_step:DecodeError", *tests_of("kernel", VALUES, "row_1_outputs[none]"))
def unloadable(_):
    """A checkpoint that cannot be loaded is taken for a defect of the extension's."""
    return type("Never", (Exception,), {})


@breaks(
    17,
    "store.reader:LedgerReader.trusted",
    *tests_of("kernel", DEATHS, "row_17_damaged_checkpoints[row]"),
    *tests_of("kernel", "trust", "a_foreign_store_is_loaded_once_it_is_trusted"),
)
def signatures(_):
    """Rows are loaded whoever wrote them."""
    return lambda self, sealed: True


@breaks(17, "store.blobs:BlobStore._check", *tests_of("kernel", DEATHS, "row_17_damaged_checkpoints[blob]"))
def blobs_as_signed(_):
    """A blob is loaded whatever it holds."""
    return lambda self, ref, handle: None


@breaks(17, "store.blobs:BlobStore._untrusted", *tests_of("kernel", DEATHS, "row_17_damaged_checkpoints[lost_blob]"))
def lost_blobs(_):
    """A lost blob is an error of the cell's."""
    return lambda self, ref, what: KeyboardInterrupt(what)


# -- row 18


@breaks(18, "notebook.capture:summarise", *tests_of("kernel", VALUES, "row_18_live_objects[untouched]"))
def looked_at(summarise):
    """Outputs are looked at with their own methods."""

    def looks(value):
        bool(value), repr(value)
        return summarise(value)

    return looks


@breaks(18, "notebook.capture:summarise", *tests_of("kernel", VALUES, "row_18_live_objects[not_consumed]"))
def consumed(summarise):
    """Outputs are iterated to be described."""

    def consumes(value):
        if hasattr(value, "__next__"):
            list(value)
        return summarise(value)

    return consumes


@breaks(18, "core.recording:encode", *tests_of("kernel", VALUES, "row_18_live_objects[untouched]"))
def written_to(encode):
    """Saving leaves its marks in the user's lists."""

    def marks(value, **how):
        made = encode(copy.copy(value), **how)
        for each in value.get("names", {}).values() if type(value) is dict else ():
            if type(each) is list:
                each.append("saved")
        return made

    return marks
