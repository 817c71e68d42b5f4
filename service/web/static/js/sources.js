/** The images that new ones are made from: random ones of the data set, files of the person's own, or drawings. */

import { at, get } from "./api.js";
import { field, number, select } from "./controls.js";
import { attempt, confirmed, el, isNarrow, problem } from "./dom.js";
import { chosen as chosenFiles, isHidden, read, takesDrops } from "./pictures.js";
import { sketchPad } from "./sketch.js";

const isOwn = ({ origin }) => origin.row === undefined;

/** The rows of the sources in their data set, if all are images of it; null otherwise. */
export const rowsOf = (sources) => (sources.length && !sources.some(isOwn) ? sources.map(({ origin }) => origin.row).join(",") : null);

const AT_FIRST = 6; // images, so that their children fit on one screen

/**
 * The sources of one model, and the card that changes them.
 *
 * `list` holds `{image, label, origin}`: base64, a class's name or null, and where the image comes from.
 */
export class Sources {
  /**
   * @param {object} model whose data set gives the random images
   * @param {object[]} list where to keep them
   * @param {HTMLElement} problems where to say what went wrong
   * @param {(all: boolean) => Promise<void>} changed called whenever the list has changed, with whether all of it is new
   * @param {AbortSignal} signal
   */
  constructor(model, list, problems, changed, signal) {
    Object.assign(this, { model, list, problems, changed, signal });
  }

  /**
   * @param {object[]} models to choose from
   * @param {Object<string, Option>} options of the API's sample of a data set's images
   */
  card(models, options) {
    const model = select(models.map(({ name, dataset }) => [name, `${name} (${dataset})`]), this.model.name,
      { onchange: () => { location.hash = `#/playground?model=${encodeURIComponent(model.value)}`; } });
    this.count = number(options.count, { value: AT_FIRST });
    this.label = select([["", "no label"], ...this.model.classes], "");
    const file = el("input", { type: "file", accept: "image/*", multiple: true, onchange: () => this.add(chosenFiles(file)) });
    const pad = sketchPad((image) => this.put({ image, label: this.label.value || null, origin: { from: "drawn here" } }));
    const own = [
      field("Your own images (or drop them here)", file),
      this.model.classes.length ? field("Label of your images", this.label) : null,
      el("details", { class: "draw" }, el("summary", {}, "Draw one"), pad),
      el("button", { type: "button", onclick: () => this.clear() }, "Clear")];
    const card = el("section", { class: "card sources", "aria-label": "Images to start from" },
      field("Model", model),
      field("How many", this.count),
      el("button", { type: "button", class: "primary", onclick: () => this.random() }, "Random images"),
      isNarrow() ? el("details", {}, el("summary", {}, "Your own images"), el("div", { class: "sources" }, own)) : own);
    takesDrops(card, (files) => this.add(files));
    return card;
  }

  /** Takes random images of the data set. */
  async random() {
    if (!this.count.reportValidity()) return;
    await this.take({ count: this.count.value, seed: Math.floor(Math.random() * 2 ** 31) });
  }

  /** Takes other images of the data set; the person's own stay. @param {object} query of the API's sample */
  async take(query) {
    const { dataset } = this.model;
    const found = await attempt(this.problems, () => get(`${at("datasets", dataset, "/images")}?${new URLSearchParams(query)}`, this.signal));
    if (!found) return;
    const sources = found.images.map((image, i) => ({ image, label: found.labels?.[i] ?? null, origin: { dataset, row: found.row[i] } }));
    this.list.splice(0, this.list.length, ...sources, ...this.list.filter(isOwn));
    await this.changed(true);
  }

  /** Adds image files, and names those that cannot be read. */
  async add(files) {
    const label = this.label.value || null;
    const wanted = files.filter((found) => !isHidden(found));
    const contents = await Promise.all(wanted.map(({ file }) => read(file).catch(() => null)));
    const added = contents.map((image, i) => ({ image, label, origin: { from: wanted[i].path } }));
    const readable = added.filter(({ image }) => image);
    if (readable.length) await this.put(...readable);
    const left = added.filter(({ image }) => !image).map(({ origin }) => origin.from);
    if (left.length) this.problems.append(problem({ title: "Left out.", message: `This browser cannot read as images: ${left.join(", ")}. PNG, JPEG and WebP files can always be read.` }));
  }

  async put(...sources) {
    this.list.push(...sources);
    await this.changed(false);
  }

  async clear() {
    if (!(await confirmed("Remove all images from the screen?", "Remove them"))) return;
    this.list.length = 0;
    await this.changed(false);
  }
}
