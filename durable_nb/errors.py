"""Every exception durable_nb raises: what happened, to which step, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class DurableError(Exception):
    """Base of every error of durable_nb; catch it to catch them all."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, so that subclasses with their own signature survive a process boundary."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(kind: type[DurableError], args: tuple[Any, ...], state: dict[str, Any]) -> DurableError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class DurableWarning(UserWarning):
    """Something could not be made durable; the user's code ran all the same."""


class OptionError(DurableError, ValueError):
    """An option has a value that cannot be used; the message names the option."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option


class DuplicateStepName(DurableError):  # noqa: N818 - a state, as in StoreLocked
    """Two cells of a notebook have one explicit name, so that the name means neither.

    Attributes:
        notebook: its path.
        name: the name.
    """

    def __init__(self, notebook: str, name: str) -> None:
        super().__init__(
            f"two cells of {notebook} are named {name}: rename one, or %durable why {name} and rerun {name} "
            "cannot tell them apart"
        )
        self.notebook = notebook
        self.name = name


class StepError(DurableError):
    """A recorded error whose own type could not be restored; carries its type, message and traceback.

    Attributes:
        step_name: the step that failed.
        error_type: qualified name of the original exception's type.
        error_args: ``repr`` of each of its arguments.
        traceback_text: the formatted traceback of the original.
    """

    def __init__(
        self,
        step_name: str,
        error_type: str,
        message: str,
        *,
        error_args: Sequence[str] = (),
        traceback_text: str = "",
    ) -> None:
        super().__init__(f"{error_type}: {message}")
        self.step_name = step_name
        self.error_type = error_type
        self.error_args = tuple(error_args)
        self.traceback_text = traceback_text


class MaxStepRetriesExceeded(DurableError):  # noqa: N818 - DBOS's name
    """A step failed on each of its attempts.

    Attributes:
        step_name: the step.
        max_attempts: how many attempts it had, the first included.
        errors: the exceptions of this process's attempts, oldest first.
    """

    def __init__(self, step_name: str, max_attempts: int, errors: Sequence[BaseException]) -> None:
        last = f": {type(errors[-1]).__name__}: {errors[-1]}" if errors else ""
        super().__init__(f"step {step_name} failed on all {max_attempts} attempts{last}")
        self.step_name = step_name
        self.max_attempts = max_attempts
        self.errors = list(errors)


class StepTimeout(DurableError, TimeoutError):  # noqa: N818 - reads as the event it is
    """One attempt of a step ran longer than its ``timeout_seconds``."""

    def __init__(self, step_name: str, timeout_seconds: float) -> None:
        super().__init__(f"step {step_name} ran longer than timeout_seconds={timeout_seconds:g}")
        self.step_name = step_name
        self.timeout_seconds = timeout_seconds


class FingerprintError(DurableError):
    """A value has no fingerprint; ``path``, ``type_name`` and ``reason`` say which part of it and why."""

    def __init__(self, path: str, type_name: str, reason: str) -> None:
        super().__init__(f"{path}: {type_name}: {reason}")
        self.path = path
        self.type_name = type_name
        self.reason = reason


class EncodeError(DurableError):
    """A value cannot be saved; ``path``, ``type_name`` and ``reason`` name the culprit inside it.

    Attributes:
        path: the way to the culprit as people write it, shortened where it is long.
        type_name: the culprit's type.
        reason: why it cannot be saved.
        keys: the dict keys that are names, in the order of the way from the value, as far as it was followed.
    """

    def __init__(self, path: str, type_name: str, reason: str, keys: Sequence[str] = ()) -> None:
        super().__init__(f"{path}: {type_name} cannot be saved: {reason}")
        self.path = path
        self.type_name = type_name
        self.reason = reason
        self.keys = tuple(keys)


class DecodeError(DurableError):
    """A checkpoint cannot be loaded in this process; the step runs again."""


class StoreError(DurableError):
    """Base of what can be wrong with a store; ``path`` is the ledger's path."""

    def __init__(self, path: object, message: str) -> None:
        super().__init__(message)
        self.path = str(path)


class StoreUnusable(StoreError):  # noqa: N818 - a state, as in StoreLocked
    """The store's path is a directory, is not a DuckDB file, cannot be written, or is of another format."""


class StoreLocked(StoreError):  # noqa: N818
    """Another process holds the store; ``pid`` and ``notebook`` name it where known."""

    def __init__(self, path: object, pid: int | None, notebook: str | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        where = f" (notebook {notebook})" if notebook else ""
        super().__init__(
            path,
            f"the store {path} is held by {owner}{where}; this kernel runs without checkpoints: "
            "close that kernel and restart this one to make it durable",
        )
        self.pid = pid
        self.notebook = notebook


class CheckpointUntrusted(StoreError):  # noqa: N818
    """A row's keyed digest does not match: it was written with another key, or changed since."""


class WorkflowConflict(DurableError):  # noqa: N818
    """A workflow id is in use by another workflow, or by one that is running now."""


class NoSuchWorkflow(DurableError, KeyError):  # noqa: N818
    """No execution has this workflow id; ``list_workflows()`` shows those there are."""

    def __str__(self) -> str:
        """Show the message rather than KeyError's quoted repr."""
        return str(self.args[0])
