// Gives the plain tables of steps in this page what needs the kernel: sorting, and buttons in each row.
// The tables are ordinary outputs, so a notebook that is saved, exported or opened without its kernel shows them as
// they are. When the kernel goes, the buttons go.

const ACTIONS = [
  ["why", "Why it ran or replayed, what has changed since, and what will happen next"],
  ["show", "Its code, inputs, outputs and checkpoints"],
  ["rerun", "Run it again the next time its cell runs"],
  ["forget", "Remove its checkpoints"],
];
const UNITS = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4, ms: 0.001, s: 1, m: 60, h: 3600 };
const ANSWER_MS = 4000;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// "4 m 12 s" is 252, "3.4 KB" is 3481.6, "" comes before all; what is no number with units is compared as text.
export function sortKey(text) {
  if (text === "") return -1;
  if (!/^[\d.]+( ?[a-zA-Z]{1,2}( [\d.]+ [a-z]{1,2})*)?$/.test(text)) return text.toLowerCase();
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+) ?([a-zA-Z]*)/g)) sum += Number(number) * (UNITS[unit] ?? 1);
  return sum;
}

function compare(one, two) {
  if (typeof one === typeof two) return one < two ? -1 : one > two ? 1 : 0;
  return typeof one === "number" ? -1 : 1;
}

// One tab stop for a group of buttons; arrows, Home and End move within it.
function rove(groups) {
  const all = () => groups().flat();
  const enter = (button) => {
    for (const each of all()) each.tabIndex = each === button ? 0 : -1;
  };
  enter(all()[0]);
  return {
    focused: (event) => all().includes(event.target) && enter(event.target),
    moved: (event) => {
      const rows = groups();
      const row = rows.findIndex((each) => each.includes(event.target));
      if (row < 0) return;
      const at = rows[row].indexOf(event.target);
      const to = {
        ArrowLeft: [row, at - 1],
        ArrowRight: [row, at + 1],
        ArrowUp: [row - 1, at],
        ArrowDown: [row + 1, at],
        Home: [row, 0],
        End: [row, rows[row].length - 1],
      }[event.key];
      const target = to && rows[to[0]]?.[to[1]];
      if (!to) return;
      event.preventDefault();
      event.stopPropagation();
      target?.focus();
    },
  };
}

export class StatusTable {
  constructor(table, ask) {
    this.plain = table.cloneNode(true);
    this.table = table;
    this.ask = ask;
    table.classList.add("durable-table");
    table.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys would move between cells
    this.rows = [...table.tBodies[0].rows];
    this.addSorting();
    for (const row of this.rows) this.addActions(row);
    const head = rove(() => [[...table.tHead.querySelectorAll("button")]]);
    const body = rove(() => [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll(".durable-actions button")]).filter((each) => each.length));
    for (const group of [head, body]) {
      table.addEventListener("focusin", group.focused);
      table.addEventListener("keydown", group.moved);
    }
  }

  restore() {
    this.table.replaceWith(this.plain);
  }

  addSorting() {
    const head = this.table.tHead.rows[0];
    [...head.cells].forEach((cell, column) => {
      const label = cell.textContent;
      cell.setAttribute("aria-sort", "none");
      cell.replaceChildren(element("button", { type: "button", class: "durable-sort", onclick: () => this.sort(column) }, label));
    });
    head.append(element("th", { class: "durable-actions", "aria-label": "actions" }));
  }

  sort(column) {
    const heads = [...this.table.tHead.rows[0].cells];
    const up = heads[column].getAttribute("aria-sort") !== "ascending";
    heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = this.rows.map((row, order) => [sortKey(row.cells[column].textContent), order, row]);
    keyed.sort((one, two) => (up ? 1 : -1) * compare(one[0], two[0]) || one[1] - two[1]);
    for (const [, , row] of keyed) {
      const result = this.resultOf(row);
      this.table.tBodies[0].append(row);
      if (result) this.table.tBodies[0].append(result);
    }
  }

  addActions(row) {
    const step = row.dataset.step;
    const buttons = ACTIONS.map(([action, title]) =>
      element(
        "button",
        { type: "button", title, "aria-label": `${action} ${step}`, "aria-expanded": "false", "data-action": action, onclick: (event) => this.act(row, action, event.currentTarget) },
        action,
      ),
    );
    row.append(element("td", { class: "durable-actions" }, element("div", { role: "toolbar", "aria-label": step }, ...buttons)));
  }

  resultOf(row) {
    const next = row.nextElementSibling;
    return next?.classList.contains("durable-result") ? next : null;
  }

  close(row) {
    this.resultOf(row)?.remove();
    for (const each of row.querySelectorAll("[data-action]")) each.setAttribute("aria-expanded", "false");
  }

  // A line below the row; Escape closes it and gives the focus back to the button.
  open(row, button, ...content) {
    this.close(row);
    button.setAttribute("aria-expanded", "true");
    const back = () => {
      this.close(row);
      button.focus();
    };
    const box = element("div", { class: "durable-box", role: "region", "aria-live": "polite", "aria-label": button.getAttribute("aria-label") }, ...content);
    const closing = element("button", { type: "button", class: "durable-close", "aria-label": "close", title: "Close", onclick: back }, "×");
    const cell = element("td", { colspan: row.cells.length, onkeydown: (event) => event.key === "Escape" && (event.stopPropagation(), back()) }, closing, box);
    row.after(element("tr", { class: "durable-result" }, cell));
    return { box, back };
  }

  act(row, action, button) {
    if (button.getAttribute("aria-expanded") === "true") return this.close(row);
    if (action === "forget") return this.confirm(row, button);
    return this.run(row, action, button);
  }

  confirm(row, button) {
    const step = row.dataset.step;
    const forget = element("button", { type: "button", class: "durable-danger", onclick: () => this.run(row, "forget", button) }, "Forget");
    const keep = element("button", { type: "button" }, "Keep");
    const text = element("span", {}, `Forget ${step}? Its checkpoints are removed for good; variables in memory stay.`);
    const { back } = this.open(row, button, text, " ", forget, " ", keep);
    keep.addEventListener("click", back);
    keep.focus();
  }

  async run(row, action, button) {
    const { box } = this.open(row, button, "…");
    const late = setTimeout(() => (box.textContent = "The kernel is busy: it answers when its cell has ended."), ANSWER_MS);
    const answer = await this.ask({ action, step: row.dataset.step });
    clearTimeout(late);
    box.innerHTML = answer.html; // made by the kernel's reports, which escape what the user wrote
    if (action === "forget" && answer.done) {
      row.classList.add("durable-gone");
      for (const each of row.querySelectorAll("[data-action]")) each.disabled = true;
    }
  }
}

function initialize({ model }) {
  const waiting = new Map();
  const tables = new Map();
  let last = 0;
  const ask = (message) =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      model.send({ id: last, ...message });
    });
  const heard = (answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  };
  const wanted = `table[data-durable-table="${model.get("token")}"]`;
  const look = () => {
    for (const table of document.querySelectorAll(wanted)) if (!tables.has(table)) tables.set(table, new StatusTable(table, ask));
    for (const table of tables.keys()) if (!table.isConnected && !document.contains(table)) forgetLater(table);
  };
  // A page may take outputs out of the document and put them back while it scrolls.
  const forgetLater = (table) => setTimeout(() => table.isConnected || tables.delete(table), 60000);
  const observer = new MutationObserver(look);
  const end = () => {
    observer.disconnect();
    model.off("msg:custom", heard);
    for (const each of tables.values()) each.restore();
    tables.clear();
  };
  model.on("msg:custom", heard);
  model.on("comm_live_update", end); // the kernel died, or is another one
  observer.observe(document.body, { childList: true, subtree: true });
  look();
  return end;
}

export default { initialize };
