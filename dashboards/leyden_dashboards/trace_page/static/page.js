// Keys for the page, and what is under way kept up to date; everything works without them.
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

// Parts marked data-live are asked for again while one says data-again (every so many seconds, 2 if it does not say).
// What comes is the collector's own page, escaped as the first one was; scripts in it would not run.
function keepUp() {
  const again = document.querySelector("[data-again]");
  if (again) setTimeout(async () => {
    try {
      const answer = document.hidden ? null : await fetch(location.href);
      if (answer && answer.ok) renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the collector is away: it is asked again */ }
    keepUp();
  }, 1000 * (Number(again.dataset.again) || 2));
}

function renew(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (!now) continue;
    if (now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
    part.toggleAttribute("data-again", now.hasAttribute("data-again"));
    if (now.dataset.again) part.dataset.again = now.dataset.again;
  }
}
keepUp();
