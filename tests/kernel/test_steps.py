"""``%%step`` cells in a real kernel: the first run, and the replay after SIGKILL."""

from __future__ import annotations

import pytest
from scenes import play, ran_again, replayed, shown, was_replayed

SCENES = {
    "plain_first": [
        "%%step plain_first\nprint('seen')\npf = 6\npf * 7",
        "_, pf",
    ],
    "aliases": [
        "%%step al\ntally.hit('al')\nal_a = [1, [2]]\nal_b = al_a\nal_c = al_a[1]",
        "(al_b is al_a, al_a[1] is al_c, al_a)",
    ],
    "aliases_across": [
        "%%step ax1\nax_rows = [{'n': 1}, {'n': 2}]",
        "%%step ax2\ntally.hit('ax2')\nax_row = ax_rows[1]",
        "ax_row['n'] = 9\nax_rows",
    ],
    "live_globals": [
        "lg_scale = 2",
        "%%step lg\ntally.hit('lg')\ndef lg_times(v):\n    return v * lg_scale",
        "import inspect\nlg_scale = 5\nlg_times(10), inspect.getsource(lg_times)",
        "lg_scale = 2",
    ],
    "closures": [
        (
            "%%step cl\ntally.hit('cl')\ndef cl_make():\n    n = 0\n    def up():\n        nonlocal n\n"
            "        n += 1\n        return n\n    return up\ncl_up = cl_make()\ncl_up()\ncl_sq = lambda v: v * v"
        ),
        "cl_up(), cl_sq(7)",
    ],
    "classes": [
        (
            "%%step kl1\ntally.hit('kl1')\nclass Kl:\n    def __init__(self, v):\n"
            "        self.v = v\n    def twice(self):\n        return 2 * self.v"
        ),
        "%%step kl2\ntally.hit('kl2')\nkl = Kl(4)",
        "isinstance(kl, Kl), kl.twice(), type(kl) is Kl",
    ],
    "class_in_plain_cell": [
        "class Pc:\n    v = 3",
        "%%step pc\ntally.hit('pc')\npc = Pc()\npc.w = 5",
        "isinstance(pc, Pc), pc.v, pc.w",
    ],
    "class_features": [
        (
            "class Cf:\n    def __init__(self): self.v = 1\n    @property\n    def w(self): return self.v\n"
            "    @classmethod\n    def make(cls): return cls()\n    @staticmethod\n    def st(): return 3"
        ),
        "%%step cf\ntally.hit('cf_made')\ncf = Cf.make()",
        "isinstance(cf, Cf), cf.w, cf.st()",
    ],
    "dataclass": [
        "from dataclasses import dataclass\n@dataclass\nclass Da:\n    a: int\nda = Da(1)",
        "%%step da_s\ntally.hit('da_made')\nda_2 = [Da(da.a + 1), da]",
        "da_2[0] == Da(2), da_2[1] is da",
    ],
    "function_in_container": [
        "def fc(v: int) -> int:\n    return v\nfc_table = {'f': fc}",
        "%%step fc_s\ntally.hit('fc_made')\nfc_2 = [fc_table['f'], fc]",
        "fc_2[0] is fc, fc_2[1] is fc",
    ],
    "bound_method": [
        "class Bm:\n    def go(self):\n        return 5\nbm = Bm()",
        "%%step bm_s\ntally.hit('bm_made')\nbm_go = bm.go",
        "bm_go(), bm_go.__self__ is bm",
    ],
    "deleted": [
        "de_x = 1\nde_y = 2",
        "%%step de\ntally.hit('de')\nde_y = de_x + 10\ndel de_x",
        "'de_x' in globals(), de_y",
    ],
    "imports": [
        "%%step im\ntally.hit('im')\nimport json as im_json\nfrom math import tau",
        "im_json.dumps([1]), round(tau, 2)",
    ],
    "await": ["%%step aw\nimport asyncio\ntally.hit('aw')\nawait asyncio.sleep(0)\naw = 3\naw + 1", "aw"],
    "equal_int": ["eq = 5", "%%step eq\ntally.hit('eq')\neq = 5", "del eq", "%%step eq\ntally.hit('eq')\neq = 5", "eq"],
    "unnamed": ["%%step\ntally.hit('un')\nun = [4]", "un"],
    "kept_name": [
        "kn_c = False\nkn_x = 'before'",
        "%%step kn\ntally.hit('kn')\nif kn_c:\n    kn_x = 'set'",
        "kn_x",
        "kn_x = 'other'",
        "%%step kn\ntally.hit('kn')\nif kn_c:\n    kn_x = 'set'",
        "kn_x",
    ],
    "kept_unbound": [
        "ku_c = False",
        "%%step ku\ntally.hit('ku')\nif ku_c:\n    ku_x = 1",
        "'ku_x' in globals()",
    ],
    "rename": (["%%step rn1\ntally.hit('rn')\nrn = 1"], ["%%step rn2\ntally.hit('rn')\nrn = 1"]),
    "comments": (
        ["%%step co\ntally.hit('co')\nco = [1, 2]\nif co:\n    co.append(3)"],
        ["%%step co\n# said anew\ntally.hit('co')\n\nco = [\n  1,\n  2,  # two\n]\nif co: co.append(3)"],
    ),
    "code_edit": (["%%step ce\ntally.hit('ce')\nce = 1"], ["%%step ce\ntally.hit('ce')\nce = 2", "ce"]),
    "input_edit": (
        ["ie_a, ie_b = 1, 2", "%%step ie\ntally.hit('ie')\nie = ie_a + ie_b"],
        ["ie_a, ie_b = 1, 3", "%%step ie\ntally.hit('ie')\nie = ie_a + ie_b", "ie"],
    ),
    "helper_edit": (
        [
            "def he_in(v):\n    return v + 1",
            "def he_out(v):\n    return he_in(v)",
            "%%step he\ntally.hit('he')\nhe = he_out(1)",
        ],
        [
            "def he_in(v):\n    return v + 2",
            "def he_out(v):\n    return he_in(v)",
            "%%step he\ntally.hit('he')\nhe = he_out(1)",
            "he",
        ],
    ),
    "helper_comment": (
        ["def hc(v):\n    return v + 1", "%%step hc\ntally.hit('hc')\nhc_v = hc(1)"],
        ["def hc(v):\n    # better\n    return (v\n            + 1)", "%%step hc\ntally.hit('hc')\nhc_v = hc(1)"],
    ),
    "helper_global": (
        ["hg_k = 1", "def hg(v):\n    return v * hg_k", "%%step hg\ntally.hit('hg')\nhg_v = hg(5)"],
        ["hg_k = 2", "def hg(v):\n    return v * hg_k", "%%step hg\ntally.hit('hg')\nhg_v = hg(5)", "hg_v"],
    ),
    "default_edit": (
        ["def df(v=1):\n    return v", "%%step df\ntally.hit('df')\ndf_v = df()"],
        ["def df(v=2):\n    return v", "%%step df\ntally.hit('df')\ndf_v = df()", "df_v"],
    ),
    "closure_edit": (
        ["def cm(n):\n    return lambda v: v + n\nadd = cm(1)", "%%step cm\ntally.hit('cm')\ncm_v = add(0)"],
        ["def cm(n):\n    return lambda v: v + n\nadd = cm(2)", "%%step cm\ntally.hit('cm')\ncm_v = add(0)", "cm_v"],
    ),
    "class_attribute_edit": (
        ["class Ca:\n    rate = 1", "%%step ca\ntally.hit('ca')\nca_v = Ca().rate"],
        ["class Ca:\n    rate = 2", "%%step ca\ntally.hit('ca')\nca_v = Ca().rate", "ca_v"],
    ),
    "string_mention": (
        [
            "import pandas as pd\nsm_thr = 1\nsm_df = pd.DataFrame({'a': [1, 2, 3]})",
            "%%step sm\ntally.hit('sm')\nsm = len(sm_df.query('a > @sm_thr'))",
        ],
        [
            "import pandas as pd\nsm_thr = 2\nsm_df = pd.DataFrame({'a': [1, 2, 3]})",
            "%%step sm\ntally.hit('sm')\nsm = len(sm_df.query('a > @sm_thr'))",
            "sm",
        ],
    ),
    "cutoff": (
        ["%%step cu1\ntally.hit('cu1')\ncu_a = [1, 2]", "%%step cu2\ntally.hit('cu2')\ncu_b = sum(cu_a)"],
        ["%%step cu1\ntally.hit('cu1')\ncu_a = list((1, 2))", "%%step cu2\ntally.hit('cu2')\ncu_b = sum(cu_a)", "cu_b"],
    ),
    "old_code": (
        ["%%step oc\ntally.hit('oc1')\noc = 1", "%%step oc\ntally.hit('oc2')\noc = 2"],
        ["%%step oc\ntally.hit('oc1')\noc = 1", "oc"],
    ),
    "twice_on_purpose": ["tw = 0", "%%step tw\ntally.hit('tw')\ntw += 1", "%%step tw\ntally.hit('tw')\ntw += 1", "tw"],
    "equal_cells": [
        "import uuid",
        "%%step\ntally.hit('ec')\ndel_ec = uuid.uuid4().hex",
        "ec_1 = del_ec\ndel del_ec",
        "%%step\ntally.hit('ec')\ndel_ec = uuid.uuid4().hex",
        "ec_2 = del_ec\ndel del_ec\nec_1 != ec_2, ec_1, ec_2",
    ],
    "expiry": (
        ["%%step ex\ntally.hit('ex')\nex = 1", "%%step ey --expires 6h\ntally.hit('ey')\ney = 1"],
        ["%%step ex --expires 0.001s\ntally.hit('ex')\nex = 1", "%%step ey --expires 6h\ntally.hit('ey')\ney = 1"],
    ),
    "rerun": (["%%step rr\ntally.hit('rr')\nrr = 1"], ["%%step rr --rerun\ntally.hit('rr')\nrr = 1"]),
    "failed": ["%%step fa\ntally.hit('fa')\nfa = 1\nraise KeyError('no')", "fa"],
    "traceback": ["%%step tb\ndef tb_inner():\n    return 1 / 0\ntb_inner()"],
    "semicolon": ["%%step se\n5;", "_ == 5"],
}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return play(tmp_path_factory.mktemp("steps"), SCENES)


def test_a_first_run_is_like_a_plain_cell(story):
    """Output, ``Out[n]`` and ``_`` are those of a plain cell, and nothing is said."""
    body, after = story["plain_first"].first
    assert [each["output_type"] for each in body.outputs] == ["stream", "execute_result"]
    assert body.outputs[1]["execution_count"] == body.execution_count
    assert shown(body) == "seen\n42"
    assert shown(after) == "(42, 6)"


def test_a_replay_shows_and_binds_the_same(story):
    """After SIGKILL the cell shows the same outputs, and ``_`` and the name are bound again."""
    body, after = story["plain_first"].again
    assert body.foreign == [
        {"output_type": "stream", "name": "stdout", "text": "seen\n"},
        {**story["plain_first"].first[0].outputs[1], "execution_count": body.execution_count},
    ]
    assert replayed(body, "plain_first")
    assert shown(after) == "(42, 6)"


def test_aliases_within_a_step(story):
    """Names that were one object, and an object inside another, still are."""
    was_replayed(story["aliases"], "al")
    assert story["aliases"].value == "(True, True, [1, [2]])"


def test_aliases_across_steps(story):
    """A part of an earlier step's value is that very part, so that changing it shows in both."""
    was_replayed(story["aliases_across"], "ax2")
    assert story["aliases_across"].value == "[{'n': 1}, {'n': 9}]"


def test_restored_functions_see_live_globals(story):
    """A replayed function reads the notebook's globals as they are now, and its source is known."""
    was_replayed(story["live_globals"], "lg")
    assert shown(story["live_globals"].again[2]) == repr((50, "def lg_times(v):\n    return v * lg_scale\n"))


def test_restored_closures(story):
    """A closure goes on from the state that it was saved with; a lambda works."""
    was_replayed(story["closures"], "cl")
    assert story["closures"].value == "(2, 49)"


def test_classes_of_steps(story):
    """An instance made in one step of a class made in another is an instance of the live class."""
    assert story["classes"].value == "(True, 8, True)"
    was_replayed(story["classes"], "kl1", "kl2")


@pytest.mark.parametrize(
    ("scene", "name", "hit", "value"),
    [
        ("class_features", "cf", "cf_made", "(True, 1, 3)"),
        ("dataclass", "da_s", "da_made", "(True, True)"),
        ("function_in_container", "fc_s", "fc_made", "(True, True)"),
        ("bound_method", "bm_s", "bm_made", "(5, True)"),
    ],
)
def test_what_is_made_of_functions_and_classes_of_the_notebook(story, scene, name, hit, value):
    """Instances, containers and bound methods refer to the live functions and classes after a replay."""
    assert story[scene].value == value
    assert (story[scene].hits_first[hit], story[scene].hits_again[hit]) == (1, 0)
    assert replayed(story[scene].again[1], name)


def test_classes_of_plain_cells(story):
    """An instance of a class that a plain cell defines anew is an instance of the new class."""
    was_replayed(story["class_in_plain_cell"], "pc")
    assert story["class_in_plain_cell"].value == "(True, 3, 5)"


def test_deleted_names(story):
    """A name that the step deleted is deleted by the replay."""
    was_replayed(story["deleted"], "de")
    assert story["deleted"].value == "(False, 11)"


def test_imports(story):
    """Modules and functions that a step imported are bound."""
    was_replayed(story["imports"], "im")
    assert story["imports"].value == "('[1]', 6.28)"


def test_top_level_await(story):
    """A step may await at top level; it replays with its value."""
    was_replayed(story["await"], "aw")
    assert shown(story["await"].again[0]) == "4"
    assert story["await"].value == "3"


def test_rebinding_of_an_equal_small_int(story):
    """A step that binds a name to the small int that it was bound to already still binds it."""
    first_cell, second_cell = story["equal_int"].again[1], story["equal_int"].again[3]
    assert story["equal_int"].hits_again["eq"] == 0
    assert replayed(first_cell, "eq")
    assert replayed(second_cell, "eq")
    assert story["equal_int"].value == "5"


def test_an_unnamed_step_is_shown_by_its_code(story):
    """A step without a name replays; its line names it by the start of its code's digest."""
    assert story["unnamed"].hits_again["un"] == 0
    assert story["unnamed"].value == "[4]"
    name = story["unnamed"].again[0].own_lines[0].split()[2]
    assert len(name) == 8
    assert int(name, 16)


def test_a_name_left_as_it_was_is_an_input(story):
    """With ``if c: x = 1`` not taken, another value of ``x`` runs the step again, and each value is kept."""
    scene = story["kept_name"]
    assert scene.hits_first["kn"] == 2
    assert scene.hits_again["kn"] == 0
    assert [shown(scene.again[number]) for number in (2, 5)] == ["'before'", "'other'"]


def test_a_name_that_was_unbound_is_no_input(story):
    """With ``if c: x = 1`` not taken and ``x`` unbound, the replay leaves it unbound."""
    was_replayed(story["kept_unbound"], "ku")
    assert story["kept_unbound"].value == "False"


def test_renaming_keeps_the_checkpoint(story):
    """The name is no part of what a step is."""
    assert story["rename"].hits_again["rn"] == 0
    assert replayed(story["rename"].again[0], "rn2")


def test_comments_and_layout_keep_the_checkpoint(story):
    """Only the code counts, not how it is written."""
    was_replayed(story["comments"], "co")


@pytest.mark.parametrize(
    ("scene", "name", "why", "value"),
    [
        ("code_edit", "ce", "its code changed", "2"),
        ("input_edit", "ie", "ie_b changed", "4"),
        ("helper_edit", "he", "he_in changed", "3"),
        ("helper_global", "hg", "hg_k changed", "10"),
        ("default_edit", "df", "df changed", "2"),
        ("closure_edit", "cm", "add changed", "2"),
        ("class_attribute_edit", "ca", "Ca changed", "2"),
        ("string_mention", "sm", "sm_thr changed", "1"),
    ],
)
def test_an_edit_of_what_it_depends_on_runs_a_step_again(story, scene, name, why, value):
    """Code, inputs, helpers of helpers, their globals, defaults, closures, class attributes, names in query texts."""
    ran_again(story[scene], name, why)
    assert story[scene].value == value


def test_a_comment_in_a_helper_runs_nothing_again(story):
    """The helper's code counts, not its comments and layout."""
    was_replayed(story["helper_comment"], "hc")


def test_early_cutoff(story):
    """A step that runs again and yields an equal value leaves its dependants valid."""
    assert story["cutoff"].hits_again == {"cu1": 1}
    assert replayed(story["cutoff"].again[1], "cu2")
    assert story["cutoff"].value == "3"


def test_old_code_hits_its_old_checkpoint(story):
    """Going back to an earlier version of the code replays that version."""
    assert story["old_code"].hits_first == {"oc1": 1, "oc2": 1}
    assert story["old_code"].hits_again == {}
    assert story["old_code"].value == "1"


def test_the_same_cell_twice_on_purpose(story):
    """``x += 1`` twice is two steps, and both replay."""
    assert story["twice_on_purpose"].hits_first["tw"] == 2
    assert story["twice_on_purpose"].hits_again["tw"] == 0
    assert story["twice_on_purpose"].value == "2"


def test_equal_cells_with_ids_keep_their_occurrence(story):
    """Two cells of equal code and inputs have a checkpoint each, and each replays its own."""
    scene = story["equal_cells"]
    assert scene.hits_first["ec"] == 2
    assert scene.hits_again["ec"] == 0
    assert scene.value.startswith("(True, ")
    assert scene.value == shown(scene.first[-1])


def test_expiry(story):
    """``--expires`` runs a step whose checkpoint is older, and only then."""
    assert story["expiry"].hits_again == {"ex": 1}
    assert "↻ running ex again: its checkpoint is older than --expires 0.001 s" in story["expiry"].lines
    assert replayed(story["expiry"].again[1], "ey")


def test_rerun_runs_though_the_checkpoint_holds(story):
    """``--rerun`` forces a run and says so."""
    ran_again(story["rerun"], "rr", "--rerun was given")


def test_a_failed_cell_is_not_replayed(story):
    """A cell that raised runs again; what it bound before it failed stays bound, as in a plain cell."""
    scene = story["failed"]
    assert (scene.hits_first["fa"], scene.hits_again["fa"]) == (1, 1)
    assert [each.error_name for each in (scene.first[0], scene.again[0])] == ["KeyError", "KeyError"]
    assert scene.value == "1"


def test_the_traceback_is_the_users(story):
    """A traceback has the user's frames and lines, and none of the extension's."""
    error = story["traceback"].first[0].error
    assert "----> 3     return 1 / 0" in error
    assert "in tb_inner()" in error
    assert "durable_nb" not in error


def test_a_semicolon_hides_the_value(story):
    """A step that ends in ``;`` shows no value, at first and when replayed."""
    assert [shown(story["semicolon"].first[0]), shown(story["semicolon"].again[0])] == ["", ""]
    assert replayed(story["semicolon"].again[0], "se")
