/** The trained models: how good each is, what to do with it, and some side by side. */

import { get } from "../api.js";
import { comparison } from "../comparison.js";
import { attempt, confirmed, el, when } from "../dom.js";
import { searchable } from "../list.js";
import { isRemoved, remove } from "../removal.js";
import { NETWORKS, quality } from "../words.js";

export const title = "Models";

export async function render(place, parameters, signal) {
  const { models } = await get("/v1/models", signal);
  const kept = models.filter(({ name }) => !isRemoved("models", name));
  const problems = el("div");
  place.append(problems);
  const compared = (parameters.get("compare") ?? "").split(",").filter(Boolean);
  if (compared.length) await attempt(problems, async () => { place.append(await comparison(kept, compared, signal)); });
  place.append(searchable("Models", ["model", "data set", "network", "size", "latent dimensions", "quality", "trained", "actions"],
    kept.map(entry), "There are no models yet. Train one first.",
    [{ words: "Compare", least: 2, act: (names) => { location.hash = `#/models?compare=${names.map(encodeURIComponent).join(",")}`; } },
      { words: "Delete", least: 1, danger: true, act: removeAll }]));
}

async function removeAll(names) {
  const what = names.length === 1 ? `the model ${names[0]}` : `these ${names.length} models: ${names.join(", ")}`;
  if (await confirmed(`Delete ${what}?`, "Delete")) remove("models", names, "model");
}

function entry(model) {
  const query = `model=${encodeURIComponent(model.name)}`;
  return {
    name: model.name,
    text: `${model.name} ${model.dataset} ${NETWORKS[model.architecture]} ${model.advice}`,
    cells: [
      el("a", { href: `#/playground?${query}` }, model.name), model.dataset, NETWORKS[model.architecture],
      `${model.height} × ${model.width}${model.channels === 3 ? ", colour" : ""}`,
      String(model.latent_dim), [quality(model), el("p", { class: "why" }, model.advice)], when(model.created_at),
      el("div", { class: "row" },
        el("a", { class: "button", href: `#/map?${query}`, "aria-label": `Map of ${model.name}` }, "Map"),
        el("a", { class: "button", href: `#/train?job=${model.job_id}`, "aria-label": `Training of ${model.name}` }, "Training"),
        el("button", { type: "button", class: "danger", "aria-label": `Delete ${model.name}`, onclick: () => removeAll([model.name]) }, "Delete")),
    ],
  };
}
