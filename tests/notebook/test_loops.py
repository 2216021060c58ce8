"""How many calls a cell will make, as far as its code says it."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest

from durable_nb import step
from durable_nb.notebook.loops import expected_calls


@step
def fetch(url):
    return url


class Client:
    @step
    def get(self, url):
        return url


class Greedy(list):
    """A list whose length asks somebody."""

    def __len__(self):
        raise AssertionError("it was asked")


class Lazy:
    @property
    def rows(self):
        raise AssertionError("it was asked")

    def __len__(self):
        raise AssertionError("it was asked")


NAMES = {
    "fetch": fetch,
    "client": Client(),
    "lib": SimpleNamespace(fetch=fetch),
    "urls": list("abcdefg"),
    "pairs": {1: 2, 3: 4},
    "n": 12,
    "greedy": Greedy("abc"),
    "lazy": Lazy(),
    "fetch_all": lambda urls: [fetch(url) for url in urls],
}


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("fetch(1)", 1),
        ("fetch.fresh(1)", 1),
        ("client.get(1)\nlib.fetch(2)", 2),
        ("for u in urls: fetch(u)", 7),
        ("for u in urls:\n  a = fetch(u)\n  b = fetch(a)", 14),
        ("for u in urls:\n  for k in pairs: fetch((u, k))", 14),
        ("[fetch(u) for u in urls]", 7),
        ("{u: fetch(u) for u in urls for _ in range(3)}", 21),
        ("x = await asyncio.gather(*(fetch(u) for u in urls))", 7),
        ("async for u in urls: await fetch(u)", 7),
        ("for i, u in enumerate(tqdm(urls)): fetch(u)", 7),
        ("for a, b in zip(urls, pairs.items()): fetch(a)", 2),
        ("for i in range(2, n, 3): fetch(i)", 4),
        ("for i in range(len(urls)): fetch(i)", 7),
        ("for u in urls[:3]: fetch(u)", 3),
        ("for u in urls[-2:]: fetch(u)", 2),
        ("for u in ['a', 'b']: fetch(u)", 2),
        ("for c in 'abc': fetch(c)", 3),
        ("with P() as pool: list(pool.map(fetch, urls))", 7),
        ("for u in urls: pool.submit(fetch, u)", 7),
        ("list(map(fetch, urls))", 7),
        ("for u in urls:\n  try: fetch(u)\n  except OSError: continue", 7),
        ("for u in urls:\n  if u: print(u)\n  fetch(u)", 7),
        ("def other():\n  while True: fetch(1)\nfetch(2)", 1),
        # where it does not say
        ("print(1)", None),
        ("fetch_all(urls)", None),
        ("for u in urls:\n  if u: fetch(u)", None),
        ("for u in urls:\n  if not u: continue\n  fetch(u)", None),
        ("for u in urls:\n  fetch(u)\n  if u: break", None),
        ("[fetch(u) for u in urls if u]", None),
        ("while more(): fetch(1)", None),
        ("for u in pages(): fetch(u)", None),
        ("for u in unknown: fetch(u)", None),
        ("for u in [*urls, 1]: fetch(u)", None),
        ("apply(fetch, urls)", None),
        ("x = fetch(1) or fetch(2)", None),
        # what must not be asked
        ("for u in greedy: fetch(u)", None),
        ("for u in lazy: fetch(u)", None),
        ("for u in lazy.rows: fetch(u)", None),
        ("lazy.rows(fetch(1))", 1),
    ],
)
def test_calls(code, calls):
    """Loops over what has a length that is cheap and safe to ask for are counted; nothing else is guessed."""
    tree = compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert expected_calls(tree, NAMES) == calls


def test_tables():
    """Arrays, frames and their columns have lengths too."""
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"url": ["a", "b", "c"]})
    names = {"fetch": fetch, "a": np.zeros((5, 2)), "frame": frame, "column": frame["url"]}
    for code, calls in (
        ("[fetch(x) for x in a]", 5),
        ("for row in frame.itertuples(): fetch(row)", 3),
        ("for u in frame['url']: fetch(u)", 3),
        ("for u in column: fetch(u)", 3),
        ("for u in frame['url'].unique(): fetch(u)", None),
    ):
        assert expected_calls(ast.parse(code), names) == calls
