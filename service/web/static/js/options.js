/** How new images are made: the controls of augment's options, shared by the playground and the map. */

import { el, field, select } from "./dom.js";

const MOST = { noise: 3, interpolation: 1, extrapolation: 3 }; // of alpha on the slider; the API takes 10

/** What augment is asked with; kept while the page is open. */
export const options = {
  method: "interpolation", alpha: 0.5, k: 4, decode: "reconstruction", neighbours: "dataset", seed: 0,
};

/**
 * The controls.
 * @param {() => void} changed called at every move
 * @param {{neighbours?: boolean}} [shown] whether to ask where neighbours are looked for
 */
export function optionControls(changed, { neighbours: asks = true } = {}) {
  const change = (name, value) => {
    options[name] = value;
    changed();
  };
  const alpha = slider("alpha", 0, MOST[options.method], 0.05, change);
  const method = select(["interpolation", "extrapolation", "noise"], options.method, { onchange: () => {
    const most = MOST[method.value];
    alpha.input.max = most;
    options.alpha = Math.min(options.alpha, most);
    alpha.show(options.alpha);
    change("method", method.value);
  } });
  const k = slider("k", 1, 12, 1, change);
  const decode = select([["reconstruction", "reconstruction"], ["residual", "residual (sharper)"]], options.decode,
    { onchange: () => change("decode", decode.value) });
  const neighbours = select([["dataset", "in the data set"], ["batch", "among these"]], options.neighbours,
    { onchange: () => change("neighbours", neighbours.value) });
  const seed = el("input", { type: "number", min: 0, step: 1, value: options.seed,
    oninput: () => { if (seed.value !== "" && seed.checkValidity()) change("seed", seed.valueAsNumber); } });
  return el("form", { class: "options", "aria-label": "How new images are made", onsubmit: (event) => event.preventDefault() },
    field("Method", method), field("alpha: how far", alpha.input, null, alpha.node), field("k: images each", k.input, null, k.node),
    field("Decode", decode), asks ? field("Neighbours", neighbours) : null, field("Seed of the noise", seed));
}

function slider(name, min, max, step, change) {
  const shown = el("output", {}, options[name]);
  const input = el("input", { type: "range", min, max, step, value: options[name], oninput: () => {
    shown.value = input.value;
    change(name, input.valueAsNumber);
  } });
  const node = el("span", { class: "slider" }, input, shown);
  const show = (value) => {
    input.value = value;
    shown.value = value;
  };
  return { input, node, show };
}
