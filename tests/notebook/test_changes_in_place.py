"""Changes in place around values that have no state of their own."""

from __future__ import annotations

from durable_nb.notebook.extension import extension_of

CELLS = (
    (
        "import threading, durable_nb\n"
        "class Client:\n    def __init__(self, url):\n        self.url, self.lock = url, threading.Lock()\n"
        "class Service:\n    def __init__(self, client):\n        self.client, self.n = client, 0\n"
        "durable_nb.register(Client, stateless=True)"
    ),
    "client = Client('a')",
    "%%step make\nservice = Service(client)",
    "%%step count\nservice.n += 1",
)


def test_an_object_that_holds_a_client_is_changed_around_it(make_shell):
    """The client stays the live one of this process, and what holds it is restored and changed again."""
    for _ in range(2):
        shell = make_shell()
        for cell in CELLS:
            assert shell.run_cell(cell).success
        names = shell.user_ns
        assert (names["service"].n, names["service"].client) == (1, names["client"])
    assert extension_of(shell).notebook.decisions == dict.fromkeys(("make", "count"), "was replayed in this kernel")
