"""Users' own types in a real kernel: saved by their hooks, and made again after SIGKILL."""

from __future__ import annotations

import pytest
from scenes import play, ran_again, shown, was_not_recorded, was_replayed

CONN = (
    "import threading\nfrom durable_nb import register\nclass Conn:\n    def __init__(self, url):\n"
    "        self.url, self.lock = url, threading.Lock()\n    def get(self):\n        return 'from ' + self.url"
)
REGISTER = "register(Conn, save=lambda conn: conn.url, load=Conn)"
TREE = (
    "import threading\nclass Tree:\n"
    "    def __init__(self, nodes):\n        self.nodes, self.lock = nodes, threading.Lock()\n"
    "    def __durable_save__(self):\n        return {'nodes': self.nodes}\n"
    "    @classmethod\n    def __durable_load__(cls, saved):\n        return cls(saved['nodes'])"
)
FAILING = (
    "class Failing:\n    def __durable_save__(self):\n        raise OSError('disk full')\n"
    "    @classmethod\n    def __durable_load__(cls, saved):\n        return cls()"
)
SCENES = {
    "registered": [
        f"{CONN}\n{REGISTER}",
        "%%step rg\ntally.hit('rg')\nrg_a = Conn('db')\nrg_b = [rg_a]",
        "%%step rg_use\ntally.hit('rg_use')\nrg_v = rg_a.get()",
        "rg_b[0] is rg_a, isinstance(rg_a, Conn), rg_a.get(), rg_a.lock.locked(), rg_v",
    ],
    "protocol": [
        TREE,
        "%%step pr\ntally.hit('pr')\npr_nodes = [1]\npr_t = Tree(pr_nodes)\npr_u = {'t': pr_t}",
        "%%step pr_use\ntally.hit('pr_use')\npr_n = len(pr_t.nodes)",
        "pr_nodes.append(2)\npr_u['t'] is pr_t, isinstance(pr_t, Tree), pr_t.nodes, pr_n",
    ],
    "across": [
        "ac_nodes = [1]",
        "%%step ac\ntally.hit('ac')\nac_t = Tree(ac_nodes)",
        "ac_nodes.append(2)\nac_t.nodes",
    ],
    "unregistered": (
        [
            CONN.replace("Conn", "Un") + "\n" + REGISTER.replace("Conn", "Un"),
            "%%step un\ntally.hit('un')\nun = Un('db')",
        ],
        [CONN.replace("Conn", "Un"), "%%step un\ntally.hit('un')\nun = Un('db')", "un.get()"],
    ),
    "in_a_step": [
        f"%%step st\ntally.hit('st')\n{CONN.replace('Conn', 'St')}\n{REGISTER.replace('Conn', 'St')}",
        "St('x').get()",
    ],
    "failing": [FAILING, "%%step fa\ntally.hit('fa')\nfa_m = {'m': Failing()}\nfa_x = 1", "fa_x"],
    "inside": [
        "in_t, in_c = Tree([1]), Conn(['u'])",
        "%%step in_s\ntally.hit('in_s')\nin_n, in_u = in_t.nodes, in_c.url\nin_n.append(2)",
        "in_t.nodes, in_n is in_t.nodes, in_u is in_c.url",
    ],
    "method_edit": (
        ["me_t = Tree([1])\nTree.run = lambda self: 1", "%%step me\ntally.hit('me')\nme = me_t.run()"],
        ["me_t = Tree([1])\nTree.run = lambda self: 2", "%%step me\ntally.hit('me')\nme = me_t.run()", "me"],
    ),
    "hidden": [
        (
            "class Doc:\n    def __init__(self, rows):\n        self.rows = rows\n"
            "    def __durable_fingerprint__(self):\n        return len(self.rows)\nhi_rows = [1]"
        ),
        "%%step hi\ntally.hit('hi')\nhi_d = Doc(hi_rows)",
        "%%step hi_same\ntally.hit('hi_same')\nhi_same = [hi_d]",
        "%%step hi_part\ntally.hit('hi_part')\nhi_r = hi_d.rows",
        "hi_d.rows is hi_rows, hi_same[0] is hi_d, hi_r is hi_d.rows",
    ],
    "hidden_memory": [
        (
            "import numpy as np\nclass Arr:\n    def __init__(self):\n        self.data = np.arange(4)\n"
            "    def __durable_fingerprint__(self):\n        return 4\nhm_a = Arr()"
        ),
        "%%step hm\ntally.hit('hm')\nhm_v = hm_a.data[1:]",
        "hm_a.data[1] = 9\nint(hm_v[0])",
    ],
    "in_place": [
        "ip_t = Tree([1])",
        "%%step ip\ntally.hit('ip')\nip_t.nodes = [5]",
        "ip_t.nodes",
    ],
    "call": [
        "@step\ndef ca_open(url):\n    tally.hit('call')\n    return Conn(url)",
        "ca = ca_open('remote')\nca.get()",
    ],
}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """All scenes, played in one kernel before and one after a SIGKILL."""
    return play(tmp_path_factory.mktemp("own_types"), SCENES)


def test_a_registered_type_of_the_notebook(story):
    """A class of a plain cell that pickle cannot save replays through its functions, and so do steps that read it."""
    was_replayed(story["registered"], "rg", "rg_use")
    assert story["registered"].value == "(True, True, 'from db', False, 'from db')"


def test_the_protocol_methods(story):
    """A class that saves itself replays, one object where it was one, and with what it shared."""
    was_replayed(story["protocol"], "pr", "pr_use")
    assert story["protocol"].value == "(True, True, [1, 2], 1)"


def test_what_it_holds_of_an_input_is_the_input(story):
    """The state that is saved refers to an input rather than copy it."""
    was_replayed(story["across"], "ac")
    assert story["across"].value == "[1, 2]"


def test_a_type_that_is_not_registered_any_more(story):
    """The step runs again and says what to call first."""
    ran_again(story["unregistered"], "un", "its checkpoint cannot be loaded: it holds a Un: call register(Un, save=")
    assert story["unregistered"].value == "'from db'"


def test_registering_in_a_step_is_not_recorded(story):
    """A replay would not register again, so such a step runs in each kernel and says so."""
    why = "it calls register(), which a replay would not: do that in a plain cell"
    was_not_recorded(story["in_a_step"], "st", why)


def test_a_hook_that_fails_costs_its_name_only(story):
    """The cell does not fail; the line has the way to the object, the hook and what it raised."""
    scene = story["failing"]
    assert [each.status for each in scene.first] == ["ok"] * 3
    why = "fa_m cannot be saved (fa_m['m']: Failing: Failing.__durable_save__ raised OSError: disk full)"
    assert f"its checkpoint is partial: {why}" in scene.first[1].own_lines[0]
    ran_again(scene, "fa", f"its checkpoint is partial: {why}")


def test_an_edited_method_makes_readers_stale(story):
    """What is saved stands for the value only: the code of the class counts as well."""
    assert (story["method_edit"].hits_first["me"], story["method_edit"].hits_again["me"]) == (1, 1)
    assert story["method_edit"].value == "2"


def test_what_a_fingerprint_hides_stays_connected(story):
    """An object that compares by its own fingerprint is looked into all the same when aliases are recorded."""
    scene = story["hidden"]
    was_replayed(scene, "hi", "hi_same")
    was_not_recorded(scene, "hi_part", "it returns or binds a part of an input that its fingerprint hides")
    assert scene.value == "(True, True, True)"


def test_memory_that_a_fingerprint_hides_stays_shared(story):
    """A view of an array that nobody looked at before the run is not recorded."""
    scene = story["hidden_memory"]
    was_not_recorded(scene, "hm", "it returns or binds a part of an input that its fingerprint hides")
    assert scene.value == "9"


def test_what_is_saved_by_attribute_has_an_address(story):
    """What a hook saves as it is stays the attribute of the live object, and changes in place in it."""
    was_replayed(story["inside"], "in_s")
    assert story["inside"].value == "([1, 2], True, True)"


def test_a_change_in_place_is_seen(story):
    """What is saved of the value differs then; no hook could change the live object again."""
    scene = story["in_place"]
    was_not_recorded(scene, "ip", "it changed ip_t in place")
    assert scene.value == "[5]"


def test_calls_return_own_types(story):
    """A recorded call gives its result back through the same functions."""
    assert story["call"].hits_again["call"] == 0
    assert shown(story["call"].again[-1]) == "'from remote'"
