/** The images that a job has made: some of each class to look at, and all of them to keep. */

import { at, call } from "./api.js";
import { attempt, el, save } from "./dom.js";
import { unzip } from "./unzip.js";

const OF_EACH = 12; // images of each class that are shown
const MOST_CLASSES = 30;

/** A file's name that says what is in it. */
const nameOf = ({ id, kind, params: { dataset, method, recipe } }) =>
  `${[dataset, kind === "label" ? "labelled" : recipe ? "training-set" : method, id.slice(-8)].filter(Boolean).join("-")}.zip`;

/** The images of a job that has succeeded, by class, with a button to download all. */
export async function madeImages(job, signal) {
  const problems = el("div");
  const answer = await call(at("jobs", job.id, "/result"), { accept: "application/zip", signal });
  const archive = await answer.blob();
  const images = (await unzip(archive)).filter(({ name }) => name.endsWith(".png"));
  const classes = new Map();
  for (const { name, file } of images) {
    const label = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
    classes.set(label, [...(classes.get(label) ?? []), file]);
  }
  const sorted = [...classes].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  const shown = sorted.slice(0, MOST_CLASSES).map(([label, files]) => el("section", { "aria-label": label || "Images" },
    el("h3", {}, `${label || "Without labels"} `, el("small", {}, `${files.length.toLocaleString()} images`)),
    el("div", { class: "sheet" }, spread(files).map((file) => picture(file, signal)))));
  return el("section", { class: "card", "aria-label": "The images" },
    el("p", { class: "row" },
      el("button", { type: "button", class: "primary", onclick: () => attempt(problems, async () => save(archive, nameOf(job))) },
        `Download all ${images.length.toLocaleString()} images`),
      el("small", {}, nameOf(job))),
    problems, shown);
}

/** Some of the files, from the first to the last. */
const spread = (files) => files.filter((_, i) => i === 0 || Math.floor((i * OF_EACH) / files.length) > Math.floor(((i - 1) * OF_EACH) / files.length));

function picture(file, signal) {
  const src = URL.createObjectURL(new Blob([file], { type: "image/png" }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(src));
  return el("img", { src, alt: "" });
}
