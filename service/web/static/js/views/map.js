/** The latent space on a plane: the training images, and new ones over them. */

import { at, get, post } from "../api.js";
import { attempt, el, field, newest, select, svg } from "../dom.js";
import { pick } from "../models.js";
import { optionControls, options } from "../options.js";
import { colour, scale } from "../plot.js";
import { imageAt } from "../rows.js";
import { detailPanel } from "../tiles.js";

export const title = "Latent map";

const SIDE = 600;
const EDGE = 24;
const SOURCES = 6;
const NEAREST = 5;
const METHODS = [["pca", "plane of most variance (PCA)"], ["umap", "neighbours together (UMAP)"]];
const HINT = "Point at a dot to see its image, or go through them with the arrow keys once the map has the focus.";

export async function render(place, parameters, signal) {
  const { models } = await get("/v1/models", signal);
  if (!models.length) {
    place.append(el("p", {}, "There is no model to map yet. ", el("a", { href: "#/train" }, "Train one.")));
    return;
  }
  const model = pick(models, parameters.get("model"));
  const map = new LatentMap(place, model, signal);
  const chooser = select(models.map(({ name, dataset }) => [name, `${name} (${dataset})`]), model.name,
    { onchange: () => { location.hash = `#/map?model=${encodeURIComponent(chooser.value)}`; } });
  const method = select(METHODS, "pca", { onchange: () => attempt(map.problems, () => map.draw(method.value)) });
  place.prepend(el("section", { class: "card row" }, field("Model", chooser),
    model.umap_sha256 ? field("Projection", method) : "",
    el("button", { type: "button", class: "primary", onclick: () => map.more() }, "New images from other sources")));
  await map.draw();
}

class LatentMap {
  constructor(place, model, signal) {
    Object.assign(this, { model, signal, sources: null, at: 0, hidden: new Set() });
    this.problems = el("div");
    this.panel = detailPanel(HINT);
    this.over = svg("g");
    this.figure = el("div", { class: "figure" });
    this.legend = el("div", { class: "legend row", role: "group", "aria-label": "Labels" });
    this.told = el("p", { class: "hint" });
    this.refresh = newest(() => attempt(this.problems, () => this.augment()));
    place.append(optionControls(this.refresh, { neighbours: false }), this.problems,
      el("div", { class: "beside" }, el("div", {}, this.legend, this.figure, this.told), this.panel.node));
  }

  async draw(method = "pca") {
    const found = await get(`${at("models", this.model.name, "/projection")}?method=${method}`, this.signal);
    this.projection = found;
    const xs = found.points.map(([x]) => x);
    const ys = found.points.map(([, y]) => y);
    this.x = scale(Math.min(...xs), Math.max(...xs), EDGE, SIDE - EDGE);
    this.y = scale(Math.min(...ys), Math.max(...ys), SIDE - EDGE, EDGE);
    const percent = (share) => `${Math.round(100 * share)} %`;
    const axes = found.explained
      ? `The axes hold ${percent(found.explained[0])} and ${percent(found.explained[1])} of the latents' variance.`
      : `Near images are near in latent space; how far clusters are apart says nothing. A new image lies among the ${NEAREST} nearest.`;
    this.told.textContent = `${found.points.length} of ${this.model.training_images} training images. ${axes} Diamonds are new images, encoded again.`;
    const dots = found.points.map(([x, y], i) => svg("circle", { cx: this.x(x), cy: this.y(y), r: 4, fill: this.colour(found.labels?.[i]), "data-i": i }));
    this.dots = dots;
    this.mark = svg("circle", { r: 8, class: "mark", visibility: "hidden" });
    const map = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "map", role: "img", tabindex: 0, "aria-label": `Map of ${found.points.length} images of ${this.model.dataset}. Arrow keys go from image to image.`,
      onpointerover: (event) => this.point(event.target), onkeydown: (event) => this.step(event) },
    dots, this.over, this.mark);
    this.figure.replaceChildren(map);
    this.order = found.points.map((_, i) => i).sort((a, b) => xs[a] - xs[b]);
    this.showLegend(found.labels);
    await this.more();
  }

  colour(label) {
    const { classes } = this.model;
    return label === undefined ? "var(--accent)" : colour(classes.indexOf(label), classes.length);
  }

  showLegend(labels) {
    if (!labels) return;
    const present = this.model.classes.filter((label) => labels.includes(label)).slice(0, 40);
    this.legend.replaceChildren(...present.map((label) => {
      const swatch = svg("svg", { viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" }, svg("circle", { cx: 5, cy: 5, r: 5, fill: this.colour(label) }));
      const button = el("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => {
        if (!this.hidden.delete(label)) this.hidden.add(label);
        button.setAttribute("aria-pressed", String(!this.hidden.has(label)));
        this.dots.forEach((dot, i) => dot.toggleAttribute("hidden", this.hidden.has(labels[i])));
      } }, swatch, ` ${label}`);
      return button;
    }));
  }

  /** Other sources, and their children over the map. */
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
    const path = (operation) => at("models", this.model.name, operation);
    const made = await post(path("/augment"), { images, ...(labels ? { labels } : {}), ...options, neighbours: "dataset" }, { signal: this.signal });
    const all = [...images, ...made.images];
    const { latents } = await post(path("/encode"), { images: all }, { signal: this.signal });
    const places = latents.map((latent) => this.place(latent));
    this.over.replaceChildren(...made.images.map((image, i) => {
      const source = made.source[i];
      const [x, y] = places[images.length + i];
      const [fromX, fromY] = places[source];
      const name = `new image from ${labels ? `a ${labels[source]}` : "an image"}`;
      const picture = { image, name, facts: made.provenance[i], beside: [{ image: images[source], name: "its source" }] };
      const show = () => this.show(picture, x, y);
      return svg("g", { class: "new", onpointerenter: show },
        svg("line", { x1: fromX, y1: fromY, x2: x, y2: y }),
        svg("path", { d: `M${x} ${y - 6}l6 6-6 6-6-6z`, fill: this.colour(labels?.[source]) }));
    }));
  }

  /** Where a latent lies in the figure. */
  place(latent) {
    const { mean, components, latents } = this.projection;
    if (latents) return this.placeAmong(latent, latents);
    const [x, y] = components.map((axis) => axis.reduce((sum, weight, i) => sum + weight * (latent[i] - mean[i]), 0));
    return [this.x(x), this.y(y)];
  }

  /** Where the training images lie that are nearest to a latent, the nearer counting more. */
  placeAmong(latent, latents) {
    const nearest = latents
      .map((other, i) => ({ i, weight: 1 / (1e-6 + Math.hypot(...other.map((value, axis) => value - latent[axis]))) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, NEAREST);
    const total = nearest.reduce((sum, { weight }) => sum + weight, 0);
    const [x, y] = [0, 1].map((axis) => nearest.reduce((sum, { i, weight }) => sum + weight * this.projection.points[i][axis], 0) / total);
    return [this.x(x), this.y(y)];
  }

  async point(target) {
    const i = target.dataset?.i;
    if (i !== undefined) await this.visit(Number(i));
  }

  async step(event) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    this.at = (this.at + way + this.order.length) % this.order.length;
    await this.visit(this.order[this.at]);
  }

  async visit(i) {
    const row = this.projection.rows[i];
    const label = this.projection.labels?.[i];
    await attempt(this.problems, async () => {
      const image = await imageAt(this.model.dataset, row, this.signal);
      const [x, y] = this.projection.points[i];
      this.show({ image, name: label === undefined ? `row ${row}` : `a ${label}`, facts: { label, row, part: "train", x, y } },
        this.x(x), this.y(y));
    });
  }

  show(picture, x, y) {
    this.panel.show(picture);
    Object.entries({ cx: x, cy: y, visibility: "visible" }).forEach(([name, value]) => this.mark.setAttribute(name, value));
  }
}
