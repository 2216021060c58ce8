"""What a cell sets up in the IPython shell itself: a replay would not, so such a step runs again."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True, slots=True)
class ShellState:
    """The magics, extensions and number format of a shell.

    Attributes:
        magics: what each magic calls, by its name with percent signs; aliases are among them.
        extensions: the modules of the loaded extensions.
        precision: how the shell shows numbers, as ``%precision`` sets it.
    """

    magics: dict[str, Any]
    extensions: frozenset[str]
    precision: str

    @classmethod
    def now(cls, shell: InteractiveShell) -> ShellState:
        """Take the state as it is."""
        live: Any = shell  # its parts may be None by their annotations only
        kinds = live.magics_manager.magics
        return cls(
            {f"%{name}": call for name, call in kinds["line"].items()}
            | {f"%%{name}": call for name, call in kinds["cell"].items()},
            frozenset(live.extension_manager.loaded),
            live.display_formatter.formatters["text/plain"].float_precision,
        )

    def what_changed(self, shell: InteractiveShell) -> str | None:
        """Say what is different now, in words for the user; None when nothing is."""
        now = ShellState.now(shell)
        loaded = sorted(now.extensions - self.extensions)
        made = sorted(name for name, call in now.magics.items() if self._is_new(name, call))
        what = ""
        if loaded:
            what = f"loads the extension {loaded[0]}"
        elif made:
            what = f"defines {made[0]}"
        elif now.precision != self.precision:
            what = "sets %precision"
        return f"it {what}, which a replay would not: do that in a plain cell" if what else None

    def _is_new(self, name: str, call: object) -> bool:
        """Say whether a magic was defined since; IPython itself loads its own when they are first used."""
        return name not in self.magics or (type(call) is FunctionType and self.magics[name] is not call)
