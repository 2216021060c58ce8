// Each update of a live picture is a new document to the page: what was opened stays open, and the focus where it was.
(() => {
  const picture = document.currentScript.closest(".durable-timeline");
  if (!picture) return;
  const all = (window.durableOpen ??= {});
  const kept = (all[picture.dataset.id] ??= { lanes: new Set(), focus: "", top: 0 });
  for (const lane of picture.querySelectorAll("details")) {
    const key = lane.dataset.lane;
    const head = lane.firstElementChild;
    lane.open = kept.lanes.has(key);
    lane.addEventListener("toggle", () => kept.lanes[lane.open ? "add" : "delete"](key));
    if (kept.focus === key) head.focus({ preventScroll: true });
    head.addEventListener("focus", () => (kept.focus = key));
    // what is taken out of the page loses the focus first, and is known to be out a moment later
    head.addEventListener("blur", () => setTimeout(() => head.isConnected && kept.focus === key && (kept.focus = "")));
  }
  const box = picture.querySelector(".d-lanes");
  if (!box) return;
  box.scrollTop = kept.top;
  box.addEventListener("scroll", () => (kept.top = box.scrollTop));
})();
