"""What a cell sets up in the IPython shell itself: a replay would not, so such a step runs again."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

_PERCENT_SIGNS: Final = {"line": "%", "cell": "%%"}


@dataclass(frozen=True, slots=True)
class ShellState:
    """The magics, extensions and number format of a shell.

    Attributes:
        magics: what each magic calls, by its kind, line or cell, and its name; aliases are among them.
        extensions: the modules of the loaded extensions.
        precision: how the shell shows numbers, as ``%precision`` sets it.
    """

    magics: dict[str, dict[str, Any]]
    extensions: frozenset[str]
    precision: str

    @classmethod
    def now(cls, shell: InteractiveShell) -> ShellState:
        """Take the state as it is."""
        live: Any = shell  # its parts may be None by their annotations only
        kinds = live.magics_manager.magics
        return cls(
            {kind: dict(kinds[kind]) for kind in _PERCENT_SIGNS},
            frozenset(live.extension_manager.loaded),
            live.display_formatter.formatters["text/plain"].float_precision,
        )

    def what_changed(self, shell: InteractiveShell) -> str | None:
        """Say what is different now, in words for the user; None when nothing is."""
        now = ShellState.now(shell)
        loaded = sorted(now.extensions - self.extensions)
        made = [] if now.magics == self.magics else sorted(self._new(now.magics))
        what = ""
        if loaded:
            what = f"loads the extension {loaded[0]}"
        elif made:
            what = f"defines {made[0]}"
        elif now.precision != self.precision:
            what = "sets %precision"
        return f"it {what}, which a replay would not: do that in a plain cell" if what else None

    def _new(self, magics: dict[str, dict[str, Any]]) -> Iterator[str]:
        """Yield the magics that were defined since; IPython itself loads its own when they are first used."""
        for kind, calls in magics.items():
            known = self.magics[kind]
            for name, call in calls.items():
                if name not in known or (type(call) is FunctionType and known[name] is not call):
                    yield _PERCENT_SIGNS[kind] + name
