"""Row 15 of DESIGN §5 switched off: values of many types come back slightly off, and as memory of others."""

from __future__ import annotations

import copy
import mmap

from breaks.registry import breaks, tests_of


def _is(value, kind):
    return any(f"{base.__module__}.{base.__name__}" == kind for base in type(value).__mro__)


def _named(change):
    def changed(frame):
        made = frame.copy()
        change(made)
        return made

    return changed


def _without_attrs(frame):
    frame.attrs = {}


def _without_index_name(frame):
    frame.index.name = None


def _without_column_name(frame):
    frame.columns.name = None


ARRAY, FRAME, LIST = "numpy.ndarray", "pandas.DataFrame", "builtins.list"

# case -> the type, what goes wrong with it when it is bound, and how; all of them in one process
WRONG = {
    "readonly": (ARRAY, "arrays can be written to, whatever they were", lambda a: a.copy(order="K")),
    "fortran": (ARRAY, "arrays are in C's order", lambda a: a.copy(order="C")),
    "structured": (ARRAY, "fields of arrays lose their names", lambda a: a.astype(object)),
    "objects": (ARRAY, "objects in arrays become text", lambda a: a.astype(str)),
    "datetimes": (ARRAY, "dates in arrays become numbers", lambda a: a.astype("i8")),
    "big_endian": (ARRAY, "arrays are in the machine's byte order", lambda a: a.astype("i4")),
    "scalar": ("numpy.generic", "scalars of numpy become Python's", lambda n: n.item()),
    "masked": (ARRAY, "masks are lost", lambda a: a.data),
    "multi": (FRAME, "an index of levels becomes one of tuples", lambda f: f.set_axis(f.index.to_flat_index())),
    "series": ("pandas.Series", "series lose their names", lambda s: s.rename(None)),
    "arrow_frame": (FRAME, "Arrow's types in frames become numpy's", lambda f: f.astype("float64")),
    "polars": ("polars.dataframe.frame.DataFrame", "polars' lists are lost", lambda f: f.drop("b")),
    "arrow": ("pyarrow.lib.Table", "Arrow's missing values are lost", lambda t: t.drop_null()),
    "sparse": ("scipy.sparse._base._spbase", "sparse arrays become dense", lambda a: a.toarray()),
    "sklearn": ("sklearn.base.BaseEstimator", "models come back untrained", lambda m: type(m)()),
    "figure": ("builtins.tuple", "axes are those of another figure", lambda both: (copy.copy(both[0]), both[1])),
    "dates": (LIST, "time zones are lost", lambda each: [each[0].replace(tzinfo=None), *each[1:]]),
    "decimal": (LIST, "decimals become floats", lambda each: [float(each[0]), *each[1:]]),
    "path": (LIST, "paths become text", lambda each: [str(each[0]), *each[1:]]),
    "collections": (LIST, "bounded deques lose their bound", lambda each: [*each[:-1], type(each[-1])(each[-1])]),
    "deep": (LIST, "deep lists are cut off", lambda each: [[]]),
    "cycle": ("builtins.dict", "cycles are cut open", lambda each: {"self": [dict(each)]}),
    "sets": ("builtins.set", "sets lose their frozen sets", lambda s: {e for e in s if type(e) is not frozenset}),
    "exception": ("builtins.ValueError", "notes of errors are lost", lambda e: ValueError(*e.args)),
    "enum": (LIST, "members of enumerations are made anew", lambda each: [each[0].value, *each[1:]]),
    "dataclass": (LIST, "data classes become dicts", lambda each: [vars(each[0]), *each[1:]]),
}
# the same of one frame, one by one
WRONG_FRAME = {
    "attrs": ("frames lose their attrs", _named(_without_attrs)),
    "index_name": ("indexes lose their names", _named(_without_index_name)),
    "column_name": ("columns lose their names", _named(_without_column_name)),
    "ordered": ("categories lose their order", lambda f: f.assign(c=f.c.cat.as_unordered())),
    "strings": ("strings become objects", lambda f: f.assign(s=f.s.astype(object))),
    "nullable": ("nullable numbers become floats", lambda f: f.assign(i=f.i.astype("float64"))),
    "zones": ("times lose their zone", lambda f: f.assign(t=f.t.dt.tz_localize(None))),
}


def _bound(wrong):
    """Return what binds some values wrong: case -> (type, how)."""

    def off(bind):
        def almost(self, values, deleted):
            changed = {}
            for name, value in values.items():
                kind, change = wrong.get(name.removeprefix("v_"), ("", None))
                changed[name] = change(value) if kind and _is(value, kind) else value
            bind(self, changed, deleted)

        return almost

    return off


_TYPES = ("kernel", "hard_cases_types")
_all = _bound({case: (kind, change) for case, (kind, _, change) in WRONG.items()})
_all.__doc__ = "Restored values are slightly off, each type in its own way."
_ids = tests_of(*_TYPES, *(f"row_15_values[{case}]" for case in WRONG))
breaks(15, "notebook.namespace:Namespace.bind", *_ids, name="types")(_all)

for _name, (_sentence, _change) in WRONG_FRAME.items():
    _one = _bound({"frame": (FRAME, _change)})
    _one.__doc__ = f"Restored {_sentence}."
    _test = tests_of(*_TYPES, "row_15_values[frame]")
    breaks(15, "notebook.namespace:Namespace.bind", *_test, name=f"frames_{_name}")(_one)


@breaks(15, "values.reducers:may_answer_for_itself", *tests_of(*_TYPES, "row_15_values[asking]"))
def empty_instances_not_asked(_):
    """An instance that is being loaded is asked for its ``__setstate__``, by its own ``__getattr__``."""
    return lambda kind: False


@breaks(15, "values.reducers:found_by_name", *tests_of(*_TYPES, "row_15_values[class_method]"))
def functions_of_class_methods(_):
    """The function of a package's class method is copied."""
    return lambda module, qualname, value: False


@breaks(15, "values.refusing:may_refuse", *tests_of(*_TYPES, "row_15_values[patsy]"))
def refusing_objects(_):
    """Objects of patsy refuse to be saved."""
    return lambda kind: False


@breaks(15, "values.left_out:left_out", *tests_of(*_TYPES, "row_15_values[patsy]"))
def attributes_left_out(_):
    """Attributes that pandas does not pickle are lost."""
    return lambda obj, own: {}


@breaks(15, "store.ledger:Ledger.get_buffer", *tests_of(*_TYPES, "row_15_values[large]"))
def arrays_writable(get_buffer):
    """Restored arrays look at memory that cannot be written."""
    return lambda self, stored: get_buffer(self, stored).toreadonly()


@breaks(15, "store.blobs:BlobStore.map", *tests_of("kernel", "store", "a_restored_array_is_private"))
def arrays_private(_):
    """Restored arrays write through to the blob's file."""

    def shared(self, ref):
        path = self.folder / ref.address
        path.chmod(0o600)
        with path.open("r+b") as file:
            return memoryview(mmap.mmap(file.fileno(), 0))

    return shared
