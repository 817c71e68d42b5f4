/** The form that uploads a data set: a folder, a zip or an npz file, dropped or chosen. */

import { call } from "./api.js";
import { field, text } from "./controls.js";
import { attempt, el } from "./dom.js";
import { optionsOf } from "./options.js";
import { chosen, isImage, takesDrops } from "./pictures.js";
import { zip } from "./zip.js";

const HELP = "Drop a folder here that holds one folder of images for each class. A zip of it, or an npz file, will do as well.";
const LONGEST = 64; // letters of a data set's name

/**
 * @param {(dataset: object) => void} uploaded called with the new data set
 * @returns {Promise<HTMLElement>}
 */
export async function uploadForm(uploaded) {
  const options = await optionsOf("post", "/v1/datasets");
  const problems = el("div", { class: "wide" });
  const state = el("p", { class: "wide", role: "status" }, HELP);
  const files = el("input", { type: "file", accept: ".zip,.npz", onchange: () => take(chosen(files)) });
  const folder = el("input", { type: "file", webkitdirectory: true, multiple: true, onchange: () => take(chosen(folder)) });
  const name = text(options.name);
  const size = text(options.size, { placeholder: "as they are" });
  const send = el("button", { class: "primary", disabled: true }, "Upload");
  let packed = null;

  async function take(found) {
    await attempt(problems, async () => {
      packed = await pack(found);
      name.value ||= packed.name;
      state.textContent = packed.summary;
      send.disabled = false;
    });
  }

  async function upload(event) {
    event.preventDefault();
    send.disabled = true;
    state.textContent = "Uploading…";
    const query = new URLSearchParams({ name: name.value, ...(size.value ? { size: size.value } : {}) });
    const dataset = await attempt(problems, async () =>
      (await call(`/v1/datasets?${query}`, { method: "POST", body: packed.body, type: packed.type })).json());
    send.disabled = false;
    state.textContent = dataset ? `${dataset.name} has been uploaded.` : packed.summary;
    if (dataset) uploaded(dataset);
  }

  const area = el("form", { class: "card upload", "aria-label": "Upload a data set", onsubmit: upload },
    state,
    field("Folder", folder), field("Zip or npz file", files),
    field("Name", name), field("Resize to", size, options.size.meaning),
    send, problems);
  takesDrops(area, take);
  return area;
}

/** What was dropped, as one body to upload. */
async function pack(found) {
  const ending = found.length === 1 && /\.(zip|npz)$/i.exec(found[0].path)?.[1].toLowerCase();
  return ending ? packFile(found[0], ending) : packFolder(found);
}

const packFile = ({ path, file }, ending) => ({
  body: file, type: ending === "zip" ? "application/zip" : "application/x-npz", name: nameFrom(path),
  summary: `${path}, ${Math.ceil(file.size / 1024).toLocaleString()} KiB`,
});

async function packFolder(found) {
  const images = found.filter(({ path }) => isImage(path));
  if (!images.length) throw new Error("There are no images in it. Choose a folder of PNG, JPEG or WebP images.");
  const classes = new Map();
  for (const { path } of images) {
    const label = path.split("/").at(-2) ?? "";
    classes.set(label, (classes.get(label) ?? 0) + 1);
  }
  const counted = [...classes].map(([label, count]) => `${label}: ${count}`).join(", ");
  return {
    body: await zip(images), type: "application/zip", name: nameFrom(images[0].path.split("/")[0]),
    summary: `${images.length} images (${counted})`,
  };
}

/** A name that the service accepts, made from the name of a file or a folder. */
const nameFrom = (path) => path.replace(/^.*\//, "").replace(/\.\w+$/, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, LONGEST);
