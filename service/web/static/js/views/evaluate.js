/** Would the new images help? Start an evaluation, watch it, read its report. */

import { at, get, post } from "../api.js";
import { checks, field, number, select } from "../controls.js";
import { attempt, el } from "../dom.js";
import { follow } from "../follow.js";
import { optionsOf } from "../options.js";
import { report } from "../report.js";
import { keep, valueFor } from "../settings.js";
import { chooseDataset, chooseModel } from "../which.js";

export const title = "Evaluate";

/** What is filled in at first: an evaluation that takes minutes. The service's own defaults measure everything, which takes long. */
const QUICK = { labelled: 100, classifiers: ["svm", "knn"], spaces: ["image"], comparators: ["affine"], combine: false };

/** Comparators that label images of the pool, of which this form takes none; "Best training set" puts those to use. */
const OF_THE_POOL = ["spread_pixels", "self_training"];

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const [{ models }, { datasets }, options] = await Promise.all([
    get("/v1/models", signal), get("/v1/datasets", signal), optionsOf("post", "/v1/jobs/evaluate")]);
  const labelled = datasets.filter(({ classes }) => classes.length);
  const dataset = datasetFor(chooseModel(models, parameters.get("model")), labelled, parameters);
  const fitting = models.filter((entry) => entry.dataset === dataset.name);
  place.append(
    el("p", {}, "Would the new images make a classifier better? We train with and without them several times and compare."),
    evaluateForm(options, dataset, labelled, fitting, parameters));
  return undefined;
}

/** The data set that the address names, or else that of the model. @throws {Error} they do not fit together */
function datasetFor(model, labelled, parameters) {
  const wanted = parameters.get("dataset");
  if (!parameters.get("model")) return chooseDataset(labelled, wanted ?? labelled.find(({ name }) => name === model?.dataset)?.name);
  if (wanted && wanted !== model.dataset) throw new Error(`The model ${model.name} was trained on ${model.dataset}, so it cannot be evaluated on ${wanted}. Choose a model of ${wanted}, or none to train a new one.`);
  if (labelled.some(({ name }) => name === model.dataset)) return chooseDataset(labelled, model.dataset);
  throw new Error(`The model ${model.name} cannot be evaluated: its data set, ${model.dataset}, has no labels or is no longer here. An evaluation compares classifiers, and those learn from labels.`);
}

function evaluateForm(options, dataset, datasets, models, parameters) {
  const problems = el("div");
  const chooser = select(datasets.map((entry) => entry.name), dataset.name,
    { onchange: () => { location.hash = `#/evaluate?dataset=${encodeURIComponent(chooser.value)}`; } });
  const given = (name, otherwise = options[name].default) => valueFor(options[name], parameters.get(name)) ?? otherwise;
  const ticked = (name, otherwise = options[name].default) => parameters.get(name)?.split(",") ?? otherwise;
  const model = select([...models.map((entry) => entry.name), ["", "train a new one"]], parameters.has("new") ? "" : parameters.get("model") ?? chooseModel(models)?.name ?? "");
  const most = dataset.labelled_parts.train;
  const comparators = options.comparators.choices.filter((name) => !OF_THE_POOL.includes(name));
  const numbers = {
    labelled: number(options.labelled, { value: Math.min(given("labelled", QUICK.labelled), most), max: most }),
    draws: number(options.draws, { value: given("draws") }),
    k: number(options.k, { value: given("k") }),
  };
  const lists = {
    classifiers: checks("Classifiers", "classifier", options.classifiers, ticked("classifiers", QUICK.classifiers)),
    methods: checks("Methods", "method", options.methods, ticked("methods")),
    spaces: checks("What classifiers see", "of these", options.spaces, ticked("spaces", QUICK.spaces)),
    comparators: checks("Compare with", "of these", { ...options.comparators, choices: comparators }, ticked("comparators", QUICK.comparators)),
    decode: checks("Decode", "of these", options.decode, ticked("decode")),
  };
  const combine = el("input", { type: "checkbox", checked: parameters.get("combine") === "true" || QUICK.combine });
  const share = () => keep({
    dataset: dataset.name, model: model.value, new: model.value ? null : "yes", combine: combine.checked,
    ...mapped(numbers, (input) => input.value), ...mapped(lists, (group) => group.values().join(",")),
  });
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const record = await post("/v1/jobs/evaluate", {
        dataset: dataset.name,
        ...(model.value ? { model: model.value } : {}),
        ...mapped(numbers, (input) => input.valueAsNumber),
        ...mapped(lists, (group) => group.values()),
        combine: combine.checked,
      });
      location.hash = `#/evaluate?job=${record.id}`;
    });
  };
  const row = (label, name, more = "") => field(label, numbers[name], `${options[name].meaning}${more}`);
  return el("form", { class: "card evaluation", onsubmit: submit, onchange: share, "aria-label": "Start an evaluation" },
    el("div", { class: "grid" },
      field("Data set", chooser), field("Model", model),
      row("Labelled images", "labelled", ` There are ${most.toLocaleString()}.`),
      row("Draws", "draws"), row("New images of each (k)", "k")),
    el("div", { class: "grid" }, Object.values(lists)),
    el("label", { class: "check" }, combine, "Also measure each method together with affine copies"),
    el("button", { class: "primary" }, "Start"), problems);
}

const mapped = (inputs, value) => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, value(input)]));

async function watch(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  const { dataset, model, draws } = record.params;
  place.append(el("p", {}, `Data set ${dataset}${model ? `, model ${[model].flat().join(", ")}` : ""}, ${draws} draws`, " · ",
    el("a", { href: `#/evaluate?dataset=${encodeURIComponent(dataset)}` }, "Evaluate again")));
  const before = el("div");
  const parts = el("div", { class: "parts" });
  place.append(before, parts);
  const progress = async () => {
    const { children } = await get(at("jobs", id), signal);
    if (children) parts.replaceChildren(...squares(children));
  };
  await progress();
  const done = await follow(before, id, signal, { progress: () => { progress().catch(() => {}); } }); // the next event asks again
  if (!done) return;
  parts.remove();
  before.remove();
  place.append(await report(id, signal));
}

/** The sub-jobs, with a square for each. */
function squares(counts) {
  const states = ["done", "running", "queued", "failed"];
  const summary = states.map((state) => `${counts[state]} ${state}`).join(", ");
  return [
    el("p", {}, `Parts: ${summary}`),
    el("div", { class: "cells", "aria-hidden": "true" }, states.flatMap((state) =>
      Array.from({ length: counts[state] }, () => el("i", { class: state })))),
  ];
}
