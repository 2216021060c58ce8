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


def test_an_equal_object_in_an_old_ones_place_is_another_one(make_shell):
    """No fingerprint tells a replaced object from an equal one, but whoever holds the new one does."""
    cells = (
        "box = {'list': [5], 'atom': 1000}\ndef f(): pass\nf.note = [5]",
        "%%step swap\nnew = [5]\nbox['list'] = new\nf.note = new",
        "%%step touch\nbox['atom'] = int('1000')",
    )
    for _ in range(2):
        shell = make_shell()
        for cell in cells:
            assert shell.run_cell(cell).success
        names = shell.user_ns
        assert names["box"]["list"] is names["new"] is names["f"].note
    notebook = extension_of(shell).notebook
    assert notebook.decisions == dict.fromkeys(("swap", "touch"), "was replayed in this kernel")
