/** The latent space on a plane: the training images, and new ones over them. */

import { at, get, post } from "../api.js";
import { augmentControls, augmentOptions, chosen } from "../augmentation.js";
import { choice, field, select } from "../controls.js";
import { attempt, el, newest, svg } from "../dom.js";
import { optionsOf } from "../options.js";
import { colour } from "../plot.js";
import { Projection } from "../projection.js";
import { imageAt } from "../rows.js";
import { keep, valueFor } from "../settings.js";
import { detailPanel } from "../tiles.js";
import { chooseModel } from "../which.js";

export const title = "Latent map";

const SIDE = 600;
const EDGE = 24;
const SOURCES = 6;
const MOST_LABELS = 40; // more would fill the screen
const WITHOUT = "no label";
const SHOWN_OPTIONS = ["method", "alpha", "k", "decode", "seed"]; // neighbours are always those of the data set
const HINT = "Point at a dot to see its image here. With the keyboard, go to the map with Tab and from dot to dot with the arrow keys.";

export async function render(place, parameters, signal) {
  const [{ models }, augment, project] = await Promise.all([
    get("/v1/models", signal), augmentOptions(parameters), optionsOf("get", "/v1/models/{model}/projection")]);
  if (!models.length && !parameters.has("model")) {
    place.append(el("p", {}, "There is no model to map yet. ", el("a", { href: "#/train" }, "Train one.")));
    return;
  }
  const model = chooseModel(models, parameters.get("model"));
  const map = new LatentMap(place, model, augment, signal);
  const chooser = select(models.map(({ name, dataset }) => [name, `${name} (${dataset})`]), model.name,
    { onchange: () => { location.hash = `#/map?model=${encodeURIComponent(chooser.value)}`; } });
  const wanted = model.umap_sha256 ? valueFor(project.method, parameters.get("projection")) : undefined;
  const method = choice(project.method, wanted ?? project.method.default, { onchange: () => attempt(map.problems, () => map.draw(method.value)) });
  place.prepend(el("section", { class: "card row" }, field("Model", chooser),
    model.umap_sha256 ? field("Projection", method) : "",
    el("button", { type: "button", class: "primary", onclick: () => map.more() }, "New images from other sources")));
  await map.draw(method.value);
}

class LatentMap {
  constructor(place, model, options, signal) {
    Object.assign(this, { model, signal, sources: null, at: 0, hidden: new Set() });
    this.problems = el("div");
    this.panel = detailPanel(HINT);
    this.over = svg("g");
    this.figure = el("div", { class: "figure" });
    this.legend = el("div", { class: "legend row", role: "group", "aria-label": "Labels" });
    this.caption = el("p", { class: "hint" });
    this.refresh = newest(() => attempt(this.problems, () => this.augment()));
    place.append(augmentControls(options, this.refresh, SHOWN_OPTIONS), this.problems,
      el("div", { class: "beside" }, el("div", {}, this.legend, this.figure, this.caption), this.panel.node));
  }

  /** Shows the training images. */
  async draw(method) {
    this.method = method;
    const found = await get(`${at("models", this.model.name, "/projection")}?method=${method}`, this.signal);
    this.projection = new Projection(found, SIDE, EDGE);
    const { points, labels } = this.projection;
    this.caption.textContent = `${points.length.toLocaleString()} of ${this.model.training_images.toLocaleString()} training images. ${this.projection.explanation()} Diamonds are new images, encoded again.`;
    this.dots = points.map((_, i) => {
      const [x, y] = this.projection.pointAt(i);
      return svg("circle", { cx: x, cy: y, r: 4, fill: this.colour(labels?.[i]), "data-i": i });
    });
    this.mark = svg("circle", { r: 8, class: "mark", visibility: "hidden" });
    this.figure.replaceChildren(svg("svg", {
      viewBox: `0 0 ${SIDE} ${SIDE}`, class: "map", role: "img", tabindex: 0,
      "aria-label": `Map of ${points.length} images of ${this.model.dataset}. The arrow keys go from image to image.`,
      onpointerover: (event) => this.point(event.target), onkeydown: (event) => this.step(event),
    }, this.dots, this.over, this.mark));
    this.showLegend(labels);
    await this.more();
  }

  colour(label) {
    const { classes } = this.model;
    if (!classes.length) return "var(--accent)";
    return label == null || label === WITHOUT ? "var(--quiet)" : colour(classes.indexOf(label), classes.length);
  }

  /** Makes buttons that hide and show the images of each label. */
  showLegend(labels) {
    if (!labels) return;
    const present = this.model.classes.filter((label) => labels.includes(label)).slice(0, MOST_LABELS);
    if (labels.includes(null)) present.push(WITHOUT);
    this.legend.replaceChildren(...present.map((label) => {
      const swatch = svg("svg", { viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" }, svg("circle", { cx: 5, cy: 5, r: 5, fill: this.colour(label) }));
      const button = el("button", { type: "button", class: "chip", "aria-pressed": String(!this.hidden.has(label)), onclick: () => {
        if (!this.hidden.delete(label)) this.hidden.add(label);
        button.setAttribute("aria-pressed", String(!this.hidden.has(label)));
        this.hideDots(labels);
      } }, swatch, ` ${label}`);
      return button;
    }));
    this.hideDots(labels);
  }

  hideDots(labels) {
    this.dots.forEach((dot, i) => dot.toggleAttribute("hidden", this.hidden.has(labels[i] ?? WITHOUT)));
  }

  /** Takes other sources and shows their new images over the map. */
  async more() {
    const found = await attempt(this.problems, async () => {
      const query = new URLSearchParams({ count: SOURCES, seed: Math.floor(Math.random() * 2 ** 31) });
      return get(`${at("datasets", this.model.dataset, "/images")}?${query}`, this.signal);
    });
    if (!found) return;
    this.sources = found;
    await this.refresh();
  }

  async augment() {
    if (!this.sources) return;
    const { images, labels } = this.sources;
    const { neighbours, ...settings } = chosen;
    this.signal.throwIfAborted();
    keep({ model: this.model.name, ...settings, projection: this.method });
    const path = (operation) => at("models", this.model.name, operation);
    const body = { images, ...(labels ? { labels } : {}), ...settings, neighbours: "dataset" };
    const made = await post(path("/augment"), body, { signal: this.signal });
    const { latents } = await post(path("/encode"), { images: [...images, ...made.images] }, { signal: this.signal });
    const places = latents.map((latent) => this.projection.place(latent));
    this.over.replaceChildren(...made.images.map((image, i) =>
      this.child(made, i, places[made.source[i]], places[images.length + i])));
  }

  /** A new image as a diamond, with a line to its source. */
  child(made, i, [fromX, fromY], [x, y]) {
    const source = made.source[i];
    const label = this.sources.labels?.[source];
    const picture = {
      image: made.images[i], name: `new image from ${label == null ? "an image" : `a ${label}`}`,
      facts: made.provenance[i], beside: [{ image: this.sources.images[source], name: "its source" }],
    };
    return svg("g", { class: "new", onpointerenter: () => this.show(picture, x, y) },
      svg("line", { x1: fromX, y1: fromY, x2: x, y2: y }),
      svg("path", { d: `M${x} ${y - 6}l6 6-6 6-6-6z`, fill: this.colour(label) }));
  }

  async point(target) {
    const i = target.dataset?.i;
    if (i !== undefined) await this.visit(Number(i));
  }

  async step(event) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const { order } = this.projection;
    this.at = (this.at + way + order.length) % order.length;
    await this.visit(order[this.at]);
  }

  /** Shows training image `i` beside the map. */
  async visit(i) {
    const { rows, labels, points } = this.projection;
    const [x, y] = points[i];
    const label = labels?.[i];
    await attempt(this.problems, async () => {
      const image = await imageAt(this.model.dataset, rows[i], this.signal);
      this.show({ image, name: label == null ? `row ${rows[i]}` : `a ${label}`, facts: { label, row: rows[i], part: "train", x, y } },
        ...this.projection.pointAt(i));
    });
  }

  show(picture, x, y) {
    this.panel.show(picture);
    Object.entries({ cx: x, cy: y, visibility: "visible" }).forEach(([name, value]) => this.mark.setAttribute(name, value));
  }
}
