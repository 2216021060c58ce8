"""What differs, said in a line and on a page."""

from __future__ import annotations

import pytest

from durable_nb.core.changes import (
    CodeChange,
    ConditionChange,
    HelperChange,
    InputChange,
    ModuleChange,
    PackageChange,
    Unbound,
    Unloadable,
    in_a_line,
)

FILE = ConditionChange("file", "in.txt", "in.txt changed (size 3 → 5 bytes)")


@pytest.mark.parametrize(
    ("change", "line", "details"),
    [
        (CodeChange(("- a", "+ b"), 3), "its code changed (line 3)", ("- a", "+ b")),
        (CodeChange(), "its code changed", ()),
        (InputChange("k", "int 1", "int 2"), "k changed (int 1 → int 2)", ()),
        (InputChange("k", "int 1", ""), "k changed (int 1 → not read now)", ()),
        (InputChange("k", "", "int 1"), "k changed (not read before → int 1)", ()),
        (InputChange("d", "list 3 items", "list 3 items"), "d changed", ("other contents, still list 3 items",)),
        (
            InputChange("d", "list", "list", ("f", "g"), "d[0]: 1 → 2"),
            "d changed (read by g)",
            ("f → g → d", "d[0]: 1 → 2"),
        ),
        (HelperChange("g", ("f",), ("- a",), sources_known=True), "g changed (called by f)", ("f → g", "- a")),
        (
            HelperChange("g", sources_known=True),
            "g changed",
            ("same source: a default, a closure or an attribute is another",),
        ),
        (HelperChange("g"), "g changed", ()),
        (ModuleChange("lib", diff=("- a",), via=("f",)), "lib changed (used by f)", ("f → lib", "- a")),
        (
            ModuleChange("lib", loaded=False),
            "lib was edited but not reloaded: this kernel still runs the old code",
            (),
        ),
        (PackageChange("pd", "pandas 2.0", "pandas 3.0"), "pd changed (pandas 2.0 → pandas 3.0)", ()),
        (Unbound("rows", "load"), "rows is not bound (step load binds it)", ()),
        (Unloadable("no key"), "its checkpoint cannot be loaded: no key", ()),
        (FILE, "in.txt changed (size 3 → 5 bytes)", ()),
    ],
)
def test_each_kind(change, line, details):
    """A change says itself in one line; the page has the rest."""
    assert change.line == line
    assert change.details == details


def test_several_in_a_line():
    """At most three are named and the rest counted; what is no name of code or a value waits its turn."""
    inputs = tuple(InputChange(f"v{n}", "int 1", "int 2") for n in range(6))
    assert in_a_line(()) == ""
    assert in_a_line(inputs[:1]) == "v0 changed (int 1 → int 2)"
    assert in_a_line((CodeChange(at=3), *inputs[:1])) == "its code, v0 changed"
    assert in_a_line(inputs) == "v0, v1, v2 and 3 more changed"
    assert in_a_line((FILE, inputs[0])) == "v0 changed (int 1 → int 2)"
    assert in_a_line((FILE, FILE)) == FILE.line
