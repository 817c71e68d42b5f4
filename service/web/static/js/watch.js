/** Jobs while the person looks elsewhere: how many run, how far the last one has come, and word of each one's end. */

import { get } from "./api.js";
import { newest } from "./dom.js";
import { notice } from "./notices.js";
import { tab } from "./tab.js";

const OFTEN = 3000; // milliseconds between two looks while a job runs
const SELDOM = 20_000; // and while none does
const RECENT = 50; // jobs that are looked at
const DONE = { train: "The training", evaluate: "The evaluation", augment: "Making the images", label: "Labelling", recommend: "The search for the best training set" };

/** Views that show one job of a kind. */
const VIEW = { train: "train", evaluate: "evaluate", recommend: "recommend" };

/** The address of the view of a job. */
export const viewOf = ({ kind, id }) => `#/${VIEW[kind] ?? "jobs"}?job=${id}`;

export const isUnfinished = ({ status }) => ["queued", "running"].includes(status);

let known = new Map(); // jobs that had not ended at the last look, by id
let timer;

/** Looks at the jobs now, and then again and again. */
export const watchJobs = newest(async () => {
  clearTimeout(timer);
  let jobs;
  try {
    ({ jobs } = await get(`/v1/jobs?limit=${RECENT}`));
  } catch (error) {
    show([]);
    if (![401, 403].includes(error.status)) timer = setTimeout(watchJobs, SELDOM); // else this key may not see jobs
    return;
  }
  const unfinished = jobs.filter(isUnfinished);
  show(unfinished);
  jobs.filter((job) => known.has(job.id) && !isUnfinished(job)).forEach(tell);
  known = new Map(unfinished.map((job) => [job.id, job]));
  timer = setTimeout(watchJobs, unfinished.length ? OFTEN : SELDOM);
});

function show(unfinished) {
  const badge = document.getElementById("running");
  badge.hidden = !unfinished.length;
  badge.textContent = unfinished.length;
  badge.title = `${unfinished.length} not yet ended`;
  tab.progress(unfinished.find(({ status }) => status === "running")?.progress.fraction ?? null);
}

/** Says that a job has ended, unless the person is looking at it. */
function tell(job) {
  const text = `${DONE[job.kind]}${job.params.dataset ? ` on ${job.params.dataset}` : ""} has ${job.status === "cancelled" ? "been cancelled" : job.status}.`;
  if (globalThis.Notification?.permission === "granted" && document.hidden) {
    new Notification("latentaug", { body: text, tag: job.id });
  }
  if (!location.hash.includes(job.id)) notice(text, [["Open it", viewOf(job)]]);
}
