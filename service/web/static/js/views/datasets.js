/** The data sets: those that come with the service, and uploads. */

import { at, call, get } from "../api.js";
import { portrait } from "../datasets.js";
import { attempt, confirmed, el, when } from "../dom.js";
import { searchable } from "../list.js";
import { uploadForm } from "../upload.js";

export const title = "Data sets";

export async function render(place, parameters, signal) {
  const { datasets } = await get("/v1/datasets", signal);
  const problems = el("div");
  place.append(problems);
  const shown = datasets.find(({ name }) => name === parameters.get("name"));
  if (shown) await attempt(problems, async () => { place.append(await portrait(shown, signal)); });
  place.append(searchable("Data sets", ["data set", "images", "size", "classes", "uploaded", "actions"],
    datasets.map((dataset) => entry(dataset, problems)), "There are no data sets yet."),
  el("h2", {}, "Add a data set"), await uploadForm(({ name }) => { location.hash = `#/datasets?name=${encodeURIComponent(name)}`; }));
}

function entry(dataset, problems) {
  const name = encodeURIComponent(dataset.name);
  const remove = async () => {
    if (!(await confirmed(`Delete the data set ${dataset.name}? This cannot be undone.`, "Delete"))) return;
    await attempt(problems, async () => {
      await call(at("datasets", dataset.name), { method: "DELETE" });
      location.hash = "#/datasets?";
      dispatchEvent(new HashChangeEvent("hashchange"));
    });
  };
  return {
    text: `${dataset.name} ${dataset.source} ${dataset.classes.join(" ")}`,
    cells: [
      el("a", { href: `#/datasets?name=${name}` }, dataset.name),
      dataset.images.toLocaleString(),
      `${dataset.height}×${dataset.width}${dataset.channels === 3 ? ", colour" : ""}`,
      String(dataset.classes.length || "no labels"),
      dataset.built_in ? "built in" : when(dataset.created_at),
      el("div", { class: "row" },
        el("a", { class: "button", href: `#/train?dataset=${name}`, "aria-label": `Train on ${dataset.name}` }, "Train"),
        dataset.built_in ? null : el("button", { type: "button", class: "danger", "aria-label": `Delete ${dataset.name}`, onclick: remove }, "Delete")),
    ],
  };
}
