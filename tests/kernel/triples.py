"""Values of many classes: how each is made, how it is changed, and what tells its value."""

from __future__ import annotations

from triples_data import NUMPY, PANDAS, POLARS, PYARROW
from triples_python import STANDARD_LIBRARY
from triples_science import MATPLOTLIB, NETWORKX, SCIPY, SKLEARN

LIBRARIES = {
    "standard library": STANDARD_LIBRARY,
    "numpy": NUMPY,
    "pandas": PANDAS,
    "polars": POLARS,
    "pyarrow": PYARROW,
    "scipy": SCIPY,
    "scikit-learn": SKLEARN,
    "matplotlib": MATPLOTLIB,
    "networkx": NETWORKX,
}
"""By the name under which each is installed."""
