"""What differs between two sources, for people."""

from __future__ import annotations

from durable_nb.values.codediff import MAX_LINES, code_diff


def test_a_changed_line_is_shown_with_its_neighbours():
    """Old and new line, one line around them, and the line's number as its reader counts."""
    diff = code_diff("a = 1\nb = 2\nc = 3\nd = 4\n", "a = 1\nb = 2\nc = 30\nd = 4\n", first_line=2)
    assert diff.lines == ("@@ line 4 @@", "  b = 2", "- c = 3", "+ c = 30", "  d = 4")
    assert diff.at == 4


def test_comments_and_layout_do_not_count():
    """Comments, blank lines, quotes and line breaks are no difference, and never shown as one."""
    old = "a = 'x'  # old\nb = f(1,\n      2)\nif a:\n    b\n"
    new = '# new\na = "x"\n\nb = f(1, 2)\nif a:\n        b  # more\n'
    assert code_diff(old, new) == code_diff(old, old)
    assert code_diff(old, new).lines == ()
    assert code_diff(old, new.replace("f(1", "f(3")).lines == (
        "@@ line 4 @@",
        '  a = "x"',
        "- b = f(1,",
        "-       2)",
        "+ b = f(3, 2)",
        "  if a:",
    )


def test_indentation_counts():
    """A line that moved into a block differs."""
    assert code_diff("if a:\n    b\nc\n", "if a:\n    b\n    c\n").lines[-2:] == ("- c", "+     c")


def test_what_is_no_python_is_compared_as_written():
    """Magics and shell commands differ line by line."""
    diff = code_diff("!echo it's\n# note\nx = 1", "!echo it's\nx = 2")
    assert diff.lines == ("@@ line 2 @@", "  !echo it's", "- x = 1", "+ x = 2")


def test_lines_that_were_removed():
    """The place is where they were."""
    assert code_diff("a = 1\nb = 2", "a = 1").at == 2
    assert code_diff("a = 1\nb = 2", "b = 2").at == 1


def test_long_diffs_are_cut():
    """What is too long or too wide for a screen is cut, and said."""
    diff = code_diff("\n".join(f"a{n} = {n}" for n in range(50)), "b = " + "1 + " * 90 + "1")
    assert len(diff.lines) == MAX_LINES + 1
    assert diff.lines[-1] == "… 38 more lines"
    assert max(map(len, code_diff("", "b = " + "1 + " * 90 + "1").lines)) == 120
