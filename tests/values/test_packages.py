"""Which distribution a module is of, whatever its name."""

from __future__ import annotations

import importlib.metadata

import pytest

from durable_nb.values import packages

MODULES = {"scikit_tiny": "sktiny", "Pillowcase": "PIC", "other_name": "xy7"}


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    """A folder of installed packages with a module each, none of the name of its distribution."""
    folder = tmp_path / "site-packages"
    for number, (distribution, module) in enumerate(MODULES.items()):
        info = folder / f"{distribution}-{number}.5.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {number}.5\n\n")
        info.joinpath("RECORD").write_text(f"{module}/__init__.py,,\n{info.name}/METADATA,,\n")
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize(("module", "version"), [("sktiny", "0.5"), ("PIC", "1.5"), ("xy7", "2.5"), ("sktin", "")])
def test_the_version_of_a_module_of_another_name(module, version):
    """The distribution that has it tells; a name that is only like one is none."""
    assert packages.installed_version(module) == version


@pytest.mark.parametrize("module", ["sktiny", "PIC"])
def test_like_names_are_looked_at_first(module, monkeypatch):
    """All the others, of which there are hundreds, are not read."""

    def distributions():
        pytest.fail("all were looked at")
        yield

    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
    assert packages.installed_version(module)
