/** Small images as buttons, and the panel that shows where the image under the pointer comes from. */

import { el } from "./dom.js";
import { dataUrl } from "./pictures.js";

/**
 * One image as a button.
 * @param {{image: string, name: string, facts: Object<string, unknown>, key?: string}} picture image is base64
 * @param {(picture: object) => void} shown on hover and focus
 * @param {(picture: object, tile: HTMLElement) => void} [chosen] on a click
 */
export function tile(picture, shown, chosen) {
  const node = el("button", {
    type: "button", class: "tile", "aria-label": picture.name, "aria-pressed": chosen ? "false" : null,
    onpointerenter: () => shown(picture), onfocus: () => shown(picture),
    onclick: () => chosen?.(picture, node),
  }, el("img", { src: dataUrl(picture.image), alt: "", draggable: "false" }));
  return node;
}

/** A panel about the image that has the pointer or the focus; `show(picture)` fills it. */
export function detailPanel(hint) {
  const node = el("aside", { class: "detail", "aria-label": "Where the image comes from" }, el("p", { class: "hint" }, hint));
  const show = (picture) => {
    const facts = Object.entries(picture.facts).filter(([, value]) => value !== null && value !== undefined);
    node.replaceChildren(
      el("div", { class: "row" }, [picture, ...(picture.beside ?? [])].map(({ image, name }) =>
        el("figure", {}, el("img", { src: dataUrl(image), alt: name }), el("figcaption", {}, name)))),
      el("dl", {}, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])));
  };
  return { node, show };
}
