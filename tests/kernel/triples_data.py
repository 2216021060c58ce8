"""Arrays and tables."""

from __future__ import annotations

from triple import Triple

NUMPY = (
    Triple("numpy.ndarray", "v = np.arange(6.0)", "v[0] = 9; v *= 2", "v.tolist()", "import numpy as np"),
    Triple(
        "numpy.ndarray, Fortran order",
        "v = np.asfortranarray(np.ones((2, 3)))",
        "v[0, 1] = 5",
        "(v.tolist(), v.flags.f_contiguous)",
        "import numpy as np",
    ),
    Triple(
        "numpy.ndarray, structured",
        "v = np.zeros(2, dtype=[('a', int), ('b', 'U3')])",
        "v['b'][1] = 'xyz'",
        "v",
        "import numpy as np",
    ),
    Triple(
        "numpy.ndarray of objects",
        "v = np.array([[1], {'a': 2}], dtype=object)",
        "v[0].append(3)",
        "v.tolist()",
        "import numpy as np",
    ),
    Triple(
        "numpy.ndarray of dates",
        "v = np.array(['2026-01-01'], dtype='datetime64[D]')",
        "v += 1",
        "v",
        "import numpy as np",
    ),
    Triple(
        "numpy.ndarray of StringDType",
        "v = np.array(['a', 'b'], dtype=np.dtypes.StringDType())",
        "v[0] = 'changed'",
        "v.tolist()",
        "import numpy as np",
    ),
    Triple(
        "a view of a numpy.ndarray",
        "whole = np.arange(6)\nv = whole[1:3]",
        "v[0] = 9",
        "(v.tolist(), whole.tolist())",
        "import numpy as np",
    ),
    Triple(
        "numpy.ma.MaskedArray",
        "v = np.ma.array([1, 2, 3], mask=[0, 1, 0])",
        "v[0] = np.ma.masked",
        "v",
        "import numpy as np",
    ),
    Triple(
        "numpy.recarray", "v = np.rec.array([(1, 2.0)], names='a,b')", "v.a[0] = 7", "v.tolist()", "import numpy as np"
    ),
    Triple(
        "numpy.random.Generator",
        "v = np.random.default_rng(1)",
        "v.random()",
        "v.bit_generator.state",
        "import numpy as np",
    ),
    Triple(
        "numpy.random.RandomState", "v = np.random.RandomState(1)", "v.rand()", "v.get_state()[2]", "import numpy as np"
    ),
    Triple("numpy.poly1d", "v = np.poly1d([1, 2])", "v[0] = 5", "v.coeffs.tolist()", "import numpy as np"),
)

PANDAS = (
    Triple(
        "pandas.DataFrame",
        "v = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "v['c'] = v['a'] * 2",
        "v.to_dict(), v.dtypes.astype(str).to_dict()",
        "import pandas as pd",
    ),
    Triple(
        "pandas.DataFrame, a cell",
        "v = pd.DataFrame({'a': [1, 2]})",
        "v.loc[0, 'a'] = 9",
        "v.to_dict()",
        "import pandas as pd",
    ),
    Triple(
        "pandas.DataFrame, attrs",
        "v = pd.DataFrame({'a': [1]})",
        "v.attrs['unit'] = 'm'",
        "v.attrs",
        "import pandas as pd",
    ),
    Triple(
        "pandas.DataFrame, MultiIndex",
        "v = pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).set_index(['a', 'b'])",
        "v['c'] = 5",
        "v.to_dict(), v.index.names",
        "import pandas as pd",
    ),
    Triple(
        "pandas.Series",
        "v = pd.Series([1.0, 2.0], name='s')",
        "v[0] = 5; v.name = 't'",
        "v.to_dict(), v.name",
        "import pandas as pd",
    ),
    Triple(
        "pandas.Series of text",
        "v = pd.Series(['a', None])",
        "v[1] = 'z'",
        "v.to_dict(), str(v.dtype)",
        "import pandas as pd",
    ),
    Triple(
        "pandas.Categorical",
        "v = pd.Categorical(['a', 'b'])",
        "v[0] = 'b'",
        "v.tolist(), v.categories.tolist()",
        "import pandas as pd",
    ),
    Triple(
        "pandas.DatetimeIndex",
        "v = pd.date_range('2026-01-01', periods=2)",
        "v.name = 'when'",
        "v",
        "import pandas as pd",
    ),
    Triple("pandas.arrays.IntegerArray", "v = pd.array([1, None])", "v[1] = 4", "v.tolist()", "import pandas as pd"),
    Triple(
        "pandas.Timestamp", "v = pd.Timestamp('2026-01-01')", "v = v + pd.Timedelta('1h')", "v", "import pandas as pd"
    ),
    Triple(
        "pandas GroupBy",
        "v = pd.DataFrame({'a': [1, 1], 'b': [2, 3]}).groupby('a')",
        "v = v['b']",
        "v.sum().to_dict()",
        "import pandas as pd",
    ),
)

POLARS = (
    Triple(
        "polars.DataFrame",
        "v = pl.DataFrame({'a': [1, 2]})",
        "v[0, 'a'] = 9; v.insert_column(1, pl.Series('b', ['x', 'y']))",
        "v.to_dict(as_series=False)",
        "import polars as pl",
    ),
    Triple("polars.Series", "v = pl.Series('s', [1, 2])", "v[0] = 5", "v.to_list()", "import polars as pl"),
    Triple(
        "polars.LazyFrame",
        "v = pl.LazyFrame({'a': [1, 2]})",
        "v = v.select(pl.col('a') + 1)",
        "v.collect().to_dict(as_series=False)",
        "import polars as pl",
    ),
    Triple("polars.Expr", "v = pl.col('a')", "v = v + 1", "str(v)", "import polars as pl"),
)

PYARROW = (
    Triple(
        "pyarrow.Table",
        "v = pa.table({'a': [1, 2]})",
        "v = v.append_column('b', pa.array(['x', None]))",
        "v.to_pydict()",
        "import pyarrow as pa",
    ),
    Triple(
        "pyarrow.Array",
        "v = pa.array([1, None, 3])",
        "v = v.take(pa.array([2, 0]))",
        "v.to_pylist()",
        "import pyarrow as pa",
    ),
    Triple(
        "pyarrow.ChunkedArray",
        "v = pa.chunked_array([[1], [2, 3]])",
        "v = v.slice(1)",
        "v.to_pylist()",
        "import pyarrow as pa",
    ),
    Triple(
        "pyarrow.RecordBatch",
        "v = pa.record_batch({'a': [1, 2]})",
        "v = v.slice(1)",
        "v.to_pydict()",
        "import pyarrow as pa",
    ),
    Triple(
        "pyarrow.Schema",
        "v = pa.schema({'a': pa.int64()})",
        "v = v.append(pa.field('b', pa.string()))",
        "str(v)",
        "import pyarrow as pa",
    ),
)
