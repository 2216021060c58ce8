"""The user's namespace: whose names they are, what changed, and putting it back."""

from __future__ import annotations

import pytest

from durable_nb.notebook.namespace import Namespace


@pytest.fixture
def bare(make_shell):
    return make_shell(load=False)


def users(namespace):
    """Return the snapshot without the names that every module has."""
    return {name: value for name, value in namespace.snapshot().values.items() if not name.startswith("__")}


@pytest.mark.parametrize("name", ["In", "Out", "_", "__", "_i", "_ii", "_i3", "_3", "_dh", "get_ipython", "exit"])
def test_names_of_ipython_are_not_the_users(bare, name):
    """Results, inputs, histories and IPython's own functions are no names of the user."""
    bare.run_cell("7 * 6")
    assert not Namespace(bare).is_user(name)


@pytest.mark.parametrize("name", ["x", "_x", "_private", "__dunder__", "index", "_i3x"])
def test_other_names_are_the_users(bare, name):
    """Whatever else is bound is the user's, underscores or not."""
    bare.user_ns[name] = 1
    assert Namespace(bare).is_user(name)


def test_a_name_of_ipython_that_the_user_bound_is_the_users(bare):
    """``open = gzip.open`` makes ``open`` a name of the user."""
    bare.run_cell("import gzip\nopen = gzip.open\nexit = 5")
    assert Namespace(bare).pick(["open", "exit", "gzip"]).keys() == {"open", "exit", "gzip"}


def test_an_underscore_that_the_user_bound_is_the_users(bare):
    """``_ = gettext.gettext`` stays, whatever is shown later; the results before the last are IPython's still."""
    bare.run_cell("for _ in 'ab':\n    pass")
    assert Namespace(bare).is_user("_")
    bare.run_cell("del _")
    for code in ("1", "2", "_ = 'mine'", "3", "4"):
        bare.run_cell(code)
    namespace = Namespace(bare)
    assert namespace.pick(["_", "__", "___"]) == {"_": "mine"}
    assert bare.user_ns["__"] == 1


def test_changes(bare):
    """Names bound, rebound to another object, and deleted are found; one left alone, or mutated, is not."""
    bare.run_cell("kept, rebound, gone, mutated = [1], [2], [3], [4]")
    before = Namespace(bare).snapshot()
    bare.run_cell("rebound = [2]\ndel gone\nnew = 5\nmutated.append(1)")
    changes = before.changes()
    assert (changes.bound, changes.deleted) == ({"rebound", "new"}, {"gone"})


def test_put_back(bare):
    """Rebinding, new names and deletion are undone with the very objects; what was mutated stays mutated."""
    bare.run_cell("kept, rebound, gone = [1], [2], [3]")
    namespace = Namespace(bare)
    before = namespace.snapshot()
    bare.run_cell("rebound, new = 1, 2\ndel gone\nkept.append(9)")
    before.put_back()
    assert users(namespace) == {"kept": [1, 9], "rebound": [2], "gone": [3]}
    assert namespace.names["gone"] is before.values["gone"]


def test_bind(bare):
    """Binding a checkpoint's names deletes what it deleted, also what is not there any more."""
    bare.run_cell("a, b = 1, 2")
    namespace = Namespace(bare)
    namespace.bind({"a": 5, "c": 6}, ["b", "never"])
    assert users(namespace) == {"a": 5, "c": 6}


def test_pick_leaves_out_what_is_unbound(bare):
    """Only names that are bound are picked, in order."""
    bare.run_cell("b, a = 1, 2")
    assert list(Namespace(bare).pick({"b", "a", "missing", "In"}).items()) == [("a", 2), ("b", 1)]


class TestHeldBeside:
    """Variables that something besides variables refers to: they may be in what a step made without reading them."""

    def test_it_is_told_by_references(self, bare):
        """A container, a library or another variable's object that refers to one shows it; its own names do not."""
        own = {"alone": [1], "twice": [2], "again": None, "held": [3], "read": [4], "holder": []}
        own["again"] = own["twice"]
        own["holder"] += [own["held"], own["read"]]
        bare.push(own)
        del own
        before = Namespace(bare).snapshot()
        assert before.held_beside({"read": None}).keys() == {"held"}

    def test_one_that_changed_hands_is_found(self, bare):
        """What a library gave away and a new name took has as many references as before, and is found."""
        library = [[1]]
        bare.push({"queued": library[0]})
        before = Namespace(bare).snapshot()
        bare.push({"taken": library.pop()})
        assert before.held_beside({}).keys() == {"queued"}

    def test_one_of_which_a_variable_let_go_is_found(self, bare):
        """A name that is bound to something else does not hide that another object has come to refer to a variable."""
        bare.run_cell("kept = [1]\nalias = kept")
        before = Namespace(bare).snapshot()
        bare.run_cell("alias = None\nimport math\nmath.pi_of_test = kept")
        assert "kept" in before.held_beside({})
        bare.run_cell("del math.pi_of_test")

    def test_atoms_and_definitions_of_modules_are_none(self, bare):
        """Numbers, modules and what these define are no objects of the notebook."""
        bare.run_cell("import math, textwrap\nfrom math import sqrt\nfrom textwrap import dedent, TextWrapper\nn = 1")
        bare.run_cell("class Own: pass\nown = [Own]")
        assert Namespace(bare).snapshot().held_beside({}).keys() == {"Own"}
