/** The API as this page calls it: with the person's key, and with errors as `Problem`s. */

import { key } from "./key.js";
import { Problem } from "./problems.js";

export const JSON_TYPE = "application/json";

/** Where the service is: the folder of this page, which a proxy may have put under a prefix. It ends without a slash. */
export const SERVICE = new URL(".", document.baseURI).href.slice(0, -1);

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
    response = await fetch(SERVICE + path, { method, body, headers: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "There is no answer.", detail: "Check that the service is running and that you are connected to it." });
  }
  if (response.ok) return response;
  const found = new Problem(response.status, await documentOf(response), { method, path });
  if (response.status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  throw found;
}

async function documentOf(response) {
  try {
    return await response.json();
  } catch {
    return { title: `The answer has status ${response.status}.`, detail: "It does not come from this service. A proxy in between may have sent it." };
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
