/** A list with a search field over it. */

import { field } from "./controls.js";
import { el, table } from "./dom.js";

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {{text: string, cells: Array}[]} entries `text` is what the search looks through
 * @param {string} nothing what to say where the list is empty
 */
export function searchable(caption, columns, entries, nothing) {
  const found = el("div");
  const search = el("input", { type: "search", oninput: () => show() });
  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = entries.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)));
    found.replaceChildren(hits.length
      ? table(caption, columns, hits.map(({ cells }) => cells))
      : el("p", { class: "hint" }, entries.length ? "Nothing matches these words." : nothing));
  }
  show();
  return el("div", {}, field("Search", search), found);
}
