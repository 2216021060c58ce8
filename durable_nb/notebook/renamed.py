"""What is said and done when a notebook has no store yet, and stores of other notebooks lie beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.notebook.analysis import analyse_cell
from durable_nb.notebook.file import STEP, durable_sources, sources_of
from durable_nb.notebook.plain import digest_of
from durable_nb.store.adoption import adopt, others
from durable_nb.store.location import notebook_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def look_for_store(ledger: Path, notebook: Path | None, transform: Callable[[str], str]) -> str:
    """Adopt the store of a notebook that was renamed to this one, before this one's is made; say what there is to say.

    Args:
        ledger: of the notebook.
        notebook: its file, None where it is not known.
        transform: IPython's ``transform_cell``.

    Raises:
        StoreUnusable: the signing key cannot be used.
    """
    stores = others(ledger, notebook) if notebook is not None else []
    sources = sources_of(notebook) if notebook is not None and stores else []
    if notebook is None or not sources:
        return ""
    gone = [each for each in stores if not notebook_of(each).exists()]
    orphan = adopt(ledger, notebook, gone, _digests(sources, transform)) if gone else None
    if orphan is not None and orphan.trusted:
        return f"{notebook.name} has taken over the checkpoints of {notebook_of(orphan.ledger).name}, which is gone"
    if orphan is not None:
        return (
            f"{orphan.ledger} has checkpoints of these cells, but not written with your key, so it stays where it is: "
            f"to use it, rename it to {ledger.name}, restart, and %durable trust"
        )
    return _original(stores, notebook, durable_sources(sources))


def _original(stores: list[Path], notebook: Path, steps: set[str]) -> str:
    """Name the notebook that this one is a copy of: the one that has most of its steps, letter by letter."""
    shared = {each: len(steps & set(sources_of(notebook_of(each)))) for each in stores} if steps else {}
    original = max(shared, key=lambda each: shared[each], default=None)
    if original is None or not shared[original]:
        return ""
    return (
        f"{notebook.name} begins without checkpoints; those of {notebook_of(original).name}, "
        f"which has the same steps, stay in {original}"
    )


def _digests(sources: list[str], transform: Callable[[str], str]) -> set[str]:
    """Return the code digests of a notebook's cells as the ledger has them."""
    found = set()
    for source in sources:
        try:
            if source.startswith(STEP):
                found.add(analyse_cell(source.partition("\n")[2], transform=transform).digest.hex())
            else:
                found.add(digest_of(transform(source)))
                found.add(analyse_cell(source, transform=transform).digest.hex())  # as a step of auto mode
        except (SyntaxError, ValueError, RecursionError):
            continue  # a cell that does not run has no checkpoint
    return found
