/** The data sets: those that come with the service, and uploads. */

import { get } from "../api.js";
import { portrait } from "../datasets.js";
import { attempt, confirmed, el, redraw, when } from "../dom.js";
import { searchable } from "../list.js";
import { isRemoved, remove } from "../removal.js";
import { uploadForm } from "../upload.js";
import { byAge, chooseDataset } from "../which.js";

export const title = "Data sets";

export async function render(place, parameters, signal) {
  const [{ datasets }, { models }] = await Promise.all([get("/v1/datasets", signal), get("/v1/models", signal)]);
  const kept = datasets.filter(({ name }) => !isRemoved("datasets", name));
  const problems = el("div");
  place.append(problems);
  if (parameters.has("name")) {
    await attempt(problems, async () => { place.append(await portrait(chooseDataset(kept, parameters.get("name")), signal)); });
  }
  place.append(el("h2", {}, "Add a data set"), await uploadForm(redraw),
    searchable("Data sets", ["data set", "images", "size", "classes", "uploaded", "actions"],
      [...byAge(kept.filter((dataset) => !dataset.built_in)).reverse(), ...kept.filter((dataset) => dataset.built_in)].map((dataset) => entry(dataset, models)), "There are no data sets yet.",
      [{ words: "Delete", least: 1, danger: true, act: (names) => removeAll(names, models) }]));
}

async function removeAll(names, models) {
  const needing = models.filter(({ dataset }) => names.includes(dataset)).map(({ name }) => name);
  const what = names.length === 1 ? `the data set ${names[0]}` : `these ${names.length} data sets: ${names.join(", ")}`;
  const loss = needing.length ? ` ${needing.length === 1 ? "A model needs" : `${needing.length} models need`} it to show images and to be evaluated: ${needing.join(", ")}.` : "";
  if (!(await confirmed(`Delete ${what}?${loss}`, "Delete"))) return;
  if (location.hash.includes("name=")) location.hash = "#/datasets";
  remove("datasets", names, "data set");
}

function entry(dataset, models) {
  const name = encodeURIComponent(dataset.name);
  return {
    name: dataset.built_in ? undefined : dataset.name,
    text: `${dataset.name} ${dataset.source} ${dataset.classes.join(" ")}`,
    cells: [
      el("a", { href: `#/datasets?name=${name}` }, dataset.name),
      dataset.images.toLocaleString(),
      `${dataset.height} × ${dataset.width}${dataset.channels === 3 ? ", colour" : ""}`,
      String(dataset.classes.length || "no labels"),
      dataset.built_in ? "built in" : when(dataset.created_at),
      el("div", { class: "row" },
        el("a", { class: "button", href: `#/train?dataset=${name}`, "aria-label": `Train on ${dataset.name}` }, "Train"),
        dataset.built_in ? null : el("button", { type: "button", class: "danger", "aria-label": `Delete ${dataset.name}`, onclick: () => removeAll([dataset.name], models) }, "Delete")),
    ],
  };
}
