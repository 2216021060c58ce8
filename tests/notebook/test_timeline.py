"""``%durable timeline``: the drawing, the text, the files, and the line that asks for them."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest
from IPython.core.error import UsageError

from durable_nb.errors import DurableError, OptionError
from durable_nb.notebook.pictures.axis import axis_of
from durable_nb.notebook.pictures.bars import Bar, Lane
from durable_nb.notebook.pictures.lane_page import lane_page
from durable_nb.notebook.pictures.strip import marks_of
from durable_nb.notebook.pictures.timeline import Timeline

T = 1_790_000_000.0
EVIL = "<script>alert('x')</script>"
SHAKY = Lane(
    "shaky",
    (
        Bar("failed", T, T + 4, 1, f"OSError: {EVIL}"),
        Bar("waiting", T + 4, T + 6, 1),
        Bar("ran", T + 6, T + 10, 2),
        Bar("replayed", T + 9000, T + 9000, note="ran 2026-11-22 16:40 in 4 m 12 s"),
    ),
)
NAMED = Lane(EVIL, (Bar("ran", T + 10, T + 20),))


@pytest.fixture
def timeline():
    return Timeline((SHAKY, NAMED))


def loop(calls):
    """A lane with so many calls of 10 ms, every hundredth of which failed once, and one of which took 2 s."""
    bars, at = [], T
    for number in range(calls):
        who, took = f"fetch {number + 1}", 2.0 if number == 300 else 0.01
        if number % 100 == 50:
            bars.append(Bar("failed", at, at + took, 1, "OSError: busy", who))
            at += took
        bars.append(Bar("ran", at, at + took, 1, "", who))
        at += took
    return Lane("fetch()", (), tuple(bars))


def test_each_state_has_a_shape_of_its_own(timeline):
    """Failed attempts are hatched and have a cross, waits are hatched otherwise, replays are rings."""
    svg = timeline.svg()
    lanes = svg[svg.index("</defs>") :]
    assert len(re.findall(r'<rect class="d-failed"[^>]*fill="url\(#d\w+-failed\)"', lanes)) == 2  # one in the legend
    assert len(re.findall(r'<rect class="d-waiting"[^>]*fill="url\(#d\w+-waiting\)"', lanes)) == 2
    assert lanes.count('class="d-cross"') == 2
    assert lanes.count('class="d-ring"') == 2
    for kind in ("failed", "waiting"):
        assert f'-{kind}" width="5"' in svg


def test_the_legend_tells_no_time(timeline):
    """Only bars say when they were and how long they took."""
    legend = timeline.body().split('<span class="d-legend">')[1].split('<div class="d-lanes"')[0]
    assert "<title>" not in legend
    assert timeline.body().count("<title>") == 5


def test_bars_are_where_their_time_is(timeline):
    """The bars of a lane follow each other without a gap, in proportion to their time."""
    row = timeline.body().split('<details data-lane="shaky">')[1].split("</svg><span")[0]
    found = re.findall(r'<rect class="d-(\w+)" x="([\d.]+)%" width="([\d.]+)%"', row)
    (failed, left, width), (waiting, wait_left, wait_width), (ran, _, ran_width) = found
    assert (failed, waiting, ran) == ("failed", "waiting", "ran")
    assert float(left) + float(width) == pytest.approx(float(wait_left), abs=0.02)
    assert float(width) == pytest.approx(2 * float(wait_width), abs=0.05)
    assert float(width) == pytest.approx(float(ran_width), abs=0.05)


def test_what_the_user_wrote_is_escaped(timeline):
    """Names, errors and values are text in every form, and nothing in a picture is a script."""
    for form in (timeline.html(), timeline.svg(), timeline.svg("dark")):
        assert "<script" not in form
        assert "&lt;script&gt;" in form
    root = ET.fromstring(timeline.svg())
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text and text.startswith("<script>") for text in texts)


def test_the_live_form_keeps_what_is_open(timeline):
    """Only while it is live there is a script, ours, that opens again what was open before an update."""
    live = Timeline((SHAKY, NAMED), live="abc").html()
    assert live.count("<script>") == 1
    assert 'data-id="abc"' in live
    assert "<script>" not in timeline.html()


def test_the_page_decides_the_colours(timeline):
    """JupyterLab's and VS Code's variables come first, then the theme that the page is in."""
    html = timeline.html()
    assert "--d-ink:var(--jp-content-font-color1,var(--vscode-editor-foreground,#1f2328))" in html
    assert "@media (prefers-color-scheme:dark){.durable-view{--d-ink:var(" in html
    for rule in ('[data-jp-theme-light="false"] .durable-view', ".vscode-dark .durable-view", "prefers-reduced-motion"):
        assert rule in html
    assert "var(" not in timeline.svg("light")


def test_the_drawing_is_one_document(timeline):
    """The SVG is well-formed, has a title for screen readers, and is as high as its lanes."""
    root = ET.fromstring(timeline.svg())
    assert root.find("{http://www.w3.org/2000/svg}title").text == (
        "Timeline: 2 steps · 18 s at work · 1 failed attempt · 1 replayed"
    )
    taller = ET.fromstring(Timeline((SHAKY, NAMED, NAMED)).svg())
    assert int(taller.get("height")) - int(root.get("height")) == 24


def test_cells_with_calls_are_no_steps():
    """The sum tells them apart, as the graph has steps only."""
    assert str(Timeline((SHAKY, loop(3))).totals).startswith("1 step, 1 cell with calls · ")
    assert str(Timeline((loop(3),)).totals).startswith("1 cell with calls · ")


def test_text(timeline):
    """A terminal gets a line per step with signs for its states, no wider than it is."""
    lines = timeline.text(80).splitlines()
    assert lines[0] == "2 steps · 18 s at work · 1 failed attempt · 1 replayed"
    assert all(len(line) <= 80 for line in lines)
    shaky = lines[2]
    assert re.fullmatch(r"shaky +✕▓*░+█+ *┊ *↻ +10 s", shaky)
    assert shaky.count("▓") + 1 == pytest.approx(shaky.count("█"), abs=1)
    assert lines[-1] == "░ waits  █ ran  ✕ failed  ↻ replayed  ┊ time left out"
    assert repr(timeline).startswith(lines[0])


def test_nothing_yet():
    """Without a step it says so in every form."""
    empty = Timeline(())
    for form in (empty.text(80), empty.html(), empty.svg()):
        assert "no step has run yet" in form


def test_a_loop_of_a_thousand_calls_is_aggregated():
    """Calls that no eye could tell apart are one mark; failed attempts among them stay visible."""
    lane = loop(1000)
    marks = marks_of(lane.calls, axis_of((bar.start, bar.end) for bar in lane.calls))
    assert len(marks) < 60
    assert sum(mark.count for mark in marks) == 1010
    assert sum(mark.count for mark in marks if mark.bar.kind == "failed") == 10
    assert Timeline((lane,)).html().count("<rect") < 120


def test_a_lane_opens_to_its_worst_calls():
    """The longest calls and the failed attempts are listed, and what all of them took is summed up."""
    page = repr(lane_page(loop(1000)))
    assert page.splitlines()[0].startswith(
        "fetch() · 1,000 calls · 10 failed attempts · 12 s in all, 10 ms the median, 2.0 s the longest · "
    )
    longest = page.splitlines()[2]
    assert longest.endswith("fetch 301: ran in 2.0 s")
    assert "fetch 51: attempt 1 failed after 10 ms · OSError: busy" in page


def test_two_hundred_steps_scroll():
    """The rows are lower, and the page for them stays small."""
    lanes = [Lane(f"step_{n}", (Bar("ran", T + n, T + n + 1),)) for n in range(200)]
    timeline = Timeline(lanes)
    assert timeline.drawing()[1] < 3600
    assert len(timeline.html()) < 200_000


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".svg", b"<svg "), (".html", b"<!DOCTYPE html>"), (".png", b"\x89PNG\r\n\x1a\n")]
)
def test_save(timeline, tmp_path, suffix, begins):
    """Each kind of file is written whole."""
    path = timeline.save(tmp_path / f"steps{suffix}")
    assert path.read_bytes().startswith(begins)
    assert path.stat().st_size > 3000


def test_png_has_two_pixels_per_point(timeline, tmp_path):
    """It is fine enough for print, and light unless asked otherwise."""
    data = timeline.save(tmp_path / "steps.png").read_bytes()
    assert int.from_bytes(data[16:20], "big") == 2 * 960
    assert data != timeline.save(tmp_path / "dark.png", theme="dark").read_bytes()


def test_save_names_what_is_wrong(timeline, tmp_path, monkeypatch):
    """An unknown suffix and a missing package are told in one line, and nothing is written."""
    with pytest.raises(OptionError, match=r"must end in \.svg, \.html or \.png, not 'steps\.pdf'"):
        timeline.save(tmp_path / "steps.pdf")
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DurableError, match=r"pip install durable-nb\[png\]") as caught:
        timeline.save(tmp_path / "steps.png")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_line(shell, tmp_path, capfd):
    """``--save`` writes the file and says so; what is wrong in the line is named."""
    shell.run_cell("%%step load\nrows = 1")
    assert repr(shell.run_line_magic("durable", "timeline")).startswith("1 step · ")
    assert shell.run_line_magic("durable", "timeline --save steps.svg") is None
    assert "↻ saved steps.svg" in capfd.readouterr().err
    assert (tmp_path / "steps.svg").read_text().startswith("<svg ")
    for line, expected in {
        "timeline --sav x.svg": r"%durable timeline: --sav is unknown; there is --save FILE",
        "timeline load": r"%durable timeline: load is unknown; there is --save FILE",
        "timeline --save": r"--save takes one file, e\.g\. %durable timeline --save timeline\.svg",
        "timeline --save x.pdf": r"must end in \.svg, \.html or \.png, not 'x\.pdf'",
        "timeline --save no/such/x.svg": r"No such file or directory",
    }.items():
        with pytest.raises(UsageError, match=expected):
            shell.run_line_magic("durable", line)


def test_all_forms_in_one_bundle(shell):
    """A page may choose; a saved notebook holds no widget."""
    shell.run_cell("%%step load\nrows = 1")
    data, _ = shell.display_formatter.format(shell.run_line_magic("durable", "timeline"))
    assert set(data) == {"text/html", "image/svg+xml", "text/plain"}
