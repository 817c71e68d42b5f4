/** From images to a model: choose or upload a data set, look at it, train, watch. */

import { at, get, post } from "../api.js";
import { attempt, el, field, select } from "../dom.js";
import { portrait, uploader } from "../datasets.js";
import { follow } from "../follow.js";
import { dataUrl } from "../pictures.js";
import { lines } from "../plot.js";

export const title = "Train";

const SMALL = 256; // pixels; images of no more want a smaller beta
const SHOWN = 12;

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return watch(place, parameters.get("job"), signal);
  const { datasets } = await get("/v1/datasets", signal);
  const chosen = datasets.find(({ name }) => name === parameters.get("dataset")) ?? datasets[0];
  const open = (name) => { location.hash = `#/train?dataset=${encodeURIComponent(name)}`; };
  const chooser = select(datasets.map(({ name, images }) => [name, `${name} (${images.toLocaleString()} images)`]), chosen.name,
    { onchange: () => open(chooser.value) });
  const problems = el("div");
  place.append(
    el("section", { class: "columns" },
      el("div", {}, el("h2", {}, "Your images"), uploader(({ name }) => open(name))),
      el("div", {}, el("h2", {}, "The model"), form(chosen, chooser, signal))),
    problems);
  await attempt(problems, async () => { place.append(await portrait(chosen, signal)); });
}

function form(dataset, chooser) {
  const problems = el("div");
  const number = (value, attributes = {}) => el("input", { type: "number", value, required: true, step: "any", ...attributes });
  const small = dataset.width * dataset.height <= SMALL;
  const inputs = {
    name: el("input", { value: freeName(dataset.name), required: true, autocomplete: "off" }),
    latent_dim: number(20, { min: 1, max: 512, step: 1 }),
    beta: number(small ? 0.25 : 1, { min: 0, max: 1000 }),
    epochs: number(100, { min: 1, max: 10_000, step: 1 }),
    patience: number(5, { min: 1, max: 10_000, step: 1 }),
    learning_rate: number(0.001, { min: 0, max: 1 }),
    seed: number(0, { min: 0, step: 1 }),
  };
  const submit = async (event) => {
    event.preventDefault();
    await attempt(problems, async () => {
      const values = Object.entries(inputs).map(([name, input]) => [name, input.type === "number" ? input.valueAsNumber : input.value]);
      const record = await post("/v1/jobs/train", { dataset: dataset.name, ...Object.fromEntries(values) });
      location.hash = `#/train?job=${record.id}`;
    });
  };
  return el("form", { class: "card", onsubmit: submit, "aria-label": "Train a model" },
    field("Data set", chooser),
    field("Name of the model", inputs.name),
    field("Latent dimensions", inputs.latent_dim),
    field("beta", inputs.beta, "Weight of the divergence; small images want a small one."),
    field("Epochs at most", inputs.epochs),
    el("details", {}, el("summary", {}, "More"),
      field("Patience", inputs.patience, "Epochs without a better validation loss before it stops."),
      field("Learning rate", inputs.learning_rate), field("Seed", inputs.seed)),
    el("button", { class: "primary" }, "Start training"), problems);
}

const freeName = (dataset) => `${dataset.slice(0, 50)}-${new Date().toISOString().slice(5, 16).replace(/[-:T]/g, "")}`;

async function watch(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  place.append(el("p", {}, `Model ${record.params.name ?? ""} of ${record.params.dataset}`, " · ",
    el("a", { href: `#/train?dataset=${encodeURIComponent(record.params.dataset)}` }, "Train another")));
  const curves = el("div", { class: "columns" });
  const history = [];
  const metrics = (epoch) => {
    history.push(epoch);
    curves.replaceChildren(...["reconstruction", "divergence"].map((part) => lines(part, {
      training: history.map((entry) => entry[`train_${part}`]),
      validation: history.map((entry) => entry[`validation_${part}`]),
    }, "nats an image")));
  };
  const before = el("div");
  place.append(before, curves);
  const done = await follow(before, id, signal, { metrics });
  if (!done) return;
  if (!history.length) { // the events of an old job are gone, its result is not
    const { curve } = await get(at("jobs", id, "/result"), signal);
    curve.forEach(metrics);
  }
  place.append(await after(done.result.model, record.params.dataset, signal));
}

async function after(model, dataset, signal) {
  const { images } = await get(`${at("datasets", dataset, "/images")}?count=${SHOWN}`, signal);
  const { latents } = await post(at("models", model, "/encode"), { images }, { signal });
  const decoded = await post(at("models", model, "/decode"), { latents }, { signal });
  const strip = (text, shown) => el("div", { class: "row" }, el("span", { class: "name" }, text),
    el("div", { class: "sheet" }, shown.map((image) => el("img", { src: dataUrl(image), alt: "" }))));
  const query = `model=${encodeURIComponent(model)}`;
  return el("section", { class: "card", "aria-label": "The trained model" },
    el("h2", {}, `${model} is ready`),
    el("p", {}, "Test images that it has not seen, and what it makes of them:"),
    strip("images", images), strip("decoded", decoded.images),
    el("p", { class: "hint" }, "Where all of these look alike, train again with a smaller beta, or with more images."),
    el("p", { class: "row" },
      el("a", { class: "button primary", href: `#/playground?${query}` }, "Make new images"),
      el("a", { class: "button", href: `#/evaluate?${query}` }, "Do they help? Evaluate"),
      el("a", { class: "button", href: `#/map?${query}` }, "Latent map")));
}
