/** From images to a model: choose or upload a data set, look at it, train, watch. */

import { at, get, post } from "../api.js";
import { field, number, select, text } from "../controls.js";
import { portrait } from "../datasets.js";
import { attempt, el } from "../dom.js";
import { follow } from "../follow.js";
import { curves } from "../learning.js";
import { optionsOf } from "../options.js";
import { dataUrl } from "../pictures.js";
import { keep, valueFor } from "../settings.js";
import { uploadForm } from "../upload.js";
import { chooseDataset } from "../which.js";
import { NETWORKS } from "../words.js";

export const title = "Train";

const SHOWN = 12;
const NUMBERS = ["latent_dim", "beta", "max_seconds", "epochs", "patience", "learning_rate", "seed"];
const LONGEST = 50; // letters of the data set's name that a model's name may hold

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const [{ datasets }, { models }, options] = await Promise.all([
    get("/v1/datasets", signal), get("/v1/models", signal), optionsOf("post", "/v1/jobs/train")]);
  const chosen = chooseDataset(datasets, parameters.get("dataset"));
  const open = (name) => { location.hash = `#/train?dataset=${encodeURIComponent(name)}`; };
  const chooser = select(datasets.map(({ name, images }) => [name, `${name} (${images.toLocaleString()} images)`]), chosen.name,
    { onchange: () => open(chooser.value) });
  const problems = el("div");
  place.append(
    el("section", { class: "columns" },
      el("div", {}, el("h2", {}, "The model"), trainForm(chosen, chooser, options, models, parameters)),
      el("div", {}, el("h2", {}, "Other images"), await uploadForm())),
    problems);
  await attempt(problems, async () => { place.append(await portrait(chosen, signal)); });
  return undefined;
}

function trainForm(dataset, chooser, options, models, parameters) {
  const problems = el("div");
  const wanted = (name) => valueFor(options[name], parameters.get(name)) ?? options[name].default ?? "";
  const inputs = {
    name: text(options.name, { value: freeName(dataset.name), required: true }),
    architecture: select(options.architecture.choices.map((name) => [name, NETWORKS[name] ?? name]), wanted("architecture")),
    ...Object.fromEntries(NUMBERS.map((name) => [name, number(options[name], { value: wanted(name) })])),
  };
  inputs.name.addEventListener("input", () => {
    if (models.some(({ name }) => name === inputs.name.value)) inputs.name.setCustomValidity(`That name is taken. ${freeName(dataset.name)} is free.`);
  });
  const share = () => keep({ dataset: dataset.name, ...Object.fromEntries(["architecture", ...NUMBERS]
    .filter((name) => inputs[name].value !== String(options[name].default ?? "")).map((name) => [name, inputs[name].value])) });
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const values = Object.entries(inputs).map(([name, input]) => [name, input.type === "number" ? input.valueAsNumber : input.value]);
      const record = await post("/v1/jobs/train", { dataset: dataset.name, ...Object.fromEntries(values) });
      location.hash = `#/train?job=${record.id}`;
    });
  };
  const row = (label, name) => field(label, inputs[name], options[name].meaning);
  return el("form", { class: "card", onsubmit: submit, onchange: share, "aria-label": "Train a model" },
    field("Data set", chooser),
    field("Name of the model", inputs.name),
    row("Latent dimensions", "latent_dim"),
    row("Epochs at most", "epochs"),
    row("Seconds at most", "max_seconds"),
    el("details", {}, el("summary", {}, "More options"),
      row("Network", "architecture"), row("beta", "beta"), row("Patience", "patience"), row("Learning rate", "learning_rate"), row("Random seed", "seed")),
    el("button", { class: "primary" }, "Start training"), problems);
}

const freeName = (dataset) => `${dataset.slice(0, LONGEST)}-${new Date().toISOString().slice(5, 16).replace(/[-:T]/g, "")}`;

async function watch(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  const { name, dataset } = record.params;
  place.append(el("p", {}, `${name ? `Model ${name}` : "A model"}, trained on ${dataset}`, " · ",
    el("a", { href: `#/train?dataset=${encodeURIComponent(dataset)}` }, "Train another")));
  const plots = el("div");
  const history = [];
  const show = (entries) => {
    const open = plots.querySelector(".losses")?.open;
    plots.replaceChildren(...curves(entries).filter(Boolean));
    plots.querySelector(".losses").open = open;
  };
  const metrics = (epoch) => {
    history.push(epoch);
    show(history);
  };
  const before = el("div");
  place.append(before, plots);
  const done = await follow(before, id, signal, { metrics });
  if (!done) return;
  before.replaceChildren();
  if (!history.length) { // the events of an old job are gone, but its result is still there
    const { curve } = await get(at("jobs", id, "/result"), signal);
    show(curve);
  }
  before.after(await trained(done.result.model, dataset, signal));
}

async function trained(model, dataset, signal) {
  const { advice } = await get(at("models", model), signal);
  const { images } = await get(`${at("datasets", dataset, "/images")}?count=${SHOWN}`, signal);
  const { latents } = await post(at("models", model, "/encode"), { images }, { signal });
  const [decoded, made] = await Promise.all([
    post(at("models", model, "/decode"), { latents }, { signal }),
    post(at("models", model, "/augment"), { images, neighbours: "dataset", per_image: 1 }, { signal })]);
  const strip = (name, shown) => el("div", { class: "row" }, el("span", { class: "name" }, name),
    el("div", { class: "sheet" }, shown.map((image) => el("img", { src: dataUrl(image), alt: "" }))));
  const query = `model=${encodeURIComponent(model)}`;
  return el("section", { class: "card", "aria-label": "The trained model" },
    el("h2", {}, `${model} is ready`),
    el("p", {}, el("strong", {}, advice)),
    el("p", {}, "Here are test images that the model has not seen, a new image made from each, and how the model reconstructs them:"),
    strip("test image", images), strip("new image", made.images), strip("reconstruction", decoded.images),
    el("p", { class: "row" },
      el("a", { class: "button primary", href: `#/playground?${query}` }, "Make new images"),
      el("a", { class: "button", href: `#/evaluate?${query}` }, "Do they help? Evaluate"),
      el("a", { class: "button", href: `#/map?${query}` }, "Latent map")));
}
