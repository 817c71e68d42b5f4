/** A data set as people see it: some of its images, and how many there are of each class. */

import { at, get } from "./api.js";
import { el, table } from "./dom.js";
import { dataUrl } from "./pictures.js";

const SHOWN = 96;

/** Facts, class counts and some images of a data set. */
export async function portrait(dataset, signal) {
  const { images } = await get(`${at("datasets", dataset.name, "/images")}?count=${SHOWN}&part=train`, signal);
  const { train, validation, test } = dataset.parts;
  return el("section", { class: "card portrait", "aria-label": `Data set ${dataset.name}` },
    el("h2", { class: "wide" }, dataset.name),
    el("p", { class: "wide" }, `${dataset.images.toLocaleString()} ${dataset.channels === 1 ? "grey" : "colour"} images of ${dataset.height} × ${dataset.width} pixels (height × width): ${train.toLocaleString()} for training, ${validation.toLocaleString()} for validation and ${test.toLocaleString()} for testing.${unlabelled(dataset)}`),
    dataset.left_out ? el("p", { class: "wide" }, `${dataset.left_out.images.toLocaleString()} images are left out. ${dataset.left_out.reason}`) : null,
    warnings(dataset),
    el("div", { class: "sheet" }, images.map((image) => el("img", { src: dataUrl(image), alt: "" }))),
    counts(dataset));
}

/** What to know about a data set before it is used. */
export const warnings = (dataset) => dataset.warnings.map((warning) => el("p", { class: "wide warning" }, warning));

function unlabelled({ classes, unlabelled: without }) {
  return classes.length && without ? ` ${without.toLocaleString()} of them have no label.` : "";
}

function counts({ classes, class_counts: numbers }) {
  if (!classes.length) return el("p", {}, "These images have no labels. A model can be trained on them, but an evaluation needs labels.");
  if (!numbers) return el("p", {}, `There are ${classes.length} classes.`);
  const most = Math.max(...numbers);
  return table("Images of each class", ["class", "images", "share"],
    classes.map((name, i) => [name, String(numbers[i]), el("meter", { min: 0, max: most, value: numbers[i], "aria-label": `${name}: ${numbers[i]} images` })]));
}
