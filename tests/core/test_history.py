"""Listing and forking executions."""

from __future__ import annotations

import pytest

from durable_nb import fork_workflow, list_steps, list_workflows, step, workflow, workflow_id
from durable_nb.core.table import html_table, plain_table
from durable_nb.errors import NoSuchWorkflow, OptionError, StoreError


@step
def plus(x):
    return x + 1


@workflow
def thrice(x):
    return plus(plus(plus(x)))


def test_without_a_store():
    """Each of the three says that no store is open, and how to open one."""
    for call in (list_workflows, lambda: list_steps("x"), lambda: fork_workflow("x", 1)):
        with pytest.raises(StoreError, match=r"no store is open: call open_store\(path\)"):
            call()


def test_unknown_id(store):
    """An unknown id is refused by name."""
    for call in (lambda: list_steps("nope"), lambda: fork_workflow("nope", 1)):
        with pytest.raises(NoSuchWorkflow, match="^no execution has the id 'nope': list_workflows"):
            call()


@pytest.mark.parametrize("bad", [0, -1, 1.0, "1", True, None])
def test_bad_from_step(store, bad):
    """``from_step`` is a step_id."""
    with workflow_id("w"):
        thrice(1)
    with pytest.raises(OptionError, match="^from_step: must be a step_id of at least 1"):
        fork_workflow("w", bad)


def test_new_id_in_use(store):
    """A fork never overwrites an execution."""
    with workflow_id("w"):
        thrice(1)
    with pytest.raises(OptionError, match="^new_id: 'w' is in use"):
        fork_workflow("w", 1, "w")


def test_fork_without_id_is_resumed(reopen):
    """Without ``new_id`` a name is made up; called without id and with equal arguments the fork goes on."""
    with reopen():
        with workflow_id("w"):
            thrice(1)
        fork = fork_workflow("w", 2)
        assert fork != "w"
        assert len(list_steps(fork)) == 1
    with reopen():
        assert thrice(1) == 4
        assert {each.workflow_id: each.status for each in list_workflows()} == {"w": "success", fork: "success"}
        assert len(list_steps(fork)) == 3


def test_fork_is_durable_at_once(reopen):
    """A fork is on disk when the call returns: it is listed after a restart, before it ever ran."""
    with reopen():
        with workflow_id("w"):
            thrice(1)
        fork_workflow("w", 3, "f")
    with reopen():
        assert [(each.workflow_id, each.status) for each in list_workflows()] == [("w", "success"), ("f", "running")]
        assert [each.step_id for each in list_steps("f")] == [1, 2]


def test_fork_of_a_fork(reopen):
    """A fork can be forked."""
    with reopen():
        with workflow_id("w"):
            thrice(1)
        fork_workflow("w", 4, "f")
        fork_workflow("f", 3, "g")
        assert [len(list_steps(each)) for each in "wfg"] == [3, 3, 2]
        with workflow_id("g"):
            assert thrice(1) == 4


def test_listing_over_resumed_runs(reopen):
    """Steps of an execution that took two runs are listed once each, in start order."""

    @workflow
    def w():
        values = [plus(1), plus(2)]
        if dying:
            raise KeyboardInterrupt
        return [*values, plus(3)]

    dying = True
    with reopen(), workflow_id("w"), pytest.raises(KeyboardInterrupt):
        w()
    dying = False
    with reopen(), workflow_id("w"):
        assert w() == [2, 3, 4]
        assert [each.step_id for each in list_steps("w")] == [1, 2, 3]


def test_tables(store, clock):
    """Listings show themselves as a table, plain and HTML, escaped, long texts cut, empty ones said."""
    assert repr(list_workflows()) == "(none)"
    assert list_workflows()._repr_html_() == "<em>(none)</em>"

    @workflow
    def w():
        raise ValueError("<b>" + "x" * 100 + "\n")

    with workflow_id("an id"), pytest.raises(ValueError, match="xxx"):
        w()
    lines = repr(list_workflows()).splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["workflow", "id", "name", "status", "started", "at", "ended", "at", "error"]
    assert lines[1].startswith("an id        w     error   20")
    assert lines[1].endswith("ValueError: <b>" + "x" * 44 + "…")
    html = list_workflows()._repr_html_()
    assert html.count("<tr>") == 2
    assert "<b>" not in html
    assert "&lt;b&gt;xxx" in html
    assert plain_table([]) == "(none)"
    assert html_table([]) == "<em>(none)</em>"
