"""The buttons of the table, from the kernel's side: messages as a page sends them, and what they do."""

from __future__ import annotations

import re

import pytest
from driver import PATIENCE_SECONDS
from scenes import hits, kernel_in, run, shown

CELLS = ["%%step load\nload_hit = tally.hit('l')\nrows = ['<b>', 2]", "%%step fit\ntotal = len(rows)"]


class Buttons:
    """Shows the table in a kernel, and presses its buttons."""

    def __init__(self, kernel):
        self._kernel = kernel
        self._number = 0
        running = kernel.start("%durable", "table")
        # ipywidgets opens one for its layout first
        self.comm_id = self.wait("comm_open", lambda content: "token" in content["data"]["state"])["comm_id"]
        self.result = kernel.finish(running)

    def wait(self, kind, is_it):
        """Return the content of the next message of a kind that is the one waited for."""
        while True:
            message = self._kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)
            if message["msg_type"] == kind and is_it(message["content"]):
                return message["content"]

    def of_model(self, content):
        """Tell the model's own messages."""
        return content["comm_id"] == self.comm_id

    def press(self, action, step):
        """Send what the page sends, and return the answer."""
        self._number += 1
        asked = {"id": self._number, "action": action, "step": step}
        content = {"comm_id": self.comm_id, "data": {"method": "custom", "content": asked}}
        client = self._kernel.client
        client.shell_channel.send(client.session.msg("comm_msg", content))
        while True:
            data = self.wait("comm_msg", self.of_model)["data"]
            if data.get("method") == "custom":
                assert data["content"]["id"] == self._number
                return data["content"]


@pytest.fixture
def kernel(tmp_path):
    """A kernel in which both steps ran."""
    with kernel_in(tmp_path) as kernel:
        run(kernel, CELLS)
        yield kernel


def test_what_is_saved_is_a_plain_table(kernel):
    """The output holds no widget; the model finds the table by its token."""
    buttons = Buttons(kernel)
    (output,) = buttons.result.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert re.search(r'<table data-durable-table="\w{32}">', output["data"]["text/html"])
    assert '<tr data-step="load">' in output["data"]["text/html"]


def test_why_and_show(kernel):
    """They answer what the commands show, with what the user wrote escaped."""
    buttons = Buttons(kernel)
    assert buttons.press("why", "fit")["html"].startswith("<strong>fit ran in this kernel</strong>")
    html = buttons.press("show", "load")["html"]
    assert "rows = [&#x27;&lt;b&gt;&#x27;, 2]" in html
    assert "<b>" not in html


def test_rerun_and_forget(kernel, tmp_path):
    """They do what the commands do, in this kernel."""
    buttons = Buttons(kernel)
    assert "load will run again when the cell runs" in buttons.press("rerun", "load")["html"]
    kernel.run(CELLS[0], "cell-0")
    assert hits(tmp_path)["l"] == 2
    assert "forgot 1 row of fit" in buttons.press("forget", "fit")["html"]
    assert "fit" not in shown(kernel.run("%durable", "table"))
    gone = buttons.press("why", "fit")
    assert (gone["done"], "fit is no step of this notebook" in gone["html"]) == (False, True)


def test_one_model_for_all_tables(kernel):
    """A second table has the same token, so that both have buttons; unloading ends the model."""
    first = Buttons(kernel)
    second = kernel.run("%durable", "again")
    token = re.search(r'data-durable-table="(\w+)"', first.result.outputs[0]["data"]["text/html"])[1]
    assert token in second.outputs[0]["data"]["text/html"]
    running = kernel.start("%unload_ext durable_nb", "unload")
    first.wait("comm_close", first.of_model)
    kernel.finish(running)
