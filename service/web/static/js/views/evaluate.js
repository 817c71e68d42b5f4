/** Do new images help? Start an evaluation, watch it, read the report. */

import { at, get, post } from "../api.js";
import { attempt, checks, el, field, select } from "../dom.js";
import { follow } from "../follow.js";
import { pick } from "../models.js";
import { report } from "../report.js";

export const title = "Evaluate";

const METHODS = [["noise", "noise"], ["interpolation", "interpolation"], ["extrapolation", "extrapolation"]];
const CLASSIFIERS = [["svm", "SVM"], ["knn", "kNN"], ["mlp", "MLP (slow)"]];
const SPACES = [["image", "pixels"], ["latent", "latents"]];
const COMPARATORS = [["duplication", "the same images again"], ["affine", "affine copies"], ["smote", "SMOTE"]];
const DECODES = [["residual", "residual"], ["reconstruction", "reconstruction"]];

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const { models } = await get("/v1/models", signal);
  const { datasets } = await get("/v1/datasets", signal);
  const labelled = datasets.filter(({ classes }) => classes.length);
  const name = parameters.get("dataset") ?? pick(models, parameters.get("model"))?.dataset;
  const dataset = labelled.find((entry) => entry.name === name) ?? labelled[0];
  const fitting = models.filter((model) => model.dataset === dataset.name);
  place.append(el("p", {}, "Labelled images are drawn several times. Each time every classifier is tuned on them, and trained with and without new images. In the end you read whether to use new images, and which."),
    form(dataset, labelled, fitting, pick(fitting, parameters.get("model"))));
  return undefined;
}

function form(dataset, datasets, models, wanted) {
  const problems = el("div");
  const chooser = select(datasets.map((entry) => entry.name), dataset.name,
    { onchange: () => { location.hash = `#/evaluate?dataset=${encodeURIComponent(chooser.value)}`; } });
  const model = select([...models.map((entry) => entry.name), ["", "train one for this"]], wanted?.name ?? "");
  const most = dataset.parts.train;
  const number = (value, max) => el("input", { type: "number", value, min: 1, max, step: 1, required: true });
  const inputs = { labelled: number(Math.min(100, most), most), draws: number(5, 100), k: number(3, 64) };
  const groups = {
    classifiers: checks("Classifiers", CLASSIFIERS, ["svm", "knn"]),
    methods: checks("Methods", METHODS, METHODS.map(([value]) => value)),
    spaces: checks("Classified by", SPACES, ["image"]),
    comparators: checks("Compared with", COMPARATORS, ["affine"]),
    decode: checks("Decode", DECODES, ["residual"]),
  };
  const combine = el("input", { type: "checkbox" });
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const numbers = Object.entries(inputs).map(([name, input]) => [name, input.valueAsNumber]);
      const lists = Object.entries(groups).map(([name, group]) => [name, group.values()]);
      const origin = model.value ? { model: model.value } : {};
      const record = await post("/v1/jobs/evaluate", {
        dataset: dataset.name, ...origin, ...Object.fromEntries([...numbers, ...lists]), combine: combine.checked });
      location.hash = `#/evaluate?job=${record.id}`;
    });
  };
  return el("form", { class: "card evaluation", onsubmit: submit, "aria-label": "Start an evaluation" },
    el("div", { class: "grid" },
      field("Data set", chooser), field("Model", model),
      field("Labelled images", inputs.labelled, `how many you would label, of the ${most} to train on`),
      field("Draws", inputs.draws, "more draws can prove smaller gains"),
      field("New images each (k)", inputs.k)),
    el("div", { class: "grid" }, Object.values(groups)),
    el("label", { class: "check" }, combine, "Also measure affine copies together with each method"),
    el("button", { class: "primary" }, "Start"), problems);
}

async function watch(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  const { dataset, model, draws } = record.params;
  place.append(el("p", {}, `Data set ${dataset}${model ? `, model ${model}` : ""}, ${draws} draws`, " · ",
    el("a", { href: `#/evaluate?dataset=${encodeURIComponent(dataset)}` }, "Evaluate again")));
  const before = el("div");
  const units = el("div", { class: "units" });
  place.append(before, units);
  const progress = async () => {
    const { children } = await get(at("jobs", id), signal);
    if (children) units.replaceChildren(...squares(children));
  };
  await progress();
  const done = await follow(before, id, signal, { progress: () => { progress().catch(() => {}); } }); // the next one tells again
  if (!done) return;
  units.remove();
  before.remove();
  place.append(await report(id, signal));
}

/** The parts of the job, one square each. */
function squares(children) {
  const states = ["done", "running", "queued", "failed"];
  const told = states.map((state) => `${children[state]} ${state}`).join(", ");
  return [
    el("p", {}, `Parts: ${told}`),
    el("div", { class: "cells", "aria-hidden": "true" }, states.flatMap((state) =>
      Array.from({ length: children[state] }, () => el("i", { class: state })))),
  ];
}
