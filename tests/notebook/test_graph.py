"""``%durable graph``: the steps, the variables between them, and which will run and why."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from durable_nb.notebook.extension import extension_of
from durable_nb.notebook.pictures.graph import Graph
from durable_nb.notebook.pictures.nodes import Edge, Node, Steps, steps_of
from durable_nb.notebook.report import Section, StepReport
from durable_nb.notebook.why import ahead_of

CELLS = [
    "scale = 2",
    "%%step load\nrows = [1, 2, 3]\nother = 1",
    "%%step fit\nmodel = sum(rows) * scale",
    "%%step plot\nshape = model + other",
]


@pytest.fixture
def notebook(shell):
    for cell in CELLS:
        shell.run_cell(cell)
    return extension_of(shell).notebook


def states(notebook):
    return {node.name: node.state for node in steps_of(notebook).nodes}


def test_edges_are_the_variables_between_steps(notebook):
    """Each name leads from the step that made it to those that read it; names of plain cells are no edges."""
    assert steps_of(notebook).edges == (
        Edge("load", "fit", ("rows",)),
        Edge("fit", "plot", ("model",)),
        Edge("load", "plot", ("other",)),
    )
    assert [node.makes for node in steps_of(notebook).nodes] == [("other", "rows"), ("model",), ("shape",)]


def test_a_step_that_changes_a_value_in_place_makes_it(shell, notebook):
    """Whoever reads it later reads from that step."""
    shell.run_cell("%%step grow\nrows.append(4)")
    shell.run_cell("%%step count\nn = len(rows)")
    edges = steps_of(notebook).edges
    assert Edge("load", "grow", ("rows",)) in edges
    assert Edge("grow", "count", ("rows",)) in edges
    assert Edge("load", "count", ("rows",)) not in edges


def test_stale_steps_say_what_why_says(shell, notebook):
    """What will happen, and why, is what ``%durable why`` tells; those after are marked as that."""
    assert states(notebook) == {"load": "holds", "fit": "holds", "plot": "holds"}
    shell.run_cell("scale = 7")
    found = {node.name: node for node in steps_of(notebook).nodes}
    assert states(notebook) == {"load": "holds", "fit": "stale", "plot": "after"}
    for name, rows in notebook.checkpoints.steps().items():
        assert found[name].why.startswith(ahead_of(notebook, name, rows).verdict)
    assert found["fit"].why == "runs: scale changed (int 2 → int 7)"
    assert found["plot"].why.endswith("unless fit, which will run, makes other values")
    page = repr(found["fit"].report)
    assert "  scale changed (int 2 → int 7)" in page
    assert "  model = sum(rows) * scale" in page
    assert "  rows: list 3 items" in page
    assert "  model: int 12" in page


def test_other_states(make_shell, notebook, shell):
    """A step that failed, one that was not checkpointed, and one whose inputs nobody has bound yet."""
    shell.run_cell("%%step broken\n1 / 0")
    shell.run_cell("%%step loose\nnames = len(globals())")
    found = {node.name: node for node in steps_of(notebook).nodes}
    assert (found["broken"].state, found["loose"].state) == ("failed", "stale")
    assert found["loose"].why.startswith("runs: it is not checkpointed, since it calls globals()")
    after_restart = states(extension_of(make_shell()).notebook)
    assert after_restart == {"load": "holds", "fit": "open", "plot": "open", "broken": "failed"}


def graph_with(name, state="holds", names=("df",), code="rows = 1"):
    report = StepReport(f"{name} · success", (Section("Code", (code,)),))
    nodes = (
        Node("first", "holds", "replays", "1 s", StepReport("first", ()), ("df",)),
        Node(name, state, "runs: df changed", "2 s", report, ("m",)),
    )
    return Graph(Steps(nodes, (Edge("first", name, names),)))


def test_what_the_user_wrote_is_escaped():
    """Names, variables and code are text in every form."""
    evil = "<script>alert('x')</script>"
    graph = graph_with(evil, names=(evil,), code=evil)
    for form in (graph.html(), graph.svg()):
        assert "<script" not in form
    assert ET.fromstring(graph.svg()).find("{http://www.w3.org/2000/svg}title") is not None
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</pre>" in graph.html()


def test_a_page_for_each_node():
    """Each node has a radio button with its name and why, and a page that the button shows."""
    html = graph_with("fit", "stale").html()
    buttons = re.findall(r'<input type="radio" name="(d\w+)" id="(d\w+-\d)" aria-label="([^"]+)"', html)
    assert [label for _, _, label in buttons] == ["first: replays", "fit: runs: df changed"]
    assert len({group for group, _, _ in buttons}) == 1
    for _, button, _ in buttons:
        page = button.replace("-", "-p")
        assert f".durable-graph:has(#{button}:checked) #{page}{{display:block}}" in html
        assert f'<div id="{page}">' in html


@pytest.mark.parametrize("state", ["holds", "stale", "failed", "after", "open"])
def test_each_state_has_a_shape_and_words(state):
    """A dashed or heavy outline and its words in the node tell it without its colour."""
    svg = graph_with("fit", state).svg()
    assert f'class="d-node d-node-{state}"' in svg
    words = {"holds": "2 s", "open": "2 s", "stale": "stale, will run", "failed": "failed, will run"}
    assert f">{words.get(state, 'after one that will run')}</text>" in svg


def test_text(notebook, shell):
    """A terminal gets an indented list: what each step reads from where, makes, and why it will run."""
    shell.run_cell("scale = 7")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-11-22 16:40", shell.run_line_magic("durable", "graph").text(60))
    assert text.splitlines() == [
        "3 steps · 1 will run again",
        "● load → other, rows",
        "  ◌ fit ← rows (load) → model",
        "    ↳ runs: scale changed (int 2 → int 7)",
        "    ○ plot ← model (fit), other (load) → shape",
        "      ↳ replays the checkpoint of 2026-11-22 16:40, unless",
        "          fit, which will run, makes other values",
        "● replays  ◌ stale  ○ after one that will run",
    ]


def test_the_line_and_its_file(shell, notebook, tmp_path):
    """``--save`` writes it; without it the forms for page and terminal are there."""
    shell.run_line_magic("durable", "graph --save steps.html")
    assert (tmp_path / "steps.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    data, _ = shell.display_formatter.format(shell.run_line_magic("durable", "graph"))
    assert set(data) == {"text/html", "image/svg+xml", "text/plain"}


def test_two_hundred_steps():
    """Labels make room for the picture, and still are there for who points at an edge."""
    nodes = [Node(f"s{n}", "holds", "replays", "1 s", StepReport(f"s{n}", ())) for n in range(200)]
    edges = tuple(Edge(f"s{n - 1}", f"s{n}", ("df",)) for n in range(1, 200))
    html = Graph(Steps(tuple(nodes), edges)).html()
    assert 'class="d-var"' not in html
    assert "<title>s8 → s9: df</title>" in html


def test_nothing_yet(shell):
    """Without a step it says so."""
    assert repr(shell.run_line_magic("durable", "graph")) == "Graph: no step has run yet"
