"""Where two arrays, series or frames first differ, by the means of their own libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.values.kinds import mro_names

if TYPE_CHECKING:
    from collections.abc import Callable

    Between = Callable[[Any, Any, str], str | None]
    Shown = Callable[[object], str]

_ROOTS = frozenset({"numpy", "pandas", "polars", "torch"})


def difference(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str | None:
    """Return where two values of one type differ, "" where they do not, None for other types.

    Args:
        old: the value before.
        new: the value now.
        path: what the value is called.
        between: compares what is inside of columns of objects.
        shown: shows one element.
    """
    root = type(old).__module__.partition(".")[0]
    names = set(mro_names(type(old))) if root in _ROOTS else set()
    compare = next((each for name, each in _BY_NAME.items() if name in names), None)
    return compare(old, new, path, between, shown) if compare is not None else None


def _arrays(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    for what in ("dtype", "shape"):
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            return f"{path}.{what}: {was} → {now}"
    if old.dtype.hasobject:
        flat = enumerate(zip(old.ravel(), new.ravel(), strict=True))
        return next((d for n, (a, b) in flat if (d := between(a, b, f"{path}.flat[{n}]"))), "")
    unequal = ~((old == new) | ((old != old) & (new != new)))  # noqa: PLR0124 - nan is nan
    place = _first(unequal.ravel())
    if place is None:
        return ""
    index = [int(i) for i in _unravel(place, old.shape)]
    where = f"{path}{index}" if index else path
    return f"{where}: {shown(old[tuple(index)])} → {shown(new[tuple(index)])}{_count(unequal, 'elements')}"


def _tensors(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    return _arrays(old.detach().cpu().numpy(), new.detach().cpu().numpy(), path, between, shown)


def _frames(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    shape = _columns(list(old.columns), list(new.columns), path, shown) or _length(old, new, path)
    if shape:
        return shape
    for number, name in enumerate(old.columns):
        was, now = old.iloc[:, number], new.iloc[:, number]
        if was.dtype != now.dtype:
            return f"{path}[{name!r}].dtype: {was.dtype} → {now.dtype}"
    index = _indexes(old.index, new.index, f"{path}.index", between, shown)
    if index:
        return index
    for number, name in enumerate(old.columns):
        was, now = old.iloc[:, number], new.iloc[:, number]
        found = _cells(was, now, path, f", {name!r}", between, shown)
        if found:
            return found
    return between(dict(old.attrs), dict(new.attrs), f"{path}.attrs") or ""


def _series(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    if old.dtype != new.dtype:
        return f"{path}.dtype: {old.dtype} → {new.dtype}"
    found = _length(old, new, path) or _indexes(old.index, new.index, f"{path}.index", between, shown)
    found = found or _cells(old, new, path, "", between, shown)
    return found or between(old.name, new.name, f"{path}.name") or ""


def _indexes(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    del shown
    if old.dtype != new.dtype:
        return f"{path}.dtype: {old.dtype} → {new.dtype}"
    found = _length(old, new, path)
    if not found and not old.equals(new):
        pairs = enumerate(zip(old, new, strict=True))
        found = next((d for n, (a, b) in pairs if (d := between(a, b, f"{path}[{n}]"))), "")
    return found or between(list(old.names), list(new.names), f"{path}.names") or ""


def _cells(old: Any, new: Any, path: str, column: str, between: Between, shown: Shown) -> str:  # noqa: PLR0917
    """Return the first differing cell of two pandas columns of equal index and type."""

    def where(label: object) -> str:
        return f"{path}.loc[{shown(label)}{column}]"

    if old.dtype == object:
        pairs = zip(old.index, old.array, new.array, strict=True)
        return next((d for label, a, b in pairs if a is not b and (d := between(a, b, where(label)))), "")
    if old.dtype.name == "category":
        old, new = old.astype(object), new.astype(object)
    missing = old.isna().to_numpy() & new.isna().to_numpy()
    unequal = old.array != new.array
    unequal = unequal.to_numpy(dtype=bool, na_value=True) if hasattr(unequal, "to_numpy") else unequal
    unequal = unequal & ~missing
    place = _first(unequal)
    if place is None:
        return ""
    return f"{where(old.index[place])}: {shown(old.iloc[place])} → {shown(new.iloc[place])}{_count(unequal, 'rows')}"


def _polars(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    found = _columns(old.columns, new.columns, path, shown) or _length(old, new, path)
    if found:
        return found
    for name in old.columns:
        found = _polars_series(old[name], new[name], f"{path}[{name!r}]", between, shown)
        if found:
            return found
    return ""


def _polars_series(old: Any, new: Any, path: str, between: Between, shown: Shown) -> str:
    if old.dtype != new.dtype:
        return f"{path}.dtype: {old.dtype} → {new.dtype}"
    if len(old) != len(new):
        return _length(old, new, path)
    if old.dtype.is_nested() or str(old.dtype) == "Object":
        return between(old.to_list(), new.to_list(), path) or ""
    unequal = old.ne_missing(new).to_numpy()
    place = _first(unequal)
    if place is None:
        return ""
    return f"{path}[{place}]: {shown(old[place])} → {shown(new[place])}{_count(unequal, 'rows')}"


def _columns(old: list[Any], new: list[Any], path: str, shown: Shown) -> str:
    for what, one, other in (("removed", old, new), ("added", new, old)):
        found = [each for each in one if each not in other]
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""  # noqa: PLR2004 - a handful
            return f"columns {what} in {path}: {', '.join(map(shown, found[:3]))}{more}"
    return "" if old == new else f"{path}: the same columns in another order"


def _length(old: Any, new: Any, path: str) -> str:
    return f"len({path}): {len(old):,} → {len(new):,}" if len(old) != len(new) else ""


def _first(unequal: Any) -> int | None:
    return int(unequal.argmax()) if unequal.any() else None


def _count(unequal: Any, what: str) -> str:
    many = int(unequal.sum())
    return f" ({many:,} of {unequal.size:,} {what} differ)" if many > 1 else ""


def _unravel(place: int, shape: tuple[int, ...]) -> list[int]:
    index: list[int] = []
    for side in reversed(shape):
        place, at = divmod(place, side)
        index.append(at)
    return index[::-1]


_BY_NAME: dict[str, Callable[[Any, Any, str, Between, Shown], str]] = {
    "pandas.DataFrame": _frames,
    "pandas.core.frame.DataFrame": _frames,
    "pandas.Series": _series,
    "pandas.core.series.Series": _series,
    "pandas.Index": _indexes,
    "pandas.core.indexes.base.Index": _indexes,
    "polars.dataframe.frame.DataFrame": _polars,
    "polars.series.series.Series": _polars_series,
    "torch.Tensor": _tensors,
    "numpy.ndarray": _arrays,
    "numpy.generic": _arrays,
}
