"""One audit hook of the process, whoever listens."""

import sys

from durable_nb.values.audit import listen


def test_each_listener_hears_its_events_in_order():
    """Several may listen to one event; other events reach nobody."""
    heard = []
    listen(("durable_nb.test", "durable_nb.other"), lambda event, args: heard.append((1, event, *args)))
    listen(("durable_nb.test",), lambda event, args: heard.append((2, event, *args)))
    sys.audit("durable_nb.test", 5)
    sys.audit("durable_nb.unheard", 6)
    sys.audit("durable_nb.other", 7)
    assert heard == [(1, "durable_nb.test", 5), (2, "durable_nb.test", 5), (1, "durable_nb.other", 7)]


def test_there_is_one_hook_however_many_listen():
    """An event costs the code that raises it one call, for ``id`` and ``getattr`` are events, too."""
    added = []
    listen(("sys.addaudithook",), lambda event, args: added.append(event))
    listen(("durable_nb.test",), lambda event, args: None)
    assert added == []
