"""Steps of which something cannot or need not be saved: the rest is, and what is missing is always named."""

from __future__ import annotations

import pytest
from scenes import kernel_in, play, ran_again, shown, was_replayed

MODEL = (
    "import threading\nclass Callback:\n    def __init__(self):\n        self.lock = threading.Lock()\n"
    "class Model:\n    def __init__(self):\n        self.cb = [Callback()]"
)
CULPRIT = "ca_m cannot be saved (ca_m.cb[0].lock: _thread.lock)"
SCENES = {
    "culprit": [
        MODEL,
        "%%step ca\ntally.hit('ca')\nca_x = [1]\nca_m = Model()\nca_y = ca_x",
        "%%step ca_use\ntally.hit('ca_use')\nca_z = ca_x + [2]\nca_z",
        "ca_m.cb[0].lock.locked(), ca_x is ca_y, ca_z",
    ],
    "several": [
        "%%step se\ntally.hit('se')\nse_g, se_a = (i for i in range(3)), [1]\nse_h = [se_g]\nse_b = se_a",
        "next(se_g), se_h[0] is se_g, se_a is se_b",
    ],
    "result": ["%%step re\ntally.hit('re')\nre_x = 1\n(i for i in 'ab')", "re_x"],
    "ephemeral": [
        "%%step ep --ephemeral ep_g\ntally.hit('ep')\nep_g = (i for i in range(3))\nep_x = [7]",
        "%%step ep_use\ntally.hit('ep_use')\nep_y = ep_x * 2",
        "ep_y, 'ep_g' in globals()",
    ],
    "ephemeral_value": [
        (
            "%%step ev --ephemeral ev_big\ntally.hit('ev')\n"
            "ev_big = ['big', []]\nev_inner = ev_big[1]\nev_same = ev_big\nev_big"
        ),
        "ev_inner is ev_same[1], ev_same, 'ev_big' in globals(), Out.get(get_ipython().execution_count - 2)",
    ],
    "equal_number": [
        "%%step en --ephemeral en_x\ntally.hit('en')\nen_x = 5\nen_x",
        "'en_x' in globals(), Out[get_ipython().execution_count - 2]",
    ],
    "keep": [
        "%%step kp --keep kp_x\ntally.hit('kp')\nkp_g = (i for i in range(3))\nkp_x, kp_y = 3, 4\nkp_g",
        "kp_x, 'kp_g' in globals(), 'kp_y' in globals()",
    ],
    "error": [
        "%%step er --ephemeral er_g\ntally.hit('er')\ner_g = iter([5])\ner_x = 1",
        "next(er_g)",
        "%%step er_step --max-attempts 2 --interval-seconds 0\ner_y = next(er_g)",
        "def er_f():\n    return next(er_g)\ner_f()",
        "er_g = iter([6])\nnext(er_g)",
        "del er_g",
        "er_g",
    ],
    "error_keep": ["%%step ek --keep ek_x\ntally.hit('ek')\nek_x, ek_y = 1, 2", "ek_y"],
}
SAYS_WHY = "er_g is not bound: step er replayed without it (--ephemeral er_g); run it with --rerun"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """All scenes, played in one kernel before and one after a SIGKILL."""
    return play(tmp_path_factory.mktemp("partial"), SCENES)


def own(results):
    return [line for result in results for line in result.own_lines]


def test_a_step_with_an_unsavable_output_runs_again_in_its_place(story):
    """The culprit is named with its path when it is met and when the step runs again; what depends on it replays."""
    scene = story["culprit"]
    assert own(scene.first) == [
        f"↻ ca will run again, its checkpoint is partial: {CULPRIT}; --ephemeral ca_m replays it without"
    ]
    ran_again(scene, "ca", f"its checkpoint is partial: {CULPRIT}; --ephemeral ca_m replays it without")
    assert len(scene.again[1].own_lines) == 1
    was_replayed(scene, "ca_use")
    assert scene.value == "(False, True, [1, 2])"


def test_several_culprits_are_all_named(story):
    """Each output that cannot be saved is left out and told of."""
    scene = story["several"]
    ran_again(
        scene,
        "se",
        "its checkpoint is partial: se_g, se_h cannot be saved (se_g: generator; se_h[0]: generator)",
    )
    assert scene.value == "(0, True, True)"


def test_a_result_that_cannot_be_saved(story):
    """What the last line yields counts as an output, whose flag is ``--ephemeral _``."""
    scene = story["result"]
    ran_again(scene, "re", "its checkpoint is partial: its result cannot be saved (result: generator)")
    assert "--ephemeral _ replays it without" in own(scene.first)[0]


def test_ephemeral_names_are_left_out(story):
    """The step replays without the name, and says so; what reads the other names replays too."""
    scene = story["ephemeral"]
    assert own(scene.first) == []
    was_replayed(scene, "ep", "ep_use")
    assert scene.again[0].own_lines[0].endswith("· without ep_g")
    assert scene.value == "([7, 7], False)"


def test_aliases_of_an_ephemeral_name_are_saved(story):
    """Other names of the object, and of what is in it, keep it; a result that is the object goes with the name."""
    was_replayed(story["ephemeral_value"], "ev")
    assert story["ephemeral_value"].value == "(True, ['big', []], False, None)"


def test_a_result_that_happens_to_equal_an_ephemeral_number(story):
    """Small numbers are one object everywhere, so that a result which is such an object is saved."""
    was_replayed(story["equal_number"], "en")
    assert story["equal_number"].value == "(False, 5)"


def test_kept_names_alone_are_saved(story):
    """With ``--keep`` every other name is left out, whether it could be saved or not; so may be the result."""
    was_replayed(story["keep"], "kp")
    assert story["keep"].value == "(3, False, False)"


def test_a_missing_name_is_explained(story):
    """A cell that fails for a name that a replay left out is told the step and the flag, until it is bound again."""
    scene = story["error"]
    _, plain, stepped, called, bound, _, unbound = scene.again
    for failed in (plain, stepped, called):
        assert failed.status == "error"
        assert failed.own_lines[-1:] == [f"↻ {SAYS_WHY}"]
    assert "NameError" in shown(plain)
    assert (shown(bound), bound.own_lines) == ("6", [])
    assert (shown(unbound), unbound.own_lines) == ("NameError", [])
    assert story["error_keep"].again[1].own_lines == [
        "↻ ek_y is not bound: step ek replayed without it (--keep ek_x); run it with --rerun"
    ]


GEN = "tally.hit('fl')\nfl_g = (i for i in range(3))\nfl_x = [tally.nth('fl')]"


def test_a_checkpoint_answers_only_for_its_flags(tmp_path):
    """Without the flag the step runs; with it, what a partial checkpoint has is enough, and the name is unbound."""
    with kernel_in(tmp_path) as kernel:
        cells = [
            f"%%step fl\n{GEN}",
            f"%%step fl --ephemeral fl_g\n{GEN}",
            "'fl_g' in globals(), fl_x",
            f"%%step fl\n{GEN}",
            "next(fl_g), fl_x",
            f"%%step fl --keep fl_x\n{GEN}",
            "'fl_g' in globals(), fl_x",
        ]
        partial, without, left, again, whole, kept, left_again = [kernel.run(code, "fl") for code in cells]
    assert "its checkpoint is partial" in partial.own_lines[0]
    assert without.own_lines[0].endswith("· without fl_g")
    assert shown(left) == "(False, [1])"
    assert again.own_lines[0].startswith("↻ running fl again: its checkpoint is partial: fl_g cannot be saved")
    assert shown(whole) == "(0, [2])"
    assert kept.own_lines[0].endswith("· without fl_g")
    assert shown(left_again) == "(False, [2])"


def test_a_whole_checkpoint_answers_for_fewer_names_but_not_the_other_way_round(tmp_path):
    """A flag that is added leaves the name out of the replay; one that is taken away makes the step run."""
    body = "tally.hit('wh')\nwh_a, wh_b = 1, 2"
    with kernel_in(tmp_path) as kernel:
        cells = [
            f"%%step wh\n{body}",
            f"%%step wh --ephemeral wh_b\n{body}",
            "wh_a, 'wh_b' in globals()",
            f"%%step wh --ephemeral wh_b --rerun\n{body}",
            "%durable forget wh",
            f"%%step wh --ephemeral wh_b\n{body}",
            f"%%step wh\n{body}",
            "wh_a, wh_b",
        ]
        _, fewer, left, _, _, saved_without, asked_for, whole = [kernel.run(code, "wh") for code in cells]
    assert fewer.own_lines[0].endswith("· without wh_b")
    assert shown(left) == "(1, False)"
    assert saved_without.own_lines == []
    assert asked_for.own_lines == ["↻ running wh again: its checkpoint was saved without wh_b"]
    assert shown(whole) == "(1, 2)"


def test_what_reads_an_ephemeral_name_is_never_replayed_without_it(tmp_path):
    """A step that read the name has another key once it is missing: it fails and says why, or handles the absence."""
    cells = [
        "%%step mk --ephemeral mk_t\ntally.hit('mk')\nmk_t = [10]\nmk_n = 1",
        "%%step rd\ntally.hit('rd')\ntry:\n    rd = mk_t[0]\nexcept NameError:\n    rd = None",
        "rd",
        "%%step rq\ntally.hit('rq')\nrq = mk_t[0]",
    ]
    played = play(tmp_path, {"scene": cells})["scene"]
    assert [shown(each[2]) for each in (played.first, played.again)] == ["10", ""]
    assert played.hits_again["rd"] == 1
    assert played.again[3].status == "error"
    assert played.again[3].own_lines[-1].startswith("↻ mk_t is not bound: step mk replayed without it")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ("--ephemeral tpyo", "↻ st does not bind what --ephemeral tpyo names"),
        ("--keep st_x --keep tpyo", "↻ st does not bind what --keep tpyo names"),
        ("--keep a,b", "↻ %%step st --keep a,b: --keep: must be the name of a variable, not 'a,b'"),
    ],
)
def test_a_flag_that_names_nothing_is_told(kernel, flags, line):
    """One line names the flag, when the step runs and when it replays."""
    kernel.run("%load_ext durable_nb")
    cell = f"%%step st {flags}\nst_x = 1"
    for _ in range(2):
        assert kernel.run(cell, "c").own_lines[-1 if "must be" in line else 0].startswith(line)


def test_commands_tell_of_a_partial_checkpoint(kernel):
    """The table, ``why`` and ``show`` say what is missing and why."""
    kernel.run("%load_ext durable_nb")
    kernel.run("%%step load\nimport threading\ng = {'k': threading.Lock()}\nx = 1", "c")
    table, why, page = (kernel.run(f"%durable {each}").text for each in ("", "why load", "show load"))
    said = "partial: g cannot be saved (g['k']: _thread.lock)"
    assert "partial" in table.splitlines()[1].split()
    assert said in table
    assert said in why
    assert said in page
    assert "g: dict 1 items · cannot be saved (g['k']: _thread.lock)" in page
    assert "  x: int 1" in page.splitlines()
