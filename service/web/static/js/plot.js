/** Plots as SVG, in the page's own colours: lines over epochs, points on a plane. */

import { isNarrow, svg } from "./dom.js";

const HEIGHT = 270;
const LETTER = 7; // width of a letter, about
const MARGIN = { left: 50, right: 18, top: 48, bottom: 42 };
const LINES = 5; // lines whose looks differ

/** Width of a plot in its own units: the narrower, the larger its letters are on a narrow screen. */
const widthOf = (wide) => (isNarrow() ? Math.min(wide, 360) : wide);

/** About `count` round numbers that span low to high. */
function ticks(low, high, count = 5) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
  return found;
}

/** The same for whole numbers from 1 to `count`. */
function wholeTicks(count) {
  const step = Math.max(1, Math.round(ticks(0, count)[1]));
  return Array.from({ length: count }, (_, i) => i + 1).filter((number) => number === 1 || number % step === 0);
}

const short = (value) => String(Number(value.toPrecision(4)));

/** A linear scale from [low, high] to [from, to]. */
export const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

/**
 * A plot of lines over the whole numbers from 1.
 * @param {string} title
 * @param {Object<string, number[]>} series by name
 * @param {string} unit of the y axis
 */
export function lines(title, series, unit) {
  const values = Object.values(series).flat();
  const epochs = Math.max(...Object.values(series).map((line) => line.length));
  const count = Math.max(2, epochs);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const width = widthOf(480);
  const right = width - MARGIN.right;
  const x = scale(1, count, MARGIN.left, right);
  const y = scale(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
  const text = Object.entries(series).map(([name, line]) => `${name} ${short(line.at(-1))}`).join(", ");
  const names = Object.keys(series);
  const place = (i) => MARGIN.left + names.slice(0, i).reduce((sum, name) => sum + LETTER * (name.length + 3), 0);
  return svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, class: "plot", role: "img", "aria-label": `${title}, after ${epochs} epoch${epochs === 1 ? "" : "s"}: ${text}` },
    svg("text", { x: MARGIN.left, y: 16, class: "title" }, title),
    ticks(low, high).map((value) => svg("g", {},
      svg("line", { x1: MARGIN.left, x2: right, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)))),
    wholeTicks(count).map((value) => svg("text", { x: x(value), y: HEIGHT - MARGIN.bottom + 16, "text-anchor": "middle" }, value)),
    svg("text", { x: right, y: HEIGHT - 6, "text-anchor": "end" }, "epoch"),
    svg("text", { x: 4, y: HEIGHT - 6 }, unit),
    Object.entries(series).map(([name, line], i) => [
      svg("polyline", { class: `line line-${i % LINES}`, points: line.map((value, j) => `${x(j + 1)},${y(value)}`).join(" ") }),
      line.length === 1 ? svg("circle", { class: `dot dot-${i % LINES}`, cx: x(1), cy: y(line[0]), r: 3 }) : null,
      svg("text", { class: `name-${i % LINES}`, x: place(i), y: 34 }, name),
    ]));
}

/** Colour of a class: classes are spread evenly over the colour circle. */
export const colour = (number, count) => `hsl(${Math.round((360 * number) / Math.max(1, count))} 70% 52%)`;

/**
 * The forest plot of an evaluation for one classifier: each arm's gain with its interval.
 * @param {string} title
 * @param {{name: string, gain: object, verdict: string}[]} arms
 */
export function forest(title, arms) {
  const width = widthOf(640);
  const stacked = width < 640; // then a name stands over its interval
  const step = stacked ? 38 : 24;
  const names = stacked ? 0 : 270;
  const bottom = 34 + step * arms.length;
  const bounds = arms.flatMap(({ gain }) => [gain.low ?? gain.mean, gain.high ?? gain.mean]);
  const [low, high] = [Math.min(0, ...bounds), Math.max(0, ...bounds)];
  const x = scale(low, high, names + 14, width - 16);
  return svg("svg", { viewBox: `0 0 ${width} ${bottom + 38}`, class: "plot forest", role: "img", "aria-label": `Gains of ${title}; the table below has the numbers` },
    svg("text", { x: names + 14, y: 18, class: "title" }, title),
    ticks(low, high).map((value) => svg("g", {},
      svg("line", { x1: x(value), x2: x(value), y1: 26, y2: bottom, class: Math.abs(value) < 1e-9 ? "zero" : "grid" }),
      svg("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, short(value)))),
    svg("text", { x: width - 16, y: bottom + 32, "text-anchor": "end" }, stacked ? "gain in points, with 95 % interval" : "gain in accuracy (percentage points) with 95 % interval"),
    arms.map(({ name, gain, verdict }, i) => {
      const y = 34 + step * (i + (stacked ? 0.75 : 0.5));
      return svg("g", { class: verdict.replace(" ", "-") },
        svg("text", stacked ? { x: 14, y: y - 12 } : { x: names, y: y + 4, "text-anchor": "end" }, name),
        gain.low === null ? null : svg("line", { x1: x(gain.low), x2: x(gain.high), y1: y, y2: y, class: "interval" }),
        svg("circle", { cx: x(gain.mean), cy: y, r: 4.5 }, svg("title", {}, `${name}: ${gain.mean.toFixed(2)} points, ${verdict}`)));
    }));
}
