"""What is written together: handed to the engine, which commits it as fits its driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_nb.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from durable_nb.core.session import Session
    from durable_nb.store.records import Record


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Records that become durable together, and what is to be done once they are.

    Attributes:
        session: whose ledger they go to.
        records: in the order of writing.
        done: called once they are on disk.
        awaited: whether whoever commits waits for that. Else ``done`` is called before, and what is lost when the
            process dies in between runs again.
    """

    session: Session
    records: tuple[Record, ...]
    done: Callable[[], None] = _nothing
    awaited: bool = True

    def commit(self) -> StoreError | None:
        """Block until they are on disk; returns why they are not."""
        if not self.awaited:
            self._hand_over()
            return None
        try:
            self.session.ledger.commit(*self.records)
        except StoreError as error:
            return error
        self.done()
        return None

    async def commit_async(self) -> StoreError | None:
        """Let the event loop go on until they are; cancelling the waiter does not cancel the commit."""
        if not self.awaited:
            self._hand_over()
            return None
        try:
            future = self.session.write(*self.records)
            future.add_done_callback(self._finish)
            await self.session.arrivals().wait(future)
            future.result()
        except StoreError as error:
            return error
        return None

    def _hand_over(self) -> None:
        self.session.write(*self.records).add_done_callback(self._tell)
        self.done()

    def _tell(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self.session.warn(str(error))

    def _finish(self, future: Future[None]) -> None:
        if future.exception() is None:
            self.done()
