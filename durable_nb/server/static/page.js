// Keeps the list current, shows times as the reader's clock has them, and filters. The page works without it.

const REFRESH_MS = 5000;
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const filter = document.getElementById("filter");
const list = () => document.getElementById("list");
let shown = list().innerHTML;

function ago(date) {
  const seconds = (date - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return words.format(Math.trunc(seconds / length), unit);
}

function tellTimes() {
  for (const time of document.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    time.title = date.toLocaleString();
    time.textContent = ago(date);
  }
}

function applyFilter() {
  const wanted = filter.value.trim().toLowerCase().split(/\s+/);
  for (const row of document.querySelectorAll("tbody")) {
    const text = `${row.dataset.path} ${row.querySelector(".state").textContent}`.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
  }
}

// Where the focus is, so that it can be found again in the new list: the n-th link or summary of a row.
const inRow = (row) => [...row.querySelectorAll("a, summary")];

function replace(html) {
  const open = new Set([...document.querySelectorAll("details[open]")].map((each) => each.closest("tbody").dataset.path));
  const row = document.activeElement?.closest("tbody");
  const place = row && [row.dataset.path, inRow(row).indexOf(document.activeElement)];
  list().innerHTML = html;
  for (const each of document.querySelectorAll("tbody")) {
    if (open.has(each.dataset.path)) each.querySelector("details")?.setAttribute("open", "");
    if (place && each.dataset.path === place[0]) inRow(each)[place[1]]?.focus({ preventScroll: true });
  }
}

async function newPage() {
  try {
    const answer = await fetch(location.href, { redirect: "error" });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null; // the server is away, or the login is over
  }
}

async function refresh() {
  if (document.hidden) return;
  const page = await newPage();
  document.getElementById("stale").hidden = page !== null;
  const html = page?.getElementById("list").innerHTML ?? shown;
  if (html !== shown) {
    shown = html;
    replace(html);
    filter.closest("label").hidden = page.getElementById("filter").closest("label").hidden;
  }
  tellTimes();
  applyFilter();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== filter && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === "Escape" && event.target === filter) {
    filter.value = "";
    applyFilter();
  }
});
document.addEventListener("visibilitychange", refresh);
filter.addEventListener("input", applyFilter);
setInterval(refresh, REFRESH_MS);
tellTimes();
applyFilter();
