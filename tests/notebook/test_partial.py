"""Encoding what can be saved of a step, and which checkpoints answer for which flags."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from durable_nb.errors import EncodeError
from durable_nb.notebook.partial import MAX_TRIES, LeftOut, Selection, encode_part
from durable_nb.values.pickling import decode, encode


def state(result=None, **names):
    made = {"names": names, "deleted": []}
    return made if result is None else {**made, "result": result}


def saved(part):
    return decode(part.encoded.stream, part.encoded.buffers, namespace=None, roots=lambda name: None)


save = partial(encode, namespace=None)


def test_what_cannot_be_saved_is_taken_out():
    """The rest is one stream, so that its names go on sharing; each culprit has its path."""
    shared = [1]
    part = encode_part(state(a=shared, b=shared, m=[{"k": threading.Lock()}], n=(i for i in "x")), save)
    names = saved(part)["names"]
    assert names == {"a": [1], "b": [1]}
    assert names["a"] is names["b"]
    assert part.unsaved == {"m": "m[0]['k']: _thread.lock", "n": "n: generator"}


def test_a_whole_state_is_encoded_once():
    """Nothing is tried again when nothing fails."""
    calls = []

    def counted(each):
        calls.append(each)
        return save(each)

    assert encode_part(state(a=[1]), counted).unsaved == {}
    assert len(calls) == 1


def test_the_result_counts_as_an_output():
    """Its name is ``_``; if it is an object that a name has as well, it goes with the name."""
    lock = threading.Lock()
    part = encode_part(state(a=1, result=[lock]), save)
    assert saved(part) == {"names": {"a": 1}, "deleted": []}
    assert part.unsaved == {"_": "result[0]: _thread.lock"}
    part = encode_part(state(a=1, g=lock, result=lock), save)
    assert saved(part) == {"names": {"a": 1}, "deleted": []}
    assert part.unsaved == {"g": "g: _thread.lock"}


def test_reasons_that_the_type_does_not_tell_are_said():
    """An open file is refused for what it is."""
    with open(__file__, encoding="utf-8") as file:
        part = encode_part(state(f=file), save)
    assert part.unsaved == {"f": "f: _io.TextIOWrapper: an open file cannot be saved"}


def test_tries_are_bounded():
    """With too many culprits nothing is saved, and each name is listed all the same."""
    locks = {f"l{number:02}": threading.Lock() for number in range(MAX_TRIES + 1)}
    part = encode_part(state(a=1, **locks), save)
    assert saved(part)["names"] == {}
    assert part.unsaved.keys() == {"a", *locks}
    assert part.unsaved["a"] == f"not tried: {MAX_TRIES} others cannot be saved"


def test_long_names_are_told_apart():
    """The name at fault is known however its path is shortened for people."""
    long = "n" * 50
    part = encode_part(state(**{long + "a": 1, long + "b": threading.Lock()}), save)
    assert saved(part)["names"] == {long + "a": 1}
    assert list(part.unsaved) == [long + "b"]


def test_an_error_that_does_not_tell_the_name_is_tracked_down():
    """Where the search for the culprit was cut short, each output is tried alone."""

    def cut_short(each):
        try:
            return save(each)
        except EncodeError as error:
            raise EncodeError("…", error.type_name, error.reason) from error

    part = encode_part(state(a=[1], m=[threading.Lock()], result=5), cut_short)
    assert saved(part) == {"names": {"a": [1]}, "deleted": [], "result": 5}
    assert part.unsaved == {"m": "m…: _thread.lock"}


def test_what_is_no_output_has_to_be_saved():
    """A setting that cannot be saved is no partial checkpoint but none, and no output is tried alone for it."""
    calls = []

    def counted(each):
        calls.append(each)
        return save(each)

    with pytest.raises(EncodeError, match="settings"):
        encode_part({**state(a=1), "settings": threading.Lock()}, counted)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("selection", "left_out", "may_lack"),
    [
        (Selection(), set(), set()),
        (Selection(ephemeral=("a",)), {"a"}, {"a"}),
        (Selection(ephemeral=("_",)), {"_"}, {"_"}),
        (Selection(keep=("a",)), {"b"}, {"b", "_"}),
        (Selection(keep=("a", "b"), ephemeral=("b",)), {"b"}, {"b", "_"}),
    ],
)
def test_flags_say_what_is_left_out(selection, left_out, may_lack):
    """``--keep`` leaves out all other names, and lets a result go that cannot be saved."""
    names = ("a", "b", "_")
    assert {name for name in names if selection.leaves_out(name)} == left_out
    assert {name for name in names if selection.may_lack(name)} == may_lack


def test_keep_spares_modules():
    """What a cell imports is bound again whatever it keeps, unless a flag names it."""
    values = {"a": 1, "b": 2, "threading": threading}
    assert Selection(keep=("a",)).split(values) == ({"a": 1, "threading": threading}, ["b"])
    assert Selection(ephemeral=("threading",)).split(values) == ({"a": 1, "b": 2}, ["threading"])


def test_a_name_error_elsewhere_is_not_explained():
    """A module that misses a name of its own is another matter, and so is a name that is bound."""
    notebook = {}
    left_out = LeftOut()
    assert left_out.note("load", ["g"], Selection(ephemeral=("g",))) == "without g"

    def error_in(names, code="g"):
        with pytest.raises(NameError) as caught:
            exec(code, names)
        return caught.value

    explained = "g is not bound: step load replayed without it (--ephemeral g); run it with --rerun"
    assert left_out.explain(error_in(notebook), notebook) == explained
    assert left_out.explain(error_in({}), notebook) == ""
    assert left_out.explain(error_in(notebook, "h"), notebook) == ""
    assert left_out.explain(KeyError("g"), notebook) == ""
    wrapped = RuntimeError("all attempts failed")
    wrapped.__cause__ = error_in(notebook)
    assert left_out.explain(wrapped, notebook) == explained
    left_out.forget_bound({"g": 1})
    assert left_out.explain(error_in(notebook), notebook) == ""
