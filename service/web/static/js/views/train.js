/** From images to a model: choose or upload a data set, look at it, train, watch. */

import { at, get, post } from "../api.js";
import { field, number, select, text } from "../controls.js";
import { portrait } from "../datasets.js";
import { attempt, el } from "../dom.js";
import { follow } from "../follow.js";
import { optionsOf } from "../options.js";
import { dataUrl } from "../pictures.js";
import { lines } from "../plot.js";
import { uploadForm } from "../upload.js";

export const title = "Train";

const SHOWN = 12;
const UNITS = { reconstruction: "loss per image (lower is better)", divergence: "loss per image" };
const NETWORKS = { auto: "automatic", paper: "the paper's", residual: "residual, for photos" };
const LONGEST = 50; // letters of the data set's name that a model's name may hold

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const [{ datasets }, options] = await Promise.all([get("/v1/datasets", signal), optionsOf("post", "/v1/jobs/train")]);
  const chosen = datasets.find(({ name }) => name === parameters.get("dataset")) ?? datasets[0];
  const open = (name) => { location.hash = `#/train?dataset=${encodeURIComponent(name)}`; };
  const chooser = select(datasets.map(({ name, images }) => [name, `${name} (${images.toLocaleString()} images)`]), chosen.name,
    { onchange: () => open(chooser.value) });
  const problems = el("div");
  place.append(
    el("section", { class: "columns" },
      el("div", {}, el("h2", {}, "Your images"), await uploadForm(({ name }) => open(name))),
      el("div", {}, el("h2", {}, "The model"), trainForm(chosen, chooser, options))),
    problems);
  await attempt(problems, async () => { place.append(await portrait(chosen, signal)); });
  return undefined;
}

function trainForm(dataset, chooser, options) {
  const problems = el("div");
  const inputs = {
    name: text(options.name, { value: freeName(dataset.name), required: true }),
    architecture: select(options.architecture.choices.map((name) => [name, NETWORKS[name] ?? name]), options.architecture.default),
    latent_dim: number(options.latent_dim),
    beta: number(options.beta),
    max_seconds: number(options.max_seconds),
    epochs: number(options.epochs),
    patience: number(options.patience),
    learning_rate: number(options.learning_rate),
    seed: number(options.seed),
  };
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const values = Object.entries(inputs).map(([name, input]) => [name, input.type === "number" ? input.valueAsNumber : input.value]);
      const record = await post("/v1/jobs/train", { dataset: dataset.name, ...Object.fromEntries(values) });
      location.hash = `#/train?job=${record.id}`;
    });
  };
  const row = (label, name) => field(label, inputs[name], options[name].meaning);
  return el("form", { class: "card", onsubmit: submit, "aria-label": "Train a model" },
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
  const curves = el("div", { class: "columns" });
  const history = [];
  const metrics = (epoch) => {
    history.push(epoch);
    curves.replaceChildren(...losses(history));
  };
  const before = el("div");
  place.append(before, curves);
  const done = await follow(before, id, signal, { metrics });
  if (!done) return;
  if (!history.length) { // the events of an old job are gone, but its result is still there
    const { curve } = await get(at("jobs", id, "/result"), signal);
    curves.replaceChildren(...losses(curve));
  }
  place.append(await trained(done.result.model, dataset, signal));
}

/** The two parts of the loss over the epochs, a plot each. */
function losses(history) {
  return Object.keys(UNITS).map((part) => lines(part, {
    training: history.map((entry) => entry[`train_${part}`]),
    validation: history.map((entry) => entry[`validation_${part}`]),
  }, UNITS[part]));
}

async function trained(model, dataset, signal) {
  const { advice } = await get(at("models", model), signal);
  const { images } = await get(`${at("datasets", dataset, "/images")}?count=${SHOWN}`, signal);
  const { latents } = await post(at("models", model, "/encode"), { images }, { signal });
  const decoded = await post(at("models", model, "/decode"), { latents }, { signal });
  const strip = (name, shown) => el("div", { class: "row" }, el("span", { class: "name" }, name),
    el("div", { class: "sheet" }, shown.map((image) => el("img", { src: dataUrl(image), alt: "" }))));
  const query = `model=${encodeURIComponent(model)}`;
  return el("section", { class: "card", "aria-label": "The trained model" },
    el("h2", {}, `${model} is ready`),
    el("p", {}, "Here are test images that the model has not seen, and how it reconstructs them:"),
    strip("test image", images), strip("reconstruction", decoded.images),
    el("p", {}, advice),
    el("p", { class: "row" },
      el("a", { class: "button primary", href: `#/playground?${query}` }, "Make new images"),
      el("a", { class: "button", href: `#/evaluate?${query}` }, "Do they help? Evaluate"),
      el("a", { class: "button", href: `#/map?${query}` }, "Latent map")));
}
