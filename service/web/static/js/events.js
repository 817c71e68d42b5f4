/** A job's events as the API sends them; a broken connection is made again. */

import { at, call } from "./api.js";

const PAUSE = 1000; // milliseconds before a broken stream is asked for again

/**
 * A job's events until its end. (The browser's EventSource cannot send a key.)
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
  let event = {};
  for await (const line of lines(body)) {
    const [, name, content] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name === "data") event.data = JSON.parse(content);
    else if (name === "event") event.type = content;
    else if (name === "id") event.id = content;
    else if (line === "" && event.type) {
      yield event;
      event = {};
    }
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      const found = (text + value).split("\n");
      text = found.pop();
      for (const line of found) yield line.trimEnd();
    }
  } finally {
    await reader.cancel().catch(() => {}); // the connection may be gone already
  }
}
