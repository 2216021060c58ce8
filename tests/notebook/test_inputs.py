"""What goes into a cell: values, files, and why they cannot be known."""

from __future__ import annotations

import pytest

from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.inputs import files_named, read_inputs
from durable_nb.notebook.namespace import Namespace


@pytest.fixture
def read(make_shell):
    """Run cells in a fresh shell, and read the inputs of a last one."""

    def ask(*cells, declared=()):
        shell = make_shell(load=False)
        for cell in cells[:-1]:
            assert shell.run_cell(cell).success
        code = analyse_cell(cells[-1], transform=shell.transform_cell)
        inputs = read_inputs(code, Namespace(shell), declared)
        ask.key, ask.code = inputs.base_key(code), code
        return inputs

    return ask


def test_direct_inputs(read):
    """Names that are bound and read before they are bound in the cell; no builtins, no unbound names."""
    inputs = read("a, b, c = 1, [2], 3", "c = 5\nprint(a, len(b), c, missing)")
    assert inputs.values == {"a": 1, "b": [2]}
    assert inputs.unknowable == ""


def test_a_builtin_that_the_user_bound_is_an_input(read):
    """``max = 5`` in the notebook makes ``max`` an input."""
    assert read("max = 5", "x = max").values == {"max": 5}


def test_inputs_through_functions(read):
    """What functions, classes and lambdas that the cell reaches read, over any number of steps."""
    inputs = read(
        "k = 3",
        "def inner(): return k",
        "def outer(): return inner()",
        "class A:\n    def go(self): return outer()",
        "A().go()",
    )
    assert set(inputs.values) == {"A", "outer", "inner", "k"}


def test_names_in_texts(read):
    """Identifiers in string arguments and magics' lines count; in docstrings, keys and subscripts they do not."""
    assert set(read("thr, df = 1, [2]", "df.query('a > @thr')").values) == {"df", "thr"}
    assert set(read("lr = 1", "!echo {lr}").values) == {"lr"}
    assert set(read("lr, d = 1, {}", "'lr'\nd['lr']\n{'lr': 1}").values) == {"d"}


def test_a_text_never_makes_a_cell_unknowable(read):
    """A word in a text that happens to name a generator is left out."""
    inputs = read("g, a = (i for i in ()), 1", "print('g of', a)")
    assert set(inputs.values) == {"a"}
    assert inputs.unknowable == ""


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["x = eval('1')"], "it calls eval(), so what it reads cannot be known: name it with --inputs NAME"),
        (["def f(): return globals()", "f()"], "it calls globals()"),
        (["x = (lambda: 0).__globals__['y']"], "it reads __globals__, so what it reads cannot be known"),
        (["%whos"], "it runs %whos, so what"),
        (["from os import *"], "from os import * binds names that cannot be known"),
        (["5", "x = _"], "it reads _, which changes with every cell that runs"),
        (["5", "x = Out[1]"], "it reads Out, which changes"),
        (["g = (i for i in ())", "list(g)"], "its input g cannot be compared (g: builtins.generator: "),
        (
            ["d = {'f': [open(__file__) if 0 else open('x', 'w')]}", "d"],
            "its input d cannot be compared (d['f'][0]: _io.TextIOWrapper: ",
        ),
    ],
)
def test_what_cannot_be_known(read, cells, why):
    """Dynamic code, star imports, IPython's own results and opaque values, each with its reason."""
    assert read(*cells).unknowable.startswith(why)


def test_declared_names_make_dynamic_code_known(read):
    """With ``--inputs`` dynamic code reads what is declared."""
    inputs = read("a, b = 1, 2", "eval('a')", declared=["a"])
    assert (inputs.values, inputs.unknowable) == ({"a": 1}, "")


def test_the_key_is_of_code_and_values(read):
    """Equal code and values give an equal key in another shell; another value, sharing or code gives another."""
    keys = set()
    for setup, cell in [
        ("a = [1]\nb = [1]", "c = a + b"),
        ("a = [1]\nb = a", "c = a + b"),
        ("a = [1]\nb = [2]", "c = a + b"),
        ("a = [1]\nb = [1]", "c = b + a"),
        ("a = [1]\nb = (1,)", "c = a + list(b)"),
        ("a = [True]\nb = [1]", "c = a + b"),
        ("a = [1.0]\nb = [1]", "c = a + b"),
    ]:
        read(setup, cell)
        keys.add(read.key)
    assert len(keys) == 7
    read("# another way\nb = [1]; a = [2 - 1]", "c = (a\n     + b)  # the sum")
    assert read.key in keys


def test_files_that_are_named(read, tmp_path):
    """Literals and inputs that name existing files, folders and globs are dependencies; other texts are not."""
    (tmp_path / "data.csv").write_text("a\n1\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.parquet").touch()
    inputs = read(
        "from pathlib import Path\nwhere = Path('data.csv')\nmany = ['more/b.parquet', 'no such file.csv']",
        "print(where, many)\nread_all('more/*.parquet')\nnote = 'data.csv is a file'",
    )
    named = files_named(read.code, inputs, tmp_path)
    found = set(named)
    assert {("data.csv", "file"), ("more/b.parquet", "file"), ("more/*.parquet", "glob")} <= found
    assert not any("no such" in path or "is a file" in path for path, _ in found)
