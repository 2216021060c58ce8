"""Checkpoints without some of a step's outputs: those that cannot be saved, and those the user does not want saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from durable_nb.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from durable_nb.store.records import StepRecord
    from durable_nb.values.pickling import Encoded

    State = Mapping[str, Any]

RESULT = "_"
"""How flags and rows call what a cell's last line yields; no variable of the user has this name."""
MAX_TRIES = 10
"""A step with more outputs that cannot be saved has none of them saved."""
MAX_SHOWN = 3
_SAYS_THE_TYPE_ONLY = re.compile(r"cannot pickle '[\w.]+' object")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which outputs of a step its checkpoints need not have.

    Attributes:
        keep: the only names that are saved, where there are any.
        ephemeral: names that are not saved.
    """

    keep: tuple[str, ...] = ()
    ephemeral: tuple[str, ...] = ()

    def leaves_out(self, name: str) -> bool:
        """Say whether a name is neither saved nor replayed."""
        return name in self.ephemeral or bool(self.keep and name not in self.keep and name != RESULT)

    def may_lack(self, name: str) -> bool:
        """Say whether a checkpoint without a name stands for the step; ``--keep`` speaks of names, not of results."""
        return self.leaves_out(name) or bool(self.keep and name == RESULT)

    def flag(self, name: str) -> str:
        """Return the flag that leaves a name out."""
        return f"--ephemeral {name}" if name in self.ephemeral else " ".join(f"--keep {each}" for each in self.keep)

    def unknown(self, bound: Iterable[str]) -> list[str]:
        """Return the flags that name nothing of what a step binds."""
        known = {*bound, RESULT}
        pairs = [("--keep", name) for name in self.keep] + [("--ephemeral", name) for name in self.ephemeral]
        return [f"{flag} {name}" for flag, name in pairs if name not in known]

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the values to save or bind, and the names left out; ``--keep`` spares modules, which cost nothing."""
        kept = {
            name: value
            for name, value in values.items()
            if not self.leaves_out(name) or (type(value) is ModuleType and name not in self.ephemeral)
        }
        return kept, sorted(values.keys() - kept.keys())


@dataclass(frozen=True, slots=True)
class Part:
    """What of a step's outputs could be encoded.

    Attributes:
        encoded: the state without the rest.
        unsaved: name -> why it cannot be saved, as people are told: ``g: generator``.
    """

    encoded: Encoded
    unsaved: dict[str, str]


def encode_part(state: State, encode: Callable[[State], Encoded]) -> Part:
    """Encode a step's state; what cannot be saved is taken out of it, one name at a time, and the rest tried again.

    What is left goes into one stream, so what its names share they go on sharing.

    Args:
        state: ``names``: the outputs by name; ``result``, where there is one; and more, which has to be saved.
        encode: saves a state or raises.

    Raises:
        EncodeError: what has to be saved cannot be.
    """
    unsaved: dict[str, str] = {}
    for _ in range(MAX_TRIES):
        try:
            return Part(encode(state), unsaved)
        except EncodeError as error:
            name, why = _output_at_fault(error, state, encode)
            if name is None:
                raise
            unsaved[name] = culprit_text(why, name)
            state = _without(state, {name})
    rest = {*state["names"], *({RESULT} if "result" in state else ())}
    unsaved |= dict.fromkeys(sorted(rest), f"not tried: {MAX_TRIES} others cannot be saved")
    return Part(encode(_without(state, rest)), unsaved)


def _output_at_fault(
    error: EncodeError, state: State, encode: Callable[[State], Encoded]
) -> tuple[str | None, EncodeError]:
    match error.keys:
        case ("names", name, *_):
            return name, error
        case ("result", *_):
            return RESULT, error
        case (other, *_) if other != "names":
            return None, error
    # The search for the culprit was cut short: the first output that cannot be saved alone is at fault.
    only: State = {"names": {}, "deleted": []}
    alone = {name: {**only, "names": {name: value}} for name, value in state["names"].items()}
    if "result" in state:
        alone[RESULT] = {**only, "result": state["result"]}
    for name, part in alone.items():
        try:
            encode(part)
        except EncodeError as why:
            return name, why
    return None, error


def _without(state: State, names: set[str]) -> dict[str, Any]:
    """Return a state without some outputs; a result that is one of them goes with it."""
    rest = {**state, "names": {name: value for name, value in state["names"].items() if name not in names}}
    gone = [value for name, value in state["names"].items() if name in names]
    if RESULT in names or ("result" in state and any(state["result"] is value for value in gone)):
        rest.pop("result", None)
    return rest


def culprit_text(error: EncodeError, name: str) -> str:
    """Return ``model.cb[0].lock: _thread.lock`` for an error, and the reason where the type does not say it."""
    path = path_of_output(error.path)
    known = name == RESULT or path.startswith(name)
    said = f"{path if known else name + '…'}: {error.type_name}"
    return said if _SAYS_THE_TYPE_ONLY.fullmatch(error.reason) else f"{said}: {error.reason}"


def path_of_output(path: str) -> str:
    """Return a path inside what is encoded as the user knows it: ``names['m'].cb[0]`` is ``m.cb[0]``."""
    path = re.sub(r"^modules\['([\w.]+)'\]\[0\]\['(\w+)'\]", r"\1.\2", path)
    path = re.sub(r"^changes\[\d+\]\[2\]", "what it changed in place", path)
    return re.sub(r"^names\['(\w+)'\]", r"\1", path)


# -- rows


def why_incomplete(record: StepRecord, selection: Selection) -> str | None:
    """Return why a checkpoint lacks too much to be replayed for a step of these flags, or None when it does not."""
    unsaved, left_out = _lacking(record)
    if any(not selection.may_lack(name) for name in unsaved):
        return f"its checkpoint is {partial_advice(record)}"
    missing = [name for name in left_out if not selection.may_lack(name)]
    return f"its checkpoint was saved without {_listed(missing)}" if missing else None


def partial_text(record: StepRecord) -> str:
    """Return ``partial: g cannot be saved (g: generator)``, or "" for a checkpoint that is not partial."""
    unsaved, _ = _lacking(record)
    if not unsaved:
        return ""
    return f"partial: {_listed(unsaved)} cannot be saved ({'; '.join(list(unsaved.values())[:MAX_SHOWN])})"


def partial_advice(record: StepRecord) -> str:
    """Return ``partial_text`` and the flags with which the checkpoint would be replayed."""
    flags = " ".join(f"--ephemeral {name}" for name in _lacking(record)[0])
    return f"{partial_text(record)}; {flags} replays it without"


def output_note(record: StepRecord, name: str) -> str:
    """Return why a checkpoint lacks an output; "" when it has it."""
    unsaved, left_out = _lacking(record)
    if name in unsaved:
        return f"cannot be saved ({unsaved[name]})"
    return "not saved, as its flags say" if name in left_out else ""


def lacks(record: StepRecord) -> list[str]:
    """Return the names that a checkpoint does not have though the step bound them."""
    return [name for names in _lacking(record) for name in names if name != RESULT]


def _lacking(record: StepRecord) -> tuple[dict[str, str], list[str]]:
    extra = record.extra or {}
    return extra.get("unsaved", {}), extra.get("left_out", [])


def _listed(names: Iterable[str]) -> str:
    shown = ["its result" if name == RESULT else name for name in names]
    more = f" and {len(shown) - MAX_SHOWN} more" if len(shown) > MAX_SHOWN else ""
    return ", ".join(shown[:MAX_SHOWN]) + more


# -- names that are missing


class LeftOut:
    """Names that replays in this kernel went without, so that an error about one can be explained."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, str]] = {}

    def note(self, step: str, names: Iterable[str], selection: Selection) -> str:
        """Remember names that a step's replay left out; returns words for the line that tells of the replay."""
        names = sorted(names)
        self._names.update((name, (step, selection.flag(name))) for name in names)
        return f"without {_listed(names)}" if names else ""

    def forget_bound(self, names: Mapping[str, object]) -> None:
        """Forget those that are bound again."""
        if self._names:
            self._names = {name: step for name, step in self._names.items() if name not in names}

    def explain(self, error: BaseException | None, names: Mapping[str, object]) -> str:
        """Return a line about the name that an error, or one behind it, misses in the notebook; "" for any other."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            if type(error) is NameError and error.name in self._names and _raised_in(error, names):
                step, flag = self._names[error.name]
                return f"{error.name} is not bound: step {step} replayed without it ({flag}); run it with --rerun"
            error = error.__cause__ or error.__context__
        return ""


def _raised_in(error: NameError, names: Mapping[str, object]) -> bool:
    """Say whether code of the notebook, rather than of some module, missed the name."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals is names and error.name not in names
