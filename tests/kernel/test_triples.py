"""Values of many classes, made in one step and changed in the next, over a kernel's death."""

from __future__ import annotations

import pytest
from restored_table import PAGE, outcomes, page
from triples import LIBRARIES

TRIPLES = [(library, triple) for library, triples in LIBRARIES.items() for triple in triples]
FEWEST = 60


@pytest.fixture(scope="module")
def found():
    """What became of each class."""
    return outcomes()


@pytest.mark.parametrize(("library", "triple"), TRIPLES, ids=[triple.key for _, triple in TRIPLES])
def test_a_class_is_as_it_was(found, library, triple):
    """After the kernel's death the value is equal, and what was the same object is the same object."""
    outcome = found[library, triple.name]
    assert outcome.errors == ()
    assert outcome.made != outcome.first  # or the comparison could not tell
    assert outcome.again == outcome.first
    assert outcome.declared.startswith(("restored", "runs again: "))
    assert outcome.modified.startswith(("restored", "runs again: "))


def test_the_table_in_the_docs(found):
    """The page lists at least 60 classes as they behave; `make table` writes it anew."""
    assert len(TRIPLES) >= FEWEST
    assert PAGE.read_text("utf-8") == page(found)
