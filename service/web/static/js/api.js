/** The API as this page calls it: with the key, with errors in the service's words, with events that come back. */

const KEY = "latentaug-key";
const PAUSE = 1000; // milliseconds before a broken stream is asked for again

export const JSON_TYPE = "application/json";

/** An error that the API answered with (RFC 9457), or that it could not be reached. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail);
    this.status = status;
    this.title = document.title;
    this.code = document.code;
    this.fields = document.errors ?? [];
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set(text) {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  },
};

/**
 * Sends one request.
 * @param {string} path from `/v1` on
 * @param {{method?: string, body?: BodyInit, type?: string, accept?: string, headers?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 * @throws {Problem}
 */
export async function call(path, { method = "GET", body, type, accept = "*/*", headers = {}, signal } = {}) {
  const sent = { Accept: accept, ...headers };
  if (type) sent["Content-Type"] = type;
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { method, body, headers: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "No answer", detail: "The service does not answer; see whether it runs." });
  }
  if (response.ok) return response;
  const found = new Problem(response.status, await documentOf(response));
  if (response.status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  throw found;
}

async function documentOf(response) {
  try {
    return await response.json();
  } catch {
    return { title: `Status ${response.status}`, detail: "The answer was no JSON; is a proxy between?" };
  }
}

/** Gets JSON. */
export async function get(path, signal) {
  return (await call(path, { accept: JSON_TYPE, signal })).json();
}

/** Sends JSON and receives JSON, or with `accept` a Response of another form. */
export async function post(path, document, { signal, accept = JSON_TYPE } = {}) {
  const options = { method: "POST", body: JSON.stringify(document), type: JSON_TYPE, accept, signal };
  const response = await call(path, options);
  return accept === JSON_TYPE ? response.json() : response;
}

/** Path of a thing by its name, such as `/v1/models/mine/augment`. */
export const at = (kind, name, rest = "") => `/v1/${kind}/${encodeURIComponent(name)}${rest}`;

/**
 * A job's events until its end, over broken connections. (EventSource cannot send a key.)
 * @returns {AsyncGenerator<{id: string, type: string, data: object}>}
 */
export async function* events(job, signal) {
  let last = "";
  while (true) {
    const headers = last ? { "Last-Event-ID": last } : {};
    try {
      const response = await call(at("jobs", job, "/events"), { accept: "text/event-stream", headers, signal });
      if (response.status === 204) return;
      for await (const event of parsed(response.body)) {
        last = event.id;
        yield event;
        if (event.type === "end") return;
      }
    } catch (error) {
      const lost = error instanceof TypeError || error.status === 0 || error.status === 503;
      if (!lost) throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    signal.throwIfAborted();
  }
}

async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let event = {};
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        const [, name, content] = /^([a-z]+): ?(.*)$/.exec(line.trimEnd()) ?? [];
        if (name === "data") event.data = JSON.parse(content);
        else if (name === "event") event.type = content;
        else if (name === "id") event.id = content;
        else if (line.trim() === "" && event.type) {
          yield event;
          event = {};
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // the connection may be gone already
  }
}
