/** How new images are made: the options of augment and their controls, shared by the playground and the map. */

import { choice, explained, number } from "./controls.js";
import { el } from "./dom.js";
import { optionsOf } from "./options.js";
import { valueFor } from "./settings.js";

// A slider ends where images no longer resemble anything; the service accepts more, except for interpolation.
const FARTHEST = { noise: 3, interpolation: 1, extrapolation: 3 };
const MANY = 12; // as many new images of one source as can be looked at side by side
const LABELS = {
  method: "Method", alpha: "alpha (how far)", k: "k (images each)", decode: "Decode", neighbours: "Neighbours", seed: "Random seed",
};

/** The options that augment is asked with; they are kept while the page is open. */
export const chosen = {};

/**
 * The options of augment. `chosen` gets the values in the address, and defaults where nothing was chosen yet.
 * @param {URLSearchParams} parameters of the address
 * @returns {Promise<Object<string, Option>>}
 */
export async function augmentOptions(parameters) {
  const options = await optionsOf("post", "/v1/models/{model}/augment");
  chosen.neighbours ??= "dataset"; // the few images on the screen make poor neighbours
  for (const name of Object.keys(LABELS)) {
    chosen[name] = valueFor(options[name], parameters.get(name)) ?? chosen[name] ?? options[name].default;
  }
  return options;
}

/**
 * The controls.
 * @param {Object<string, Option>} options of `augmentOptions`
 * @param {() => void} changed called at every move
 * @param {string[]} [names] which options to show
 */
export function augmentControls(options, changed, names = Object.keys(LABELS)) {
  const change = (name, value) => {
    chosen[name] = value;
    changed();
  };
  const alpha = slider(options.alpha, { max: FARTHEST[chosen.method], step: 0.05 }, change);
  const controls = {
    alpha,
    k: slider(options.k, { max: Math.min(MANY, options.k.high), step: 1 }, change),
    method: selected(options.method, (name, method) => {
      alpha.limit(FARTHEST[method] ?? options.alpha.high);
      change(name, method);
    }),
    decode: selected(options.decode, change),
    neighbours: selected(options.neighbours, change),
    seed: seeded(options.seed, change),
  };
  return el("form", { class: "options", "aria-label": "How new images are made", onsubmit: (event) => event.preventDefault() },
    Object.keys(LABELS).filter((name) => names.includes(name))
      .map((name) => explained(LABELS[name], controls[name].input, options[name].meaning, controls[name].node)));
}

/** The value is set after its bounds, because the browser would otherwise round it to a whole number. */
function slider(option, attributes, change) {
  const shown = el("output", {}, chosen[option.name]);
  const input = el("input", { type: "range", min: option.low, ...attributes, value: chosen[option.name], oninput: () => {
    shown.value = input.value;
    change(option.name, input.valueAsNumber);
  } });
  const limit = (most) => {
    input.max = most;
    chosen[option.name] = input.valueAsNumber; // the browser keeps it within the limit
    shown.value = input.value;
  };
  return { input, node: el("span", { class: "slider" }, input, shown), limit };
}

function selected(option, change) {
  const input = choice(option, chosen[option.name], { onchange: () => change(option.name, input.value) });
  return { input, node: input };
}

function seeded(option, change) {
  const input = number(option, { value: chosen[option.name], oninput: () => {
    if (input.checkValidity()) change(option.name, input.valueAsNumber);
  } });
  return { input, node: input };
}
