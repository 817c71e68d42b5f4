/** A pad to draw an image on: white on black at first, as the digits are. */

import { base64 } from "./pictures.js";
import { field } from "./controls.js";
import { el } from "./dom.js";

const SIDE = 256; // pixels
const PEN = 22;

/**
 * @param {(image: string) => void} drawn called with the drawing, a PNG in base64
 * @returns {HTMLElement}
 */
export function sketchPad(drawn) {
  const canvas = el("canvas", { width: SIDE, height: SIDE, class: "sketch", role: "img", "aria-label": "A pad to draw on with mouse, pen or finger" });
  const context = canvas.getContext("2d");
  const ink = el("input", { type: "color", value: "#ffffff" });
  const paper = el("input", { type: "color", value: "#000000", oninput: () => wipe() });
  let empty = true;
  const wipe = () => {
    context.fillStyle = paper.value;
    context.fillRect(0, 0, SIDE, SIDE);
    empty = true;
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  let last = null;
  const stroke = (event) => {
    if (!last) return;
    const next = point(event);
    Object.assign(context, { strokeStyle: ink.value, lineWidth: PEN, lineCap: "round" });
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...next);
    context.stroke();
    last = next;
    empty = false;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = point(event);
    stroke(event);
  });
  canvas.addEventListener("pointermove", stroke);
  canvas.addEventListener("pointerup", () => { last = null; });
  wipe();
  const add = async () => {
    if (empty) return;
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
    drawn(await base64(blob));
    wipe();
  };
  return el("div", { class: "pad" }, canvas,
    el("div", { class: "row" },
      el("button", { type: "button", class: "primary", onclick: add }, "Add the drawing"),
      el("button", { type: "button", onclick: wipe }, "Wipe"),
      field("Ink", ink), field("Paper", paper)));
}
