/** A job while it runs: how far it has come, its events as they arrive, and a way to stop it. */

import { at, call, get } from "./api.js";
import { announce, attempt, confirmed, duration, el, problem } from "./dom.js";
import { events } from "./events.js";
import { explained } from "./problems.js";
import { markSteps } from "./steps.js";
import { watchJobs } from "./watch.js";

/**
 * Shows a job until it ends.
 * @param {HTMLElement} place
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {{metrics?: (data: object) => void, progress?: () => void}} [on] called with each event
 * @returns {Promise<object|null>} the record of a job that succeeded; null after any other end, which `place` explains
 */
export async function follow(place, id, signal, on = {}) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Progress of the job" });
  const stage = el("p", { role: "status" }, "queued");
  const problems = el("div");
  const cancel = el("button", { type: "button", class: "danger", onclick: () => stop(id, problems) }, "Cancel");
  const buttons = el("div", { class: "row" }, word(), cancel);
  const card = el("section", { class: "card job", "aria-label": "The job" }, bar, el("div", { class: "row" }, stage, buttons), problems);
  place.append(card);
  for await (const event of events(id, signal)) {
    if (event.type === "progress") {
      bar.value = event.data.fraction;
      stage.textContent = progressText(event.data);
      on.progress?.();
    } else if (event.type === "metrics") on.metrics?.(event.data);
  }
  buttons.remove();
  watchJobs();
  markSteps();
  const record = await get(at("jobs", id), signal);
  if (record.status === "succeeded") bar.value = 1;
  stage.textContent = record.status;
  announce(`The job has ${record.status === "cancelled" ? "been cancelled" : record.status}.`);
  if (record.error) card.append(problem({ title: "The job failed.", message: explained(record.error) }));
  return record.status === "succeeded" ? record : null;
}

function progressText({ fraction, stage, eta_seconds: seconds }) {
  const left = seconds ? `, at most ${duration(seconds)} left` : "";
  return `${Math.round(100 * fraction)} %: ${stage}${left}`;
}

/** A button to be told of the end in another window, where the browser has to ask for that. */
function word() {
  if (globalThis.Notification?.permission !== "default") return null;
  const ask = el("button", { type: "button", onclick: async () => {
    const answer = await Notification.requestPermission();
    ask.replaceWith(el("span", {}, answer === "granted" ? "You will be told when it ends." : "The browser does not allow it."));
  } }, "Tell me when it ends");
  return ask;
}

async function stop(id, problems) {
  if (!(await confirmed("Stop this job? What it has computed so far is lost.", "Stop it"))) return;
  await attempt(problems, () => call(at("jobs", id), { method: "DELETE" }));
}
