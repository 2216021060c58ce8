"""Where a client says that it leads: the attributes whose names mean an address."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.kinds import class_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Final = (
    "url|uri|endpoint|host|hostname|port|addr|address|server|dsn|database|dbname|db|schema|catalog|warehouse|"
    "account|project|tenant|region|bucket|container|collection|topic|model|deployment|api_version"
)
_ADDRESS: Final = re.compile(
    rf"_*(?:(?:api|base|root|server|service)_)?(?:{_WORDS})(?:_(?:name|id|url|uri))?", re.IGNORECASE
)
_PLAIN: Final = frozenset({str, bytes, int, bool, type(None)})
_URLS: Final = frozenset({("httpx", "URL"), ("yarl", "URL"), ("httpx._urls", "URL"), ("yarl._url", "URL")})


def address_of(attributes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what the attributes of a client tell of its address: names and texts, sorted.

    It is no substitute for knowing what made the client, but an address that was changed since, or that came from
    where no key looks (a reply of a service), shows here. Counters, tokens and the like never do.
    """
    names = [name for name in list(attributes) if type(name) is str and _ADDRESS.fullmatch(name)]
    return tuple((name, text) for name in sorted(names) if (text := _text(attributes.get(name))))


def _text(value: object) -> str:
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, PurePath) or class_name(type(value)) in _URLS:
        return str(value)
    return ""
