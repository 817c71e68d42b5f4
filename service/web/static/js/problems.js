/** What went wrong, in words for the person in front of the page. */

/** By the API's stable codes: a title, and a text where the API's own text is meant for programmers. */
const WORDS = {
  malformed_input: { title: "A file cannot be read." },
  unauthenticated: { title: "A key is needed.", text: "Type the API key of this server in at the top of the page." },
  forbidden: { title: "Your key does not allow this.", text: "Ask whoever runs this server for a key that does." },
  not_found: { text: "It may have been deleted. The lists under Models, Data sets and Jobs show what there is." },
  not_acceptable: { title: "This cannot be shown.", text: "The server has no such file for this job." },
  conflict: { title: "This is not possible now." },
  too_large: { title: "This is too large." },
  unsupported_media_type: { title: "This kind of file cannot be read.", text: "Use a zip or npz file, or PNG, JPEG or WebP images." },
  invalid_input: { title: "Something needs to be changed." },
  too_few_images: { title: "Too few images." },
  too_many_requests: { title: "The server is busy.", text: "It has too much to do at the moment. Wait a little and try again." },
  unavailable: { title: "The server is not ready.", text: "Wait a little and try again." },
  deadline_exceeded: { title: "This took too long.", text: "Try again with fewer images." },
  internal_error: { title: "The server made a mistake.", text: "Please report it to whoever runs this server." },
};
const NOUNS = { models: "model", datasets: "data set", jobs: "job" };

/** An error that the API answered with (RFC 9457). `status` is 0 where no answer came at all. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, title?: string, detail: string, errors?: {loc: string, msg: string}[]}} document
   * @param {{method: string, path: string}} [request] what was asked for
   */
  constructor(status, document, request = { method: "GET", path: "" }) {
    const words = WORDS[document.code] ?? {};
    super(explained(document));
    this.status = status;
    this.answer = document;
    this.title = titleOf(document.code, request) ?? words.title ?? document.title;
    this.fields = words.text ? [] : (document.errors ?? []).map(({ loc, msg }) => ({ loc, msg: plain(msg) }));
  }
}

/** What an error of the API or of a job means, in whole sentences. */
export const explained = ({ code, detail }) => sentence(plain(WORDS[code]?.text ?? detail ?? "The answer does not say what went wrong"));

/** A text of the API without what only programs send: addresses to ask, and options as they are written in them. */
const plain = (text) => text
  .replace(/[;,]?\s*GET \/v1\/\S+ lists [^.;]*/g, "")
  .replace("set skip_bad=true to go on", "go on")
  .replace(/\?size=/g, "size=")
  .replace(/\b(?:such as )?size=(\d+x\d+)/g, "such as $1 under Size")
  .replace(/\b([a-z_]+)=([a-z0-9_]+)/g, (_, name, value) => `${name.replaceAll("_", " ")} ${value}`);

/** A title that depends on what was asked for. */
function titleOf(code, { method, path }) {
  const [, kind, name, rest] = /^\/v1\/(\w+)(?:\/([^/?]+))?(?:\/(\w+))?/.exec(path) ?? [];
  const submits = method === "POST" && kind === "jobs"; // then it is a model or a data set that is missing
  if (code === "not_found" && rest === "result") return "This file is not here.";
  if (code === "not_found") return `This ${submits ? "model or data set" : NOUNS[kind] ?? "page"} is not here.`;
  const names = method === "POST" && (kind === "datasets" || (submits && name === "train"));
  return code === "conflict" && names ? "That name is taken." : undefined;
}

/** A text with a capital letter at its start and a full stop at its end. */
function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
