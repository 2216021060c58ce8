"""How the public API looks to a type checker: checked by mypy --strict, never run.

Lines that must be errors carry an ignore with their code; mypy complains about an ignore that ignores nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, assert_type

from durable_nb import (
    DurableError,
    MaxStepRetriesExceeded,
    StepError,
    StepTimeout,
    fork_workflow,
    list_steps,
    list_workflows,
    open_store,
    sleep,
    step,
    step_status,
    workflow,
    workflow_id,
)
from durable_nb.testing import FakeClock, crash_at, temporary_store

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


@step
def plain(a: int, b: str = "", *, c: float = 0.0) -> list[str]:
    return [b] * a


@step(
    name="fetch",
    retries_allowed=True,
    interval_seconds=0.5,
    max_attempts=10,
    backoff_rate=2,
    should_retry=lambda error: isinstance(error, OSError),
    timeout_seconds=None,
    max_interval_seconds=60,
    jitter=0.1,
    expires_seconds=3600,
)
def with_options(url: str) -> bytes:
    return url.encode()


async def ask(error: BaseException) -> bool:
    return True


@step(retries_allowed=True, should_retry=ask)
async def asynchronous(x: int) -> str:
    return str(x)


class Client:
    @step
    def get(self, path: str) -> bytes:
        return path.encode()

    @step(retries_allowed=True)
    async def get_async(self, path: str) -> bytes:
        return path.encode()

    @staticmethod
    @step
    def static(x: int) -> int:
        return x


@workflow
def main(n: int) -> str:
    assert_type(plain(n, "x", c=1), list[str])
    return "done"


@workflow(name="nightly")
async def main_async(n: int) -> str:
    assert_type(await asynchronous(n), str)
    return "done"


def steps_keep_their_signature() -> None:
    assert_type(plain(1), list[str])
    assert_type(plain.fresh(1, b="x"), list[str])
    assert_type(with_options("u"), bytes)
    coroutine: Coroutine[Any, Any, str] = asynchronous(1)
    coroutine.close()
    coroutine = asynchronous("1")  # type: ignore[arg-type]
    assert_type(plain.name, str)
    plain("1")  # type: ignore[arg-type]
    plain()  # type: ignore[call-arg]
    plain(1, d=2)  # type: ignore[call-arg]
    plain.fresh("1")  # type: ignore[arg-type]
    with_options(1)  # type: ignore[arg-type]


async def methods_are_bound(client: Client) -> None:
    assert_type(client.get("p"), bytes)
    assert_type(client.get.fresh("p"), bytes)
    assert_type(await client.get_async("p"), bytes)
    assert_type(Client.get(client, "p"), bytes)
    assert_type(Client.static(1), int)
    client.get(1)  # type: ignore[arg-type]
    client.get()  # type: ignore[call-arg]


def options_are_checked() -> None:
    step(max_attempts="3")  # type: ignore[call-overload]
    step(retries=True)  # type: ignore[call-overload]
    workflow(nam="x")  # type: ignore[call-overload]


async def workflows() -> None:
    assert_type(main(1), str)
    assert_type(await main_async(1), str)
    main("1")  # type: ignore[arg-type]
    with workflow_id("nightly") as name:
        assert_type(name, str)
    (execution, *_), (row, *_) = list_workflows(), list_steps("nightly")
    assert_type(execution.workflow_id, str)
    assert_type(execution.ended_at, datetime | None)
    assert_type((row.step_id, row.attempts, row.started_at), tuple[int, int, datetime])
    assert_type(fork_workflow("nightly", 2, new_id=None), str)


def the_rest() -> None:
    status = step_status()
    if status is not None:
        assert_type(status.step_id, int)
        assert_type(status.current_attempt, int | None)
    with open_store("s.duckdb", clock=FakeClock()) as session:
        assert_type(session.closed, bool)
    with temporary_store(clock=FakeClock()):
        crash_at("after_body", "fetch")
        crash_at("later")  # type: ignore[arg-type]
    sleep(1.5)
    try:
        plain(1)
    except MaxStepRetriesExceeded as error:
        assert_type(error.errors, list[BaseException])
    except StepTimeout as error:
        assert_type(error.timeout_seconds, float)
    except StepError as error:
        assert_type(error.error_type, str)
    except DurableError as error:
        assert_type(error, DurableError)
