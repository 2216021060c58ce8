"""Loading keeps what is there from Python's collector of garbage, where nothing of it is the notebook's."""

from __future__ import annotations

import pytest
from scenes import kernel_in

FROZEN = "__import__('gc').get_freeze_count() > 0"


@pytest.mark.parametrize(("first", "frozen"), [("import math\nfrom pathlib import Path", True), ("rows = [1]", False)])
def test_only_a_notebook_without_values_is_settled(tmp_path, first, frozen):
    """What a cell before made may go again and is collected; unloading gives all back."""
    with kernel_in(tmp_path) as kernel:
        kernel.run("%unload_ext durable_nb\n%reset -f", "unload")
        assert kernel.ask(FROZEN) == "False"
        kernel.run(first, "first")
        kernel.run("%load_ext durable_nb", "load")
        assert kernel.ask(FROZEN) == str(frozen)
        kernel.run("%unload_ext durable_nb", "unload")
        assert kernel.ask(FROZEN) == "False"
