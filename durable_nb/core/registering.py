"""Code that registers something with a library: it stays there, unseen, for as long as the process lives."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_nb.core.codes import Codes

_REGISTERS: Final = re.compile(r"(?:un|de)?register(?:_\w+)?")


def registers_with(codes: Codes, names: Mapping[str, Any]) -> str:
    """Return what some code registers with as it calls it, ``mpl.colormaps.register``; "" where it does not.

    By the name, of a module's attribute or of a function that was imported: where a library keeps what it is given
    nobody can know, and what is not replayed merely runs again.

    Args:
        codes: the code.
        names: its globals, after it ran.
    """
    dotted = [each for each in codes.read if _REGISTERS.fullmatch(each[-1])]
    found = [".".join(each) for each in dotted if isinstance(names.get(each[0]), ModuleType)]
    found += [name for name in sorted(codes.names) if _REGISTERS.fullmatch(name) and _is_imported(names.get(name))]
    return found[0] if found else ""


def _is_imported(value: object) -> bool:
    return callable(value) and getattr(value, "__module__", "__main__") != "__main__"
