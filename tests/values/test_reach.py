"""What values lead to, by types alone."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from durable_nb.values.budget import TooLargeError
from durable_nb.values.reach import extent, places


@pytest.fixture
def client():
    """A client, as any registered one is."""
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


class Holder:
    """Holds something."""

    def __init__(self, held):
        self.held = held


def has_client(value, most=100, namespace=None):
    """Say whether a client is met before there are too many references."""
    return extent([value], namespace or {}, most).meets_client


def is_larger(values, most):
    """Say whether values lead over more than so many references."""
    return extent(values, {}, most).is_larger


def test_a_client_is_met_below_containers_instances_and_closures(client):
    """By what these refer to; an array, a module and the namespace lead nowhere."""
    namespace = {"client": client}
    assert has_client(client)
    assert has_client([{"a": (client,)}])
    assert has_client(Holder(Holder(client)))
    assert has_client(lambda: client)
    assert not has_client(namespace, namespace=namespace)
    assert not has_client([sqlite3, np.zeros(5), 5, "text"])


def test_it_ends_where_there_is_too_much(client):
    """What lies beyond is not looked at; a long list hides nothing of what lies beside it."""
    deep = client
    for _ in range(200):
        deep = [deep]
    assert not has_client(deep)
    assert has_client(deep, most=1000)
    assert has_client([list(range(10_000)), [client]])
    with pytest.raises(TooLargeError):
        list(places([list(range(10_000))], {}, 100))


def test_how_large_values_are():
    """Each reference counts, so that what is shared is no larger; rings come to an end."""
    ring = []
    ring.append(ring)
    assert not is_larger([ring, 5, "text" * 1000, np.zeros(10_000)], 10)
    assert not is_larger([list(range(100))], 100)
    assert is_larger([list(range(101))], 100)
    shared = list(range(60))
    assert not is_larger([shared, shared], 100)
    assert is_larger([shared, list(shared)], 100)
