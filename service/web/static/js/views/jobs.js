/** All jobs: their state, why they failed, a way to open or stop each. */

import { at, call, get } from "../api.js";
import { attempt, confirmed, el, field, save, select, when } from "../dom.js";
import { searchable } from "../list.js";

export const title = "Jobs";

const PAGE = 50;
const AGAIN = 2000; // milliseconds between two looks at jobs that have not ended
const OPEN = { train: "train", evaluate: "evaluate" }; // kinds that have a view of their own

export async function render(place, parameters, signal) {
  const chooser = (name, values) => select([["", "all"], ...values], parameters.get(name) ?? "", { onchange: () => {
    const query = new URLSearchParams(parameters);
    chooserOf[name].value ? query.set(name, chooserOf[name].value) : query.delete(name);
    query.delete("cursor");
    location.hash = `#/jobs?${query}`;
  } });
  const chooserOf = {
    kind: chooser("kind", ["train", "evaluate", "augment"]),
    status: chooser("status", ["queued", "running", "succeeded", "failed", "cancelled"]),
  };
  place.append(el("div", { class: "card row" }, field("Kind", chooserOf.kind), field("State", chooserOf.status)));
  const query = new URLSearchParams({ limit: PAGE });
  for (const name of ["kind", "status", "cursor"]) if (parameters.get(name)) query.set(name, parameters.get(name));
  const { jobs, next } = await get(`/v1/jobs?${query}`, signal);
  const problems = el("div");
  refreshWhileLiving(jobs, signal);
  place.append(problems, searchable("Jobs, newest first", ["job", "state", "about", "created", "actions"],
    jobs.map((job) => entry(job, problems)), "No jobs yet. Training and evaluating make some."));
  if (next) {
    const older = new URLSearchParams(parameters);
    older.set("cursor", next);
    place.append(el("a", { class: "button", href: `#/jobs?${older}` }, "Older jobs"));
  }
}

function entry(job, problems) {
  const { dataset, name, model, method } = job.params;
  const about = [dataset, name ?? model, method].filter(Boolean).join(", ");
  const shown = OPEN[job.kind] ? el("a", { href: `#/${OPEN[job.kind]}?job=${job.id}` }, `${job.kind} ${job.id.slice(-8)}`) : `${job.kind} ${job.id.slice(-8)}`;
  return {
    text: `${job.kind} ${job.id} ${job.status} ${about} ${job.error?.detail ?? ""}`,
    cells: [shown,
      [state(job), job.error ? el("p", { class: "why" }, job.error.detail) : null],
      about, when(job.created_at), action(job, problems)],
  };
}

const state = (job) => el("span", { class: `state ${job.status}`, "data-job": job.id },
  job.status === "running" ? `running, ${Math.round(100 * job.progress.fraction)} %` : job.status);

const living = (job) => ["queued", "running"].includes(job.status);

/** Keeps the shown states fresh; where a job ends, the list is made anew. */
async function refreshWhileLiving(jobs, signal) {
  let watched = jobs.filter(living);
  while (watched.length) {
    await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    if (signal.aborted) return;
    try {
      watched = await Promise.all(watched.map((job) => get(at("jobs", job.id), signal)));
    } catch {
      continue; // whatever it was, the next look may go well
    }
    watched.forEach((job) => document.querySelector(`[data-job="${job.id}"]`)?.replaceWith(state(job)));
    if (!watched.every(living)) {
      dispatchEvent(new HashChangeEvent("hashchange"));
      return;
    }
  }
}

function action(job, problems) {
  const label = `${job.kind} job ${job.id.slice(-8)}`;
  if (living(job)) {
    const stop = async () => {
      if (!(await confirmed(`Stop the ${label}?`, "Stop it"))) return;
      await attempt(problems, async () => {
        await call(at("jobs", job.id), { method: "DELETE" });
        dispatchEvent(new HashChangeEvent("hashchange"));
      });
    };
    return el("button", { type: "button", class: "danger", "aria-label": `Cancel the ${label}`, onclick: stop }, "Cancel");
  }
  if (job.kind !== "augment" || job.status !== "succeeded") return null;
  const download = () => attempt(problems, async () => {
    const answer = await call(at("jobs", job.id, "/result"), { accept: "application/zip" });
    save(await answer.blob(), `${job.id.slice(-8)}.zip`);
  });
  return el("button", { type: "button", "aria-label": `Download the images of the ${label}`, onclick: download }, "Download");
}
