/** Deleting with a way back: for some seconds nothing is sent. Whoever leaves the page meanwhile means it. */

import { address, at, authorized, call } from "./api.js";
import { redraw } from "./dom.js";
import { notice } from "./notices.js";

const UNDO = 8000; // milliseconds in which it can be undone
const waiting = new Set(); // paths of what will be deleted

/** Whether a thing is deleted as far as the person is concerned. */
export const isRemoved = (kind, name) => waiting.has(at(kind, name));

/**
 * Deletes things unless that is undone.
 * @param {string} kind `models` or `datasets`
 * @param {string[]} names
 * @param {string} noun what one of them is
 */
export function remove(kind, names, noun) {
  const paths = names.map((name) => at(kind, name));
  paths.forEach((path) => waiting.add(path));
  const send = () => {
    clearTimeout(timer);
    close();
    paths.forEach((path) => deleted(path));
  };
  const undo = () => {
    clearTimeout(timer);
    paths.forEach((path) => waiting.delete(path));
    redraw();
  };
  const what = names.length === 1 ? `The ${noun} ${names[0]} is` : `${names.length} ${noun}s are`;
  const close = notice(`${what} deleted.`, [["Undo", undo]], send);
  const timer = setTimeout(send, UNDO);
  redraw();
}

async function deleted(path) {
  try {
    await call(path, { method: "DELETE" });
    waiting.delete(path);
  } catch (error) {
    waiting.delete(path);
    notice(`${decodeURIComponent(path.split("/").at(-1))} was not deleted. ${error.message}`);
    redraw();
  }
}

addEventListener("pagehide", () => {
  for (const path of waiting) fetch(address(path), { method: "DELETE", headers: authorized({}), keepalive: true });
});
