"""What a step changed in place in its inputs: found by fingerprints, recorded, and made again in the live objects."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.recording import Unrecordable
from durable_nb.values.fingerprint import Fingerprints, Graph
from durable_nb.values.inplace import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from durable_nb.values.states import States

_MOST_CHANGES: Final = 200_000

LiveState = tuple[Any, str, Any]
"""A live object, the name of its form, and a state of it."""


@dataclass(frozen=True, slots=True)
class Mutations:
    """What changed in place while a step ran.

    Attributes:
        states: every object that changed, with its state now.
        after: the fingerprints of the inputs that changed, by name, and of what all of them share, under "".
    """

    states: tuple[LiveState, ...]
    after: Mapping[str, str]

    @property
    def objects(self) -> list[Any]:
        """The live objects that changed."""
        return [obj for obj, _, _ in self.states]


NO_MUTATIONS: Final = Mutations((), {})


def find_mutations(
    before: Fingerprints, after: Fingerprints, snapshot: States, apart: Collection[str] = ()
) -> Mutations:
    """Compare the inputs of a step with what they were before it ran.

    Args:
        before: their fingerprints.
        after: the same now.
        snapshot: the objects as they were.
        apart: names of inputs whose changes are recorded elsewhere.

    Raises:
        Unrecordable: something changed that cannot be changed again in place; the path to it is named.
    """
    for name, opaque in after.opaque.items():
        if name in before.each:
            raise Unrecordable(f"it changed {name} in place, which cannot be compared any more ({opaque.path})")
    found = [name for name in changed_names(before.each, after) if name not in apart]
    sharing = _sharing(before.each, after)
    # An equal object in another's place changes no fingerprint, beside one that did change or not.
    looked = snapshot.relinked().union(found)
    if not looked and sharing == _sharing(before.each, before):
        return NO_MUTATIONS
    changes = snapshot.changes(looked or None)
    for change in changes:
        if change.form is None:
            kind = type(change.obj).__qualname__
            raise Unrecordable(f"it changed {change.path} in place, and a {kind} cannot be changed back in place")
    if not changes or len(changes) > _MOST_CHANGES:
        why = f"{len(changes):,} objects in it may have changed" if changes else "how could not be found out"
        raise Unrecordable(f"it changed {', '.join(sorted(found)) or 'what its inputs share'} in place: {why}")
    states = tuple((each.obj, each.form or "", FORMS[each.form or ""].read(each.obj)) for each in changes)
    return Mutations(states, {"": sharing, **{name: after.each[name].hex() for name in found}})


def changed_names(each: Mapping[str, bytes], after: Fingerprints) -> list[str]:
    """Return the names whose values have another fingerprint than before."""
    return [name for name, digest in each.items() if after.each.get(name) != digest]


def _sharing(names: Iterable[str], found: Fingerprints) -> str:
    walks = {name: found.graph.walks[name] for name in names if name in found.graph.walks}
    return Graph(walks).sharing_digest().hex()


class Redo:
    """Makes recorded mutations again in the live objects of this process, or leaves these as they were.

    Args:
        states: the live objects with the states that they get.
        before: the fingerprints of the step's inputs as they are.
        after: ``Mutations.after`` as recorded.
    """

    def __init__(self, states: Iterable[LiveState], before: Fingerprints, after: Mapping[str, str]) -> None:
        self._states = list(states)
        self._before = before
        self._after = after
        self._undo: list[LiveState] = []

    def apply(self, fingerprint: Callable[[], Fingerprints]) -> str | None:
        """Write all states, and check with ``fingerprint`` that the inputs became what they were after the step.

        Returns:
            Why it could not be done, in words for the user; everything is as it was then. None when it is done.
        """
        try:
            for obj, form, state in self._states:
                self._undo.append((obj, form, FORMS[form].keep(obj)))
                FORMS[form].write(obj, state)
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises, the step runs again and says why
            self.undo()
            return f"a {type(obj).__qualname__} in its inputs could not be changed as recorded: {error}"
        wrong = self._what_differs(fingerprint())
        if wrong is not None:
            self.undo()
        return wrong

    @contextmanager
    def or_nothing(self) -> Iterator[None]:
        """Undo what was applied when the rest of a replay fails, or is interrupted."""
        try:
            yield
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Give every object the state back that it had; an interrupt does not leave half of that."""
        while self._undo:
            obj, form, state = self._undo[-1]
            try:
                with suppress(Exception):  # what takes no state at all was not changed either
                    FORMS[form].write(obj, state)
                self._undo.pop()
            except KeyboardInterrupt:
                continue  # this state is written once more; whoever calls has the first interrupt to raise

    def _what_differs(self, now: Fingerprints) -> str | None:
        for name, digest in self._before.each.items():
            expected = self._after.get(name, digest.hex())
            if name not in now.each or now.each[name].hex() != expected:
                return f"its change of {name} could not be made again in place"
        if _sharing(self._before.each, now) != self._after[""]:
            return "which objects its inputs share could not be made so again"
        return None
