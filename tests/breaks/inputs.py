"""Rows 7 to 10, 22, 23 and 25 of DESIGN §5 switched off: what a step depends on, and whose checkpoints they are."""

from __future__ import annotations

from breaks.registry import breaks, tests_of

CHANGES, EDITS, NOTEBOOKS = "hard_cases_changes", "hard_cases_edits", "hard_cases_notebooks"


# -- row 7


@breaks(7, "core.streams:restore", *tests_of("kernel", CHANGES, "row_7_streams[seeded_in_step]"))
def streams_restored(_):
    """A random stream is where the kernel left it, not where the step did."""
    return lambda states: None


@breaks(7, "core.streams:states_differ", *tests_of("kernel", CHANGES, "row_7_streams[seed_edited]"))
def streams_read(_):
    """The state of a stream that a step draws from is no input."""
    return lambda before: None


@breaks(7, "core.streams:StreamWatch.advanced", *tests_of("kernel", CHANGES, "row_7_streams[seed_edited]"))
def streams_untouched(_):
    """Every step counts as having drawn."""
    from durable_nb.core import streams

    return lambda self, *, seeded: {
        name: (streams._digest(streams._packed(state)), streams.loaded_streams()[name].get())
        for name, state in self._before.items()
    }


# -- row 8


@breaks(
    8,
    "values.fingerprint:_Closure._read_globals",
    *tests_of("kernel", CHANGES, "row_8_helpers[helper]"),
    *tests_of("kernel", EDITS, "an_edit_that_matters[in_nested_function]"),
)
def helpers(_):
    """What functions read is no input."""
    return lambda self: ()


@breaks(8, "values.definitions:DEFINITIONS", *tests_of("kernel", EDITS, "an_edit_that_matters[class_attribute]"))
def class_attributes(definitions):
    """Attributes of classes are no part of their fingerprint, only their methods are."""

    def methods(collector, kind):
        parts = definitions[type](collector, kind)
        return tuple(
            {name: value for name, value in part.items() if callable(value)} if type(part) is dict else part
            for part in parts
        )

    return {**definitions, type: methods}


@breaks(8, "values.modules:module_fingerprint", *tests_of("kernel", CHANGES, "row_8_helpers[module_edited]"))
def modules(_):
    """A local module stands for its name, as installed ones do."""
    return lambda module: module.__name__.encode().ljust(16)[:16]


@breaks(8, "values.modules:_neighbours", *tests_of("kernel", CHANGES, "row_8_helpers[module_imported_by_module]"))
def modules_of_modules(_):
    """The modules that a local module imports are no part of it."""
    return lambda module: iter(())


@breaks(8, "values.modules:_at_first_sight", *tests_of("kernel", CHANGES, "row_8_helpers[default_not_reloaded]"))
def modules_as_loaded(_):
    """A local module is what its file holds now."""
    from durable_nb.values.modules import _Loaded

    def now(module, source):
        found = _Loaded(None, module, source)
        found.unknown = ""
        return found

    return now


@breaks(8, "values.modules:_Loaded.__init__", *tests_of("kernel", CHANGES, "row_8_helpers[module_commented]"))
def module_comments(init):
    """Comments and layout of a module count."""

    def textual(self, spec, module, source):
        init(self, spec, module, source)
        self.digest = source.read_bytes()

    return textual


@breaks(8, "values.code:code_digest", *tests_of("kernel", EDITS, "an_edit_that_does_not_matter[comment]"))
def comments(code_digest):
    """The lines that code stands on count."""
    return lambda code: code_digest(code) + repr(list(code.co_lines())).encode()


@breaks(8, "notebook.inputs:CellInputs.base_key", *tests_of("kernel", CHANGES, "row_8_helpers[early_cutoff]"))
def early_cutoff(base_key):
    """What made an input counts, not only its value: an input of a step that ran in this kernel is another one."""
    import os

    return lambda self, code: base_key(self, code) + os.getpid().to_bytes(8, "little")


# -- row 9


@breaks(9, "values.files:FileWatch.see", *tests_of("kernel", CHANGES, "row_9_files[files]"))
def files_seen(_):
    """Nobody hears of the files that are opened and listed."""
    return lambda self, action, path: None


@breaks(
    9,
    "values.dependencies:named_files",
    *tests_of("kernel", "files_and_state", "a_changed_file_runs_a_step_again[parquet-pqt-t.parquet-2]"),
)
def files_named(_):
    """Files that literals and values name do not count: readers in C++ open them unheard."""
    return lambda names, root: ()


@breaks(
    9,
    "notebook.cell_step:CellStep.depends",
    *tests_of("kernel", "files_and_state", "a_changed_file_runs_a_step_again[depends-dep-dep.bin-]"),
)
def files_declared(_):
    """``--depends`` says nothing."""
    return lambda self: ()


@breaks(9, "core.written:WrittenFiles.why_changed", *tests_of("kernel", CHANGES, "row_9_files[files]"))
def files_compared(_):
    """Files are not compared with what they were."""
    return lambda self, record, files: None


@breaks(
    9,
    "values.dependencies:content_digest",
    *tests_of("kernel", "files_and_state", "unchanged_files_keep_a_step[touched]"),
)
def files_by_content(_):
    """Another time stamp is a change, whatever the content."""
    return lambda path: "another"


# -- row 10


@breaks(10, "notebook.inputs:CellInputs.base_key", *tests_of("kernel", CHANGES, "row_10_one_cell_run_twice"))
def inputs_in_the_key(_):
    """Only code is in the key of a cell."""
    return lambda self, code: code.digest


@breaks(10, "notebook.cells:Occurrences.of", *tests_of("kernel", "steps", "equal_cells_with_ids_keep_their_occurrence"))
def occurrences(_):
    """Equal cells with equal inputs are one."""
    return lambda self, cell, base_key: 0


# -- row 22


@breaks(22, "notebook.file:NamesInFile.warning", *tests_of("kernel", NOTEBOOKS, "row_22_two_cells_of_one_name"))
def names_twice(_):
    """Nothing is said of two cells of one name."""
    return lambda self, name: ""


@breaks(22, "notebook.checkpoints:Checkpoints.of", *tests_of("kernel", NOTEBOOKS, "row_22_two_cells_of_one_name"))
def names_apart(of):
    """The newest checkpoint of any cell answers for all of them."""
    return lambda self, key: list(self.completed())[:1]


# -- row 23


@breaks(23, "core.call:StepCall._base_key", *tests_of("kernel", CHANGES, "row_23_cell_edited"))
def calls_in_edited_cells(base_key):
    """The code of the cell around a call is part of the call's key."""
    return lambda self, scope_pass: base_key(self, scope_pass) + scope_pass.index.record.code_digest.encode()


@breaks(23, "notebook.cells:CellScopes.find", *tests_of("kernel", CHANGES, "row_23_cell_edited"))
def scopes_found(_):
    """An edited cell is a new scope."""
    return lambda self, cell, name, code_digest: self._session.new_scope("cell", name, cell.cell_id, code_digest)


# -- row 25


@breaks(25, "notebook.renamed:adopt", *tests_of("kernel", NOTEBOOKS, "row_25_renamed"))
def adoption(_):
    """The store of a notebook that is gone stays where it is."""
    return lambda ledger, notebook, orphans, code: None


@breaks(25, "notebook.renamed:_original", *tests_of("kernel", NOTEBOOKS, "row_25_copied"))
def original_named(_):
    """Nothing is said of the notebook that another one is a copy of."""
    return lambda stores, notebook, steps: ""


@breaks(25, "notebook.renamed:notebook_of", *tests_of("kernel", NOTEBOOKS, "row_25_copied"))
def originals_kept(_):
    """Every store beside a notebook without one is an orphan."""
    return lambda ledger: ledger.with_suffix(".gone")
