"""Where clients come from, in shells in this process; the same after a restart is in tests/kernel/test_opaque.py."""

from __future__ import annotations

import ast

import pytest
from IPython.core.interactiveshell import InteractiveShell

from durable_nb.core.codes import Codes
from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.client_changes import changed_clients, configured_clients, live_change
from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.inputs import read_inputs
from durable_nb.notebook.namespace import Namespace
from durable_nb.notebook.running import bound_once
from durable_nb.values.fingerprint import fingerprint_roots
from durable_nb.values.provenance import provenance_of

SET_UP = """
from durable_nb import register, step
class Api:
    def __init__(self, where):
        self.where, self.options, self.inner = where, {}, None
    def get(self):
        return self.where
register(Api, stateless=True)
"""


@pytest.fixture
def keys(make_shell):
    """Run cells in a fresh shell; return what is known of where the clients bound to some names come from."""

    def ask(*cells, names=("api",)):
        shell = make_shell()
        for cell in (SET_UP, *cells):
            shell.run_cell(cell)
        known = provenance_of(shell.user_ns)
        found = tuple(known.of(shell.user_ns[name]) for name in names)
        return found[0] if len(found) == 1 else found

    return ask


def test_equal_cells_make_equal_clients(keys):
    """In another kernel, whatever the layout and whatever else ran."""
    one = keys("api = Api('a')")
    assert isinstance(one, bytes)
    assert one == keys("x = 5", "# the service\napi = Api( 'a' )")


@pytest.mark.parametrize(
    ("before", "cell"),
    [
        ("", "api = Api('b')"),
        ("", "api = Api('a'); y = 1"),
        ("u = 'b'", "api = Api(u)"),
        ("def make(): return Api('b')", "api = make()"),
        ("import os; os.environ['DNB_U'] = 'b'", "import os\napi = Api(os.environ['DNB_U'])"),
        ("_ = open('u.txt', 'w').write('b')", "api = Api(open('u.txt').read())"),
        ("_ = open('u.txt', 'w').write('b')", "def read():\n    return open('u' + '.txt').read()\napi = Api(read())"),
        ("import random; random.seed(2)", "api = Api(random.random())"),
    ],
)
def test_what_a_client_comes_from(keys, before, cell):
    """Code, inputs, functions reached, variables of the environment, files and seeded streams: each counts."""
    assert keys(before, cell) == keys(before, cell)
    other = before.replace("'b'", "'c'").replace("seed(2)", "seed(3)"), cell
    if other == (before, cell):
        other = before, "api = Api('a')"
    assert isinstance(keys(before, cell), bytes)
    assert keys(before, cell) != keys(*other)


def test_clients_of_one_cell_are_told_apart(keys):
    """By the name that leads to each, and the place below it."""
    found = keys(
        "api, b = Api('a'), Api('a')", "pair = [Api('a'), Api('a')]", "c, d = pair", names=("api", "b", "c", "d")
    )
    assert len(set(found)) == 4


def test_an_alias_is_the_same_client(keys):
    """Who reads or binds it later does not matter."""
    api, other = keys("api = Api('a')", "other = api", "print(other.get())", names=("api", "other"))
    assert api == other == keys("api = Api('a')")


def test_rebinding_makes_another(keys):
    """The object counts, not the name."""
    assert keys("api = Api('a')", "api = Api('b')") == keys("api = Api('b')")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (
            ["g = (i for i in ())", "api = Api(next(g, 'a'))"],
            "of the cell that made it: its input g cannot be compared",
        ),
        (["api = eval('Api(1)')"], "of the cell that made it: it calls eval()"),
        (["input = lambda text: 'a'", "api = Api(input('where'))"], "of the cell that made it: it asks with input()"),
        (["many = list(range(20_000))", "api = Api(len(many))"], "what the cell that made it reads is too large"),
    ],
)
def test_why_it_is_not_known(keys, cells, why):
    """A client of a cell that cannot be known equals nothing, and says why."""
    assert keys(*cells).startswith(why)


def test_a_client_from_before_the_extension_is_not_known(make_shell):
    """A step that reads it runs again, and says what to do."""
    shell = make_shell(load=False)
    shell.run_cell(SET_UP + "api = Api('a')")
    shell.extension_manager.load_extension("durable_nb")
    found = fingerprint_roots({"api": shell.user_ns["api"]}, namespace=shell.user_ns).opaque["api"]
    assert found.reason == "it is not known which cell made it: run that cell again"


def test_connections_need_a_new_key_after_session_sql(keys):
    """A plain cell with such SQL counts as what last changed the connection; one without does not."""
    connect = "import sqlite3\ncon = sqlite3.connect('a.db')"
    plain = keys(connect, names=("con",))
    assert plain == keys(connect, "con.execute('select 1')", names=("con",))
    attached = keys(connect, "con.execute(\"ATTACH 'b.db' AS b\")", names=("con",))
    other = keys(connect, "q = \"ATTACH 'c.db' AS b\"", "con.execute(q)", names=("con",))
    assert len({plain, attached, other}) == 3
    lost = keys(connect, "many = list(range(20_000))", "con.execute('ATTACH ? AS b', [str(len(many))])", names=("con",))
    assert lost is None


@pytest.mark.parametrize(
    "change",
    ["api.options['x'] = 1", "api.options.update(x=1)", "api.extra = 1", "setattr(api, 'x', 1)", "del api.inner",
     "def go():\n    api.extra = 1\ngo()", "box = [api]\nbox[0].extra = 1"],
)  # fmt: skip
def test_a_cell_that_changes_a_client_on_purpose(keys, change):
    """It counts as what made it what it is."""
    before = keys("api = Api('a')")
    after = keys("api = Api('a')", change)
    assert isinstance(after, bytes)
    assert after != before
    assert after != keys("api = Api('a')", change + "\n2")


@pytest.mark.parametrize(
    "use", ["api.get()", "api.options.get('x')", "api.options == 1", "x = [1]\nx[0] = api", "api.inner"]
)
def test_a_cell_that_only_uses_a_client(keys, use):
    """It leaves it what it is."""
    assert keys("api = Api('a')", use) == keys("api = Api('a')")


def test_what_a_cell_changes_in_its_clients(make_shell):
    """Named as code; no user's code runs to find out."""
    shell = make_shell()
    shell.run_cell(SET_UP + "api = Api('a')\napi.inner = Api('b')\nbox = {'k': [api]}")
    names = shell.user_ns
    for cell, what, client in (
        ("api.url = 1", "api", "api"),
        ("api.inner.options['k'] = 1", "api.inner.options", "inner"),
        ("box['k'][0].url = 2", "box['k'][0]", "api"),
        ("del api.options['k']", "api.options", "api"),
        ("api.options.setdefault('k', 1)", "api", "api"),
    ):
        found = changed_clients(ast.parse(cell), Codes([]), names)
        assert (what, names["api"] if client == "api" else names["api"].inner) in found, cell
    for cell in ("api.get()", "box['k'] = 1", "api.update(1)", "unknown.x = 1", "api = 1", "box['k'][7].x = 1"):
        assert changed_clients(ast.parse(cell), Codes([]), names) == [], cell
    assert configured_clients(ast.parse("api.set_project('b')"), names) == [names["api"]]
    assert configured_clients(ast.parse("api.set('k', 1); api.get(); other.set_x()"), names) == []


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("api.options['k'] = 1", "it changes api.options, a live Api, which a replay would not change"),
        ("api.options.update(k=1)", "it changes api, a live Api, which a replay would not change"),
        ("api.use_project('b')", "it calls api.use_project(), which changes a live client; a replay would not"),
        ("api.set_price('b')", None),
        ("api.get()", None),
    ],
)
def test_what_a_step_does_to_a_live_client(make_shell, cell, why):
    """What a replay would not do to it makes the step unrecordable; what only sounds like it does not."""
    shell = make_shell()
    shell.run_cell(SET_UP + "api = Api('a')")
    code = analyse_cell(cell, transform=shell.transform_cell)
    inputs = read_inputs(code, Namespace(shell), ())
    assert live_change(code, inputs, Codes([]), shell.user_ns) == why


def test_names_bound_once():
    """Only those can be relied on while threads run."""
    code = "a = f()\nwith g() as b: c = 1\nfor d in x: e = f()\nif x: h = f()\na2 = a3 = f()\ni = f()\ni = g()"
    assert bound_once(ast.parse(code)) == {"a", "b", "a2", "a3"}
    assert bound_once(ast.parse("a = f()\ndef g():\n    global a\n    a = 1")) == frozenset()


def test_odd_values_never_break_a_cell(make_shell, caplog):
    """What goes wrong in looking makes clients unknown, and the cell runs as ever."""
    shell = make_shell()
    shell.run_cell(SET_UP + "api = Api('a')")
    extension = extension_of(shell)
    extension.notebook.origins._known.set = None
    assert shell.run_cell("other = Api('b')\nother.get()").result == "b"
    assert "could not be looked at" in caplog.text
    assert provenance_of(shell.user_ns).of(shell.user_ns["api"]) is None


def test_unloading_forgets_all(make_shell):
    """Outside of the extension there is no provenance."""
    shell = make_shell()
    assert provenance_of(shell.user_ns) is not None
    shell.extension_manager.unload_extension("durable_nb")
    assert provenance_of(shell.user_ns) is None


def test_no_client_is_kept_alive(make_shell):
    """A client that the user lets go of is gone."""
    shell = make_shell()
    shell.run_cell(SET_UP + "import gc, weakref\napi = Api('a')\ngone = weakref.ref(api)")
    shell.run_cell("api.get();")
    shell.run_cell("del api")
    assert shell.run_cell("gc.collect(); gone() is None").result is True


def test_cells_inside_cells(shell: InteractiveShell):
    """What a cell makes that runs another is not known, nor what that other one makes, and nothing breaks."""
    shell.run_cell(SET_UP + "shell = get_ipython()")
    shell.run_cell("shell.run_cell('inner = Api(1)')\nouter = Api(2)")
    known = provenance_of(shell.user_ns)
    assert (shell.user_ns["inner"].where, known.of(shell.user_ns["inner"])) == (1, None)
    assert "it calls get_ipython().run_cell()" in known.of(shell.user_ns["outer"])


def test_a_sqlite_connection_is_followed(keys):
    """Its key is known though it takes no weak reference."""
    assert isinstance(keys("import sqlite3; con = sqlite3.connect('x.db')", names=("con",)), bytes)
