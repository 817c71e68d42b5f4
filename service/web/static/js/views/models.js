/** The trained models. */

import { at, call, get } from "../api.js";
import { attempt, confirmed, el, when } from "../dom.js";
import { searchable } from "../list.js";

export const title = "Models";

export async function render(place, parameters, signal) {
  const { models } = await get("/v1/models", signal);
  const problems = el("div");
  place.append(problems, searchable("Models", ["model", "data set", "size", "latent dimensions", "best epoch", "trained", "actions"],
    models.map((model) => entry(model, problems)), "There are no models yet. Train one first."));
}

function entry(model, problems) {
  const query = `model=${encodeURIComponent(model.name)}`;
  const remove = async () => {
    if (!(await confirmed(`Delete the model ${model.name}? This cannot be undone.`, "Delete"))) return;
    await attempt(problems, async () => {
      await call(at("models", model.name), { method: "DELETE" });
      dispatchEvent(new HashChangeEvent("hashchange"));
    });
  };
  return {
    text: `${model.name} ${model.dataset}`,
    cells: [
      el("a", { href: `#/playground?${query}` }, model.name), model.dataset,
      `${model.height}×${model.width}${model.channels === 3 ? ", colour" : ""}`,
      String(model.latent_dim), `${model.best_epoch} of ${model.curve.length}`, when(model.created_at),
      el("div", { class: "row" },
        el("a", { class: "button", href: `#/map?${query}`, "aria-label": `Map of ${model.name}` }, "Map"),
        el("a", { class: "button", href: `#/train?job=${model.job_id}`, "aria-label": `Training of ${model.name}` }, "Training"),
        el("button", { type: "button", class: "danger", "aria-label": `Delete ${model.name}`, onclick: remove }, "Delete")),
    ],
  };
}
