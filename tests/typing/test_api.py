"""The public API type-checks as documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OPTIONS = ("--strict", "--config-file=", "--follow-imports=silent")


def check(file, folder):
    """Run mypy on a file as a user's checker would, with a cache of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", *OPTIONS, f"--cache-dir={folder}", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for the module: the package is read once."""
    pytest.importorskip("mypy")
    return tmp_path_factory.mktemp("mypy")


def test_api_type_checks(cache):
    """Signatures survive @step and @workflow, wrong calls and options are errors, results have their types."""
    done = check(HERE / "api.py", cache)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout


def test_the_check_sees_mistakes(cache, tmp_path):
    """A call that the API file ignores as an error is one when it is not ignored."""
    source = (HERE / "api.py").read_text("utf-8")
    ignores = source.count("  # type: ignore")
    file = tmp_path / "mistakes.py"
    file.write_text("\n".join(line.partition("  # type: ignore")[0] for line in source.splitlines()) + "\n", "utf-8")
    done = check(file, cache)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(errors) == ignores > 10
