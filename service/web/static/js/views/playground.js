/** Make new images and look at them: sources beside their children, made anew at every move of a slider. */

import { at, get, post } from "../api.js";
import { augmentControls, augmentOptions, chosen } from "../augmentation.js";
import { announce, attempt, el, newest, save } from "../dom.js";
import { optionsOf } from "../options.js";
import { imageAt } from "../rows.js";
import { keep } from "../settings.js";
import { asCurl, asPython } from "../snippets.js";
import { rowsOf, Sources } from "../sources.js";
import { imagesMade } from "../steps.js";
import { detailPanel, tile } from "../tiles.js";
import { chooseModel } from "../which.js";

export const title = "Playground";

const HINT = "Point at an image, or go to it with the Tab key, to see here where it comes from. Click two images to see the steps between them.";

/** What is on the screen; kept while the page is open. */
const state = { model: null, sources: [] };

export async function render(place, parameters, signal) {
  const [{ models }, options, sample] = await Promise.all([
    get("/v1/models", signal), augmentOptions(parameters), optionsOf("get", "/v1/datasets/{dataset}/images")]);
  if (!models.length && !parameters.has("model")) {
    location.replace("#/start");
    return;
  }
  const before = models.find(({ name }) => name === state.model?.name);
  const model = parameters.has("model") || !before ? chooseModel(models, parameters.get("model")) : before;
  if (state.model?.version !== model.version) Object.assign(state, { model, sources: [] });
  await new Playground(signal).open(place, models, options, sample, parameters.get("rows"));
}

class Playground {
  constructor(signal) {
    this.signal = signal;
    this.problems = el("div");
    this.grid = el("div", { class: "pairs" });
    this.strip = el("section", { class: "strip", "aria-label": "From one image to the other", hidden: true });
    this.panel = detailPanel(HINT);
    this.message = el("span", { role: "status" });
    this.selected = new Map(); // key -> picture, in the order of choice
    this.refresh = newest(async () => {
      const fresh = await attempt(this.problems, () => this.augment());
      this.grid.classList.toggle("stale", !fresh);
    });
    this.sources = new Sources(state.model, state.sources, this.problems, (all) => {
      if (all) this.selected.clear();
      return this.refresh();
    }, signal);
  }

  /** Shows the view with the images that the address names, with those that it had before, or with random ones. */
  async open(place, models, options, sample, rows) {
    place.append(this.sources.card(models, sample), augmentControls(options, this.refresh), this.problems,
      el("div", { class: "beside" }, el("div", {}, this.grid, this.strip, this.actions()), this.panel.node));
    if (rows && rows !== rowsOf(state.sources)) await this.sources.take({ rows });
    else if (state.sources.length) await this.refresh();
    else await this.sources.random();
  }

  actions() {
    const copy = (write) => () => attempt(this.problems, () => this.copy(write));
    return el("div", { class: "row actions" },
      el("button", { type: "button", onclick: () => this.download() }, "Download zip"),
      el("button", { type: "button", onclick: () => this.augmentAll() }, "Augment the whole data set"),
      el("button", { type: "button", onclick: copy(asCurl) }, "Copy as curl"),
      el("button", { type: "button", onclick: copy(asPython) }, "Copy as Python"),
      el("a", { class: "button", href: `#/evaluate?model=${encodeURIComponent(state.model.name)}` }, "Do they help? Evaluate"),
      this.message);
  }

  /** The augment request for what is on the screen. Labels go along where any source has one. */
  body() {
    const labels = state.sources.map(({ label }) => label);
    const labelled = labels.some((label) => label !== null) ? { labels } : {};
    return { images: state.sources.map(({ image }) => image), ...labelled, ...chosen, resize: true };
  }

  /** Makes and shows the new images. @returns {Promise<true>} once the screen shows what the options ask for */
  async augment() {
    this.signal.throwIfAborted();
    this.message.textContent = "";
    keep({ model: state.model.name, ...chosen, rows: rowsOf(state.sources) });
    if (!state.sources.length) {
      this.grid.replaceChildren(el("p", { class: "hint" }, "There are no images yet. Take random ones, drop some of your own, or draw one."));
      this.strip.hidden = true;
      return true;
    }
    const body = this.body();
    if (body.labels?.includes(null)) {
      this.message.textContent = "The images without a label have neighbours of any class; the others have those of their own.";
    }
    this.show(await post(at("models", state.model.name, "/augment"), body, { signal: this.signal }));
    await this.walk();
    return true;
  }

  show(made) {
    const sources = state.sources.map(sourcePicture);
    const children = made.images.map((image, i) => childPicture(image, i, made.provenance[i], sources));
    const all = [...sources, ...children];
    this.keepSelected(all);
    this.grid.replaceChildren(...sources.map((source, i) => el("div", { class: "pair", role: "group", "aria-label": source.name },
      el("div", { class: "origin" }, this.tile(source)),
      el("div", { class: "children" }, children.filter((child) => child.source === i).map((child) => this.tile(child))))));
    const described = all.find(({ key }) => key === this.described?.key);
    if (described) this.describe(described);
    announce(`${children.length} new images`);
    imagesMade(state.model.dataset);
  }

  /** Puts the new pictures in the place of the chosen ones that they follow. */
  keepSelected(pictures) {
    const present = new Map(pictures.map((picture) => [picture.key, picture]));
    for (const key of [...this.selected.keys()]) {
      if (present.has(key)) this.selected.set(key, present.get(key));
      else this.selected.delete(key);
    }
  }

  tile(picture) {
    const node = tile(picture, (one) => this.describe(one), (one, button) => this.choose(one, button));
    node.setAttribute("aria-pressed", String(this.selected.has(picture.key)));
    return node;
  }

  /** Shows where an image comes from. Its neighbour in the data set follows as soon as it has arrived. */
  async describe(picture) {
    this.panel.show(picture);
    this.described = picture;
    if (picture.row === undefined) return;
    const image = await imageAt(state.model.dataset, picture.row, this.signal).catch(() => null); // the data set may be gone
    if (!image || this.described !== picture) return;
    this.panel.show({ ...picture, beside: [...picture.beside, { image, name: "its neighbour" }] });
  }

  async choose(picture, button) {
    if (this.selected.delete(picture.key)) button.setAttribute("aria-pressed", "false");
    else {
      if (this.selected.size === 2) {
        this.selected.clear();
        this.grid.querySelectorAll("[aria-pressed=true]").forEach((other) => other.setAttribute("aria-pressed", "false"));
      }
      this.selected.set(picture.key, picture);
      button.setAttribute("aria-pressed", "true");
    }
    await attempt(this.problems, () => this.walk());
  }

  /** The strip between the two chosen images. */
  async walk() {
    this.strip.hidden = this.selected.size !== 2;
    if (this.strip.hidden) return;
    const [from, to] = [...this.selected.values()];
    const decode = chosen.decode === "warp" ? "residual" : chosen.decode; // a strip is not warped
    const made = await post(at("models", state.model.name, "/interpolate"),
      { images: [from.image, to.image], resize: true, decode }, { signal: this.signal });
    const last = made.images.length - 1;
    const pictures = made.images.map((image, i) => ({
      image, name: `step ${i + 1} of ${last + 1}`, facts: { from: from.name, to: to.name, share: (i / last).toFixed(2) },
    }));
    this.strip.replaceChildren(el("h2", {}, `From ${from.name} to ${to.name}`),
      el("div", { class: "children" }, pictures.map((picture) => tile(picture, this.panel.show))));
  }

  async copy(write) {
    if (!state.sources.length) throw new Error("There are no images on the screen to make a request from.");
    if (!navigator.clipboard) throw new Error("The browser lets a page copy only over https, or from this machine itself.");
    await navigator.clipboard.writeText(write(state.model.name, this.body(), state.sources));
    this.message.textContent = "Copied.";
  }

  /** Starts a job that does the same to every training image. */
  async augmentAll() {
    await attempt(this.problems, async () => {
      const { neighbours, ...same } = chosen; // a job always looks for neighbours among the training images
      const job = await post("/v1/jobs/augment", { dataset: state.model.dataset, model: state.model.name, ...same });
      location.hash = `#/jobs?job=${job.id}`;
    });
  }

  async download() {
    await attempt(this.problems, async () => {
      const answer = await post(at("models", state.model.name, "/augment"), this.body(), { accept: "application/zip" });
      save(await answer.blob(), `${state.model.name}-${chosen.method}-new-images.zip`);
    });
  }
}

const sourcePicture = ({ image, label, origin }, i) => ({
  key: `source ${i}`, image, name: `source ${i + 1}${label === null ? "" : `, label ${label}`}`, facts: { label, ...origin },
});

/** A new image with its parents: its source, and its neighbour where that is another source. */
function childPicture(image, i, { source, ...facts }, sources) {
  const fromDataset = facts.neighbours === "dataset" && facts.neighbour >= 0;
  const among = facts.neighbours === "batch" ? sources[facts.neighbour] : undefined;
  return {
    key: `child ${i}`, image, name: `new image ${i + 1} from source ${source + 1}`, source,
    facts: { ...facts, neighbour: facts.neighbour < 0 ? "none" : facts.neighbour, source: sources[source].name },
    beside: [sources[source], among].filter(Boolean),
    row: fromDataset ? facts.neighbour : undefined,
  };
}
