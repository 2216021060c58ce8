"""A class of values, and how one is made and changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Triple:
    """A class, declared in one step and modified in the next.

    Attributes:
        name: of the class, as the table shows it.
        declare: code that binds ``v``.
        modify: code that changes ``v``.
        value: an expression whose repr tells the value of ``v``.
        needs: imports, as code.
    """

    name: str
    declare: str
    modify: str
    value: str = "v"
    needs: str = "pass"

    @property
    def key(self) -> str:
        """The name as a part of identifiers."""
        return "".join(each if each.isalnum() else "_" for each in self.name)
