/** The best training set: from a folder, labelled in part, to a set to train on, with the proof that it helps. */

import { at, call, get, post } from "../api.js";
import { checks, field, number, select } from "../controls.js";
import { warnings } from "../datasets.js";
import { attempt, el, save } from "../dom.js";
import { follow } from "../follow.js";
import { optionsOf } from "../options.js";
import { report } from "../report.js";
import { uploadForm } from "../upload.js";
import { chooseDataset } from "../which.js";

export const title = "Best training set";

const FEW = 100; // labels assumed for a data set that is labelled whole, as somebody would who has just begun
const ADVICE = "Put your labelled images into one folder for each class, and all other images into a folder called unlabelled beside them.";

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const [{ datasets }, { models }, options] = await Promise.all([
    get("/v1/datasets", signal), get("/v1/models", signal), optionsOf("post", "/v1/jobs/recommend")]);
  const labelled = datasets.filter(({ classes }) => classes.length);
  const dataset = chooseDataset(labelled, parameters.get("dataset"));
  const open = (name) => { location.hash = `#/recommend?dataset=${encodeURIComponent(name)}`; };
  place.append(
    el("p", {}, "You have few labels and many images. We try which new images help a classifier most, on your own labelled images, and make the best training set that we find."),
    el("section", { class: "columns" },
      el("div", {}, el("h2", {}, "The search"), warnings(dataset),
        searchForm(dataset, labelled, models.filter((model) => model.dataset === dataset.name), options, open)),
      el("div", {}, el("h2", {}, "Other images"), el("p", { class: "hint" }, ADVICE), await uploadForm())));
  return undefined;
}

function searchForm(dataset, datasets, models, options, open) {
  const problems = el("div");
  const whole = dataset.unlabelled === 0;
  const chooser = select(datasets.map(({ name, labelled, unlabelled }) => [name, `${name} (${counted(labelled, unlabelled)})`]),
    dataset.name, { onchange: () => open(chooser.value) });
  const model = select([...models.map(({ name }) => name), ["", "none: do without a model's images"]], models[0]?.name ?? "");
  const classifiers = checks("Classifiers", "classifier", options.classifiers);
  const budget = number(options.budget_seconds);
  const few = whole ? number(options.labelled, { value: Math.min(FEW, dataset.parts.train), max: dataset.parts.train }) : null;
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const record = await post("/v1/jobs/recommend", {
        dataset: dataset.name,
        ...(model.value ? { model: model.value } : {}),
        ...(few ? { labelled: few.valueAsNumber } : {}),
        classifiers: classifiers.values(),
        budget_seconds: budget.valueAsNumber,
      });
      location.hash = `#/recommend?job=${record.id}`;
    });
  };
  return el("form", { class: "card", onsubmit: submit, "aria-label": "Find the best training set" },
    field("Data set", chooser), field("Model", model),
    few ? field("Labelled images", few, options.labelled.meaning) : null,
    classifiers,
    field("Seconds to search", budget, options.budget_seconds.meaning),
    el("button", { class: "primary" }, "Find the best training set"), problems);
}

const counted = (labelled, unlabelled) =>
  `${labelled.toLocaleString()} labelled${unlabelled ? `, ${unlabelled.toLocaleString()} not` : ""}`;

async function watch(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  const { dataset } = record.params;
  place.append(el("p", {}, `Data set ${dataset}`, " · ",
    el("a", { href: `#/recommend?dataset=${encodeURIComponent(dataset)}` }, "Search again")));
  const before = el("div");
  place.append(before);
  const done = await follow(before, id, signal);
  if (!done) return;
  before.remove();
  place.append(taking(dataset, id, signal), await report(id, signal));
}

/** The button that makes the recommended set, and the set once it is made. */
function taking(dataset, id, signal) {
  const problems = el("div");
  const place = el("div");
  const make = el("button", { type: "button", class: "primary", onclick: () => attempt(problems, async () => {
    make.disabled = true;
    const job = await post("/v1/jobs/augment", { dataset, recipe: id });
    const made = await follow(place, job.id, signal);
    if (!made) {
      make.disabled = false;
      return;
    }
    const zip = await call(at("jobs", job.id, "/result"), { accept: "application/zip", signal });
    save(await zip.blob(), `${dataset}-training-set.zip`);
  }) }, "Make and download this training set");
  return el("section", { class: "card", "aria-label": "The recommended set" },
    el("h2", {}, "The recommended set"),
    el("p", {}, "Your labelled images, the images that could be labelled, and new ones, in a folder for each class with a list of where each comes from."),
    make, place, problems);
}
