/** The API as this page calls it: with the person's key, and with errors as `Problem`s. */

import { key } from "./key.js";
import { Problem } from "./problems.js";

export const JSON_TYPE = "application/json";
const ROOT = new URL("../../", import.meta.url); // of the service, which may lie under a prefix

/** The whole address of a path of the service, such as `/v1/models`. */
export const address = (path) => new URL(path.replace(/^\//, ""), ROOT).href;

/** The headers that the person's key needs. */
export const authorized = (headers) => (key.get() ? { ...headers, Authorization: `Bearer ${key.get()}` } : headers);

/**
 * Sends one request.
 * @param {string} path from `/v1` on
 * @param {{method?: string, body?: BodyInit, type?: string, accept?: string, headers?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 * @throws {Problem}
 */
export async function call(path, { method = "GET", body, type, accept = "*/*", headers = {}, signal } = {}) {
  const sent = authorized({ Accept: accept, ...headers, ...(type ? { "Content-Type": type } : {}) });
  let response;
  try {
    response = await fetch(address(path), { method, body, headers: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw noAnswer();
  }
  if (response.ok) return response;
  throw refusal(response.status, await response.text(), { method, path });
}

/** Why no answer came at all. */
export const noAnswer = () =>
  new Problem(0, { title: "There is no answer.", detail: "Check that the service is running and that you are connected to it." });

/** Why a request was refused, from the answer's status and text. */
export function refusal(status, text, request) {
  if (status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  try {
    return new Problem(status, JSON.parse(text), request);
  } catch {
    return new Problem(status, {
      title: `The answer has status ${status}.`, detail: "It does not come from this service. A proxy in between may have sent it.",
    }, request);
  }
}

/** Gets JSON. */
export async function get(path, signal) {
  return (await call(path, { accept: JSON_TYPE, signal })).json();
}

/** Sends JSON and receives JSON or, with `accept`, a Response of another form. */
export async function post(path, document, { signal, accept = JSON_TYPE } = {}) {
  const options = { method: "POST", body: JSON.stringify(document), type: JSON_TYPE, accept, signal };
  const response = await call(path, options);
  return accept === JSON_TYPE ? response.json() : response;
}

/** Path of a thing by its name, such as `/v1/models/mine/augment`. */
export const at = (kind, name, rest = "") => `/v1/${kind}/${encodeURIComponent(name)}${rest}`;
