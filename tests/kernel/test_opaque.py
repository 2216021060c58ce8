"""Opaque values in a real kernel: clients are told by what made them, generators and the like never recorded."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from scenes import play, prepare, ran_again, was_not_recorded, was_replayed

QUERY = "%%step {0}\ntally.hit('{0}')\n{0}_v = {0}_con.execute('select x from t').fetchone()[0]"
CONNECT = "import sqlite3\n{0}_con = sqlite3.connect('{1}.db')"
ASK = "%%step {0}\ntally.hit('{0}')\n{0}_v = {0}_api.get()"
SET_UP = (
    "import sqlite3, duckdb, threading, logging, requests\n"
    "from durable_nb import register\n"
    "class Api:\n"
    "    def __init__(self, where):\n"
    "        self.where, self.calls = where, 0\n"
    "    def get(self):\n"
    "        self.calls += 1\n"
    "        return self.where\n"
    "register(Api, stateless=True)\n"
    "class Box: pass\n"
    "def make(url):\n"
    "    return Api(url)\n"
    "@step\n"
    "def ask(api, what):\n"
    "    tally.hit(what)\n"
    "    return api.get()\n"
    "@step\n"
    "async def ask_soon(api, what):\n"
    "    tally.hit(what)\n"
    "    return api.get()\n"
    "@step\n"
    "def make_client():\n"
    "    tally.hit('mk_call')\n"
    "    return Api(open('made' + '.txt').read())\n"
    "@step\n"
    "def execute(con, sql):\n"
    "    tally.hit('ex')\n"
    "    return con.execute(sql).fetchall()\n"
)
SERVICE = """
from durable_nb import register

class Service:
    def __init__(self, where):
        self.where = where

register(Service, stateless=True)
SERVICE = Service('first')

def connect(where):
    global SERVICE
    SERVICE = Service(where)

def ask_{0}():
    return SERVICE.where
"""


def moved(name, first, second, *after):
    """A scene whose first cells differ in the second play."""
    return ([*first, *after, f"{name}_v"], [*second, *after, f"{name}_v"])


SCENES = {
    "set_up": [SET_UP],
    # connections
    "same": [CONNECT.format("same", "a"), QUERY.format("same"), "same_v"],
    "moved": moved("moved", [CONNECT.format("moved", "a")], [CONNECT.format("moved", "b")], QUERY.format("moved")),
    "by_name": moved(
        "by_name", ["bn = 'a.db'"], ["bn = 'b.db'"], "by_name_con = sqlite3.connect(bn)", QUERY.format("by_name")
    ),
    "alias": moved(
        "alias",
        ["al_a, al_b = sqlite3.connect('a.db'), sqlite3.connect('b.db')", "alias_con = al_a"],
        ["al_a, al_b = sqlite3.connect('a.db'), sqlite3.connect('b.db')", "alias_con = al_b"],
        QUERY.format("alias"),
    ),
    "attach": [
        CONNECT.format("attach", "a"),
        "%%step attach\ntally.hit('attach')\nattach_con.execute(\"ATTACH 'b.db' AS other\")\nprint()",
        "%%step attached\ntally.hit('attached')\nattached_v = attach_con.execute('select x from other.t').fetchone()",
        "attached_v",
    ],
    "attach_edited": moved(
        "attach_edited",
        [CONNECT.format("attach_edited", "a"), "attach_edited_con.execute(\"ATTACH 'b.db' AS t2\")"],
        [CONNECT.format("attach_edited", "a"), "attach_edited_con.execute(\"ATTACH 'c.db' AS t2\")"],
        QUERY.format("attach_edited").replace("from t", "from t2.t"),
    ),
    "session_in_helper": [
        CONNECT.format("helper", "a") + "\ndef set_up(con):\n    con.execute('PRAGMA case_sensitive_like = ON')",
        "%%step helper\ntally.hit('helper')\nset_up(helper_con)",
    ],
    "memory": [
        "me_lite, me_duck = sqlite3.connect(':memory:'), duckdb.connect()",
        "%%step lite\ntally.hit('lite')\nlite_v = me_lite.execute('select 1').fetchall()",
        "%%step duck\ntally.hit('duck')\nduck_v = me_duck.execute('select 1').fetchall()",
    ],
    "duckdb": [
        "du_con = duckdb.connect('d.duckdb')",
        QUERY.format("du").replace("from t", "from range(3) r(x)"),
        "du_v",
    ],
    "file_changed": ["fc_con = sqlite3.connect('changed.db')", QUERY.format("fc"), "fc_v"],
    "filled_by_a_step": [
        "fs_con = sqlite3.connect('filled.db')",
        (
            "%%step fill\ntally.hit('fill')\nwith fs_con:\n"
            "    fs_con.execute('create table t (x)')\n    _ = fs_con.execute('insert into t values (7)')"
        ),
        QUERY.format("fs"),
        "fs_v",
    ],
    "left_open": [
        "lo_con = sqlite3.connect('open.db')\nlo_con.execute('create table if not exists t (x)')",
        "%%step lo_fill\ntally.hit('lo_fill')\n_ = lo_con.execute('insert into t values (7)')",
        "%%step lo_read\ntally.hit('lo_read')\nlo_v = lo_con.execute('select count(*) from t').fetchone()",
        "lo_con.rollback()",
    ],
    "engine": moved(
        "en",
        ["import sqlalchemy\nen_e = sqlalchemy.create_engine('sqlite:///a.db')\nen_con = en_e.connect()"],
        ["import sqlalchemy\nen_e = sqlalchemy.create_engine('sqlite:///b.db')\nen_con = en_e.connect()"],
        QUERY.format("en").replace("'select x from t'", "sqlalchemy.text('select x from t')"),
    ),
    "engine_kept": [
        "import sqlalchemy\nek = sqlalchemy.create_engine('sqlite:///a.db')",
        "%%step ek_s\ntally.hit('ek_s')\nimport pandas as pd\nek_v = pd.read_sql('select x from t', ek)['x'][0]",
        "ek_v",
    ],
    "held": [
        CONNECT.format("he", "a"),
        "%%step held\ntally.hit('held')\nhe_box = {'con': he_con, 'n': 5}",
        "he_box['con'] is he_con, he_box['n']",
    ],
    # clients
    "client": ["client_api = Api('a')", ASK.format("client"), "client_api.get()", "client_v"],
    "client_moved": moved("cm", ["cm_api = Api('a')"], ["cm_api = Api('b')"], ASK.format("cm")),
    "client_from_function": moved("cf", ["cf_api = make('a')"], ["cf_api = make('b')"], ASK.format("cf")),
    "client_by_variable": moved(
        "environ",
        ["%env WHERE=a"],
        ["%env WHERE=b"],
        "import os\nenviron_api = Api(os.environ['WHERE'])",
        ASK.format("environ"),
    ),
    "client_by_file": (
        ["_ = open('url.txt', 'w').write('a')", "fi_api = Api(open('url.' + 'txt').read())", ASK.format("fi"), "fi_v"],
        ["_ = open('url.txt', 'w').write('b')", "fi_api = Api(open('url.' + 'txt').read())", ASK.format("fi"), "fi_v"],
    ),
    "client_in_list": moved(
        "ls",
        ["ls_apis = [Api(u) for u in 'ab']", "ls_api = ls_apis[0]"],
        ["ls_apis = [Api(u) for u in 'ab']", "ls_api = ls_apis[1]"],
        ASK.format("ls"),
    ),
    "nested": moved(
        "nested",
        ["nested_svc = Box()\nnested_svc.client = Api('a')"],
        ["nested_svc = Box()\nnested_svc.client = Api('a')", "nested_svc.client = Api('b')"],
        "%%step nested\ntally.hit('nested')\nnested_v = nested_svc.client.get()",
    ),
    "edited_in_place": (
        ["ep_api = Api('a')", "ep_api.where = 'b'", ASK.format("ep"), "ep_v"],
        ["ep_api = Api('a')", "ep_api.where = 'c'", ASK.format("ep"), "ep_v"],
    ),
    "edited_by_a_step": [
        "es_api = Api('a')",
        "%%step es\ntally.hit('es')\nes_api.calls = 100",
        "es_api.calls",
    ],
    "client_of_a_module": [
        "import service",
        "from service import ask_service",
        "%%step mo\ntally.hit('mo')\nmo_v = ask_service()",
        "mo_v",
    ],
    "client_of_an_edited_module": [
        "import other_service\nfrom other_service import ask_other",
        "%%step om\ntally.hit('om')\nom_v = ask_other()",
        "om_v",
    ],
    "module_set_up": (
        [
            "import set_service",
            "set_service.connect('a')",
            "from set_service import ask_set",
            "%%step su\ntally.hit('su')\nsu_v = ask_set()",
            "su_v",
        ],
        [
            "import set_service",
            "set_service.connect('b')",
            "from set_service import ask_set",
            "%%step su\ntally.hit('su')\nsu_v = ask_set()",
            "su_v",
        ],
    ),
    "made_by_step": [
        "%%step maker\ntally.hit('maker')\nms_api = Api('a')",
        "%%step asker\ntally.hit('asker')\nasker_v = ms_api.get()",
        "asker_v",
    ],
    "made_by_step_that_runs_again": [
        "%%step unsaved\ntally.hit('unsaved')\nun_con = sqlite3.connect('a.db')",
        "%%step reader\ntally.hit('reader')\nreader_v = un_con.execute('select x from t').fetchone()[0]",
        "reader_v",
    ],
    "rebound_live": [
        "rb_api = Api('a')",
        ASK.format("rb"),
        "rb_api = Api('b')",
        ASK.format("rb"),
        "rb_v",
    ],
    # calls
    "calls": ["ca_api = Api('a')", "[ask(ca_api, f'ca{n}') for n in range(2)]"],
    "calls_moved": (
        ["cl_api = Api('a')", "ask(cl_api, 'cl')"],
        ["cl_api = Api('b')", "ask(cl_api, 'cl')"],
    ),
    "calls_in_the_same_cell": ["sc_api = Api('a')\n[ask(sc_api, f'sc{n}') for n in range(2)]"],
    "calls_in_threads": [
        "from concurrent.futures import ThreadPoolExecutor\nct_api = Api('a')",
        "with ThreadPoolExecutor(2) as pool:\n    ct = pool.map(lambda n: ask(ct_api, f'ct{n}'), range(2))\nlist(ct)",
    ],
    "calls_in_threads_of_the_same_cell": [
        (
            "cs_api = Api('a')\nwith ThreadPoolExecutor(2) as cs_pool:\n"
            "    cs = cs_pool.map(lambda n: ask(cs_api, f'cs{n}'), range(2))\nlist(cs)"
        )
    ],
    "calls_in_tasks_of_the_same_cell": [
        ("import asyncio\nta_api = Api('a')\nawait asyncio.gather(*[ask_soon(ta_api, f'ta{n}') for n in range(2)])")
    ],
    "calls_in_a_step_that_makes_the_client": [
        "%%step cm_step\ncm_api = Api('a')\ncm_gen = (n for n in '')\n[ask(cm_api, f'cm{n}') for n in range(2)]"
    ],
    "made_by_a_call": [
        "_ = open('made.txt', 'w').write('a')",
        "mk_api = make_client()",
        ASK.format("mk"),
        "mk_v",
    ],
    "sql_of_a_call": [
        CONNECT.format("ex", "a"),
        "execute(ex_con, 'select x from t')",
        "execute(ex_con, \"ATTACH 'b.db' AS q\")",
    ],
    "duckdb_module": [
        "df = {'n': 1}",
        "%%step dm\ntally.hit('dm')\ndm_v = duckdb.sql('select 1').fetchall()",
        "%%step dm_make\ntally.hit('dm_make')\nduckdb.sql('create table dm_t as select 5 as x')",
        "%%step dm_read\ntally.hit('dm_read')\ndm_r = duckdb.sql('select x from dm_t').fetchall()",
        "_ = duckdb.sql('drop table dm_t')",
    ],
    "calls_in_a_loop": (
        ["for url in 'ab':\n    print(ask(Api(url), 'lo'))"],
        ["for url in 'ac':\n    print(ask(Api(url), 'lo'))"],
    ),
    # without an address, and without any
    "primitives": [
        "pr_lock, pr_log, pr_event = threading.Lock(), logging.getLogger('x'), threading.Event()",
        "%%step pr\ntally.hit('pr')\nwith pr_lock:\n    pr_log.info('x')\npr_v = pr_event.is_set()",
        "pr_v",
    ],
    "generator": [
        "ge = (n for n in range(3))",
        "%%step ge\ntally.hit('ge')\nge_v = next(ge)",
        "ge_v",
    ],
    "generator_registered": [
        "register(type(n for n in ''), stateless=True)\nrg = (n for n in range(3))",
        "%%step rg\ntally.hit('rg')\nrg_v = next(rg)",
        "rg_v",
        "from durable_nb.values.registry import registry\nregistry.unregister(type(n for n in ''))",
    ],
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Every scene played, killed, and played again."""
    folder = prepare(tmp_path_factory.mktemp("opaque"))
    for name in "abc":
        with sqlite3.connect(folder / f"{name}.db") as connection:
            connection.execute("create table t (x)")
            connection.execute("insert into t values (?)", (name,))
        connection.close()
    shutil.copy(folder / "a.db", folder / "changed.db")
    for name in ("service", "other_service", "set_service"):
        (folder / f"{name}.py").write_text(SERVICE.format(name.partition("_")[0]))
    return play(folder, SCENES, between=_change)


def _change(folder):
    shutil.copy(folder / "b.db", folder / "changed.db")
    (folder / "other_service.py").write_text(SERVICE.format("other").replace("'first'", "'second'"))


@pytest.mark.parametrize(
    ("scene", "step", "value"),
    [
        ("same", "same", "'a'"),
        ("attach", "attached", "('b',)"),
        ("duckdb", "du", "0"),
        ("duckdb_module", "dm", ""),
        ("filled_by_a_step", "fill", "7"),
        ("filled_by_a_step", "fs", "7"),
        ("engine_kept", "ek_s", "'a'"),
        ("held", "held", "(True, 5)"),
        ("client", "client", "'a'"),
        ("client_of_a_module", "mo", "'first'"),
        ("made_by_step", "asker", "'a'"),
        ("made_by_step_that_runs_again", "reader", "'a'"),
        ("primitives", "pr", "False"),
    ],
)
def test_an_unchanged_client_replays(scenes, scene, step, value):
    """A step that reads a connection, a client or a lock made by unchanged code replays."""
    was_replayed(scenes[scene], step)
    assert scenes[scene].value == value


@pytest.mark.parametrize(
    ("scene", "step", "why", "value"),
    [
        ("moved", "moved", "moved_con changed", "'b'"),
        ("by_name", "by_name", "by_name_con changed", "'b'"),
        ("alias", "alias", "alias_con changed", "'b'"),
        ("attach_edited", "attach_edited", "attach_edited_con changed", "'c'"),
        ("client_moved", "cm", "cm_api changed", "'b'"),
        ("client_from_function", "cf", "cf_api changed", "'b'"),
        ("client_by_variable", "environ", "environ_api changed", "'b'"),
        ("client_by_file", "fi", "fi_api changed", "'b'"),
        ("client_in_list", "ls", "ls_api changed", "'b'"),
        ("nested", "nested", "nested_svc changed", "'b'"),
        ("file_changed", "fc", "changed.db changed", "'b'"),
        ("engine", "en", "en_con changed", "'b'"),
        ("edited_in_place", "ep", "ep_api changed", "'c'"),
        ("client_of_an_edited_module", "om", "", "'second'"),
        ("module_set_up", "su", "set_service.SERVICE changed", "'b'"),
    ],
)
def test_a_client_that_leads_elsewhere_is_another(scenes, scene, step, why, value):
    """A step that reads a client made by other code, or from other inputs, runs again and says which input changed."""
    ran_again(scenes[scene], step, why)
    assert scenes[scene].value == value


@pytest.mark.parametrize(
    ("scene", "step", "why"),
    [
        ("attach", "attach", "it runs ATTACH, which changes the session of its sqlite3.Connection"),
        ("session_in_helper", "helper", "it runs PRAGMA case_sensitive_like, which changes the session of its"),
        ("left_open", "lo_fill", "it left a transaction open on its sqlite3.Connection: commit() it"),
        ("left_open", "lo_read", "its input lo_con cannot be compared (lo_con: sqlite3.Connection: a transaction is"),
        ("duckdb_module", "dm_make", "the database of duckdb.sql() has a table dm_t that lives in this process only"),
        ("duckdb_module", "dm_read", "the database of duckdb.sql() has a table dm_t that lives in this process only"),
        ("edited_by_a_step", "es", "it changes es_api, a live Api, which a replay would not change"),
        ("memory", "lite", "its input me_lite cannot be compared (me_lite: sqlite3.Connection: an in-memory database"),
        ("memory", "duck", "its input me_duck cannot be compared (me_duck: _duckdb.DuckDBPyConnection: an in-memory"),
        (
            "generator",
            "ge",
            (
                "its input ge cannot be compared (ge: builtins.generator: cannot pickle 'generator' object; "
                "register(type(ge), stateless=True) if what it holds does not matter)"
            ),
        ),
    ],
)
def test_what_has_a_state_of_its_own_is_not_recorded(scenes, scene, step, why):
    """A step that changes a session, or reads something whose state cannot be put back, says so and runs again."""
    was_not_recorded(scenes[scene], step, why)


def test_what_the_user_calls_stateless_replays(scenes):
    """A generator whose type is registered is a client like others."""
    scene = scenes["generator_registered"]
    assert (scene.hits_first["rg"], scene.hits_again["rg"]) == (1, 0)
    assert "replayed rg" in scene.lines


def test_a_client_rebound_in_a_live_kernel(scenes):
    """The step runs for each of the two, and after a restart replays for each."""
    scene = scenes["rebound_live"]
    assert (scene.hits_first["rb"], scene.hits_again["rb"]) == (2, 0)
    assert scene.value == "'b'"


@pytest.mark.parametrize("name", ["ca", "sc", "ct", "cs", "ta", "cm"])
def test_calls_with_an_unchanged_client_replay(scenes, name):
    """Also where the client is made in the cell that makes the calls, and in threads."""
    scene = next(each for each in scenes.values() if each.hits_first[f"{name}0"])
    assert (scene.hits_first[f"{name}0"], scene.hits_first[f"{name}1"]) == (1, 1)
    assert (scene.hits_again[f"{name}0"], scene.hits_again[f"{name}1"]) == (0, 0)
    assert scene.value == "['a', 'a']"


def test_a_client_that_a_call_made(scenes):
    """It comes back with the call, and what reads it replays."""
    assert (scenes["made_by_a_call"].hits_again["mk_call"], scenes["made_by_a_call"].value) == (0, "'a'")
    was_replayed(scenes["made_by_a_call"], "mk")


def test_sql_that_a_call_is_given(scenes):
    """The query replays; what changes the session does not, and is warned of."""
    scene = scenes["sql_of_a_call"]
    assert (scene.hits_first["ex"], scene.hits_again["ex"]) == (2, 1)
    assert "step execute was not recorded: it runs ATTACH, which changes the session of its sqlite3.Con" in scene.lines


def test_a_call_with_a_client_that_leads_elsewhere(scenes):
    """It runs again."""
    assert (scenes["calls_moved"].hits_again["cl"], scenes["calls_moved"].value) == (1, "'b'")


def test_clients_made_in_an_edited_loop(scenes):
    """None is taken for another: their cell is another, so the calls run again."""
    scene = scenes["calls_in_a_loop"]
    assert (scene.hits_first["lo"], scene.hits_again["lo"]) == (2, 2)
    assert scene.value == "a\nc"
