/** Sends a large body, and tells how much of it has left. (`fetch` does not tell.) */

import { address, authorized, JSON_TYPE, noAnswer, refusal } from "./api.js";

/**
 * @param {string} path from `/v1` on
 * @param {Blob} body
 * @param {string} type
 * @param {(bytes: number) => void} sent called as the bytes leave
 * @param {AbortSignal} signal ends it
 * @returns {Promise<object>} the JSON of the answer
 * @throws {Problem}
 */
export function send(path, body, type, sent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path));
    for (const [name, value] of Object.entries(authorized({ Accept: JSON_TYPE, "Content-Type": type }))) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => sent(loaded);
    request.onload = () => (request.status < 300 ? resolve(JSON.parse(request.responseText))
      : reject(refusal(request.status, request.responseText, { method: "POST", path })));
    request.onerror = () => reject(noAnswer());
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
