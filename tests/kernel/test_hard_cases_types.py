"""Row 15 of DESIGN §5: values of the types that notebooks hold are the same after a replay."""

from __future__ import annotations

import textwrap

import pytest
from hard_cases import Case, asked, holds, play

IMPORTS = """
import collections, dataclasses, datetime, decimal, enum, fractions, json, re, types, uuid, zoneinfo
import matplotlib.pyplot as plt
import polars as pl
import pyarrow as pa
import scipy.sparse
from sklearn.linear_model import LinearRegression
import patsy
"""

# name -> how it is made, and what is asked of it afterwards
VALUES = {
    "asking": (
        """
        class Asking:
            def __init__(self, asked):
                self.asked = asked
            def __getattr__(self, name):
                return getattr(self.asked, name)
        v_asking = Asking([1])
        """,
        "v_asking.count(1)",
    ),
    "class_method": (
        "v_class_method = pd.DataFrame.from_dict",
        "v_class_method.__func__ is pd.DataFrame.from_dict.__func__",
    ),
    "patsy": (
        """
        table = {'y': [1, 2, 3], 'x': [4, 5, 6], 'kind': ['a', 'b', 'a']}
        v_patsy = patsy.dmatrices('y ~ np.log(x) + center(x) + C(kind)', table, return_type='dataframe')
        """,
        "patsy.build_design_matrices([v_patsy[1].design_info], {'x': [5, 6], 'kind': ['b', 'a']})[0].tolist()",
    ),
    "readonly": (
        """
        v_readonly = np.arange(3)
        v_readonly.flags.writeable = False
        """,
        "v_readonly.flags.writeable",
    ),
    "fortran": ("v_fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))", "v_fortran.flags.f_contiguous"),
    "strided": ("v_strided = np.arange(10)[::3]", "v_strided.tolist()"),
    "structured": ("v_structured = np.array([(1, 'a')], dtype=[('n', 'i4'), ('s', 'U3')])", "v_structured['s'][0]"),
    "objects": ("v_objects = np.array([[1], None, 'x'], dtype=object)", "v_objects[0]"),
    "datetimes": ("v_datetimes = np.array(['2026-01-02', 'NaT'], dtype='M8[D]')", "str(v_datetimes[0])"),
    "big_endian": ("v_big_endian = np.arange(3, dtype='>i4')", "v_big_endian.dtype.byteorder"),
    "empty": ("v_empty = np.empty((0, 3), dtype='f2')", "v_empty.shape"),
    "scalar": ("v_scalar = np.float32(1.5)", "type(v_scalar).__name__"),
    "masked": ("v_masked = np.ma.masked_array([1, 2], mask=[0, 1])", "v_masked.sum()"),
    "large": ("v_large = np.arange(300_000)", "int(v_large[-1])"),
    "generator": ("v_generator = np.random.default_rng(5)", "int(v_generator.integers(1000))"),
    "frame": (
        """
        v_frame = pd.DataFrame({
            'c': pd.Categorical(['x', 'y'], ordered=True), 's': pd.array(['a', None], dtype='string'),
            'i': pd.array([1, None], dtype='Int64'), 't': pd.to_datetime(['2026-01-01', None]).tz_localize('UTC'),
        }, index=pd.Index([3, 4], name='key'))
        v_frame.attrs['unit'] = ['m']
        v_frame.columns.name = 'cols'
        """,
        "v_frame.attrs, v_frame.index.name, v_frame.columns.name, v_frame.c.cat.ordered, v_frame.dtypes.tolist()",
    ),
    "multi": (
        """
        v_multi = pd.DataFrame({'a': [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 'x'), (2, 'y')]))
        """,
        "v_multi.index[1]",
    ),
    "series": (
        """
        v_series = pd.Series([1, 2], name='n', index=pd.period_range('2026-01', periods=2, freq='M'))
        """,
        "v_series.name",
    ),
    "arrow_frame": (
        """
        v_arrow_frame = pd.DataFrame({'a': pd.array([1, None], dtype='int64[pyarrow]')})
        """,
        "str(v_arrow_frame.a.dtype)",
    ),
    "polars": (
        """
        v_polars = pl.DataFrame({'a': [1, None], 'b': [['x'], []]})
        """,
        "v_polars['b'].to_list()",
    ),
    "arrow": ("v_arrow = pa.table({'a': [1, None], 'b': ['x', 'y']})", "v_arrow.num_rows"),
    "sparse": ("v_sparse = scipy.sparse.csr_matrix([[0, 1], [2, 0]])", "v_sparse.nnz"),
    "sklearn": (
        """
        v_sklearn = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
        """,
        "v_sklearn.predict([[2.0]]).round(3).tolist()",
    ),
    "dates": (
        """
        v_dates = [
            datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')),
            datetime.timedelta(1), datetime.date(2026, 1, 2)
        ]
        """,
        "str(v_dates[0].tzinfo)",
    ),
    "decimal": (
        """
        v_decimal = [decimal.Decimal('1.10'), fractions.Fraction(1, 3)]
        """,
        "v_decimal",
    ),
    "path": ("v_path = [pathlib.Path('a') / 'b', uuid.UUID(int=5)]", "v_path"),
    "collections": (
        """
        v_collections = [
            collections.OrderedDict(b=1, a=2), collections.defaultdict(list, k=[1]),
            collections.Counter('aab'), collections.deque([1, 2], maxlen=2)
        ]
        """,
        "v_collections[1]['new'], list(v_collections[0]), v_collections[3].maxlen",
    ),
    "bytes": ("v_bytes = [bytearray(b'ab'), b'c' * 100_000, memoryview(b'x').tobytes()]", "type(v_bytes[0]).__name__"),
    "cycle": (
        """
        v_cycle = {'self': None}
        v_cycle['self'] = [v_cycle]
        """,
        "v_cycle['self'][0] is v_cycle",
    ),
    "deep": (
        """
        v_deep = []
        for v_deep_i in range(150):
            v_deep = [v_deep]
        """,
        "len(v_deep)",
    ),
    "sets": ("v_sets = {frozenset({1, 2}), 'x', (1, 'y')}", "len(v_sets)"),
    "pattern": ("v_pattern = re.compile('a+', 2)", "v_pattern.flags"),
    "exception": (
        """
        v_exception = ValueError('v', [1])
        v_exception.add_note('n')
        """,
        "v_exception.args, v_exception.__notes__",
    ),
    "module": ("v_module = json", "v_module.dumps([1])"),
    "types": ("v_types = [int, list[int], int | None, type(None), len, str.upper]", "v_types"),
    "figure": (
        """
        v_figure = plt.subplots()
        v_figure_f, v_figure_ax = v_figure
        v_figure_ax.plot([1, 2], label='l')
        plt.close('all')
        """,
        "v_figure[0] is v_figure_f, v_figure_ax is v_figure_f.axes[0], v_figure_ax.lines[0].get_label()",
    ),
    "enum": (
        """
        class Colour(enum.Enum):
            RED = 1
        v_enum = [Colour.RED, {Colour.RED: 1}]
        """,
        "v_enum[0] is Colour.RED, v_enum[1][Colour.RED]",
    ),
    "dataclass": (
        """
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            y: list = dataclasses.field(default_factory=list)
        v_dataclass = [Point(1), Point(1)]
        """,
        "v_dataclass[0] == v_dataclass[1], v_dataclass[0].y is v_dataclass[1].y, v_dataclass",
    ),
    "namespace": ("v_namespace = types.SimpleNamespace(a=[1])", "v_namespace"),
    "chain": (
        """
        v_chain = iter([1, 2, 3])
        next(v_chain)
        """,
        "list(v_chain)",
    ),
}


def value_case(name):
    made, seen = VALUES[name]
    return Case(f"%%step v_{name}\n{textwrap.dedent(made)}\n# %%\n{seen}", None, replays=(f"v_{name}",))


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    cases = {"imports": Case(IMPORTS, "")} | {name: value_case(name) for name in asked(request, VALUES)}
    return play(tmp_path_factory.mktemp("types"), cases)


@pytest.mark.parametrize("name", VALUES)
def test_row_15_values(stories, name):
    """Row 15: types of numpy, pandas, polars, arrow, scipy, sklearn, matplotlib and Python: equal, and connected."""
    holds(value_case(name), stories[name])
