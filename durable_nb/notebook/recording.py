"""What a cell showed, reduced to what is still there at its end, as a saved notebook has it."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from durable_nb.store.records import DisplayRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUT_TYPES = frozenset({"stream", "display_data", "update_display_data", "execute_result", "clear_output"})
"""Message types that are recorded; an ``error`` is none: a cell that fails is not recorded."""
OWN = "durable_nb"
"""The key in a display's metadata that marks the extension's own lines."""

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_LONGEST_WIDGET_REPR = 110  # as ipywidgets cuts it
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(slots=True)
class _Shown:
    """One output that is on display."""

    msg_type: str
    content: dict[str, Any]
    display_id: str = ""
    text: list[str] = field(default_factory=list)
    widget: Any = None


class Recording:
    """Takes output messages in and keeps what remains of them; safe to use from any thread.

    Adjacent pieces of one stream are joined. ``clear_output`` removes what was before it (with
    ``wait``, once something follows). An update to a display that was made here changes that display;
    an update to another cell's display is kept as a message, the last one for each.
    """

    def __init__(self) -> None:
        self._shown: list[_Shown] = []
        self._clear_before_next = False
        self._own_ids: set[str] = set()
        self._lock = threading.Lock()

    def exclude(self, display_id: str) -> None:
        """Leave out the display of this id, and its updates."""
        with self._lock:
            self._own_ids.add(display_id)
            self._shown = [each for each in self._shown if each.display_id != display_id]

    def add(self, msg_type: str, content: Mapping[str, Any]) -> None:
        """Take in one message; its content is copied."""
        with self._lock:
            if msg_type == "stream":
                self._add_stream(content["name"], content["text"])
            elif msg_type == "clear_output":
                self._add_clear(wait=bool(content.get("wait")))
            elif not self._is_own(content):
                self._add_display(msg_type, _as_json(content))

    def records(self) -> tuple[DisplayRecord, ...]:
        """Return what is on display now; widgets are replaced by their final text and html."""
        with self._lock:
            return tuple(record for shown in self._shown if (record := _record(shown)) is not None)

    def _add_stream(self, name: str, text: str) -> None:
        self._begin_output()
        last = self._shown[-1] if self._shown else None
        if last is None or last.msg_type != "stream" or last.content["name"] != name:
            last = _Shown("stream", {"name": name})
            self._shown.append(last)
        last.text.append(text)

    def _add_clear(self, *, wait: bool) -> None:
        self._clear_before_next = wait
        if not wait:
            self._clear()

    def _add_display(self, msg_type: str, content: dict[str, Any]) -> None:
        display_id = content.get("transient", {}).get("display_id") or ""
        shown = _Shown(msg_type, content, display_id, widget=_live_widget(content))
        if msg_type == "update_display_data":
            self._update(shown)
            return
        self._begin_output()
        self._shown.append(shown)

    def _update(self, update: _Shown) -> None:
        made_here = [each for each in self._displays() if each.display_id == update.display_id]
        for each in made_here:
            new: dict[str, Any] = {key: update.content[key] for key in ("data", "metadata") if key in update.content}
            each.content, each.widget = {**each.content, **new}, update.widget
        if not made_here:
            superseded = (update.msg_type, update.display_id)
            self._shown = [s for s in self._shown if (s.msg_type, s.display_id) != superseded]
            self._shown.append(update)

    def _displays(self) -> list[_Shown]:
        return [each for each in self._shown if each.msg_type in {"display_data", "execute_result"}]

    def _begin_output(self) -> None:
        if self._clear_before_next:
            self._clear_before_next = False
            self._clear()

    def _clear(self) -> None:
        # what an update did to another cell's display is not undone by clearing this cell's outputs
        self._shown = [each for each in self._shown if each.msg_type == "update_display_data"]

    def _is_own(self, content: Mapping[str, Any]) -> bool:
        transient = content.get("transient") or {}
        own = bool((content.get("metadata") or {}).get(OWN) or transient.get(OWN))
        display_id = transient.get("display_id")
        if own and display_id:
            self._own_ids.add(display_id)
        return own or display_id in self._own_ids


def _as_json(content: Any) -> Any:
    """Copy what JSON makes of it, as the message itself goes; ``bytes`` become base64.

    Only what JSON may change is turned into it: figures are long texts.
    """
    kind = type(content)
    if kind in _PLAIN:
        return content
    if kind is dict and all(type(key) is str for key in content):
        return {key: _as_json(value) for key, value in content.items()}
    if kind is list:
        return [_as_json(value) for value in content]
    from jupyter_client.jsonutil import json_default

    return json.loads(json.dumps(content, default=json_default))


def _record(shown: _Shown) -> DisplayRecord | None:
    if shown.msg_type == "stream":
        return DisplayRecord("stream", {**shown.content, "text": "".join(shown.text)})
    content = shown.content
    if _WIDGET_VIEW in content.get("data", {}):
        if shown.widget is not None and shown.widget.comm is None:
            return None  # closed: its view has vanished from the page
        content = _without_model(content, shown.widget)
    return DisplayRecord(shown.msg_type, content)


# -- widgets


def _live_widget(content: Mapping[str, Any]) -> Any:
    view = content.get("data", {}).get(_WIDGET_VIEW)
    module = sys.modules.get("ipywidgets.widgets.widget")
    instances = getattr(module, "_instances", None)  # Widget.widgets is deprecated
    if view is None or instances is None:
        return None
    return instances.get(view.get("model_id"))


def _without_model(content: dict[str, Any], widget: Any) -> dict[str, Any]:
    """Replace a view, whose model dies with the kernel, by what it showed last."""
    data = {kind: value for kind, value in content["data"].items() if kind != _WIDGET_VIEW}
    if widget is not None:
        data |= _final_bundle(widget)
    metadata = {k: v for k, v in content.get("metadata", {}).items() if k != _WIDGET_VIEW}
    return {**content, "data": data, "metadata": metadata}


def _final_bundle(widget: Any) -> dict[str, str]:
    from IPython.lib.pretty import pretty
    from ipywidgets import Widget

    text = pretty(widget)
    if type(widget).__repr__ is Widget.__repr__ and len(text) > _LONGEST_WIDGET_REPR:
        text = text[:_LONGEST_WIDGET_REPR] + "…"
    bundle = {"text/plain": text}
    if widget._model_name == "HTMLModel":  # noqa: SLF001 - part of ipywidgets' wire format
        bundle["text/html"] = widget.value
    return bundle
