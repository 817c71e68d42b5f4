/** What a person sees first, who has no model yet: upload your own images, or try it on the digits. */

import { el, redraw } from "../dom.js";
import { uploadForm } from "../upload.js";

export const title = "Start with your images";

export async function render(place) {
  place.append(await uploadForm(redraw),
    el("section", { class: "card", "aria-label": "No images at hand?" },
      el("h2", {}, "No images at hand?"),
      el("p", {}, "Small pictures of digits come with the service. Training on them takes less than a minute."),
      el("a", { class: "button", href: "#/train?dataset=digits" }, "Train on the digits")));
}
