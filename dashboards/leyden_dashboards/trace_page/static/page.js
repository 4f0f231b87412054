// Keys for the page; everything works without them.
"use strict";

const typing = (element) => element.closest("input, select, textarea, button") !== null;
const rows = () => [...document.querySelectorAll("table.rows tbody tr, ol.waterfall > li, ol.said > li")];

function step(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.classList.contains("here"));
  const next = all[Math.min(Math.max(now + by, 0), all.length - 1)];
  all.forEach((row) => row.classList.toggle("here", row === next));
  next.scrollIntoView({ block: "nearest" });
  const target = next.querySelector("a, summary");
  if (target) target.focus({ preventScroll: true });
}

function toggleAll() {
  const all = [...document.querySelectorAll("main details")];
  const open = all.some((one) => !one.open);
  all.forEach((one) => { one.open = open; });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const does = {
    "/": () => document.getElementById("search")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    o: toggleAll,
    "?": () => document.querySelector("footer").scrollIntoView(),
  }[event.key];
  if (does) {
    event.preventDefault();
    does();
  }
});

// A link to a span opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const details = target && target.querySelector("details");
  if (details) details.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
