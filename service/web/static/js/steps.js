/** The way from images to a verdict, in four steps: which are done with the last upload, and which comes next. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { lastUpload } from "./which.js";

const STEPS = [
  ["datasets", "Upload", "your images"],
  ["train", "Train", "a model of them"],
  ["playground", "Make images", "and look at them"],
  ["evaluate", "Check", "whether they help"],
];
const MADE = "latentaug-made";

let marked = async () => {};

/** Marks the steps on the screen anew, after one of them was done; without an answer they stay as they are. */
export const markSteps = () => { marked().catch(() => {}); };

/** Remembers, until the tab is closed, that the person has seen new images of a data set. */
export function imagesMade(dataset) {
  if (sessionStorage.getItem(MADE) === dataset) return;
  sessionStorage.setItem(MADE, dataset);
  markSteps();
}

/**
 * The steps as a list, with the next one marked once that is known.
 * @param {string} view the step that is on the screen
 * @param {AbortSignal} signal
 */
export function steps(view, signal) {
  const links = STEPS.map(([name, title, what], i) =>
    el("a", { href: `#/${name}`, "aria-current": name === view ? "step" : null },
      el("b", {}, `${i + 1} ${title}`), " ", el("span", { class: "mark" }), " ", el("small", {}, what)));
  marked = () => mark(links, signal);
  markSteps();
  return el("ol", { class: "steps", "aria-label": "From images to a verdict" }, links.map((link) => el("li", {}, link)));
}

async function mark(links, signal) {
  const [{ datasets }, { models }] = await Promise.all([get("/v1/datasets", signal), get("/v1/models", signal)]);
  const upload = lastUpload(datasets);
  const isOfIt = (dataset) => !upload || dataset === upload.name;
  const made = sessionStorage.getItem(MADE);
  const ended = await Promise.all(["augment", "evaluate"].map((kind) => jobsOf(kind, signal)));
  const [augmented, evaluated] = ended.map((jobs) => jobs.some(({ params }) => isOfIt(params.dataset)));
  const done = [
    Boolean(upload) || models.length > 0,
    models.some(({ dataset }) => isOfIt(dataset)),
    augmented || (made !== null && isOfIt(made)),
    evaluated,
  ];
  const next = done.indexOf(false);
  links.forEach((link, i) => {
    link.classList.toggle("done", done[i]);
    link.classList.toggle("next", i === next);
    link.querySelector(".mark").textContent = done[i] ? "✓" : i === next ? "next" : "";
  });
}

async function jobsOf(kind, signal) {
  const { jobs } = await get(`/v1/jobs?kind=${kind}&status=succeeded`, signal).catch(() => ({ jobs: [] })); // this key may not see jobs
  return jobs;
}
