"""Plain cells: each is a scope of its own, from its begin to its end."""

from __future__ import annotations

import pytest

from durable_nb.core.session import active_session
from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.plain import digest_of

DEFINE = "from durable_nb import step\n@step\ndef f(i):\n    return i * 10"


@pytest.fixture
def notebook(shell):
    return extension_of(shell).notebook


def test_a_plain_cell_is_a_scope(shell, notebook):
    """Calls of two cells are recorded in a scope each."""
    shell.run_cell(DEFINE)
    shell.run_cell("a = f(1) + f(2)")
    shell.run_cell("b = f(1)")
    calls = [head for head in notebook.session.heads if head.kind == "call"]
    assert [call.sequence for call in calls] == [1, 2, 1]
    assert calls[0].scope_id == calls[1].scope_id != calls[2].scope_id
    assert (shell.user_ns["a"], shell.user_ns["b"]) == (30, 10)


def test_a_step_cell_is_no_plain_cell(shell, notebook):
    """A ``%%step`` cell enters the pass of its own scope only."""
    shell.run_cell(DEFINE)
    shell.run_cell("\n%%step x\na = f(1)")
    (call,) = [head for head in notebook.session.heads if head.kind == "call"]
    assert notebook.session.scope(call.scope_id).name == "x"
    assert [scope.name for scope in notebook.session.scopes()] == ["", "x"]


def test_a_cell_that_a_cell_runs_is_no_cell(shell, notebook):
    """What ``%%capture`` runs belongs to the cell around it."""
    shell.run_cell(DEFINE)
    shell.run_cell("a = f(1)\nget_ipython().run_cell_magic('capture', '', 'b = f(2)')\nc = f(3)")
    calls = [head for head in notebook.session.heads if head.kind == "call"]
    assert [call.sequence for call in calls] == [1, 2, 3]
    assert len({call.scope_id for call in calls}) == 1


@pytest.mark.parametrize(
    ("last", "status"), [("", "completed"), ("1 / 0", "failed"), ("raise KeyboardInterrupt", "interrupted")]
)
def test_how_a_pass_ends(shell, notebook, last, status):
    """A pass ends as its cell does; with an error in it, that is written."""
    failing = DEFINE.replace("return i", "return 1 / 0")
    shell.run_cell(failing + f"\ntry:\n    f(1)\nexcept ZeroDivisionError:\n    pass\n{last}")
    (call,) = [head for head in notebook.session.heads if head.kind == "call"]
    shell.run_cell("%%step later\nq = 1")  # its commit comes after that of the end
    assert [end.status for end in notebook.session.ledger.pass_ends(call.scope_id)] == [status]


def test_work_between_cells_belongs_to_no_cell(shell, notebook):
    """After a cell the background scope is in force."""
    shell.run_cell(DEFINE + "\nf(1)")
    assert active_session().pass_here() is active_session().background()


def test_comments_and_layout_do_not_count():
    """Equal code has an equal digest; code that is none is compared as text."""
    assert digest_of("a = 1  # one\n\n") == digest_of("a=1")
    assert digest_of("a = 1") != digest_of("a = 2")
    assert digest_of("a = ") != digest_of("a =")
    assert digest_of("await f()") == digest_of("await f( )")
