/** A view's settings in the address, so that what is on the screen can be shared, or kept as a bookmark. */

const PAUSE = 250; // milliseconds between two changes of the address: browsers refuse more than some hundred in ten seconds

let timer;
let last = -PAUSE;

/** Writes the settings into the address of the open view, which is not drawn again. Those without a value are left out. */
export function keep(settings) {
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined && !Number.isNaN(value) && String(value) !== "");
  const view = openView();
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (openView() !== view) return;
    last = performance.now();
    history.replaceState(null, "", `${location.pathname}${view}?${new URLSearchParams(given)}`);
  }, Math.max(0, last + PAUSE - performance.now()));
}

const openView = () => location.hash.split("?")[0] || "#/playground";

/** The value that a text from the address gives an option; undefined where it gives none that the option can have. */
export function valueFor(option, text) {
  if (text === null) return undefined;
  if (option.choices.length) return option.choices.includes(text) ? text : undefined;
  if (option.low === undefined) return text;
  const value = text === "" ? NaN : Number(text);
  const fits = value >= option.low && value <= (option.high ?? Infinity) && (!option.whole || Number.isInteger(value));
  return fits ? value : undefined;
}
