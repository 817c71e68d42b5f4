/** A data set as people see it: some of its images, how many of each class; and how one comes here. */

import { at, call, get } from "./api.js";
import { attempt, el, field, table } from "./dom.js";
import { chosen, dataUrl, isImage, takesDrops } from "./pictures.js";
import { zip } from "./zip.js";

const SHOWN = 96;

/** Its facts, its counts and some of its images. */
export async function portrait(dataset, signal) {
  const { images } = await get(`${at("datasets", dataset.name, "/images")}?count=${SHOWN}&part=train`, signal);
  const { train, validation, test } = dataset.parts;
  return el("section", { class: "card portrait", "aria-label": `Data set ${dataset.name}` },
    el("h2", { class: "wide" }, dataset.name),
    el("p", { class: "wide" }, `${dataset.images.toLocaleString()} images of ${dataset.width}×${dataset.height}, ${dataset.channels === 1 ? "grey" : "colour"}: ${train} to train, ${validation} to validate, ${test} to test.`),
    el("div", { class: "sheet" }, images.map((image) => el("img", { src: dataUrl(image), alt: "" }))),
    counts(dataset));
}

function counts({ classes, class_counts: numbers }) {
  if (!classes.length) return el("p", {}, "No labels. It can train a model; to evaluate, labels are needed.");
  if (!numbers) return el("p", {}, `${classes.length} classes.`);
  const most = Math.max(...numbers);
  return table("Images of each class", ["class", "images", "share"],
    classes.map((name, i) => [name, String(numbers[i]), el("meter", { min: 0, max: most, value: numbers[i], "aria-label": `${name}: ${numbers[i]} images` })]));
}

/**
 * A place to drop a zip, an npz or a folder, and the upload.
 * @param {(dataset: object) => void} uploaded
 */
export function uploader(uploaded) {
  const problems = el("div", { class: "wide" });
  const told = el("p", { class: "wide", role: "status" }, "Drop a folder with one folder of images per class here, or a zip of it, or an npz.");
  const files = el("input", { type: "file", accept: ".zip,.npz", onchange: () => take(chosen(files)) });
  const folder = el("input", { type: "file", webkitdirectory: true, multiple: true, onchange: () => take(chosen(folder)) });
  const name = el("input", { required: true, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]{0,63}", title: "letters, digits, _ and -", autocomplete: "off" });
  const size = el("input", { pattern: "[0-9]{1,3}x[0-9]{1,3}", placeholder: "as they are", title: "height x width, such as 28x28", autocomplete: "off" });
  const send = el("button", { class: "primary", disabled: true }, "Upload");
  let packed = null;

  async function take(found) {
    await attempt(problems, async () => {
      packed = await pack(found);
      name.value ||= packed.name;
      told.textContent = packed.told;
      send.disabled = false;
    });
  }

  async function upload(event) {
    event.preventDefault();
    send.disabled = true;
    told.textContent = "Uploading…";
    const dataset = await attempt(problems, async () => {
      const query = new URLSearchParams({ name: name.value, ...(size.value ? { size: size.value } : {}) });
      const answer = await call(`/v1/datasets?${query}`, { method: "POST", body: packed.body, type: packed.type });
      return answer.json();
    });
    send.disabled = false;
    told.textContent = dataset ? `${dataset.name} is here.` : packed.told;
    if (dataset) uploaded(dataset);
  }

  const area = el("form", { class: "card upload", "aria-label": "Upload a data set", onsubmit: upload },
    told,
    field("Folder", folder), field("Zip or npz", files),
    field("Name", name), field("Resize to", size, "height x width; needed where sizes differ"),
    send, problems);
  takesDrops(area, take);
  return area;
}

/** What was dropped as one body to upload. */
async function pack(found) {
  const single = found.length === 1 && /\.(zip|npz)$/i.exec(found[0].path);
  if (single) {
    const [{ path, file }] = found;
    return { body: file, type: single[1].toLowerCase() === "zip" ? "application/zip" : "application/x-npz", name: nameFrom(path), told: `${path}, ${Math.ceil(file.size / 1024)} KiB` };
  }
  const images = found.filter(({ path }) => isImage(path));
  if (!images.length) throw new Error("There are no images in it; give PNG, JPEG or WebP in a folder per class.");
  const classes = new Map();
  for (const { path } of images) {
    const label = path.split("/").at(-2) ?? "";
    classes.set(label, (classes.get(label) ?? 0) + 1);
  }
  const counted = [...classes].map(([label, count]) => `${label}: ${count}`).join(", ");
  return { body: await zip(images), type: "application/zip", name: nameFrom(images[0].path.split("/")[0]), told: `${images.length} images (${counted})` };
}

const nameFrom = (text) => text.replace(/^.*\//, "").replace(/\.\w+$/, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 64);
