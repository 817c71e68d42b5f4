/** All jobs: the state of each, why it failed, and buttons to open or stop it. */

import { at, call, get } from "../api.js";
import { field, select } from "../controls.js";
import { attempt, confirmed, el, save, shown, when } from "../dom.js";
import { searchable } from "../list.js";
import { optionsOf } from "../options.js";
import { base64, dataUrl } from "../pictures.js";
import { explained } from "../problems.js";

export const title = "Jobs";

const AGAIN = 2000; // milliseconds between two looks at jobs that have not ended
const OPEN = { train: "train", evaluate: "evaluate", recommend: "recommend" }; // kinds that have a view of their own
const FILTERS = { kind: "Kind", status: "State" };

export async function render(place, parameters, signal) {
  const query = new URLSearchParams();
  for (const name of [...Object.keys(FILTERS), "cursor"]) if (parameters.get(name)) query.set(name, parameters.get(name));
  const [{ jobs, next }, options] = await Promise.all([get(`/v1/jobs?${query}`, signal), optionsOf("get", "/v1/jobs")]);
  const problems = el("div");
  place.append(
    el("div", { class: "card row" }, Object.entries(FILTERS).map(([name, label]) => filter(options[name], label, query))),
    problems,
    searchable("Jobs, newest first", ["job", "state", "about", "created", "actions"],
      jobs.map((job) => entry(job, problems)), "There are no jobs yet. Train a model or start an evaluation."));
  if (next) {
    query.set("cursor", next);
    place.append(el("a", { class: "button", href: `#/jobs?${query}` }, "Older jobs"));
  }
  refreshUntilEnded(jobs, signal);
}

/** A select that shows only the jobs of one kind or in one state. */
function filter({ name, choices }, label, query) {
  const chooser = select([["", "all"], ...choices], query.get(name) ?? "", { onchange: () => {
    const wanted = new URLSearchParams(query);
    if (chooser.value) wanted.set(name, chooser.value);
    else wanted.delete(name);
    wanted.delete("cursor");
    location.hash = `#/jobs?${wanted}`;
  } });
  return field(label, chooser);
}

function entry(job, problems) {
  const { dataset, name, model, method } = job.params;
  const about = [dataset, name ?? model, method].filter(Boolean).join(", ");
  const label = `${job.kind} ${job.id.slice(-8)}`;
  const link = OPEN[job.kind] ? el("a", { href: `#/${OPEN[job.kind]}?job=${job.id}` }, label) : label;
  return {
    text: `${job.kind} ${job.id} ${job.status} ${about} ${job.error ? explained(job.error) : ""}`,
    cells: [link,
      [state(job), job.error ? el("p", { class: "why" }, explained(job.error)) : null],
      [about, quality(job)], when(job.created_at), [action(job, problems), picture(job, problems)]],
  };
}

/** How good the new images of a job are, in words. */
function quality({ result }) {
  if (!result?.quality) return null;
  const { sentence, warning } = result.quality;
  return [el("p", { class: "hint" }, sentence), warning ? el("p", { class: "why" }, warning) : null];
}

/** The button that shows the best, the worst and the most copied of a job's new images. */
function picture(job, problems) {
  if (!job.result?.quality) return null;
  const show = () => attempt(problems, async () => {
    const answer = await call(at("jobs", job.id, "/result?figure=quality"), { accept: "image/png" });
    shown(dataUrl(await base64(await answer.blob())), "The best, the worst and the most copied new images");
  });
  return el("button", { type: "button", "aria-label": `Show the quality of ${job.kind} job ${job.id.slice(-8)}`, onclick: show }, "Quality");
}

const state = (job) => el("span", { class: `state ${job.status}`, "data-job": job.id },
  job.status === "running" ? `running, ${Math.round(100 * job.progress.fraction)} %` : job.status);

const unfinished = (job) => ["queued", "running"].includes(job.status);

/** Keeps the states on the screen up to date; once a job ends, the list is made anew. */
async function refreshUntilEnded(jobs, signal) {
  let watched = jobs.filter(unfinished);
  while (watched.length) {
    await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    if (signal.aborted) return;
    try {
      watched = await Promise.all(watched.map((job) => get(at("jobs", job.id), signal)));
    } catch {
      continue; // whatever went wrong, the next look may succeed
    }
    watched.forEach((job) => document.querySelector(`[data-job="${job.id}"]`)?.replaceWith(state(job)));
    if (!watched.every(unfinished)) {
      dispatchEvent(new HashChangeEvent("hashchange"));
      return;
    }
  }
}

function action(job, problems) {
  const label = `${job.kind} job ${job.id.slice(-8)}`;
  if (unfinished(job)) {
    const stop = async () => {
      if (!(await confirmed(`Stop the ${label}? What it has computed so far is lost.`, "Stop it"))) return;
      await attempt(problems, async () => {
        await call(at("jobs", job.id), { method: "DELETE" });
        dispatchEvent(new HashChangeEvent("hashchange"));
      });
    };
    return el("button", { type: "button", class: "danger", "aria-label": `Cancel the ${label}`, onclick: stop }, "Cancel");
  }
  if (!["augment", "label"].includes(job.kind) || job.status !== "succeeded") return null;
  const download = () => attempt(problems, async () => {
    const answer = await call(at("jobs", job.id, "/result"), { accept: "application/zip" });
    save(await answer.blob(), `${job.id.slice(-8)}.zip`);
  });
  return el("button", { type: "button", "aria-label": `Download the images of the ${label}`, onclick: download }, "Download");
}
