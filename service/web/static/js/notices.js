/** Short messages over whatever view is open: what has ended, and what can still be undone. */

import { el } from "./dom.js";

/**
 * Shows a message until it is dismissed.
 * @param {string} text
 * @param {(string|(() => void))[][]} [actions] pairs of words and either an address or what a click does
 * @param {() => void} [dismissed] called when the person closes it
 * @returns {() => void} what takes it away
 */
export function notice(text, actions = [], dismissed = () => {}) {
  const close = () => node.remove();
  const act = ([words, what]) => (typeof what === "string"
    ? el("a", { class: "button", href: what, onclick: close }, words)
    : el("button", { type: "button", onclick: () => {
      close();
      what();
    } }, words));
  const node = el("div", { class: "notice", role: "status" }, el("span", {}, text), actions.map(act),
    act(["OK", dismissed]));
  document.getElementById("notices").append(node);
  return close;
}
