"""Does a checkpoint of equal key still hold? Everything it depends on besides code and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.core.changes import ConditionChange
from durable_nb.core.conditions import stale
from durable_nb.notebook.partial import why_incomplete
from durable_nb.values.fingerprint import fingerprint_roots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_nb.notebook.cell_step import CellStep
    from durable_nb.notebook.namespace import Namespace
    from durable_nb.store.records import StepRecord


def why_stale(record: StepRecord, step: CellStep) -> str | None:
    """Return why a checkpoint must not be replayed, or None when it holds."""
    checks = (_age, _completeness, _declared_files, _conditions, _kept_names)
    return next((why for check in checks if (why := check(record, step))), None)


def _age(record: StepRecord, step: CellStep) -> str | None:
    limit = step.options.expires_seconds
    if limit is not None and step.clock.now() - record.ended_at > limit:
        return f"its checkpoint is older than --expires {limit:g} s"
    return None


def _completeness(record: StepRecord, step: CellStep) -> str | None:
    return why_incomplete(record, step.options.selection)


def _declared_files(record: StepRecord, step: CellStep) -> str | None:
    recorded = {file.path for file in record.files}
    return next((f"--depends {file.path} is new" for file in step.depends() if file.path not in recorded), None)


def _conditions(record: StepRecord, step: CellStep) -> str | None:
    return stale(record, step.session.written, step.notebook.namespace.names, seeded=step.session.seeded)


def _kept_names(record: StepRecord, step: CellStep) -> str | None:
    found = changed_kept_name(record, step.notebook.namespace)
    return found.line if found is not None else None


def held_names(record: StepRecord) -> Mapping[str, str]:
    """Return the variables that a step did not read but that what it made holds, with the digest of each."""
    found: dict[str, str] = (record.extra or {}).get("held", {})
    return found


def changed_kept_name(record: StepRecord, namespace: Namespace) -> ConditionChange | None:
    """Check variables that are no inputs of a cell, but whose values are part of what it depends on all the same."""
    kept: dict[str, str] = (record.extra or {}).get("kept", {})
    for digests, role in ((kept, "it may bind but left as it was"), (held_names(record), "what it made holds")):
        found = fingerprint_roots(namespace.pick(digests), namespace=namespace.names) if digests else None
        for name, digest in digests.items():
            now = found.each.get(name) if found is not None else None
            if now is None or now.hex() != digest:
                return ConditionChange("kept name", name, f"{name}, which {role}, is another value now")
    return None
