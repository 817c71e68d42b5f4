/** A job while it runs: how far it is, its events as they come, and a way to stop it. */

import { at, call, events, get } from "./api.js";
import { announce, attempt, confirmed, duration, el, problem } from "./dom.js";

/**
 * Shows a job until it ends.
 * @param {HTMLElement} place
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {{metrics?: (data: object) => void, progress?: () => void}} [on] called with each event
 * @returns {Promise<object>} the record of a job that succeeded; of another end the reason stands in `place`, and null
 */
export async function follow(place, id, signal, on = {}) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Progress of the job" });
  const stage = el("p", { role: "status" }, "queued");
  const problems = el("div");
  const cancel = el("button", { type: "button", class: "danger", onclick: () => stop(id, problems) }, "Cancel");
  const card = el("section", { class: "card job", "aria-label": "The job" }, bar, el("div", { class: "row" }, stage, cancel), problems);
  place.append(card);
  for await (const event of events(id, signal)) {
    if (event.type === "progress") {
      const { fraction, stage: words, eta_seconds: eta } = event.data;
      bar.value = fraction;
      stage.textContent = `${Math.round(100 * fraction)} %, ${words}${eta ? `, about ${duration(eta)} at most` : ""}`;
      on.progress?.();
    } else if (event.type === "metrics") on.metrics?.(event.data);
  }
  const record = await get(at("jobs", id), signal);
  cancel.remove();
  bar.value = record.status === "succeeded" ? 1 : bar.value;
  stage.textContent = record.status;
  announce(`The job has ${record.status}`);
  if (record.status === "succeeded") return record;
  if (record.error) card.append(problem({ title: `Failed (${record.error.code})`, message: record.error.detail }));
  return null;
}

async function stop(id, problems) {
  if (!(await confirmed("Stop this job? What it has computed so far is lost.", "Stop it"))) return;
  await attempt(problems, () => call(at("jobs", id), { method: "DELETE" }));
}
