"""What the buttons of the table are answered."""

from __future__ import annotations

import threading

import pytest
from IPython.core.error import UsageError

from durable_nb.notebook.report import StepReport
from durable_nb.widgets.table import TableButtons


@pytest.fixture
def buttons():
    """Buttons that note what they are asked; a cell runs while ``running`` is not empty."""
    made = []

    def make(act=lambda action, step: StepReport(f"{action} {step}", ()), running=()):
        made.append(TableButtons(act, lambda: bool(running)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_action_is_done(buttons):
    """The answer has the request's number and the report as HTML."""
    answer = buttons().answer({"id": 7, "action": "why", "step": "<b>"})
    assert (answer["id"], answer["done"]) == (7, True)
    assert answer["html"].startswith("<strong>why &lt;b&gt;</strong>")


def test_what_cannot_be_done_is_said(buttons):
    """An error is a line for the user, not a traceback in the kernel's log."""

    def refuse(action, step):
        raise UsageError(f"{step} is no step of this notebook")

    answer = buttons(refuse).answer({"id": 1, "action": "forget", "step": "gone"})
    assert not answer["done"]
    assert "gone is no step of this notebook" in answer["html"]


def test_unknown_actions_do_nothing(buttons):
    """A message of somebody else's is refused by name."""
    done = []
    answer = buttons(lambda *asked: done.append(asked)).answer({"id": 1, "action": "drop", "step": "load"})
    assert (done, answer["done"]) == ([], False)
    assert "drop is unknown; there are why, show, rerun, forget" in answer["html"]


def test_not_beside_a_running_cell(buttons):
    """In a thread of the kernel's it waits for the end of the cell; on the main thread no cell can run."""
    asked, answers = {"id": 1, "action": "why", "step": "load"}, []
    table = buttons(running=("cell",))
    thread = threading.Thread(target=lambda: answers.append(table.answer(asked)))
    thread.start()
    thread.join()
    assert not answers[0]["done"]
    assert "a cell is running" in answers[0]["html"]
    assert table.answer(asked)["done"]


def test_closing_ends_the_model(buttons):
    """The page is told, and takes the buttons away."""
    table = buttons()
    table.close()
    assert table._model.comm is None
