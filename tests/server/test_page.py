"""The page, as the server sends it and as it is made."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from stores import make_store, step

from durable_nb.server.page import FRONT_ENDS, render
from durable_nb.store.listing import Listing, list_stores


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.tags, self.attributes = [], set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.found += [value for name, value in attrs if name in ("href", "src")]


def page(root, listing=None, front_ends=FRONT_ENDS):
    return render(listing or list_stores(root), root.resolve(), "/user/me/", front_ends)


def test_links_open_the_notebook_below_the_base_url(tmp_path):
    """In each front end that the server has; names are quoted."""
    make_store(tmp_path / "a b" / "50% & more?.ipynb")
    links = Links(page(tmp_path)).found
    quoted = "a%20b/50%25%20%26%20more%3F.ipynb"
    assert links.count(f"/user/me/lab/tree/{quoted}") == 2
    assert links.count(f"/user/me/notebooks/{quoted}") == 1
    assert [each for each in Links(page(tmp_path, front_ends=FRONT_ENDS[1:])).found if "lab" in each] == []
    assert quoted not in page(tmp_path, front_ends=())


def test_names_are_text(tmp_path):
    """Whatever notebooks and steps are called, none of it is markup."""
    evil = "<img src=x onerror=alert(1)>'\""
    make_store(tmp_path / f"{evil}.ipynb", step(name=evil), step(2, name=f"{evil}2", status="error"))
    parsed = Links(page(tmp_path))
    assert "img" not in parsed.tags
    assert "onerror" not in parsed.attributes
    assert page(tmp_path).count("&lt;img") >= 4


def test_a_notebook_that_is_gone_has_no_link(tmp_path):
    """There is nothing to open."""
    make_store(tmp_path / "a.ipynb")
    (tmp_path / "a.ipynb").unlink()
    assert not [each for each in Links(page(tmp_path)).found if "a.ipynb" in each]


def test_the_empty_page_says_what_to_do(tmp_path):
    """And has nothing to filter."""
    text = page(tmp_path)
    assert "%load_ext durable_nb" in text
    assert "%%step" in text
    assert "<label hidden>" in text


def test_a_cut_search_is_told(tmp_path):
    """So that nobody takes the list for complete."""
    assert "The search ended after 5 s" in page(tmp_path, Listing(tmp_path.resolve(), cut="after 5 s"))


def test_the_server_sends_the_page_and_its_files(server, store):
    """With its notebooks, below the prefix; what it refers to is there."""
    store("paged/a.ipynb")
    for path in ("durable-nb", "durable-nb/"):
        answer = server.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "a.ipynb" in answer.text
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    for link in Links(answer.text).found:
        if "/static/" in link:
            assert server.get(link.removeprefix("/user/me/")).status == 200
    assert server.get("durable-nb/static/../page.html").status in (403, 404)
    assert Path(server.log).read_text().count("Traceback") == 0
