/** A list that can be searched, with its search field. */

import { el, field, table } from "./dom.js";

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {{text: string, cells: Array}[]} entries `text` is what the search looks through
 * @param {string} nothing what to say where there is none
 */
export function searchable(caption, columns, entries, nothing) {
  const found = el("div");
  const search = el("input", { type: "search", oninput: () => show() });
  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = entries.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)));
    found.replaceChildren(hits.length
      ? table(caption, columns, hits.map(({ cells }) => cells))
      : el("p", { class: "hint" }, entries.length ? "Nothing is found by these words." : nothing));
  }
  show();
  return el("div", {}, field("Search", search), found);
}
