/** Make new images and look at them: sources beside their children, anew at every move of a slider. */

import { at, get, post } from "../api.js";
import { announce, attempt, confirmed, el, field, newest, save, select } from "../dom.js";
import { pick } from "../models.js";
import { optionControls, options } from "../options.js";
import { chosen as chosenFiles, isImage, read, takesDrops } from "../pictures.js";
import { imageAt } from "../rows.js";
import { sketchPad } from "../sketch.js";
import { asCurl, asPython } from "../snippets.js";
import { detailPanel, tile } from "../tiles.js";

export const title = "Playground";

const RANDOM = 6;
const STEPS = 10;
const HINT = "Point at an image, or go to it with Tab, and here stands where it comes from. Click two, and the strip between them appears.";

/** What is on the screen; kept while the page is open. Sources: `{image, label, origin}`, image in base64. */
const state = { model: null, sources: [] };

export async function render(place, parameters, signal) {
  const { models } = await get("/v1/models", signal);
  if (!models.length) {
    place.append(welcome());
    return;
  }
  const model = pick(models, parameters.get("model") ?? state.model?.name);
  if (state.model?.name !== model.name) Object.assign(state, { model, sources: [] });
  const view = new Playground(place, models, signal);
  if (state.sources.length) await view.refresh();
  else await view.random();
}

const welcome = () => el("section", { class: "card" },
  el("h2", {}, "No model yet"),
  el("p", {}, "New images come from a model that has seen yours. Train one: on the digits that are built in it takes less than a minute."),
  el("p", {}, el("a", { class: "button primary", href: "#/train?dataset=digits" }, "Train on the digits"), " ",
    el("a", { class: "button", href: "#/train" }, "Upload my own images")));

class Playground {
  constructor(place, models, signal) {
    this.signal = signal;
    this.problems = el("div");
    this.grid = el("div", { class: "pairs" });
    this.strip = el("section", { class: "strip", "aria-label": "From one image to the other", hidden: true });
    this.panel = detailPanel(HINT);
    this.selected = new Map(); // key -> picture, in the order of choice
    this.refresh = newest(async () => {
      const fresh = await attempt(this.problems, () => this.augment());
      this.grid.classList.toggle("stale", !fresh);
    });
    place.append(this.sourceControls(models), optionControls(this.refresh), this.problems,
      el("div", { class: "beside" }, el("div", {}, this.grid, this.strip, this.actions()), this.panel.node));
  }

  sourceControls(models) {
    const model = select(models.map(({ name, dataset }) => [name, `${name} (${dataset})`]), state.model.name,
      { onchange: () => { location.hash = `#/playground?model=${encodeURIComponent(model.value)}`; } });
    this.count = el("input", { type: "number", min: 1, max: 64, value: RANDOM });
    const file = el("input", { type: "file", accept: "image/png,image/jpeg,image/webp", multiple: true, onchange: () => this.add(chosenFiles(file)) });
    const label = select([["", "no label"], ...state.model.classes], "");
    this.label = label;
    const pad = el("details", { class: "draw" }, el("summary", {}, "Draw one"),
      sketchPad((image) => this.put({ image, label: label.value || null, origin: { from: "drawn here" } })));
    const area = el("section", { class: "card sources", "aria-label": "Images to start from" },
      field("Model", model),
      field("How many", this.count),
      el("button", { type: "button", class: "primary", onclick: () => this.random() }, "Random images"),
      field("Images of yours, or drop them here", file),
      state.model.classes.length ? field("Label of yours", label) : null,
      pad,
      el("button", { type: "button", onclick: () => this.clear() }, "Clear"));
    takesDrops(area, (files) => this.add(files));
    return area;
  }

  actions() {
    const copied = (write) => async () => {
      await navigator.clipboard.writeText(write(state.model.name, this.body(), state.sources));
      announce("Copied.");
      this.said.textContent = "Copied.";
    };
    this.said = el("span", { role: "status" });
    return el("div", { class: "row actions" },
      el("button", { type: "button", onclick: () => this.download() }, "Download zip"),
      el("button", { type: "button", onclick: () => this.augmentAll() }, "Augment the whole data set"),
      el("button", { type: "button", onclick: copied(asCurl) }, "Copy as curl"),
      el("button", { type: "button", onclick: copied(asPython) }, "Copy as Python"),
      el("a", { class: "button", href: `#/evaluate?model=${encodeURIComponent(state.model.name)}` }, "Do they help? Evaluate"),
      this.said);
  }

  /** The augment request for what is on the screen. Labels go along where all sources have one. */
  body() {
    const labels = state.sources.map(({ label }) => label);
    const labelled = labels.every((label) => label !== null) ? { labels } : {};
    return { images: state.sources.map(({ image }) => image), ...labelled, ...options, resize: true };
  }

  async random() {
    const found = await attempt(this.problems, async () => {
      const query = new URLSearchParams({ count: this.count.value, seed: Math.floor(Math.random() * 2 ** 31) });
      return get(`${at("datasets", state.model.dataset, "/images")}?${query}`, this.signal);
    });
    if (!found) return;
    state.sources = found.images.map((image, i) => ({
      image, label: found.labels?.[i] ?? null, origin: { dataset: state.model.dataset, row: found.row[i] },
    }));
    this.selected.clear();
    await this.refresh();
  }

  async add(files) {
    const added = await attempt(this.problems, async () => {
      const images = files.filter(({ file, path }) => file.type.startsWith("image/") || isImage(path));
      if (!images.length) throw new Error("There is no image among these files; drop PNG, JPEG or WebP.");
      const label = this.label.value || null;
      const contents = await Promise.all(images.map(({ file }) => read(file)));
      return contents.map((image, i) => ({ image, label, origin: { from: images[i].path } }));
    });
    if (added) await this.put(...added);
  }

  async put(...sources) {
    state.sources.push(...sources);
    await this.refresh();
  }

  async clear() {
    if (!(await confirmed("Take all images away?", "Clear"))) return;
    state.sources = [];
    await this.refresh();
  }

  /** Makes and shows the new images. @returns {Promise<true>} once they are those of the options */
  async augment() {
    this.said.textContent = state.sources.some(({ label }) => label !== null) && !this.body().labels
      ? "Some images have no label, so neighbours may be of any class." : "";
    if (!state.sources.length) {
      this.grid.replaceChildren(el("p", { class: "hint" }, "No images. Take random ones, drop some, or draw one."));
      this.strip.hidden = true;
      return true;
    }
    const made = await post(at("models", state.model.name, "/augment"), this.body(), { signal: this.signal });
    this.show(made);
    await this.walk();
    return true;
  }

  show(made) {
    const sources = state.sources.map((source, i) => ({
      key: `source ${i}`, image: source.image, name: `source ${i + 1}${source.label === null ? "" : `, label ${source.label}`}`,
      facts: { label: source.label, ...source.origin },
    }));
    const children = made.images.map((image, i) => {
      const { source, ...facts } = made.provenance[i];
      const among = facts.neighbours === "batch" ? sources[facts.neighbour] : undefined;
      return { key: `child ${i}`, image, name: `new image ${i + 1} from source ${source + 1}`, source,
        facts: { ...facts, neighbour: facts.neighbour < 0 ? "none" : facts.neighbour, source: sources[source].name },
        beside: [sources[source], among].filter(Boolean),
        row: facts.neighbours === "dataset" && facts.neighbour >= 0 ? facts.neighbour : null };
    });
    for (const picture of [...sources, ...children]) {
      if (this.selected.has(picture.key)) this.selected.set(picture.key, picture);
    }
    const drawn = (picture) => {
      const node = tile(picture, (one) => this.tell(one), (one, button) => this.choose(one, button));
      node.setAttribute("aria-pressed", String(this.selected.has(picture.key)));
      return node;
    };
    this.grid.replaceChildren(...sources.map((source, i) => el("div", { class: "pair", role: "group", "aria-label": source.name },
      el("div", { class: "origin" }, drawn(source)),
      el("div", { class: "children" }, children.filter((child) => child.source === i).map(drawn)))));
    const told = [...sources, ...children].find(({ key }) => key === this.told?.key);
    if (told) this.tell(told);
    announce(`${children.length} new images`);
  }

  /** Where an image comes from; its neighbour in the data set follows as soon as it is here. */
  async tell(picture) {
    this.panel.show(picture);
    this.told = picture;
    if (picture.row === undefined || picture.row === null) return;
    const image = await imageAt(state.model.dataset, picture.row, this.signal).catch(() => null); // the data set may be gone
    if (!image || this.told !== picture) return;
    this.panel.show({ ...picture, beside: [...picture.beside, { image, name: "its neighbour" }] });
  }

  async choose(picture, button) {
    if (this.selected.delete(picture.key)) button.setAttribute("aria-pressed", "false");
    else {
      if (this.selected.size === 2) {
        this.selected.clear();
        this.grid.querySelectorAll("[aria-pressed=true]").forEach((tile_) => tile_.setAttribute("aria-pressed", "false"));
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
    const ends = [...this.selected.values()];
    const made = await post(at("models", state.model.name, "/interpolate"),
      { images: ends.map(({ image }) => image), steps: STEPS, resize: true }, { signal: this.signal });
    const pictures = made.images.map((image, i) => ({ image, name: `step ${i + 1} of ${STEPS}`, facts: {
      from: ends[0].name, to: ends[1].name, share: (i / (STEPS - 1)).toFixed(2) } }));
    this.strip.replaceChildren(el("h2", {}, `From ${ends[0].name} to ${ends[1].name}`),
      el("div", { class: "children" }, pictures.map((picture) => tile(picture, this.panel.show))));
  }

  /** The same for every training image, as a job. */
  async augmentAll() {
    await attempt(this.problems, async () => {
      const { neighbours, ...same } = options; // a job always looks among the training images
      await post("/v1/jobs/augment", { dataset: state.model.dataset, model: state.model.name, ...same });
      location.hash = "#/jobs?kind=augment";
    });
  }

  async download() {
    await attempt(this.problems, async () => {
      const answer = await post(at("models", state.model.name, "/augment"), this.body(), { accept: "application/zip" });
      save(await answer.blob(), "new-images.zip");
    });
  }
}
