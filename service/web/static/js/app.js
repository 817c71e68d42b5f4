/** The frame around the views: which one is shown follows the address, `#/view?parameters`. */

import "./contract.js"; // starts to load at once, together with the view's own files
import { attempt, el } from "./dom.js";
import { key } from "./key.js";
import { steps } from "./steps.js";
import { tab } from "./tab.js";
import { watchJobs } from "./watch.js";

const VIEWS = {
  start: () => import("./views/start.js"),
  playground: () => import("./views/playground.js"),
  map: () => import("./views/map.js"),
  train: () => import("./views/train.js"),
  recommend: () => import("./views/recommend.js"),
  evaluate: () => import("./views/evaluate.js"),
  jobs: () => import("./views/jobs.js"),
  models: () => import("./views/models.js"),
  datasets: () => import("./views/datasets.js"),
};

const LEAD = "Give it your images, a folder for each class. It learns to make new ones like them, and measures whether they make a classifier better.";
const NO_PAGE = "There is no page of that name here. This is the playground.";
const LED = ["start", "playground"]; // views where a person may know nothing yet

const main = document.getElementById("main");
let leaving = new AbortController();
let current = null;

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [name, query] = location.hash.replace(/^#\//, "").split("?");
  const view = Object.hasOwn(VIEWS, name) ? name : "playground";
  markLink(view);
  const moved = current !== null && current !== view;
  current = view;
  const { title, render } = await VIEWS[view]();
  if (signal.aborted) return;
  tab.view(title);
  watchJobs();
  const unknown = name && view !== name;
  const problems = el("div");
  const place = el("div", { class: `view-${view}` });
  main.replaceChildren(...(LED.includes(view) ? [el("p", { class: "lead" }, LEAD)] : []), steps(view, signal), el("h1", {}, title), ...(unknown ? [el("p", { class: "warning" }, NO_PAGE)] : []), problems, place);
  if (moved) main.focus(); // for those who use a screen reader; within a view the focus stays where it is
  await attempt(problems, () => render(place, new URLSearchParams(query ?? ""), signal));
}

function markLink(view) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Small images are enlarged without smoothing; those that are shown smaller than they are look better with it. */
function smoothLarge({ target }) {
  target.classList?.toggle("smooth", target.naturalWidth > target.clientWidth);
}

function prepareKey() {
  const details = document.getElementById("key");
  const input = details.querySelector("input");
  const state = document.getElementById("key-state");
  input.value = key.get();
  details.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(input.value.trim());
    details.open = false;
    state.textContent = "";
    show();
  });
  document.addEventListener("key-needed", () => {
    details.open = true;
    state.textContent = key.get() ? "The server does not know this key." : "This server asks for a key.";
    input.focus();
  });
}

prepareKey();
main.addEventListener("load", smoothLarge, true); // of images, which do not bubble
addEventListener("hashchange", show);
show();
