"""What a step changes in its process, made again by a replay; and that it is an input where code reads it."""

from __future__ import annotations

import pytest
from scenes import play, ran_again, shown, was_not_recorded, was_replayed


def step(name, *lines):
    return "\n".join([f"%%step {name}", *lines, f"tally.hit('{name}')"])


SCENES = {
    "flag": ["import cfg", step("flag", "cfg.DEBUG = True"), "cfg.DEBUG"],
    "constant": ["import colorsys", step("constant", "colorsys.MODE = [1, 2]"), "colorsys.MODE"],
    "counted": ["import cfg", step("counted", "cfg.COUNT += 1"), "cfg.COUNT"],
    "deleted": ["import cfg", step("deleted", "del cfg.OLD"), "hasattr(cfg, 'OLD')"],
    "object": ["import cfg", step("object", "cfg.TABLE = table = {'a': 1}"), "table['a'] = 2\ncfg.TABLE"],
    "function": ["import cfg3", step("function", "cfg3.compute = lambda: 42"), "cfg3.compute()"],
    "by_function": [
        "import cfg\ndef configure():\n    cfg.LEVEL = 'high'",
        step("by_function", "configure()"),
        "cfg.LEVEL",
    ],
    "by_module": ["import cfg", step("by_module", "cfg.set_mode('fast')"), "cfg.MODE"],
    "imported_here": [step("imported_here", "import cfg2\ncfg2.DEBUG = True"), "import cfg2\ncfg2.DEBUG"],
    "max_rows": [
        "import pandas as pd",
        step("max_rows", "pd.options.display.max_rows = 5"),
        "pd.options.display.max_rows",
    ],
    "rc": [
        "import matplotlib.pyplot as plt",
        step("rc", "plt.rcParams['lines.linewidth'] = 7"),
        "plt.rcParams['lines.linewidth']",
    ],
    "inline": [
        "%matplotlib inline\nfrom matplotlib_inline.config import InlineBackend",
        step("inline", "InlineBackend.instance().print_figure_kwargs = {'dpi': 50}"),
        "InlineBackend.instance().print_figure_kwargs",
    ],
    "backend": [step("backend", "%matplotlib agg"), "import matplotlib as mpl\nmpl.rcParams['backend']"],
    "backend_back": [
        "import matplotlib as mpl, os\nmpl.use('svg')",
        step("backend_back", "mpl.use(os.environ['MPLBACKEND'])"),
        "mpl.rcParams['backend']",
    ],
    "decimals": ["import decimal", step("decimals", "decimal.getcontext().prec = 50"), "decimal.getcontext().prec"],
    "recursion": ["import sys", step("recursion", "sys.setrecursionlimit(5000)"), "sys.getrecursionlimit()"],
    "zone": [
        "import os, time",
        step("zone", "os.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()"),
        "time.tzname[0]",
    ],
    "places": [
        "import locale",
        step("places", "_ = locale.setlocale(locale.LC_ALL, 'C.UTF-8')"),
        "locale.setlocale(locale.LC_ALL)",
    ],
    "variable": [step("variable", "import os\nos.environ['VA_RIABLE'] = '1'"), "os.environ['VA_RIABLE']"],
    "registry": [
        "import matplotlib as mpl\nfrom matplotlib.colors import ListedColormap",
        step("registry", "mpl.colormaps.register(ListedColormap(['r'], name='mine'))"),
        "'mine' in mpl.colormaps",
    ],
    # calls
    "call_variable": [
        "@step\ndef cv():\n    tally.hit('cv')\n    os.environ['CV_X'] = '1'\ncv()",
        "os.environ['CV_X']",
    ],
    "call_attribute": ["@step\ndef ca():\n    tally.hit('ca')\n    colorsys.CALLED = 3\nca()", "colorsys.CALLED"],
    "call_module": ["@step\ndef cm():\n    tally.hit('cm')\n    cfg.set_other('x')\ncm()", "cfg.OTHER"],
    "call_folder": [
        "@step\ndef cf():\n    tally.hit('cf')\n    os.chdir('below')\ncf()",
        "here = os.path.basename(os.getcwd())\nos.chdir('..')\nhere",
    ],
    # not recorded
    "inside": ["import cfg", step("inside", "cfg.settings.debug = True"), "cfg.settings.debug"],
    "unsaveable": [
        "import cfg, threading",
        step("unsaveable", "cfg.LOCK = threading.Lock()"),
        "type(cfg.LOCK).__name__",
    ],
    "in_place": ["import cfg", step("in_place", "cfg.grow()"), "cfg.ITEMS"],
    # inputs
    "own_import": [step("own_import", "import cmath as cm\noi = [cm.pi, type(cm.inf).__name__]"), "oi"],
    "own_import_of_call": [
        "@step\ndef oc():\n    global ca\n    import cmath as ca\n    tally.hit('oc')\n    return ca.pi\noc()"
    ],
    "own_import_changed": (
        [
            "import colorsys as cs\ncs.MARK = 1",
            step("oic", "import colorsys as colours\noic_x = colours.MARK"),
            "oic_x",
        ],
        [
            "import colorsys as cs\ncs.MARK = 2",
            step("oic", "import colorsys as colours\noic_x = colours.MARK"),
            "oic_x",
        ],
    ),
    "decimals_read": (
        ["decimal.getcontext().prec = 10", step("dr", "dr_x = decimal.Decimal(1) / 3"), "dr_x"],
        ["decimal.getcontext().prec = 5", step("dr", "dr_x = decimal.Decimal(1) / 3"), "dr_x"],
    ),
}
CFG = """
DEBUG = False
COUNT = 1
OLD = 1
MODE = OTHER = ""
ITEMS = []
class Settings:
    debug = False
settings = Settings()
def set_mode(mode):
    global MODE
    MODE = mode
def set_other(other):
    global OTHER
    OTHER = other
def grow():
    ITEMS.append(1)
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process")
    (folder / "cfg.py").write_text(CFG)
    for name in ("cfg2", "cfg3"):
        (folder / f"{name}.py").write_text("DEBUG = False\n")
    (folder / "below").mkdir()
    return play(folder, SCENES)


@pytest.mark.parametrize(
    ("scene", "value"),
    [
        ("flag", "True"),
        ("constant", "[1, 2]"),
        ("counted", "2"),
        ("deleted", "False"),
        ("object", "{'a': 2}"),
        ("function", "42"),
        ("by_function", "'high'"),
        ("by_module", "'fast'"),
        ("imported_here", "True"),
        ("max_rows", "5"),
        ("rc", "7.0"),
        ("inline", "{'dpi': 50}"),
        ("backend", "'agg'"),
        ("backend_back", "'module://matplotlib_inline.backend_inline'"),
        ("decimals", "50"),
        ("recursion", "5000"),
        ("zone", "'JST'"),
        ("places", "'C.UTF-8'"),
        ("variable", "'1'"),
    ],
)
def test_what_a_step_set_is_set_again(story, scene, value):
    """A replay assigns attributes of modules and settings of the process as the step did."""
    was_replayed(story[scene], scene)
    assert shown(story[scene].first[-1]) == value
    assert story[scene].value == value


@pytest.mark.parametrize(
    ("scene", "name", "value"),
    [
        ("call_variable", "cv", "'1'"),
        ("call_attribute", "ca", "3"),
        ("call_module", "cm", "'x'"),
        ("call_folder", "cf", "'below'"),
    ],
)
def test_what_a_call_set_is_set_again(story, scene, name, value):
    """So does the replay of a call with variables, the current folder and attributes of modules."""
    assert (story[scene].hits_first[name], story[scene].hits_again[name]) == (1, 0), story[scene].lines
    assert shown(story[scene].first[-1]) == value
    assert story[scene].value == value


@pytest.mark.parametrize(
    ("scene", "why", "value"),
    [
        ("inside", "it assigns cfg.settings.debug, which a replay would not assign again", "True"),
        ("unsaveable", "cfg.LOCK: _thread.lock cannot be saved", "'lock'"),
        ("registry", "it calls mpl.colormaps.register(), which a replay would not", "True"),
        ("in_place", "it changed cfg.ITEMS, which a replay would not change again", "[1]"),
    ],
)
def test_what_cannot_be_set_again_runs_again(story, scene, why, value):
    """What lies inside a module's objects, or cannot be saved, is named, and the step runs in every kernel."""
    was_not_recorded(story[scene], scene, why)
    assert story[scene].value == value


def test_constants_of_modules_that_a_step_imports_itself(story):
    """A step that imports a module and reads a constant of it replays where the module is not imported yet."""
    was_replayed(story["own_import"], "own_import")
    assert story["own_import"].value == "[3.141592653589793, 'float']"
    assert (story["own_import_of_call"].hits_first["oc"], story["own_import_of_call"].hits_again["oc"]) == (1, 0)


def test_attributes_of_modules_that_a_step_imports_itself_are_inputs(story):
    """It runs again when the attribute has another value, set through another name of the module."""
    ran_again(story["own_import_changed"], "oic", "colorsys.MARK has another value")
    assert story["own_import_changed"].value == "2"


def test_the_decimal_context_is_an_input(story):
    """A step runs again under another precision than it ran with."""
    ran_again(story["decimals_read"], "dr", "the decimal context is another")
    assert story["decimals_read"].value == "Decimal('0.33333')"
