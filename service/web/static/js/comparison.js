/** Models side by side: what they are, how good, how they learnt, and what evaluations of them said. */

import { at, get, post } from "./api.js";
import { el, table } from "./dom.js";
import { errors } from "./learning.js";
import { dataUrl } from "./pictures.js";
import { viewOf } from "./watch.js";
import { chooseModel } from "./which.js";
import { NETWORKS, quality } from "./words.js";

const SHOWN = 6; // test images of each model

/**
 * @param {object[]} models all there are
 * @param {string[]} names those to compare
 * @param {AbortSignal} signal
 * @throws {Error} one of them is not there
 */
export async function comparison(models, names, signal) {
  const chosen = names.map((name) => chooseModel(models, name));
  const [{ jobs }, ...pictures] = await Promise.all([
    get("/v1/jobs?kind=evaluate&status=succeeded&limit=200", signal),
    ...chosen.map((model) => reconstructions(model, signal))]);
  const row = (name, value) => [el("strong", {}, name), ...chosen.map(value)];
  return el("section", { class: "card", "aria-label": "Models side by side" },
    el("h2", {}, "Side by side"),
    table("What the models are and how good", ["model", ...names], [
      row("Data set", (model) => `${model.dataset}, ${model.training_images.toLocaleString()} images to train on`),
      row("Network", (model) => `${NETWORKS[model.architecture]}, ${model.latent_dim} latent dimensions`),
      row("Training", (model) => `${model.curve.length} epochs, the best was ${model.best_epoch}`),
      row("Quality", (model) => [quality(model), el("p", { class: "why" }, model.advice)]),
      row("Test images and their reconstructions", (model) => pictures[chosen.indexOf(model)]),
      row("Do its images help?", (model) => verdicts(model, jobs)),
    ]),
    errors(Object.fromEntries(chosen.map(({ name, curve }) => [name, curve]))));
}

async function reconstructions({ name, dataset }, signal) {
  const strip = (images) => el("div", { class: "sheet" }, images.map((image) => el("img", { src: dataUrl(image), alt: "" })));
  try {
    const { images } = await get(`${at("datasets", dataset, "/images")}?count=${SHOWN}`, signal);
    const { latents } = await post(at("models", name, "/encode"), { images }, { signal });
    const decoded = await post(at("models", name, "/decode"), { latents }, { signal });
    return [strip(images), strip(decoded.images)];
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return error.message; // the data set may be gone
  }
}

/** What the last evaluation of a model said. */
function verdicts(model, jobs) {
  const job = jobs.find(({ params }) => [params.model].flat().includes(model.name));
  if (!job) return el("a", { href: `#/evaluate?model=${encodeURIComponent(model.name)}` }, "Not measured yet. Evaluate");
  return [...Object.values(job.result?.verdicts ?? {}).map((words) => el("p", { class: "why" }, firstSentences(words))),
    el("a", { href: viewOf(job) }, "The report")];
}

/** The words of a verdict without its statistics. */
const firstSentences = (words) => words.replace(/ In numbers: .*$/s, "");
