/** An evaluation's report: the verdict in words, the gains as a forest plot, the table, and everything to take away. */

import { at, call, get } from "./api.js";
import { attempt, el, save, table } from "./dom.js";
import { forest } from "./plot.js";

const TITLES = { svm: "SVM", knn: "kNN", mlp: "MLP" };
const FORMS = [["report.md", "text/markdown"], ["report.csv", "text/csv"], ["report.png", "image/png"], ["result.json", "application/json"]];
const FIGURES = ["reconstructions", "interpolations", "generation"];

/** @returns {Promise<HTMLElement>} */
export async function report(id, signal) {
  const result = await get(at("jobs", id, "/result"), signal);
  const names = Object.keys(result.verdicts);
  const { protocol, sizes } = result;
  return el("div", { class: "report" },
    el("h2", {}, "Do the new images help?"),
    names.map((name) => verdict(name, result)),
    result.warnings.map((warning) => el("p", { class: "warning" }, warning)),
    el("p", {}, `${protocol.draws} draws of ${sizes.labelled} labelled images out of ${sizes.train}, ${sizes.classes} classes; accuracy on ${sizes.test} test images that served nothing else.`),
    names.map((name) => forest(TITLES[name], compared(result, name))),
    names.map((name) => [el("h3", {}, TITLES[name]), rows(result, name)]),
    downloads(id));
}

function verdict(name, result) {
  const word = result.best[name]?.verdict ?? "not measured";
  return el("section", { class: `card verdict ${word.replace(" ", "-")}`, "aria-label": TITLES[name] },
    el("h3", {}, `${TITLES[name]}: ${word}`), el("p", {}, result.verdicts[name]));
}

/** An arm in words. */
function armName({ arm, decode, latent_dim: dim, space }) {
  const parts = [decode, dim && `latent_dim ${dim}`, space === "latent" ? "on latents" : null].filter(Boolean);
  return parts.length ? `${arm} (${parts.join(", ")})` : arm;
}

const compared = (result, name) => result.rows
  .filter((row) => row.classifier === name && row.gain)
  .map((row) => ({ name: armName(row), gain: row.gain, verdict: row.verdict }));

function rows(result, name) {
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  return table(`${TITLES[name]}: accuracy and gain of each training set`,
    ["training set", "accuracy, %", "gain, points", "95 % interval", "verdict"],
    result.rows.filter((row) => row.classifier === name).map((row) => [
      armName(row), row.accuracy.toFixed(2),
      row.gain ? signed(row.gain.mean) : "",
      row.gain && row.gain.low !== null ? `${signed(row.gain.low)} to ${signed(row.gain.high)}` : "",
      row.verdict ?? "",
    ]));
}

function downloads(id) {
  const problems = el("div");
  const path = at("jobs", id, "/result");
  const button = (text, address, accept) => el("button", { type: "button", onclick: () => attempt(problems, async () => {
    save(await (await call(address, { accept })).blob(), text);
  }) }, text);
  return el("section", { class: "card", "aria-label": "Downloads" },
    el("h3", {}, "Take it with you"),
    el("div", { class: "row" },
      FORMS.map(([name, form]) => button(name, path, form)),
      FIGURES.map((figure) => button(`${figure}.png`, `${path}?figure=${figure}`, "image/png"))),
    problems);
}
