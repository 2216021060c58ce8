"""The monitor's own files on a page, against a model that the test plays; no test framework in it."""

from __future__ import annotations

import json
from pathlib import Path

WIDGETS = Path(__file__).parents[2] / "durable_nb" / "widgets"
MODEL = """
window.sent = [];
window.messages = 0;
class Model {
  constructor(state) { this.state = state; this.heard = new Map(); }
  get(name) { return this.state[name]; }
  on(name, call) { this.heard.set(name, [...(this.heard.get(name) || []), call]); }
  off(name, call) { this.heard.set(name, (this.heard.get(name) || []).filter((each) => each !== call)); }
  send(content) { window.sent.push(content); }
  tell(name) { for (const call of this.heard.get(name) || []) call(); }
  update(state) { window.messages += 1; Object.assign(this.state, state); this.tell("change"); }
}
const source = URL.createObjectURL(new Blob([window.ESM], { type: "text/javascript" }));
window.ready = import(source).then((module) => {
  window.module = module;
  window.model = new Model(window.STATE);
  window.leave = module.default.initialize({ model: window.model });
});
"""


class Shown:
    """The monitor on a page, and the model behind it."""

    def __init__(self, page, state) -> None:
        self.page = page
        script = json.dumps((WIDGETS / "monitor.js").read_text("utf-8"))
        page.set_content(
            f"<style>{(WIDGETS / 'monitor.css').read_text('utf-8')}</style>"
            "<div id=output><div class=here><div id=line>↻ the line</div></div></div><button id=other>other</button>"
        )
        page.evaluate(f"window.ESM = {script}; window.STATE = {json.dumps(state)}; {MODEL}")
        page.evaluate("window.ready")
        self.root = page.locator(".durable-nb-monitor")

    def update(self, **state) -> None:
        """Let the kernel send something."""
        self.page.evaluate("state => window.model.update(state)", state)

    @property
    def sent(self) -> list[dict]:
        """What the page sent to the kernel."""
        return self.page.evaluate("window.sent")

    def text(self, name: str) -> str:
        """Return the text of an element of the monitor by its class."""
        return self.root.locator(f".durable-nb-{name}").first.inner_text()


def failed(number, seconds=0.3, error="OSError: busy", traceback="Cell In[1], line 2\n    read()\nOSError: busy"):
    """An attempt that failed."""
    return {"number": number, "state": "failed", "seconds": seconds, "error": error, "traceback": traceback}


def running(number):
    """An attempt that runs."""
    return {"number": number, "state": "running", "seconds": None, "error": "", "traceback": ""}


def row(*attempts, run=1, name="fetch", state="waiting", wait=30.0, ends=30.0, **more):
    """A run that is retried, as the kernel sends it."""
    base = {"run": run, "name": name, "sequence": run, "state": state, "max_attempts": 5, "goes_on_at": 0}
    waiting = state == "waiting"
    times = {"wait": wait if waiting else 0, "ends": ends if waiting else 0, "began": 0.5, "waited": 0.0}
    return {**base, "attempts": list(attempts), **times, **more}
