"""Which cells only set up, and so are no steps in auto mode."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from durable_nb.notebook.setting_up import only_sets_up

NAMES = {"np": np, "frame": [1]}


def sets_up(shell, source):
    return only_sets_up(ast.parse(shell.transform_cell(source)), NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "import os, numpy as np\nfrom pathlib import Path",
        "def f(x):\n    return expensive(x)",
        "class A:\n    n = 3",
        '"""What this notebook does."""',
        "N = 5\nNAMES = ['a', -1, {'k': (1, 2)}]\nx: int = 3",
        "np.random.seed(0)",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "import pandas as pd\npd.set_option('display.max_rows', 9)\npd.options.display.width = 80",
        "import matplotlib.pyplot as plt\nplt.rcParams['figure.dpi'] = 80",
        "%matplotlib inline\n%config Application.log_level = 20",
        "%load_ext durable_nb",
        "frame?",
        "%%html\n<b>x</b>",
        "%%bash\necho x",
        "try:\n    import nothing\nexcept ImportError:\n    nothing = None",
        "",
    ],
)
def test_sets_up(shell, source):
    """Imports, definitions, literals, configuration of modules, and magics that run no Python."""
    assert sets_up(shell, source)


@pytest.mark.parametrize(
    "source",
    [
        "x = f()",
        "f()",
        "frame.append(2)",
        "frame.set(3)",
        "x = [n for n in frame]",
        "x = frame",
        "import os\nos.getcwd()",
        "%time x = 1",
        "%run other.py",
        "%%time\nx = f()",
        "%%capture out\nx = f()",
        "!echo x",
        "x = !ls",
        "frame[0] = 2",
        "for n in frame: pass",
        "def f(x=g()): pass\nf()",
    ],
)
def test_does_more(shell, source):
    """What computes, changes objects in place, or shows values is a step."""
    assert not sets_up(shell, source)
