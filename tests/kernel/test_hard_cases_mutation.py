"""Rows 2, 3, 6, 11 and 12 of DESIGN §5: what is changed in place, what is shared across steps, what cannot be saved."""

from __future__ import annotations

import pytest
from hard_cases import Case, asked, holds, play

# name -> what is there, what a step changes in it, and how it looks afterwards
CHANGED = {
    "list": ("x = [1]", "x.append(2)\nx[0] = 9", "x"),
    "dict": ("x = {'a': [1]}", "x['b'] = 2\nx['a'] += [3]\nx.pop('c', 0)", "x"),
    "order": ("x = {'a': 1, 'b': 2}", "x['a'] = x.pop('a')", "list(x)"),
    "set": ("x = {1}", "x.add(2)\nx.discard(1)", "x"),
    "bytearray": ("x = bytearray(b'a')", "x.extend(b'b')", "x"),
    "deque": ("import collections\nx = collections.deque([1], 3)", "x.appendleft(0)", "x"),
    "array": ("x = np.arange(4.0)", "x[1:3] *= 10", "x.tolist()"),
    "array_view": ("x = np.arange(4.0)\ny = x[1:]", "y[0] = 7", "x.tolist()"),
    "frame": ("x = pd.DataFrame({'a': [1, 2]})", "x['b'] = x.a * 2\nx.loc[0, 'a'] = 5", "x.to_dict('list')"),
    "frame_rows": ("x = pd.DataFrame({'a': [1, 2]})", "x['a'] = 7\nx.attrs['u'] = 1", "x.values.tolist()"),
    "frame_values": ("x = pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 5", "x.values.tolist()"),
    "series": ("x = pd.Series([1, 2], name='s')", "x[0] = 9\nx.name = 't'", "(x.name, x.tolist())"),
    "object": (
        "class C:\n    def __init__(self): self.v = [1]\nx = C()",
        "x.v.append(2)\nx.w = x.v",
        "(x.v, x.w is x.v)",
    ),
    "slots": ("class S:\n    __slots__ = ('v',)\nx = S()\nx.v = 1", "x.v = 2", "x.v"),
    "inside": ("x = {'a': [{'b': np.zeros(2)}]}", "x['a'][0]['b'][1] = 1", "x['a'][0]['b'].tolist()"),
    "closure": (
        "def make():\n    state = [1]\n    def get(): return state\n    return get\nx = make()",
        "x().append(2)",
        "x()",
    ),
    "nonlocal": (
        "def make():\n    n = 1\n    def up():\n        nonlocal n\n        n += 1\n    return up\nx = make()",
        "x()",
        "x.__closure__[0].cell_contents",
    ),
    "own_state": (
        "class G:\n    v = 0\n    def __getstate__(self): return {'v': self.v}\nx = G()\nx.v = 1",
        "x.v = 2",
        "x.v",
    ),
    "class": ("class K:\n    n = 1\n    seen = []", "K.n += 1\nK.seen.append(5)", "(K.n, K.seen)"),
    "function": ("def f(): return f.calls\nf.calls = 0", "f.calls += 1", "f()"),
    "defaults": ("def f(n=1): return n", "f.__defaults__ = (2,)", "f()"),
    "by_helper": ("x = [1]\ndef grow(): x.append(2)", "grow()", "x"),
    "generator": ("x = np.random.default_rng(1)", "drawn = x.integers(1000)", "(int(drawn), int(x.integers(1000)))"),
    "random": ("x = random.Random(1)", "drawn = x.random()", "(drawn, x.random())"),
    "iterator": ("x = iter([1, 2, 3])", "drawn = next(x)", "(drawn, list(x))"),
    "cycle": ("x = [1]\nx.append(x)", "x[0] = 2", "(x[0], x[1] is x)"),
    "queue": ("import queue\nx = queue.Queue()", "x.put([1])", "(list(x.queue), x.unfinished_tasks)"),
    "event": ("import threading\nx = threading.Event()", "x.set()", "x.is_set()"),
}

# A cell that is no step registers a variable with a library, and a step that does not read it gets it from there.
COLOURS_CHANGED = """
        import matplotlib as mpl
        from matplotlib.colors import LinearSegmentedColormap
        # %%
        changing = {{each: [(0.0, 0.0, 0.0), (1.0, 1.0, {0})] for each in ('red', 'green', 'blue')}}
        mpl.colormaps.register(LinearSegmentedColormap('changing', changing), force=True)
        # %%
        %%step by_library_changed
        taken = mpl.colormaps['changing']
        # %%
        taken._segmentdata is changing
        """


DRAWN = {"generator", "random", "iterator"}  # looking at them changes them


def changed(name):
    there, change, after = CHANGED[name]
    held = {"class": "K", "function": "f", "defaults": "f"}.get(name, "x")
    return Case(
        f"{there}\nholder = ({held},)\ndef elsewhere(v={held}):\n    return v\n"
        f"# %%\n%%step {name}\n{change}\n"
        f"# %%\n%%step {name}_after\nseen_after = {None if name in DRAWN else after}\n"
        f"# %%\nprint({after}, holder[0] is {held}, elsewhere() is {held})\n# %%\nholder[0] is {held} is elsewhere()",
        "True",
        replays=(name, f"{name}_after"),
    )


# name -> what is there, what a step puts in the place of an equal object, and what is the same object afterwards
RELINKED = {
    "beside_a_change": ("a, b, m = [], [0], [[0], [0]]", "a.append(1)\nm[0] = b", "m[0] is b"),
    "class_attribute": ("b = [1]\nclass K:\n    v = b", "K.v = list(K.v)", "K.v is b"),
    "default": ("b = [1]\ndef f(v=b): return v", "f.__defaults__ = (list(f()),)", "f() is b"),
    "dict_in_a_list": ("b = {'n': 1}\nx = [b, b]", "x[0] = dict(x[0])\nx[1] = x[0]", "x[0] is b"),
    "dict_in_a_dict": ("b = {'n': 1}\nx = {'a': b}", "x['a'] = dict(x['a'])", "x['a'] is b"),
    "array_of_objects": ("b = [1]\nx = np.array([b, None], dtype=object)", "x[0] = list(x[0])", "x[0] is b"),
    "column_of_objects": ("b = [1]\nx = pd.Series([b, None])", "x[0] = list(x[0])", "x[0] is b"),
}


def relinked(name):
    there, change, same = RELINKED[name]
    return Case(
        f"{there}\n# %%\n%%step {name}\n{change}\n# %%\n%%step {name}_after\nseen_after = {same}\n"
        f"# %%\nseen_after, {same}",
        f"({name == 'beside_a_change'}, {name == 'beside_a_change'})",
        replays=(name, f"{name}_after"),
    )


CASES = {
    # -- row 2: by whatever name it was changed, every reference sees it, also those that no ledger saw
    "alias_names": Case(
        """
        df = pd.DataFrame({'a': [1, 2]})
        box = {'d': df}
        class Registry:
            frames = [df]
        def seen(d=df):
            return list(d)
        # %%
        %%step alias_names
        box['d']['b'] = 3
        # %%
        %%step alias_after
        total = int(df['b'].sum())
        # %%
        list(df), list(Registry.frames[0]), seen(), box['d'] is df, Registry.frames[0] is df, total
        """,
        "(['a', 'b'], ['a', 'b'], ['a', 'b'], True, True, 6)",
        replays=("alias_names", "alias_after"),
    ),
    "changed_twice": Case(
        """
        rows = []
        # %%
        %%step first
        rows.append(1)
        # %%
        %%step second
        rows.append(2)
        # %%
        rows
        """,
        "[1, 2]",
        replays=("first", "second"),
    ),
    "no_restorer": Case(
        """
        import ctypes
        number = ctypes.c_int(1)
        # %%
        %%step no_restorer
        number.value += 1
        # %%
        number.value
        """,
        "2",
        runs={"no_restorer": "a c_int in its inputs could not be changed as recorded"},
    ),
    "lock": Case(
        """
        import threading
        guard = threading.Lock()
        # %%
        %%step lock
        guard.acquire()
        # %%
        print(guard.locked())
        """,
        "True",
        runs={"lock": "it changed guard in place, and a lock cannot be changed back in place"},
    ),
    "left_out": Case(
        """
        table = pd.DataFrame({'a': [1]})
        # %%
        %%step left_out
        table.note = 'all of it'
        # %%
        %%step left_out_made
        other = pd.DataFrame({'a': [1]})
        other.note = 'a part of it'
        # %%
        print(table.note, other.note)
        """,
        "all of it a part of it",
        runs={
            "left_out": "it changed table in place, and a DataFrame cannot be changed back in place",
        },
        replays=("left_out_made",),
    ),
    # -- row 3, across steps
    "views": Case(
        """
        # %%
        %%step gaps
        gaps, backwards = np.arange(12)[::2], np.arange(6)[::-1]
        # %%
        %%step views_of_them
        part, turned = gaps[1:], backwards[::-1].reshape(2, 3)
        # %%
        %%step views_look
        shared = np.shares_memory(part, gaps), np.shares_memory(turned, backwards)
        # %%
        part[0], turned[0, 0] = -1, -2
        print(shared, gaps[1], backwards[-1], part.tolist(), turned.tolist())
        """,
        "(True, True) -1 -2 [-1, 4, 6, 8, 10] [[-2, 1, 2], [3, 4, 5]]",
        replays=("gaps", "views_of_them", "views_look"),
    ),
    "views_of_objects": Case(
        """
        # %%
        %%step grid
        grid = np.array([[{1}, {2}], [{3}, {4}]])
        flat = grid.ravel()
        # %%
        %%step views_of_grid
        row, turned = grid[1], flat.reshape(2, 2).T
        # %%
        %%step row_changed
        row[0] = 'new'
        # %%
        flat[3] = 'last'
        print(grid.tolist(), flat.tolist(), row.tolist(), turned.tolist(), flat[0] is turned[0, 0])
        """,
        "[[{1}, {2}], ['new', 'last']] [{1}, {2}, 'new', 'last'] ['new', 'last'] [[{1}, 'new'], [{2}, 'last']] True",
        replays=("grid", "views_of_grid", "row_changed"),
    ),
    "own_containers": Case(
        """
        class Bunch(dict):
            __getattr__ = dict.__getitem__
        class Rows(list):
            pass
        bunch = Bunch(rows=Rows([[1], [2]]), data=np.arange(6.0).reshape(2, 3)[:, :2])
        # %%
        %%step own_containers
        first, second_row = bunch.rows[0], bunch.data[1]
        # %%
        %%step own_changed
        first.append(3)
        second_row[0] = -1
        # %%
        print(bunch.rows, bunch.data.tolist(), first is bunch.rows[0])
        """,
        "[[1, 3], [2]] [[0.0, 1.0], [-1.0, 4.0]] True",
        replays=("own_containers", "own_changed"),
    ),
    "across": Case(
        """
        class Model:
            def __init__(self):
                self.data = np.arange(6.0)
                self.parts = [np.zeros(2), np.ones(2)]
            def parameters(self):
                yield from self.parts
        model, rows = Model(), [{'n': 1}, {'n': 2}]
        # %%
        %%step across
        class Adam:
            def __init__(self, parameters):
                self.groups = [{'params': list(parameters)}]
            def go(self):
                for each in self.groups[0]['params']:
                    each += 1
        opt = Adam(model.parameters())
        row, view, data = rows[0], model.data[2:4], model.data
        # %%
        %%step trained
        opt.go()
        row['n'] = 10
        view[0] = -1
        # %%
        print(
            [each.tolist() for each in model.parts], rows, model.data.tolist(), data is model.data,
            np.shares_memory(view, model.data), opt.groups[0]['params'][1] is model.parts[1], row is rows[0]
        )
        """,
        "[[1.0, 1.0], [2.0, 2.0]] [{'n': 10}, {'n': 2}] [0.0, 1.0, -1.0, 3.0, 4.0, 5.0] True True True True",
        replays=("across", "trained"),
    ),
    "by_library": Case(
        """
        import matplotlib as mpl
        from matplotlib.colors import LinearSegmentedColormap
        # %%
        %%step colours
        colours = {each: [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)] for each in ('red', 'green', 'blue')}
        # %%
        mpl.colormaps.register(LinearSegmentedColormap('own', colours), force=True)
        # %%
        %%step by_library
        chosen = mpl.colormaps['own']
        # %%
        %%step by_library_beside
        both = [chosen, mpl.colormaps['own']]
        # %%
        chosen._segmentdata is both[1]._segmentdata is colours
        """,
        "True",
        replays=("colours", "by_library", "by_library_beside"),
    ),
    "by_library_changed": Case(
        COLOURS_CHANGED.format("0.25"),
        "True",
        before=COLOURS_CHANGED.format("0.5"),
        runs={"by_library_changed": "changing, which what it made holds, is another value now"},
    ),
    "not_addressable": Case(
        """
        source = iter([[1], [2]])
        # %%
        %%step not_addressable
        taken = next(source)
        # %%
        taken, next(source)
        """,
        "([1], [2])",
    ),
    # -- row 6
    "partial": Case(
        """
        import threading
        class Net:
            pass
        # %%
        %%step partial
        net, good = Net(), [1, 2]
        net.cb = [Net()]
        net.cb[0].lock = threading.Lock()
        # %%
        %%step reads_good
        reads_good = sum(good)
        # %%
        reads_good, net.cb[0].lock.locked()
        """,
        "(3, False)",
        replays=("reads_good",),
        runs={"partial": "its checkpoint is partial: net cannot be saved (net.cb[0].lock: _thread.lock)"},
    ),
    "ephemeral": Case(
        """
        import threading
        # %%
        %%step ephemeral --ephemeral eph_lock
        eph_lock, eph_good = threading.Lock(), 5
        # %%
        if describe.bound('eph_lock'):
            del eph_lock
        eph_good
        """,
        "5",
        replays=("ephemeral",),
    ),
    # -- row 11
    "attempts": Case(
        """
        given, doomed, box, frame = 'before', 1, {'k': [1]}, pd.DataFrame({'a': [1]})
        alias = box['k']
        # %%
        %%step attempts --max-attempts 3 --interval-seconds 0.01
        seen = (given, doomed, dict(box), list(frame), alias is box['k'])
        given = 'changed'
        left = 1
        del doomed
        alias.append(2)
        box['new'] = 1
        frame['b'] = 2
        if tally.nth('attempts') < 3:
            raise ValueError('once more')
        tally.hit('attempts')
        # %%
        print(seen, given, left, 'doomed' in dir(), box, alias, list(frame), alias is box['k'])
        """,
        "('before', 1, {'k': [1, 2]}, ['a'], True) changed 1 False {'k': [1, 2], 'new': 1} [1, 2] ['a', 'b'] True",
        replays=("attempts",),
    ),
    "large_inputs": Case(
        """
        %config DurableNB.snapshot_mb = 0
        large, small = np.zeros(10), [0]
        # %%
        %%step large_inputs --max-attempts 2 --interval-seconds 0.01
        large += 1
        small.append(1)
        if tally.nth('large_inputs') < 2:
            raise ValueError('once more')
        tally.hit('large_inputs')
        # %%
        %config DurableNB.snapshot_mb = 256
        large.tolist(), small
        """,
        "([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], [0, 1])",
        replays=("large_inputs",),
    ),
    # -- row 12
    "call_argument": Case(
        """
        from durable_nb import step
        total = {'n': 0}
        class Counter:
            def __init__(self):
                self.n = 0
            @step
            def up(self, rows):
                tally.hit('up')
                self.n += 1
                rows.append(self.n)
                total['n'] += 1
                return rows
        # %%
        counter, rows = Counter(), []
        kept = rows
        # %%
        returned = [counter.up(rows), counter.up(rows)]
        # %%
        rows, kept is rows, returned[0] is rows, returned[1] is rows, counter.n, total
        """,
        "([1, 2], True, True, True, 2, {'n': 2})",
    ),
    "call_global": Case(
        """
        from durable_nb import step
        counted, doomed = 1, 2
        @step
        def bind():
            global counted, doomed, fresh
            tally.hit('bind')
            counted, fresh = counted + 1, [counted]
            del doomed
        # %%
        bind()
        # %%
        counted, fresh, 'doomed' in dir()
        """,
        "(2, [1], False)",
    ),
    # two calls in two threads, of which one goes on while the other changes what both were given
    "at_the_same_time": Case(
        """
        from concurrent.futures import ThreadPoolExecutor
        from durable_nb import step
        import threading
        shared, meet = [], threading.Barrier(2, timeout=60)
        class Meet:
            def __durable_fingerprint__(self):
                return 'meet'
            def __call__(self):
                meet.wait()
        @step
        def grow(rows, both_run, i):
            tally.hit(f'grow{i}')
            both_run()
            rows.append(i)
            both_run()
            return sorted(rows)
        # %%
        with ThreadPoolExecutor(2) as pool:
            returned = list(pool.map(grow, [shared] * 2, [Meet()] * 2, [1, 2]))
        # %%
        del pool, meet
        shared.sort()  # who comes first is left to the threads
        shared, returned
        """,
        "([1, 2], [[1, 2], [1, 2]])",
    ),
}
CASES |= {name: changed(name) for name in CHANGED} | {name: relinked(name) for name in RELINKED}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    return play(tmp_path_factory.mktemp("mutation"), asked(request, CASES))


@pytest.mark.parametrize("name", [*CHANGED, "alias_names", "changed_twice", "no_restorer", "lock", "left_out"])
def test_row_2_mutation(stories, name):
    """Row 2: an input that was changed in place is changed again, in the live object: every reference sees it."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", RELINKED)
def test_row_2_equal_objects(stories, name):
    """Row 2: an equal object in the place of another is a change, alone or beside others: who shares it shows it."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", ["across", "views", "views_of_objects", "own_containers", "not_addressable"])
def test_row_3_aliases_across_steps(stories, name):
    """Row 3: ``Adam(model.parameters())``, ``row = rows[0]`` and views of arrays stay what they were across steps."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", ["by_library", "by_library_changed"])
def test_row_3_aliases_by_way_of_a_library(stories, name):
    """Row 3: a variable that a library hands to a step which does not read it is that object; its value counts."""
    holds(CASES[name], stories[name])


@pytest.mark.parametrize("name", ["partial", "ephemeral"])
def test_row_6_partial(stories, name):
    """Row 6: one value that cannot be saved costs only its own step, named with its path, or nothing if declared."""
    holds(CASES[name], stories[name])


def test_row_11_attempts(stories):
    """Row 11: each attempt starts from the same names and the same state of what they hold."""
    holds(CASES["attempts"], stories["attempts"])
    assert stories["attempts"].ran_before == {"attempts": 1}


def test_row_11_attempts_of_large_inputs(stories):
    """Row 11: what is larger than the bound is not put back, and named; smaller things beside it are put back."""
    holds(CASES["large_inputs"], stories["large_inputs"])
    said = [line for line in stories["large_inputs"].whole[1].own_lines if "attempt starts from" in line]
    told = "large_inputs: the next attempt starts from large as this one left it: it is larger than "
    assert said == [f"↻ {told}DurableNB.snapshot_mb = 0"]


@pytest.mark.parametrize("name", ["call_argument", "call_global"])
def test_row_12_calls(stories, name):
    """Row 12: what a call changed in arguments, self and globals is changed again; a returned argument is it."""
    holds(CASES[name], stories[name])
    ran = {"call_argument": {"up": 2}, "call_global": {"bind": 1}}[name]
    assert (stories[name].ran_before, stories[name].ran_again) == (ran, {})


def test_row_12_calls_at_the_same_time(stories):
    """Row 12: calls that change what others may change too are not recorded, with one warning that names it."""
    story = stories["at_the_same_time"]
    holds(CASES["at_the_same_time"], story)
    assert story.ran_before == story.ran_again == {"grow1": 1, "grow2": 1}
    said = [line for line in story.whole[1].own_lines if "grow" in line]
    assert len(said) == 1, said
    assert "changed while other calls ran too" in said[0]
