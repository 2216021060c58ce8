"""What a step did besides what it returned or bound: made again by a replay, of a cell and of a call alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.core import streams
from durable_nb.core.module_attributes import make_again
from durable_nb.core.mutations import Redo
from durable_nb.core.settings import apply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from durable_nb.values.fingerprint import Fingerprints


def restore_effects(
    effects: Mapping[str, Any],
    after: Mapping[str, str],
    before: Fingerprints | None,
    fingerprint: Callable[[], Fingerprints],
) -> str | None:
    """Change inputs in place, settings of the process, attributes of modules and random streams as recorded.

    Args:
        effects: ``changes``, ``settings``, ``modules`` and ``streams`` as they were recorded, where there were any.
        after: ``Mutations.after`` as recorded.
        before: the fingerprints of the step's inputs as they are; None where none can be changed in place.
        fingerprint: takes the same fingerprints once more.

    Returns:
        Why it could not be done, in words for the user; the inputs are as they were then. None when it is done.
    """
    if before is None or "changes" not in effects:
        return _restore_process(effects)
    redo = Redo(effects["changes"], before, after)
    with redo.or_nothing():
        wrong = redo.apply(fingerprint) or _restore_process(effects)
        if wrong is not None:
            redo.undo()
        return wrong


def _restore_process(effects: Mapping[str, Any]) -> str | None:
    try:
        apply(effects.get("settings", {}))
        make_again(effects.get("modules", {}))
        streams.restore(effects.get("streams", {}))
    except (ImportError, OSError, ValueError, KeyError) as error:
        return f"the settings it changed cannot be made again: {error}"
    return None
