// The retry monitor in the browser. It has no view of a widget: it finds the line of text that the kernel
// has displayed (by its class) and draws itself in that line's place, for as long as the comm lives. So what
// is saved is the line, and a page without a kernel shows it.

const TICK = 100; // ms between changes of numbers; bars are moved by the browser itself
const CALM_TICK = 1000; // where reduced motion is asked for
const MOST_CELLS = 12; // attempts that a strip shows

/** Return a duration as people say it, as the kernel does. */
export function span(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
}

/** Return how long something took, which may have been milliseconds. */
export function took(seconds) {
  return seconds < 0.0995 ? `${Math.round(seconds * 1000)} ms` : span(seconds);
}

/** Return which attempts a strip shows: all, or those around the newest one, and how many lie outside. */
export function stripCells(row) {
  const known = new Map(row.attempts.map((each) => [each.number, each]));
  const newest = row.attempts.length ? row.attempts[row.attempts.length - 1].number : 1;
  const last = row.max_attempts;
  let from = 1;
  if (last > MOST_CELLS) from = Math.max(1, Math.min(newest - MOST_CELLS + 4, last - MOST_CELLS + 1));
  const to = Math.min(last, from + MOST_CELLS - 1);
  const cells = [];
  for (let number = from; number <= to; number += 1) {
    const attempt = known.get(number);
    const state = attempt ? attempt.state : number < newest ? "earlier" : "future";
    cells.push({ number, state, seconds: attempt ? attempt.seconds : null });
  }
  return { before: from - 1, cells, after: last - to };
}

const WORDS = {
  failed: "failed",
  earlier: "made before the restart",
  running: "runs",
  succeeded: "succeeded",
  interrupted: "interrupted",
  future: "to come",
};
const SIGNS = { failed: "✕", earlier: "↻", running: "", succeeded: "✓", interrupted: "■", future: "" };

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = `durable-nb-${name}`;
  element.append(...children);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Times of one run by the browser's own clock, set once for each attempt, so that nothing else need be sent. */
class Times {
  constructor() {
    this.runs = new Map();
  }

  of(row) {
    const newest = row.attempts[row.attempts.length - 1];
    const moment = `${newest ? newest.number : 0} ${row.state}`;
    const known = this.runs.get(row.run);
    if (known && known.moment === moment) return known;
    const now = performance.now();
    const began = known ? known.began : now - row.began * 1000;
    const times = { moment, began, since: now, ends: now + row.ends * 1000, told: false };
    this.runs.set(row.run, times);
    return times;
  }

  keep(rows) {
    const runs = new Set(rows.map((row) => row.run));
    for (const run of this.runs.keys()) if (!runs.has(run)) this.runs.delete(run);
  }
}

/** One run: its name, its attempts, the newest error, the countdown, the buttons. */
class Row {
  constructor(act) {
    this.name = make("span", "name");
    this.sequence = make("span", "sequence");
    this.attempt = make("span", "attempt");
    this.strip = make("span", "strip");
    this.strip.setAttribute("role", "img");
    this.retry = button("retry_now", "Retry now", "primary", () => this.ask(act, "retry_now"));
    this.stop = button("stop", "Stop retrying", "", () => this.ask(act, "stop"));
    this.buttons = make("span", "buttons", this.retry, this.stop);
    this.countdown = make("span", "countdown");
    this.countdown.setAttribute("role", "timer");
    this.next = make("span", "next");
    this.fill = make("span", "fill");
    this.bar = make("span", "bar", this.fill);
    this.totals = make("span", "totals");
    this.wait = make("div", "wait", make("span", "when", this.next, this.countdown), this.bar, this.totals);
    this.summary = make("summary", "error");
    this.list = make("div", "tracebacks");
    this.details = make("details", "details", this.summary, this.list);
    this.element = make(
      "div",
      "row",
      make("div", "head", this.name, this.sequence, this.attempt, this.strip, this.buttons),
      this.details,
      this.wait,
    );
    this.shown = 0;
  }

  ask(act, action) {
    this.asked = action;
    this.showButtons();
    act(action, this.row.run);
  }

  show(row, times, clickable, many) {
    if (this.times !== times) this.asked = this.asked === "stop" ? "stop" : undefined;
    const began = this.times !== times;
    this.row = row;
    this.times = times;
    this.clickable = clickable;
    this.many = many;
    const newest = row.attempts[row.attempts.length - 1];
    const number = newest ? newest.number : row.goes_on_at || 1;
    this.element.dataset.state = row.state;
    setText(this.name, row.name);
    setText(this.sequence, many && row.sequence ? `call ${row.sequence}` : "");
    this.sequence.hidden = !this.sequence.textContent;
    setText(this.attempt, `attempt ${number} of ${row.max_attempts}`);
    this.attempt.hidden = many;
    this.showStrip(row, !many && row.max_attempts <= 6);
    this.showErrors(row);
    this.showButtons();
    if (began) this.move();
    this.tick(performance.now());
  }

  showStrip(row, roomy) {
    const { before, cells, after } = stripCells(row);
    const shown = JSON.stringify([before, cells, after, roomy]);
    if (shown === this.stripShown) return;
    this.stripShown = shown;
    const elements = cells.map((cell) => {
      const element = make("span", "cell");
      element.dataset.state = cell.state;
      const after = cell.seconds === null ? "" : ` after ${took(cell.seconds)}`;
      element.title = `attempt ${cell.number} ${WORDS[cell.state]}${after}`;
      element.append(make("span", "sign", SIGNS[cell.state]));
      if (roomy && cell.seconds !== null) element.append(make("span", "took", took(cell.seconds)));
      return element;
    });
    if (before) elements.unshift(make("span", "beyond", `${before} +`));
    if (after) elements.push(make("span", "beyond", `+ ${after}`));
    this.strip.replaceChildren(...elements);
    const told = cells.filter((cell) => cell.state !== "future").map((cell) => `${cell.number} ${WORDS[cell.state]}`);
    this.strip.setAttribute("aria-label", `attempts: ${[...told, `${row.max_attempts} at most`].join(", ")}`);
  }

  /** The newest error is what opens the tracebacks of all. */
  showErrors(row) {
    const failed = row.attempts.filter((each) => each.error);
    const last = failed[failed.length - 1];
    setText(this.summary, last ? last.error : "went on after a restart");
    this.summary.title = this.summary.textContent;
    this.details.hidden = !last && !row.goes_on_at;
    for (const each of failed.slice(this.shown)) {
      const after = each.seconds === null ? "" : ` after ${took(each.seconds)}`;
      this.list.append(
        make("div", "which", `attempt ${each.number} failed${after}`),
        make("div", "traceback", each.traceback || each.error),
      );
    }
    this.shown = failed.length;
  }

  showButtons() {
    const active = this.row.state === "waiting" || this.row.state === "running";
    this.buttons.hidden = !this.clickable || !active;
    this.retry.disabled = this.row.state !== "waiting" || Boolean(this.asked);
    this.stop.disabled = this.asked === "stop";
    const later = this.asked === "stop" && this.row.state === "running";
    const stop = this.many ? "Stop" : "Stop retrying";
    setText(this.stop, later ? "Stops after this attempt" : stop);
  }

  /** Let the browser shorten the bar by itself until the backoff ends. */
  move() {
    if (this.animation) this.animation.cancel();
    this.animation = undefined;
    const waiting = this.row.state === "waiting";
    this.bar.style.visibility = waiting ? "" : "hidden";
    if (!waiting || calm()) return;
    const left = Math.max(0, this.times.ends - performance.now());
    const share = this.row.wait > 0 ? Math.min(1, left / 1000 / this.row.wait) : 0;
    const frames = [{ transform: `scaleX(${share})` }, { transform: "scaleX(0)" }];
    this.animation = this.fill.animate(frames, { duration: left, easing: "linear", fill: "forwards" });
  }

  /** Show the numbers of this moment; return what to say when a backoff has just ended. */
  tick(now) {
    const { row, times } = this;
    const left = (times.ends - now) / 1000;
    const elapsed = row.state === "waiting" || row.state === "running" ? (now - times.began) / 1000 : undefined;
    const waited = row.waited + (row.state === "waiting" ? Math.max(0, row.wait - Math.max(0, left)) : 0);
    if (row.state === "waiting") {
      const over = left <= 0;
      setText(this.next, over ? "next attempt begins" : this.many ? "next in " : "next attempt in ");
      setText(this.countdown, over ? "" : span(calm() ? Math.ceil(left) : left));
      if (calm()) this.fill.style.transform = `scaleX(${row.wait > 0 ? Math.max(0, Math.min(1, left / row.wait)) : 0})`;
    } else {
      const words = { running: this.many ? "runs " : "running for ", succeeded: "succeeded", failed: "failed", stopped: "stopped" };
      setText(this.next, words[row.state] || row.state);
      setText(this.countdown, row.state === "running" ? span((now - times.since) / 1000) : "");
    }
    const totals = [waited >= 0.05 ? `waited ${span(waited)}` : "", elapsed === undefined ? "" : `${span(elapsed)} in all`];
    setText(this.totals, totals.filter(Boolean).join(" · "));
    if (row.state !== "waiting" || left > 0 || times.told) return "";
    times.told = true;
    const newest = row.attempts[row.attempts.length - 1];
    return `${row.name}: attempt ${(newest ? newest.number : 0) + 1} of ${row.max_attempts} begins`;
  }
}

function button(action, text, look, onClick) {
  const element = make("button", "button", text);
  element.type = "button";
  element.dataset.action = action;
  if (look) element.dataset.look = look;
  element.addEventListener("click", onClick);
  return element;
}

const KINDS = ["replayed", "done", "failed", "retrying"];

/** The calls of a cell: a bar and the counts, which are its legend. */
class Calls {
  constructor() {
    this.title = make("span", "name");
    this.rate = make("span", "totals");
    this.bar = make("div", "progress");
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "calls");
    this.legend = make("span", "legend");
    this.parts = KINDS.map((kind) => {
      const part = make("span", "part");
      part.dataset.kind = kind;
      this.bar.append(part);
      const count = make("span", "count");
      const entry = make("span", "entry", make("span", "swatch"), count);
      entry.dataset.kind = kind;
      this.legend.append(entry);
      return { kind, part, entry, count };
    });
    this.running = make("span", "entry");
    this.legend.append(this.running);
    this.element = make("div", "calls", make("div", "head", this.title, this.rate), this.bar, this.legend);
  }

  show(calls) {
    this.element.hidden = !calls;
    if (!calls) return;
    const ended = calls.replayed + calls.done + calls.failed;
    const made = ended + calls.retrying + calls.running;
    const total = calls.total || made || 1;
    const number = (count) => count.toLocaleString("en");
    setText(this.title, calls.total ? `${number(ended)} of ${number(calls.total)} calls` : `${number(ended)} calls`);
    const rate = calls.rate >= 1 || !calls.rate ? `${calls.rate.toFixed(calls.rate < 100 ? 1 : 0)} per second` : `${(calls.rate * 60).toFixed(1)} per minute`;
    const left = calls.left === null ? "" : ` · ${span(calls.left)} left`;
    setText(this.rate, calls.rate ? rate + left : "");
    for (const { kind, part, entry, count } of this.parts) {
      part.style.width = `${(100 * calls[kind]) / total}%`;
      entry.hidden = !calls[kind];
      setText(count, `${number(calls[kind])} ${kind}`);
    }
    this.running.hidden = !calls.running;
    setText(this.running, `${number(calls.running)} running`);
    if (calls.total) {
      this.bar.setAttribute("aria-valuemax", calls.total);
      this.bar.setAttribute("aria-valuenow", ended);
    }
    this.bar.dataset.open = calls.total ? "" : "true";
  }
}

/** The whole monitor, in one place on the page. */
class View {
  constructor(act) {
    this.act = act;
    this.calls = new Calls();
    this.list = make("div", "rows");
    this.more = make("span", "more");
    this.retryAll = button("retry_now", "Retry all now", "primary", () => act("retry_now", null));
    this.stopAll = button("stop", "Stop all", "", () => act("stop", null));
    this.allButtons = make("span", "buttons", this.retryAll, this.stopAll);
    this.foot = make("div", "foot", this.more, this.allButtons);
    this.hint = make("div", "hint", "interrupt the kernel (■) to stop retrying");
    this.status = make("div", "status");
    this.status.setAttribute("role", "status");
    this.status.setAttribute("aria-live", "polite");
    this.element = make("section", "monitor", this.calls.element, this.list, this.foot, this.hint, this.status);
    this.element.setAttribute("aria-label", "Retry monitor");
    this.element.dataset.lmSuppressShortcuts = "true"; // keys belong to the buttons, not to JupyterLab's commands
    this.element.addEventListener("focusin", (event) => (this.focused = event.target));
    this.element.addEventListener("focusout", () => queueMicrotask(() => this.forgetFocus()));
    this.rows = new Map();
  }

  forgetFocus() {
    if (this.element.isConnected && !this.element.contains(document.activeElement)) this.focused = undefined;
  }

  /** Go to another place: the front end has drawn the line anew. */
  moveTo(host) {
    const focused = this.focused;
    host.append(this.element);
    if (focused && !focused.disabled && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  show(state, times) {
    const active = state.rows.filter((row) => row.state === "waiting" || row.state === "running");
    const many = active.length + state.more > 1;
    this.element.dataset.many = many ? "true" : "false";
    this.calls.show(state.calls);
    const kept = new Map();
    for (const row of state.rows) {
      const shown = this.rows.get(row.run) || new Row(this.act);
      kept.set(row.run, shown);
      shown.show(row, times.of(row), state.clickable, many);
    }
    this.rows = kept;
    const wanted = [...kept.values()].map((row) => row.element);
    const now = [...this.list.children];
    if (wanted.length !== now.length || wanted.some((each, index) => each !== now[index])) this.list.replaceChildren(...wanted);
    this.list.hidden = !wanted.length;
    setText(this.more, state.more ? `and ${state.more.toLocaleString("en")} more retrying` : "");
    this.allButtons.hidden = !state.clickable || !many;
    this.retryAll.disabled = !active.some((row) => row.state === "waiting");
    this.foot.hidden = !state.more && this.allButtons.hidden;
    this.hint.hidden = state.clickable || !active.length;
  }

  tick(now) {
    const said = [...this.rows.values()].map((row) => row.tick(now)).filter(Boolean);
    if (said.length) this.say(said);
  }

  say(sentences) {
    setText(this.status, sentences.join(". "));
  }
}

/** What has ended since the state before, in sentences. */
export function news(before, after) {
  const known = new Map(before.map((row) => [row.run, row.attempts.filter((each) => each.error).length]));
  const said = [];
  for (const row of after) {
    const failed = row.attempts.filter((each) => each.error);
    if (failed.length <= (known.get(row.run) || 0)) continue;
    const last = failed[failed.length - 1];
    const next = row.state === "waiting" ? `, next attempt in ${span(row.ends)}` : "";
    said.push(`${row.name}: attempt ${last.number} of ${row.max_attempts} failed, ${last.error}${next}`);
  }
  return said;
}

/** Finds the places, draws the monitor in each, and keeps it going. */
class Monitor {
  constructor(model) {
    this.model = model;
    this.place = model.get("place");
    this.times = new Times();
    this.views = new Map();
    this.before = [];
    this.act = (action, run) => model.send({ action, run });
    this.onChange = () => this.show();
    this.onVisible = () => this.tick();
    this.onGone = () => this.dispose();
    model.on("change", this.onChange);
    model.on("comm_live_update", this.onGone); // the kernel died or restarts
    this.observer = new MutationObserver(() => this.settle());
    this.observer.observe(document.body, { childList: true, subtree: true });
    document.addEventListener("visibilitychange", this.onVisible);
    this.settle();
    this.loop();
  }

  /** Be in every place that there is now; a view whose place was drawn anew moves to the new one. */
  settle() {
    const hosts = [...document.getElementsByClassName(this.place)];
    const orphans = [];
    for (const [host, view] of this.views) {
      if (hosts.includes(host) && host.contains(view.element)) continue;
      this.views.delete(host);
      orphans.push(view);
    }
    for (const host of hosts) {
      if (this.views.has(host)) continue;
      const old = orphans.pop() || this.spare;
      this.spare = undefined;
      const view = old || new View(this.act);
      if (!old) view.show(this.state(), this.times);
      host.classList.add("durable-nb-live");
      view.moveTo(host);
      this.views.set(host, view);
    }
    this.spare = orphans.pop() || this.spare;
  }

  state() {
    const { model } = this;
    return { rows: model.get("rows"), more: model.get("more"), calls: model.get("calls"), clickable: model.get("clickable") };
  }

  show() {
    const state = this.state();
    this.times.keep(state.rows);
    const said = news(this.before, state.rows);
    this.before = state.rows;
    for (const view of this.all()) {
      view.show(state, this.times);
      if (said.length) view.say(said);
    }
  }

  all() {
    return this.spare ? [...this.views.values(), this.spare] : [...this.views.values()];
  }

  loop() {
    this.timer = setTimeout(() => {
      if (!document.hidden) this.tick();
      this.loop();
    }, calm() ? CALM_TICK : TICK);
  }

  tick() {
    const now = performance.now();
    for (const view of this.views.values()) view.tick(now);
  }

  /** Leave the line of text as it was. */
  dispose() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.model.off("change", this.onChange);
    this.model.off("comm_live_update", this.onGone);
    for (const [host, view] of this.views) {
      view.element.remove();
      host.classList.remove("durable-nb-live");
    }
    this.views.clear();
  }
}

export default {
  initialize({ model }) {
    const monitor = new Monitor(model);
    return () => monitor.dispose();
  },
};
