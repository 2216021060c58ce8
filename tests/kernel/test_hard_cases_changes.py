"""Rows 7, 8, 9, 10, 16 and 23 of DESIGN §5: what a step depends on beside its code, and what it changes beside names.

Where something is edited between kill and resumption, the resumed notebook must equal an uninterrupted run of the
edited one.
"""

from __future__ import annotations

import pytest
from hard_cases import Case, asked, holds, play
from scenes import hits, kernel_in, ready, replayed, shown

LIBRARY = """
pathlib.Path('{0}.py').write_text('''{1}''')
"""
OLD = "RATE = 2\\ndef f(x):\\n    return x * RATE\\n"
NEW = "# longer\\nRATE = 3\\ndef f(x):\\n    return x * RATE\\n"
DEFAULT = "# {0} times\\ndef f(x, by={0}):\\n    return x * by\\n"
COMMENTED = (
    "# a comment, and another layout\\nRATE = 2\\n\\n\\n"
    "def f(x):\\n    # as before\\n    return (x *\\n            RATE)\\n"
)
# Options are put back: the other cases of the story share the kernel.
OPTIONS = """
import matplotlib
pd.options.display.max_rows = {rows}
matplotlib.rcParams['figure.figsize'] = ({width}, 3)
# %%
%%step op_table
op_table = repr(pd.DataFrame({{'x': range(30)}}))
# %%
%%step op_figure
import matplotlib.pyplot as plt
op_size = [float(each) for each in plt.figure().get_size_inches()]
plt.close()
# %%
%%step op_other
op_other = int(pd.DataFrame({{'x': range(30)}}).x.sum())
# %%
matplotlib.rcParams['figure.figsize'] = matplotlib.rcParamsOrig['figure.figsize']
pd.reset_option('display.max_rows')
"""

# The names are made, so that no text tells of the files; no event of Python's does either.
UNSEEN = """
which = 1
pd.DataFrame({{'x': [{value}]}}).to_parquet('un_1.parquet')
pathlib.Path('un_1.txt').write_text('[{value}]')
pathlib.Path('un_2.txt').write_text('[{value}]')
# %%
%%step un_arrow
un_arrow = pd.read_parquet(f'un_{{which}}.parquet').x.tolist()
# %%
%%step un_child
import subprocess
un_child = subprocess.run(['cat', f'un_{{which}}.txt'], capture_output=True, text=True).stdout
# %%
%%step un_none
un_none = !cat un_{{which + 1}}.txt
# %%
print(un_arrow, un_child, *un_none)
"""

CASES = {
    # -- row 7
    "seeded_in_step": Case(
        """
        %%step se
        random.seed(7)
        np.random.seed(7)
        se = [random.random(), float(np.random.rand())]
        tally.hit('se')
        # %%
        %%step se_next
        se_next = [random.random(), float(np.random.rand())]
        # %%
        print(se, se_next, random.random(), np.random.rand())
        """,
        None,
        replays=("se", "se_next"),
    ),
    "seed_edited": Case(
        """
        random.seed(2)
        # %%
        %%step sd
        sd = random.random()
        # %%
        %%step sd_none
        sd_none = 1
        # %%
        print(sd, random.random())
        """,
        None,
        before="""
        random.seed(1)
        # %%
        %%step sd
        sd = random.random()
        # %%
        %%step sd_none
        sd_none = 1
        """,
        replays=("sd_none",),
        runs={"sd": "the random stream random is in another state"},
    ),
    "generator": Case(
        """
        rng = np.random.default_rng(5)
        # %%
        %%step ge
        ge = rng.integers(1000, size=3)
        # %%
        print(ge, rng.integers(1000))
        """,
        None,
    ),
    # -- row 8
    "module_edited": Case(
        LIBRARY.format("lib_a", NEW) + "# %%\nimport lib_a\n# %%\n%%step ma\nma = lib_a.f(5)\n# %%\nma",
        "15",
        before=LIBRARY.format("lib_a", OLD) + "# %%\nimport lib_a\n# %%\n%%step ma\nma = lib_a.f(5)\n",
        runs={"ma": "lib_a changed"},
    ),
    "module_commented": Case(
        LIBRARY.format("lib_b", COMMENTED) + "# %%\nimport lib_b\n# %%\n%%step mb\nmb = lib_b.f(5)\n# %%\nmb",
        "10",
        before=LIBRARY.format("lib_b", OLD) + "# %%\nimport lib_b\n# %%\n%%step mb\nmb = lib_b.f(5)\n",
        replays=("mb",),
    ),
    # the kernel still runs the old code when the step completes: nothing may be found under the new one (a cell
    # does nothing where the first play had another, so that the step keeps its id and with it its occurrence)
    "module_not_reloaded": Case(
        LIBRARY.format("lib_c", NEW) + "# %%\nimport lib_c\n# %%\npass\n# %%\n%%step mc\nmc = lib_c.f(5)\n# %%\nmc",
        "15",
        before=LIBRARY.format("lib_c", OLD)
        + "# %%\nimport lib_c\n# %%"
        + LIBRARY.format("lib_c", NEW)
        + "# %%\n%%step mc\nmc = lib_c.f(5)\n",
        runs={"mc": ""},
    ),
    # the same of what neither the code of its functions nor its data tell
    "default_not_reloaded": Case(
        LIBRARY.format("lib_f", DEFAULT.format(3))
        + "# %%\nimport lib_f\n# %%\npass\n# %%\n%%step mf\nmf = lib_f.f(5)\n# %%\nmf",
        "15",
        before=LIBRARY.format("lib_f", DEFAULT.format(2))
        + "# %%\nimport lib_f\n# %%"
        + LIBRARY.format("lib_f", DEFAULT.format(3))
        + "# %%\n%%step mf\nmf = lib_f.f(5)\n",
        runs={"mf": ""},
    ),
    "module_imported_by_module": Case(
        LIBRARY.format("lib_e", NEW)
        + LIBRARY.format("lib_d", "import lib_e\\ndef g():\\n    return lib_e.f(5)\\n")
        + "# %%\nimport lib_d\n# %%\n%%step md\nmd = lib_d.g()\n# %%\nmd",
        "15",
        before=LIBRARY.format("lib_e", OLD)
        + LIBRARY.format("lib_d", "import lib_e\\ndef g():\\n    return lib_e.f(5)\\n")
        + "# %%\nimport lib_d\n# %%\n%%step md\nmd = lib_d.g()\n",
        runs={"md": "lib_d changed"},
    ),
    "helper": Case(
        """
        class Rates:
            by = 3
        def he_inner(v):
            return v * Rates.by
        def he_outer(v):
            return he_inner(v)  # another comment
        # %%
        %%step he
        he = he_outer(2)
        # %%
        %%step he_after
        he_after = he + 1
        # %%
        he, he_after
        """,
        "(6, 7)",
        before="""
        class Rates:
            by = 2
        def he_inner(v):
            return v * Rates.by
        def he_outer(v):
            return he_inner(v)  # a comment
        # %%
        %%step he
        he = he_outer(2)
        # %%
        %%step he_after
        he_after = he + 1
        """,
        runs={"he": "Rates changed", "he_after": "he changed"},
    ),
    "early_cutoff": Case(
        """
        def ec_f(v):
            return int(abs(v))
        # %%
        %%step ec
        ec = ec_f(-2)
        # %%
        %%step ec_after
        ec_after = ec + 1
        # %%
        ec_after
        """,
        "3",
        before="""
        def ec_f(v):
            return abs(v)
        # %%
        %%step ec
        ec = ec_f(-2)
        # %%
        %%step ec_after
        ec_after = ec + 1
        """,
        replays=("ec_after",),
        runs={"ec": "ec_f changed"},
    ),
    # -- row 9
    "files": Case(
        """
        os.makedirs('fi_folder', exist_ok=True)
        for name in ('fi_read', 'fi_found', 'fi_folder/a', 'fi_folder/b'):
            pathlib.Path(name).write_text('new')
        # %%
        %%step fi_same
        fi_same = open('fi_kept.txt').read() if os.path.exists('fi_kept.txt') else ''
        # %%
        %%step fi_reads
        fi_read = open('fi_read').read()
        # %%
        %%step fi_looks
        try:
            fi_found = open('fi_found').read()
        except FileNotFoundError:
            fi_found = 'none'
        # %%
        %%step fi_lists
        fi_names = sorted(os.listdir('fi_folder'))
        # %%
        fi_read, fi_found, fi_names
        """,
        "('new', 'new', ['a', 'b'])",
        before="""
        os.makedirs('fi_folder', exist_ok=True)
        for name in ('fi_read', 'fi_folder/a'):
            pathlib.Path(name).write_text('old')
        # %%
        %%step fi_same
        fi_same = open('fi_kept.txt').read() if os.path.exists('fi_kept.txt') else ''
        # %%
        %%step fi_reads
        fi_read = open('fi_read').read()
        # %%
        %%step fi_looks
        try:
            fi_found = open('fi_found').read()
        except FileNotFoundError:
            fi_found = 'none'
        # %%
        %%step fi_lists
        fi_names = sorted(os.listdir('fi_folder'))
        """,
        replays=("fi_same",),
        runs={"fi_reads": "fi_read changed", "fi_looks": "fi_found", "fi_lists": "folder fi_folder"},
    ),
    "file_unseen": Case(
        UNSEEN.format(value=20),
        "[20] [20] [20]",
        before=UNSEEN.format(value=10),
        runs={"un_arrow": "un_1.parquet changed", "un_child": "un_1.txt changed", "un_none": "un_2.txt changed"},
    ),
    # -- row 10
    "twice": Case(
        """
        tw = 0
        # %%
        %%step tw
        tw += 1
        # %%
        %%step tw
        tw += 1
        # %%
        tw
        """,
        "2",
        replays=("tw",),
    ),
    "twice_more": Case(
        """
        tm = 5
        # %%
        %%step tm
        tm += 1
        # %%
        %%step tm
        tm += 1
        # %%
        %%step tm
        tm += 1
        # %%
        tm
        """,
        "8",
        before="""
        tm = 5
        # %%
        %%step tm
        tm += 1
        """,
    ),
    # -- row 16
    "process": Case(
        """
        import matplotlib
        os.makedirs('pr_folder', exist_ok=True)
        # %%
        %%step process
        os.environ['PR_SET'] = 'set'
        os.environ.pop('HOME_OF_PR', None)
        os.chdir('pr_folder')
        sys.path.append('pr_path')
        matplotlib.rcParams['lines.linewidth'] = 7.5
        pd.options.display.max_rows = 7
        np.set_printoptions(precision=3)
        warnings.filterwarnings('ignore', message='pr_message')
        import colorsys
        # %%
        print(
            os.environ['PR_SET'], os.path.basename(os.getcwd()), 'pr_path' in sys.path,
            matplotlib.rcParams['lines.linewidth'], pd.options.display.max_rows, np.array([1 / 3]),
            sum(each[1] is not None and each[1].pattern == 'pr_message' for each in warnings.filters),
            colorsys.rgb_to_hls(0, 0, 0)
        )
        # %%
        os.chdir('..')
        sys.path.remove('pr_path')
        pd.reset_option('display.max_rows')
        np.set_printoptions(precision=8)
        """,
        "",
        replays=("process",),
    ),
    "unit_rectangle": Case(
        """
        from matplotlib.figure import Figure
        from matplotlib.path import Path
        # %%
        %%step squares
        squares = Figure().subplots().plot([1, 2], 's')
        # %%
        %%step bars
        bars = len(Figure().subplots().bar([1], [2]))
        # %%
        squares[0]._marker.get_path() is Path.unit_rectangle(), Path.unit_rectangle()._interpolation_steps
        """,
        "(True, 100)",
        replays=("squares", "bars"),
    ),
    "environ": Case(
        """
        os.environ['EN_RATE'] = '3'
        # %%
        %%step environ
        en = int(os.environ['EN_RATE']) + int(os.getenv('EN_NONE', 0))
        # %%
        en
        """,
        "3",
        before="""
        os.environ['EN_RATE'] = '2'
        # %%
        %%step environ
        en = int(os.environ['EN_RATE']) + int(os.getenv('EN_NONE', 0))
        """,
        runs={"environ": "EN_RATE"},
    ),
    "options": Case(
        OPTIONS.format(rows=8, width=5) + "# %%\nprint(op_table, op_size)",
        None,
        before=OPTIONS.format(rows=4, width=3),
        runs={
            "op_table": "pandas display option display.max_rows has another value",
            "op_figure": "matplotlib option figure.figsize has another value",
        },
        replays=("op_other",),
    ),
    "loggers": Case(
        """
        %%step lo
        import logging
        logging.basicConfig(format='root: %(message)s', stream=sys.stderr)
        logging.getLogger('lo').setLevel(logging.INFO)
        # %%
        logging.getLogger('lo').info('let through')
        logging.getLogger('lo').debug('not let through')
        logging.getLogger().handlers.clear()
        """,
        "root: let through",
        replays=("lo",),
    ),
    "attribute": Case(
        """
        import colorsys
        colorsys.RATE = 3
        # %%
        %%step attribute
        at = colorsys.RATE * 2
        # %%
        at
        """,
        "6",
        before="""
        import colorsys
        colorsys.RATE = 2
        # %%
        %%step attribute
        at = colorsys.RATE * 2
        """,
        runs={"attribute": "colorsys.RATE has another value"},
    ),
    # -- row 23
    "inner_calls": Case(
        """
        from durable_nb import step
        @step
        def ic_call(i):
            tally.hit(f'ic_call{i}')
            return i * i
        # %%
        ic_plain = [ic_call(i) for i in range(4)][::-1]
        # %%
        %%step inner
        ic = [ic_call(i) + 1 for i in range(5)]
        # %%
        ic_plain, ic
        """,
        "([9, 4, 1, 0], [1, 2, 5, 10, 17])",
        before="""
        from durable_nb import step
        @step
        def ic_call(i):
            tally.hit(f'ic_call{i}')
            return i * i
        # %%
        ic_plain = [ic_call(i) for i in range(3)]
        # %%
        %%step inner
        ic = [ic_call(i) for i in range(4)]
        """,
        runs={"inner": "its code changed"},
    ),
}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    return play(tmp_path_factory.mktemp("changes"), asked(request, CASES))


@pytest.mark.parametrize("name", ["seeded_in_step", "seed_edited", "generator"])
def test_row_7_streams(stories, name):
    """Row 7: a stream after a replay goes on as it would have; another seed is another input; no draw, no touch."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize(
    "name",
    [
        "module_edited",
        "module_commented",
        "module_not_reloaded",
        "default_not_reloaded",
        "module_imported_by_module",
        "helper",
        "early_cutoff",
    ],
)
def test_row_8_helpers(stories, name):
    """Row 8: a helper, its global, a class attribute or a module edited makes dependants stale; a comment does not."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", ["files", "file_unseen"])
def test_row_9_files(stories, name):
    """Row 9: a file that was read, listed or found missing and has changed makes its reader stale, by name."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize(("name", "again"), [("twice", {}), ("twice_more", {"tm": 2})])
def test_row_10_twice(stories, name, again):
    """Row 10: the same cell run twice on purpose runs twice, since its input differs, and each run replays."""
    holds(CASES[name], stories[name])
    assert stories[name].ran_again == again


def test_row_10_one_cell_run_twice(tmp_path):
    """Row 10: so does one cell that a person runs twice, before and after the kill."""
    with kernel_in(tmp_path) as kernel:
        for turn in range(2):
            kernel.run("x = 0", "start")
            again = [kernel.run("%%step once_more\ntally.hit('once_more')\nx += 1", "one id") for _ in range(2)]
            assert [replayed(each, "once_more") for each in again] == [bool(turn)] * 2
            assert shown(kernel.run("x", "x")) == "2"
            kernel.restart()
            ready(kernel)
    assert hits(tmp_path) == {"once_more": 2}


@pytest.mark.parametrize("name", ["process", "unit_rectangle", "environ", "attribute", "options", "loggers"])
def test_row_16_process_state(stories, name):
    """Row 16: what a step changed in its process is changed again; variables and options are inputs."""
    holds(CASES[name], stories[name])
    if name == "process":
        expected = "set pr_folder True 7.5 7 [0.333] 1 (0.0, 0.0, 0.0)"
        assert shown(stories[name].again[2]) == expected


def test_row_23_cell_edited(stories):
    """Row 23: in an edited cell the calls that are as before replay, and only new ones are made."""
    holds(CASES["inner_calls"], stories["inner_calls"])
    assert stories["inner_calls"].ran_again == {"ic_call3": 1, "ic_call4": 1, "inner": 1}
