"""Where the clients of a notebook come from: the key of the cell or call that made each (DESIGN §4, opaque values)."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from durable_nb.core.codes import Codes
from durable_nb.core.environ import variables_named
from durable_nb.errors import FingerprintError
from durable_nb.notebook.running import RunningCell, budget
from durable_nb.values.budget import TooLargeError
from durable_nb.values.clients import find_clients, holding_modules
from durable_nb.values.modules import module_fingerprint, stale_on_disk
from durable_nb.values.provenance import Provenance, attach, detach
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

    from durable_nb.core.session import Session
    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.namespace import Namespace

logger = logging.getLogger("durable_nb")


class Origins:
    """Follows the cells and gives the clients they make their provenance."""

    def __init__(self, session: Session, namespace: Namespace) -> None:
        self._session = session
        self._namespace = namespace
        self._known = Provenance()
        self._running: RunningCell | None = None
        self._modules: dict[str, int] = {}
        self._meeting = threading.Lock()
        attach(namespace.names, self._known)
        session.meet = self.meet

    def close(self) -> None:
        """Follow no longer."""
        self._leave()
        detach(self._namespace.names)

    @property
    def running(self) -> RunningCell:
        """The cell that runs; one that knows nothing while none does."""
        return self._running or RunningCell(self._session, self._namespace)

    def begin(self, source: str, *, is_step: bool, code: CellCode | None = None) -> None:
        """A cell begins; what a step reads is told later, by itself.

        Args:
            source: the cell as it was typed.
            is_step: whether it is a step.
            code: its analysis, where there is one already.
        """
        self._leave()
        running = self._running = RunningCell(self._session, self._namespace)
        if is_step:
            return
        running.watch()
        try:
            running.read_plain(source, code)
        except Exception:
            logger.exception("what a cell reads could not be looked at")

    def end(self) -> None:
        """The cell is over: clients that it bound or read and that nobody knew are its own."""
        running = self._running
        if running is None:
            return
        try:
            self._note(running)
        except TooLargeError:
            pass  # what is not found stays unknown, and equals nothing
        except Exception:
            logger.exception("what a cell made could not be looked at")
            self._known.forget()
            self._modules.clear()
        finally:
            self._leave()

    def meet(self, clients: Iterable[object]) -> bool:
        """Give clients that a call is given before the cell that makes them is over their provenance.

        Returns:
            Whether any of them is known now.
        """
        running = self._running
        if running is None:
            return False
        clients = list(clients)
        with self._meeting:
            for client in clients:
                place = running.place_of(client) if self._known.of(client) is None else None
                if place is not None:
                    self._give(client, running, place)
        # Perhaps by another thread, since the call looked.
        return any(isinstance(self._known.of(client), bytes) for client in clients)

    def _note(self, running: RunningCell) -> None:
        if self._known and running.may_change_any():
            self._known.forget()
        for client in running.changed() if self._known else ():
            if self._known.of(client) is not None:
                self._give(client, running, ("changed", ""))
        touched = running.touched()
        for module, attributes in self._new_modules(touched):
            for name, number, client in self._new_clients(attributes):
                place = (f"{module.__name__}:{name}", number)
                self._give(client, running, place, module if running.only_imports() else None)
        for name, number, client in self._new_clients(touched):
            self._give(client, running, (name, number))

    def _new_modules(self, touched: Mapping[str, object]) -> Iterator[tuple[ModuleType, dict[str, object]]]:
        """Yield the local modules behind some values whose names are not all as when they were last looked at."""
        for module, attributes in holding_modules(touched.values(), self._namespace.names):
            seen = hash((registry.version, *((name, id(value)) for name, value in attributes.items())))
            if self._modules.get(module.__name__) != seen:
                self._modules[module.__name__] = seen
                yield module, attributes

    def _new_clients(self, values: Mapping[str, object]) -> Iterator[tuple[str, int, object]]:
        for found in find_clients(values, self._namespace.names, budget()):
            if self._known.of(found[2]) is None:
                yield found

    def _give(
        self, client: object, running: RunningCell, place: tuple[str, str | int], module: ModuleType | None = None
    ) -> None:
        before = self._known.of(client)
        key = running.key_now() if module is None else module_key(module)
        if isinstance(key, bytes) and not isinstance(before, str):
            key = xxhash.xxh3_128_digest(key + repr((before, *place)).encode())
        elif isinstance(before, str):
            key = before
        self._known.set(client, key)

    def _leave(self) -> None:
        if self._running is not None:
            self._running.unwatch()
            self._running = None


def module_key(module: ModuleType) -> bytes | str:
    """Return the key of what a local module makes when it is imported; why it has none otherwise."""
    if stale_on_disk(module) or not module.__file__:
        return f"it is not known how module {module.__name__} made it"
    try:
        code = compile(Path(module.__file__).read_bytes(), module.__file__, "exec", dont_inherit=True)
        variables = repr(sorted(variables_named(Codes([code])).items())).encode()
        return xxhash.xxh3_128_digest(module_fingerprint(module) + variables)
    except (OSError, SyntaxError, ValueError, FingerprintError) as error:
        return f"it is not known how module {module.__name__} made it: {error}"
