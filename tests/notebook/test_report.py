"""What ``%durable`` returns: objects with a plain and a rich form."""

from __future__ import annotations

import platform
import re

import pytest
from IPython.core.error import UsageError

from durable_nb.notebook.report import Section, StepReport


@pytest.fixture
def ran(shell):
    """A shell in which two steps ran."""
    shell.run_cell("k = 2\npath = 'in.txt'\nopen(path, 'w').write('<b>')")
    shell.run_cell("%%step load\nrows = [k, open(path).read()]\nimport json")
    shell.run_cell("%%step fit --max-attempts 2\ntotal = len(rows)\ndel k")
    return shell


def durable(shell, line=""):
    return shell.run_line_magic("durable", line)


def test_the_table_is_a_sequence_of_rows(ran):
    """Each row says step, state, attempts, size and when, and can be used by code."""
    load, fit = durable(ran)
    assert (load.step, load.state, load.attempts, load.why) == ("load", "ran", 1, "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", fit.when)
    assert re.fullmatch(r"\d+ B", load.size)
    ran.run_cell("k = 2")
    ran.run_cell("%%step load\nrows = [k, open(path).read()]\nimport json")
    assert durable(ran)[0].state == "replayed"


def test_an_empty_table(shell):
    """A notebook without steps says so."""
    assert repr(durable(shell)) == "(none)"
    assert "(none)" in durable(shell)._repr_html_()


def test_show_lists_everything(ran):
    """Code, inputs, outputs, deleted names and files."""
    page = repr(durable(ran, "show load")).splitlines()
    assert page[0].startswith("load · success · ended ")
    assert page[page.index("Code:") + 1] == "  rows = [k, open(path).read()]"
    assert "  k: int 2" in page
    assert "  path: str 'in.txt'" in page
    assert "  rows: list 2 items" in page
    assert f"  json: module python {platform.python_version()}" in page
    assert "  in.txt (file)" in page
    assert "  k: deleted" in repr(durable(ran, "show fit")).splitlines()


def test_reports_escape_what_they_show():
    """Code and values cannot inject markup."""
    report = StepReport("<i>", (Section("a & b", ("<script>",)), Section("empty", ())))
    page = report._repr_html_()
    for text in ("<strong>&lt;i&gt;</strong>", ">a &amp; b</div>", ">&lt;script&gt;</pre>"):
        assert text in page
    assert "empty" not in page
    assert repr(report) == "<i>\na & b:\n  <script>"


def test_why_names_a_changed_file(ran, tmp_path):
    """A file that is another one now is among what changed."""
    (tmp_path / "in.txt").write_text("longer")
    assert "in.txt" in repr(durable(ran, "why load")).partition("What changed since")[2]


def test_a_prefix_is_enough(ran):
    """A step is found by the beginning of its name, if that is of one step only."""
    assert durable(ran, "show lo").title.startswith("load ")
    ran.run_cell("%%step lookup\nz = 1")
    with pytest.raises(UsageError, match="lo could be load, lookup"):
        durable(ran, "show lo")
    assert durable(ran, "show load").title.startswith("load ")
