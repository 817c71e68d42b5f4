/** What a person sees who has no model yet: upload your own images first, or try it on the digits. */

import { el } from "./dom.js";
import { uploadForm } from "./upload.js";

/** @returns {Promise<HTMLElement>} */
export async function welcome() {
  return el("div", {},
    el("h2", {}, "Start with your images"),
    await uploadForm(),
    el("section", { class: "card", "aria-label": "No images at hand?" },
      el("h2", {}, "No images at hand?"),
      el("p", {}, "Small pictures of digits come with the service. Training on them takes less than a minute."),
      el("a", { class: "button", href: "#/train?dataset=digits" }, "Train on the digits")));
}
