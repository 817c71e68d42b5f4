/** An upload under way. It goes on while the person looks at other views, and its end takes nobody away. */

import { warnings } from "./datasets.js";
import { el } from "./dom.js";
import { notice } from "./notices.js";
import { send } from "./sending.js";
import { markSteps } from "./steps.js";

/**
 * @typedef {object} Upload
 * @property {HTMLElement} node what shows how it is doing, and at the end what came of it
 * @property {boolean} running
 * @property {Promise<boolean>} end whether there is a new data set then
 */

/** @type {Upload|null} the last one */
let last = null;

export const uploadGoingOn = () => last;

/**
 * @param {{name: string}} query options of the upload
 * @param {{body: Blob, type: string}} packed
 * @param {(error: Error) => HTMLElement} refused what to show where the service refuses it
 * @returns {Upload}
 */
export function startUpload(query, { body, type }, refused) {
  last?.node.remove();
  const leaving = new AbortController();
  const bar = el("progress", { max: body.size, value: 0, "aria-label": "Bytes sent" });
  const state = el("span");
  const cancel = el("button", { type: "button", onclick: () => leaving.abort() }, "Cancel the upload");
  const node = el("section", { class: "outcome", "aria-label": "The upload" }, bar, el("div", { class: "row" }, state, cancel));
  const sent = (bytes) => {
    bar.value = bytes;
    state.textContent = bytes < body.size ? `${megabytes(bytes)} of ${megabytes(body.size)} MB of ${query.name} sent.`
      : `All ${megabytes(body.size)} MB are sent. The service is looking at the images.`;
  };
  sent(0);
  const upload = { node, running: true };
  upload.end = send(`/v1/datasets?${new URLSearchParams(query)}`, body, type, sent, leaving.signal)
    .then((dataset) => {
      node.replaceChildren(outcome(dataset));
      return true;
    }, (error) => {
      node.replaceChildren(error.name === "AbortError" ? el("p", { role: "status" }, "The upload was cancelled, and nothing of it was kept.") : refused(error));
      return false;
    })
    .finally(() => {
      upload.running = false;
      markSteps();
      if (!node.isConnected) notice(`The upload of ${query.name} has ended.`, [["See what came of it", "#/datasets"]]);
    });
  last = upload;
  return upload;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** What there is now, and what to do with it. */
function outcome(dataset) {
  const name = encodeURIComponent(dataset.name);
  const { train, validation, test } = dataset.parts;
  return el("div", {},
    el("p", { role: "status" }, el("strong", {}, `${dataset.name} is uploaded.`), ` It has ${dataset.images.toLocaleString()} images: ${train.toLocaleString()} to train on, ${validation.toLocaleString()} to stop the training by and ${test.toLocaleString()} to test with.`),
    warnings(dataset),
    el("p", { class: "row" },
      el("a", { class: "button primary", href: `#/train?dataset=${name}` }, `Train on ${dataset.name}`),
      el("a", { class: "button", href: `#/datasets?name=${name}` }, "Look at it"),
      dataset.classes.length && dataset.unlabelled ? el("a", { class: "button", href: `#/recommend?dataset=${name}` }, "Put the unlabelled images to use") : null));
}
