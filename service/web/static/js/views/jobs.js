/** All jobs: the state of each, why it failed, and buttons to open or stop it; and one job with its images. */

import { at, call, get } from "../api.js";
import { field, select } from "../controls.js";
import { attempt, confirmed, el, redraw, shown, when } from "../dom.js";
import { follow } from "../follow.js";
import { searchable } from "../list.js";
import { madeImages } from "../made.js";
import { optionsOf } from "../options.js";
import { base64, dataUrl } from "../pictures.js";
import { explained } from "../problems.js";
import { isUnfinished, viewOf } from "../watch.js";

export const title = "Jobs";

const AGAIN = 2000; // milliseconds between two looks at jobs that have not ended
const MANY = 10_000; // images that are not fetched without being asked for
const FILTERS = { kind: "Kind", status: "State" };

export async function render(place, parameters, signal) {
  if (parameters.has("job")) return one(place, parameters.get("job"), signal);
  const query = new URLSearchParams();
  for (const name of [...Object.keys(FILTERS), "cursor"]) if (parameters.get(name)) query.set(name, parameters.get(name));
  const [{ jobs, next }, options] = await Promise.all([get(`/v1/jobs?${query}`, signal), optionsOf("get", "/v1/jobs")]);
  const problems = el("div");
  place.append(
    el("div", { class: "card row" }, Object.entries(FILTERS).map(([name, label]) => filter(options[name], label, query))),
    problems,
    searchable("Jobs, newest first", ["job", "state", "about", "created", "actions"],
      jobs.map((job) => entry(job, problems)), "There are no jobs yet. Train a model or start an evaluation.",
      jobs.some(isUnfinished) ? [{ words: "Cancel", least: 1, danger: true, act: (names) => stop(jobs.filter((job) => names.includes(nameOf(job))), problems) }] : []));
  if (next) {
    query.set("cursor", next);
    place.append(el("a", { class: "button", href: `#/jobs?${query}` }, "Older jobs"));
  }
  refreshUntilEnded(jobs, signal);
  return undefined;
}

/** A job that has no view of its own: how far it is, and the images that it made. */
async function one(place, id, signal) {
  const record = await get(at("jobs", id), signal);
  const problems = el("div");
  place.append(el("p", {}, `${nameOf(record)}: ${aboutOf(record)} · `, el("a", { href: "#/jobs" }, "All jobs")));
  const before = el("div");
  place.append(before, problems);
  const done = await follow(before, id, signal);
  if (!done) return;
  before.remove();
  const show = () => attempt(problems, async () => { place.append(await madeImages(done, signal)); });
  const many = done.result?.images > MANY;
  place.append(el("div", { class: "card" }, quality(done) ?? el("p", {}, "The images are ready."), el("div", { class: "row" }, picture(done, problems),
    many ? el("button", { type: "button", onclick: show }, `Fetch all ${done.result.images.toLocaleString()} images`) : null)));
  if (!many) await show();
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

const nameOf = (job) => `${job.kind} ${job.id.slice(-8)}`;

function aboutOf({ params: { dataset, name, model, method, recipe } }) {
  return [dataset, name ?? [model].flat().join(", "), recipe ? "the recommended set" : method].filter(Boolean).join(", ");
}

function entry(job, problems) {
  const about = aboutOf(job);
  return {
    name: isUnfinished(job) ? nameOf(job) : undefined,
    text: `${job.kind} ${job.id} ${job.status} ${about} ${job.error ? explained(job.error) : ""}`,
    cells: [el("a", { href: viewOf(job) }, nameOf(job)),
      [state(job), job.error ? el("p", { class: "why" }, explained(job.error)) : null],
      [about, quality(job)], when(job.created_at),
      [isUnfinished(job) ? el("button", { type: "button", class: "danger", "aria-label": `Cancel the ${nameOf(job)}`, onclick: () => stop([job], problems) }, "Cancel") : null,
        picture(job, problems)]],
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

/** Keeps the states on the screen up to date; once a job ends, the list is made anew. */
async function refreshUntilEnded(jobs, signal) {
  let watched = jobs.filter(isUnfinished);
  while (watched.length) {
    await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    if (signal.aborted) return;
    try {
      watched = await Promise.all(watched.map((job) => get(at("jobs", job.id), signal)));
    } catch {
      continue; // whatever went wrong, the next look may succeed
    }
    watched.forEach((job) => document.querySelector(`[data-job="${job.id}"]`)?.replaceWith(state(job)));
    if (!watched.every(isUnfinished)) {
      redraw();
      return;
    }
  }
}

async function stop(jobs, problems) {
  const what = jobs.length === 1 ? `the ${nameOf(jobs[0])}` : `these ${jobs.length} jobs`;
  if (!(await confirmed(`Stop ${what}? What has been computed so far is lost.`, "Stop"))) return;
  await attempt(problems, async () => {
    await Promise.all(jobs.map(({ id }) => call(at("jobs", id), { method: "DELETE" })));
    redraw();
  });
}
