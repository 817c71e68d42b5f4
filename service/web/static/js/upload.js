/** The form that uploads a data set: it takes what is dropped or chosen, looks at it, says what it found, and sends it. */

import { get } from "./api.js";
import { field, select, text } from "./controls.js";
import { attempt, el, problem } from "./dom.js";
import { findings, look, proposedSize, summary } from "./look.js";
import { optionsOf } from "./options.js";
import { chosen, takesDrops } from "./pictures.js";
import { startUpload, uploadGoingOn } from "./uploading.js";
import { zip } from "./zip.js";

const LONGEST = 60; // letters of a proposed name, so that a number fits behind it

/** Shows an upload in the form that is on the screen, which may be a later one than that which started it. */
let attach;

/**
 * @param {() => void} [ended] called when a data set has been uploaded
 * @returns {Promise<HTMLElement>}
 */
export async function uploadForm(ended = () => {}) {
  const [options, { datasets }] = await Promise.all([optionsOf("post", "/v1/datasets"), get("/v1/datasets")]);
  const taken = new Set(datasets.map(({ name }) => name));
  const problems = el("div");
  const state = el("p", { role: "status" });
  const told = el("ul", { class: "findings" });
  const name = text(options.name);
  const free = el("small", { role: "status" });
  const size = text(options.size, { placeholder: "as they are" });
  const bits = select([["", "as many as their largest value needs"], ...options.bits.choices.map(String)], "");
  const deep = field("Bits of the 16-bit images", bits, options.bits.meaning);
  const upload = el("button", { class: "primary" }, "Upload");
  const rest = el("div", { hidden: true }, told,
    el("div", { class: "grid" }, field("Name", name, null, el("div", { class: "field" }, name, free)), field("Size (height x width)", size, options.size.meaning), deep),
    upload);
  let packed = null;

  name.addEventListener("input", () => {
    if (!taken.has(name.value)) free.textContent = "";
    else {
      free.textContent = `That name is taken. ${freeName(name.value, taken)} is free.`;
      name.setCustomValidity(free.textContent);
    }
  });

  async function take(files) {
    rest.hidden = true;
    uploadGoingOn()?.node.remove(); // what came of an earlier one
    await attempt(problems, async () => {
      packed = await pack(files, (words) => { state.textContent = words; }).catch((error) => {
        state.textContent = "";
        throw error;
      });
      name.value = freeName(packed.name, taken);
      name.dispatchEvent(new Event("input"));
      size.value = packed.size;
      size.required = Boolean(packed.size);
      bits.value = "";
      deep.hidden = !packed.deep;
      state.textContent = packed.summary;
      told.replaceChildren(...packed.findings.map(finding));
      upload.textContent = packed.action;
      rest.hidden = false;
    });
  }

  const submit = (event) => {
    event.preventDefault();
    rest.hidden = true;
    state.textContent = "";
    send({ name: name.value, ...(size.value ? { size: size.value } : {}), ...(bits.value ? { bits: bits.value } : {}) });
  };

  function send(query) {
    attach(startUpload(query, packed, refused));
    function refused(error) {
      if (error.status === 409) taken.add(query.name);
      name.dispatchEvent(new Event("input"));
      rest.hidden = false;
      const [, proposed] = /size=(\d+x\d+)/.exec(error.answer?.detail) ?? [];
      if (proposed) size.value = proposed;
      const skips = !query.skip_bad && error.fields?.some(({ loc }) => !options[loc]); // then the fields are files
      return el("div", {}, problem(error),
        skips ? el("button", { type: "button", onclick: () => send({ ...query, skip_bad: true }) }, "Go on without what cannot be read") : null);
    }
  }

  const area = el("form", { class: "card upload", "aria-label": "Upload a data set", onsubmit: submit }, zone(take), state, problems, rest);
  attach = (going) => {
    area.append(going.node);
    if (!going.running) return;
    area.classList.add("sending");
    going.end.then((done) => {
      area.classList.remove("sending");
      if (done && area.isConnected) ended();
    });
  };
  if (uploadGoingOn()) attach(uploadGoingOn());
  takesDrops(area, take);
  return area;
}

const finding = ({ words, files }) => el("li", { class: "warning" }, words,
  files.length ? el("details", {}, el("summary", {}, "The others"), files.map((path) => el("div", {}, path))) : null);

/** Where to drop things, with buttons for those who would rather choose. */
function zone(take) {
  const input = (label, attributes) => {
    const node = el("input", { type: "file", "aria-label": label, multiple: true, hidden: true, ...attributes, onchange: async () => {
      await take(chosen(node));
      node.value = ""; // so that the same choice counts again
    } });
    return node;
  };
  const folder = input("Folder", { webkitdirectory: true });
  const files = input("Files", { accept: "image/*,.zip,.npz" });
  return el("div", { class: "zone" },
    el("p", {}, el("strong", {}, "Drop a folder here"), " that holds one folder of images for each class. Images that have no label go into a folder called ", el("code", {}, "unlabelled"), ". Images without folders, a zip or an npz file will do as well."),
    el("div", { class: "row" },
      el("button", { type: "button", onclick: () => folder.click() }, "Choose a folder"),
      el("button", { type: "button", onclick: () => files.click() }, "Choose files"),
      folder, files));
}

/** What was dropped, as one body to upload, and what to know about it. */
async function pack(files, said) {
  if (!files.length) throw new Error("Nothing is in it. Choose a folder of images.");
  const ending = files.length === 1 && /\.(zip|npz)$/i.exec(files[0].path)?.[1].toLowerCase();
  return ending ? packFile(files[0], ending) : packFolder(files, said);
}

const packFile = ({ path, file }, ending) => ({
  body: file, type: ending === "zip" ? "application/zip" : "application/x-npz", name: nameFrom(path), size: "",
  summary: `${path}, ${Math.ceil(file.size / 1024).toLocaleString()} KiB. What is in it shows after the upload.`, findings: [], action: "Upload",
  deep: ending === "zip", // what is in it is not known here
});

async function packFolder(files, said) {
  const looked = await look(files, (done, all) => said(`Looking at your images: ${done.toLocaleString()} of ${all.toLocaleString()}.`));
  const { images, broken, others } = looked;
  const found = findings(looked);
  if (!images.length) throw new Error(found[0]?.words ?? "There are no images in it.");
  const [root] = files[0].path.split("/");
  return {
    body: await zip(images), type: "application/zip", name: files[0].path.includes("/") ? nameFrom(root) : "images",
    size: proposedSize(looked), summary: summary(looked), findings: found, deep: looked.deep > 0,
    action: broken.length + others.length ? `Upload the ${images.length.toLocaleString()} images` : "Upload",
  };
}

/** A name that the service accepts, made from the name of a file or a folder. */
const nameFrom = (path) => path.replace(/^.*\//, "").replace(/\.(zip|npz)$/i, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, LONGEST) || "images";

/** The name itself, or the first that is free with a number behind it. */
function freeName(name, taken) {
  let number = 1;
  let found = name;
  while (taken.has(found)) {
    number += 1;
    found = `${name}-${number}`;
  }
  return found;
}
