/** An evaluation's report: what to do in words, the gains as a forest plot, the table, and everything to download. */

import { at, call, get } from "./api.js";
import { attempt, el, save, table } from "./dom.js";
import { forest } from "./plot.js";

const TITLES = { svm: "SVM", knn: "kNN", mlp: "MLP", cnn: "CNN" };
const FORMS = [["report.md", "text/markdown"], ["report.csv", "text/csv"], ["report.png", "image/png"], ["result.json", "application/json"]];
const FIGURES = ["reconstructions", "interpolations", "generation"];

/** @returns {Promise<HTMLElement>} */
export async function report(id, signal) {
  const result = await get(at("jobs", id, "/result"), signal);
  const names = Object.keys(result.verdicts);
  const { protocol, sizes } = result;
  return el("div", { class: "report" },
    el("h2", {}, "Do the new images help?"),
    result.warnings.map((warning) => el("p", { class: "warning" }, warning)),
    names.map((name) => verdict(name, result)),
    el("p", {}, `${protocol.draws} draws of ${sizes.labelled} labelled images out of ${sizes.train}, ${sizes.classes} classes; accuracy is measured on ${sizes.test} test images that were used for nothing else.`),
    names.map((name) => forest(TITLES[name], compared(result, name))),
    names.map((name) => [el("h3", {}, TITLES[name]), rows(result, name)]),
    downloads(id));
}

const COLOURS = { use: "helps", "leave out": "harms" };

/** What to do, in words, and the numbers below it; older results, which have no words, have one text. */
function verdict(name, result) {
  const { action, words, numbers } = result.advice?.[name] ?? { words: result.verdicts[name] };
  return el("section", { class: `card verdict ${COLOURS[action] ?? ""}`, "aria-label": TITLES[name] },
    el("h3", {}, TITLES[name]), el("p", {}, el("strong", {}, words)),
    numbers ? el("details", {}, el("summary", {}, "Details"), el("p", {}, numbers)) : null);
}

/** An arm in words; older results, which have no names, have its parts. */
const named = ({ name, arm, space, latent_dim: dim, decode }) =>
  name ?? `${arm} (${[space, dim, decode].filter(Boolean).join(", ")})`;

/** Short names of arms: without what is in brackets, if the names still differ. */
function short(rows) {
  const names = rows.map(named);
  const bare = names.map((name) => name.replace(/ \(.*\)$/, ""));
  return new Set(bare).size === bare.length ? bare : names;
}

function compared(result, name) {
  const rows = result.rows.filter((row) => row.classifier === name && row.gain);
  const names = short(rows);
  return rows.map(({ gain, verdict: word }, i) => ({ name: names[i], gain, verdict: word }));
}

function rows(result, name) {
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  return table(`${TITLES[name]}: accuracy and gain with each training set`,
    ["training set", "accuracy, %", "gain, points", "95 % interval", "verdict"],
    result.rows.filter((row) => row.classifier === name).map((row) => [
      named(row), row.accuracy.toFixed(2),
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
    el("h3", {}, "Download the report"),
    el("div", { class: "row" },
      FORMS.map(([name, form]) => button(name, path, form)),
      FIGURES.map((figure) => button(`${figure}.png`, `${path}?figure=${figure}`, "image/png"))),
    problems);
}
