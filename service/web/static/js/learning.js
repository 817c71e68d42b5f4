/** How a training goes: the error on held-out images over the epochs, and the parts of the loss for those who want them. */

import { el } from "./dom.js";
import { lines } from "./plot.js";

const PARTS = { reconstruction: "Reconstruction loss", divergence: "Divergence" };

/** Of the brightness range, the error of a pixel that a mean squared error stands for. */
const percent = (mse) => 100 * Math.sqrt(mse);

/**
 * The error of held-out images over the epochs.
 * @param {Object<string, object[]>} histories epochs by the name of their line
 */
export const errors = (histories) => lines("Error on images that are not trained on",
  Object.fromEntries(Object.entries(histories).map(([name, history]) => [name, history.map(({ validation_mse: mse }) => percent(mse))])),
  "% of full brightness per pixel (lower is better)");

/** The plots of one training. */
export const curves = (history) => [
  history[0]?.validation_mse === undefined ? null : errors({ "held-out images": history }), // older trainings did not measure it
  el("details", { class: "losses" }, el("summary", {}, "The loss in its parts"), el("div", { class: "columns" },
    Object.entries(PARTS).map(([part, title]) => lines(title, {
      training: history.map((entry) => entry[`train_${part}`]),
      validation: history.map((entry) => entry[`validation_${part}`]),
    }, "loss per image (lower is better)")))),
];
