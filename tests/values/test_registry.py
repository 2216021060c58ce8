"""The registry: what users say about types."""

from __future__ import annotations

import pytest

from durable_nb.errors import FingerprintError, OptionError
from durable_nb.values.fingerprint import fingerprint
from durable_nb.values.registry import Registration, register, registry


class Handle:
    def __init__(self, key: int) -> None:
        self.key, self.generator = key, (x for x in ())


class Special(Handle):
    pass


@pytest.fixture(autouse=True)
def _forget() -> object:
    yield
    registry.unregister(Handle)


def test_a_registered_fingerprint_stands_for_the_value() -> None:
    """The function given decides, for subclasses as well."""
    with pytest.raises(FingerprintError):
        fingerprint(Handle(1))
    register(Handle, fingerprint=lambda handle: handle.key)
    assert fingerprint(Handle(1)) == fingerprint(Handle(1))
    assert fingerprint(Handle(1)) != fingerprint(Handle(2))
    assert fingerprint(Special(1)) != fingerprint(Handle(1))


def test_stateless_values_are_all_equal() -> None:
    """A stateless type makes its values equal and never opaque."""
    register(Handle, stateless=True)
    assert fingerprint([Handle(1)]) == fingerprint([Handle(2)])


def test_default_names_cover_subclasses_of_clients() -> None:
    """A class that derives from a known client by name is stateless without an import."""
    base = type("BaseClient", (), {"__module__": "openai._base_client"})
    assert registry.find(type("OpenAI", (base,), {})) == Registration(stateless=True, default=True)
    assert registry.find(dict) is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "stateless"),
        ({"save": str}, "save"),
        ({"stateless": True, "fingerprint": str}, "stateless"),
    ],
)
def test_registrations_that_say_nothing_are_refused(options: dict[str, object], named: str) -> None:
    """The error names the option."""
    with pytest.raises(OptionError) as raised:
        register(Handle, **options)  # type: ignore[arg-type]
    assert raised.value.option == named
