"""Rows 1, 3, 4, 5, 17 and 18 of DESIGN §5: what a replay binds is what the step bound."""

from __future__ import annotations

import pytest
from hard_cases import Case, asked, holds, play
from scenes import shown

CASES = {
    "outputs": Case(
        """
        oa_old, oa_gone = 1, 2
        def oa_set():
            global oa_by_helper
            oa_by_helper = [3]
        # %%
        %%step outputs
        for oa_i in range(3):
            oa_sq = oa_i * oa_i
        oa_a = oa_b = [oa_old]
        if (oa_walrus := len(oa_a)):
            pass
        oa_first, *oa_rest = 'xyz'
        import math as oa_math
        from json import dumps as oa_dumps
        with open(os.devnull):
            pass
        def oa_f():
            return oa_a
        class OaC:
            pass
        del oa_gone
        oa_set()
        describe.bind('oa_pushed', 4)
        oa_note: int = 5
        # %%
        print(len([name for name in dir() if name.startswith('oa')]), oa_by_helper, oa_rest, oa_pushed)
        """,
        "15 [3] ['y', 'z'] 4",
        replays=("outputs",),
    ),
    "rebound": Case(
        """
        rb = [1]
        rb_before = rb
        # %%
        %%step rebound
        rb = [*rb, 2]
        # %%
        rb, rb_before
        """,
        "([1, 2], [1])",
        replays=("rebound",),
    ),
    # bound to the very objects that they had: no difference shows, and the replay finds others there
    "equal": Case(
        """
        eq, eq_text = 5, 'other'
        # %%
        %%step equal
        eq, eq_text = 1, 'same'
        # %%
        eq, eq_text
        """,
        "(1, 'same')",
        before="""
        eq, eq_text = 1, 'same'
        # %%
        %%step equal
        eq, eq_text = 1, 'same'
        """,
        replays=("equal",),
    ),
    "none": Case(
        """
        class Gone:
            def __reduce__(self):
                return revive, ()
        def revive():
            if os.path.exists('none.off'):
                raise ValueError('lost')
            return Gone()
        # %%
        %%step none
        tally.hit('some_bound' if describe.bound('no_a') else 'none_bound')
        no_a = 1
        no_b = Gone()
        no_c = 3
        # %%
        pathlib.Path('none.off').touch()
        no_a, type(no_b) is Gone, no_c
        """,
        "(1, True, 3)",
        runs={"none": "its checkpoint cannot be loaded: "},
    ),
    "aliases": Case(
        """
        al_rows = [{'n': 1}, {'n': 2}]
        al_table = {'k': (al_rows[0], [al_rows])}
        # %%
        %%step aliases
        al_a = [1, [2]]
        al_b, al_c = al_a, al_a[1]
        al_a.append(al_a)
        al_f = lambda: al_c
        al_row = al_rows[1]
        al_in = al_table['k'][1]
        al_same = al_rows
        al_new = {'row': al_rows[0], 'all': al_rows}
        al_x = np.arange(4)
        al_v = al_x[1:3]
        # %%
        al_row['n'] = 9
        al_in[0].append('seen')
        al_c.append(3)
        al_v[0] = 7
        al_rows, al_a[:2], al_f(), al_same is al_rows, al_new['row'] is al_rows[0], al_x.tolist()
        """,
        "([{'n': 1}, {'n': 9}, 'seen'], [1, [2, 3]], [2, 3], True, True, [0, 7, 2, 3])",
        replays=("aliases",),
    ),
    "owner": Case(
        """
        class Model:
            def __init__(self):
                self.layers = [[0.5], [0.25]]
        model = Model()
        names = ['a']
        # %%
        %%step owner
        class Optimiser:
            def __init__(self, parts):
                self.parts = list(parts)
        opt = Optimiser(model.layers)
        model_ref = {'of': model, 'names': names}
        # %%
        opt.parts[1][0] = 8.0
        [
            model.layers[1], opt.parts[1] is model.layers[1], opt.parts is model.layers,
            model_ref['of'] is model, model_ref['names'] is names
        ]
        """,
        "[[8.0], True, False, True, True]",
        replays=("owner",),
    ),
    "functions": Case(
        """
        fu_scale = 2
        def fu_early(v):
            return v * fu_scale
        # %%
        %%step functions
        def fu_times(v, *, by=[1]):  # this comment is kept
            return v * fu_scale * by[0]
        def fu_counter():
            n = 0
            def up():
                nonlocal n
                n += 1
                return n
            return up
        fu_up = fu_counter()
        fu_up()
        fu_lambda = lambda v: fu_early(v) + 1
        def fu_fact(n):
            return n and n + fu_fact(n - 1)
        import functools
        fu_part = functools.partial(fu_times, 3)
        fu_up2 = fu_up
        def fu_deco(f):
            @functools.wraps(f)
            def inner(*a):
                return ('in', f(*a))
            return inner
        @fu_deco
        def fu_wrapped(v):
            return v
        # %%
        %%step uses
        fu_sum = fu_times(1) + fu_lambda(1) + fu_fact(3)
        # %%
        import inspect
        fu_scale = 5
        fu_times.__kwdefaults__['by'].append(0)
        print([
            fu_times(10), fu_lambda(10), fu_up(), fu_up2(), fu_fact(4), fu_part(), fu_wrapped(1),
            fu_wrapped.__wrapped__(2), fu_sum, fu_up is fu_up2, inspect.getsource(fu_times).splitlines()[0][-22:]
        ])
        # %%
        fu_scale = 2
        fu_times.__kwdefaults__['by'].pop()
        """,
        "0",
        replays=("functions", "uses"),
    ),
    "classes": Case(
        """
        class Base:
            rate = 2
            def twice(self):
                return self.rate * self.v
        # %%
        %%step classes
        import dataclasses, enum, typing
        class Sub(Base):
            def __init__(self, v):
                self.v = v
            def twice(self):
                return super().twice() + 1
            @property
            def w(self):
                return -self.v
            @classmethod
            def make(cls, v):
                return cls(v)
            @staticmethod
            def st():
                return Sub
        class Slotted:
            __slots__ = ('a',)
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            y: list = dataclasses.field(default_factory=list)
        class Colour(enum.Enum):
            RED = 1
            GREEN = 2
        class Pair(typing.NamedTuple):
            left: int
            right: str = 'r'
        class Own(Exception):
            pass
        # %%
        %%step instances
        in_sub = Sub.make(4)
        in_slot = Slotted()
        in_slot.a = in_sub
        in_point = Point(1)
        in_all = [in_sub, in_slot, in_point, Colour.GREEN, Pair(1), Own('e', 2), Sub]
        # %%
        print(
            [type(each) in (Sub, Slotted, Point, Colour, Pair, Own, type) for each in in_all],
            in_sub.twice(), in_sub.w, in_slot.a is in_sub, hasattr(in_slot, '__dict__'), in_point == Point(1),
            in_all[3] is Colour.GREEN, in_all[6] is Sub, Sub.st() is Sub, isinstance(in_sub, Base), *in_all[4:6]
        )
        """,
        "[True, True, True, True, True, True, True] 9 -4 True False True True True True True "
        "Pair(left=1, right='r') ('e', 2)",
        replays=("classes", "instances"),
    ),
    "redefined": Case(
        """
        class Redefined:
            def __init__(self, v):
                self.v = v
            def show(self):
                return ('new', self.v)
        # %%
        %%step redefined
        rd = [Redefined(1)]
        rd.append(rd[0])
        # %%
        %%step redefines
        class Redefined:
            def __init__(self, v):
                self.v = v
            def show(self):
                return ('newer', self.v)
        rd_newer = Redefined(2)
        # %%
        class Redefined:
            def __init__(self, v):
                self.v = v
            def show(self):
                return ('newest', self.v)
        # %%
        print(
            rd[0].show(), rd[1] is rd[0], isinstance(rd[0], Redefined), type(rd[0]).__name__,
            rd_newer.show(), isinstance(rd_newer, (Redefined, type(rd[0])))
        )
        """,
        "('new', 1) True False Redefined ('newer', 2) False",
        replays=("redefined", "redefines"),
    ),
    "untouched": Case(
        """
        class Wary:
            def __init__(self):
                self.log = []
            def note(self, what):
                self.log.append(what)
            def __getattr__(self, name):
                if name.startswith('__'):
                    raise AttributeError(name)
                self.note(name)
                return 1
            def __len__(self):
                self.note('len')
                return 1
            def __iter__(self):
                self.note('iter')
                return iter(())
            def __eq__(self, other):
                self.note('eq')
                return True
            __hash__ = object.__hash__
            def __bool__(self):
                self.note('bool')
                return True
            def __repr__(self):
                self.note('repr')
                return 'wary'
            @property
            def lazy(self):
                self.note('lazy')
        # %%
        %%step untouched
        un = Wary()
        un_list = [un, (un,)]
        un_array = np.arange(6)[::2]
        un_frame = pd.DataFrame({'a': [1, 2]})
        # %%
        %%step reads
        un_n = len(un_list) + un_array.size
        # %%
        un.log, un_array.flags.writeable, un_n
        """,
        "([], True, 5)",
        replays=("untouched", "reads"),
    ),
    "not_consumed": Case(
        """
        %%step not_consumed
        nc_it = (i for i in range(3))
        nc_map = map(str, [1, 2])
        nc_zip = zip([1], [2])
        nc_file = open(os.devnull)
        nc = 1
        # %%
        nc_left = list(nc_it), list(nc_map), list(nc_zip), nc_file.closed
        nc_file.close()
        del nc_it, nc_file
        nc_left
        """,
        "([0, 1, 2], ['1', '2'], [(1, 2)], False)",
        runs={"not_consumed": "cannot be saved"},
    ),
}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    return play(tmp_path_factory.mktemp("values"), asked(request, CASES))


@pytest.mark.parametrize("name", ["outputs", "rebound", "equal", "none"])
def test_row_1_outputs(stories, name):
    """Row 1: names that the cell or what it reaches binds or deletes, and the namespace's difference; all or none."""
    holds(CASES[name], stories[name])
    if name == "none":
        assert stories[name].ran_again == {"none": 1, "none_bound": 1}


@pytest.mark.parametrize("name", ["aliases", "owner"])
def test_row_3_aliases(stories, name):
    """Row 3: what was one object is one, within a step, and with objects inside inputs; changing one shows in all."""
    holds(CASES[name], stories[name])


def test_row_4_functions(stories):
    """Row 4: functions, closures and lambdas see the live globals, have their source, and keep the keys of readers."""
    holds(CASES["functions"], stories["functions"])
    expected = [50, 51, 2, 3, 10, 15, ("in", 1), 2, 11, True]
    assert shown(stories["functions"].again[3]) == str([*expected, "# this comment is kept"])


@pytest.mark.parametrize("name", ["classes", "redefined"])
def test_row_5_classes(stories, name):
    """Row 5: instances are of the live classes, slots and all; one of a class that was redefined keeps its own."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", ["untouched", "not_consumed"])
def test_row_18_live_objects(stories, name):
    """Row 18: saving and replaying call nothing of an object but pickle's protocol, and consume no iterator."""
    holds(CASES[name], stories[name])
