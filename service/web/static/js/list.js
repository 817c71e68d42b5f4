/** A list with a search field over it, whose entries can be chosen for something that is done with several at once. */

import { field } from "./controls.js";
import { el, table } from "./dom.js";

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {{text: string, cells: Array, name?: string}[]} entries `text` is what the search looks through; an entry
 *     that can be chosen has a name
 * @param {string} nothing what to say where the list is empty
 * @param {{words: string, least: number, danger?: boolean, act: (names: string[]) => void}[]} [actions] for what is chosen
 */
export function searchable(caption, columns, entries, nothing, actions = []) {
  const found = el("div");
  const chosen = new Set();
  const count = el("span", { role: "status" });
  const buttons = actions.map(({ words, danger, act }) =>
    el("button", { type: "button", class: danger ? "danger" : null, onclick: () => act([...chosen]) }, words));
  const bar = el("div", { class: "row chosen", hidden: true }, count, buttons);
  const search = el("input", { type: "search", oninput: () => show() });

  function choose(name, box) {
    if (box.checked) chosen.add(name);
    else chosen.delete(name);
    bar.hidden = !chosen.size;
    count.textContent = `${chosen.size} chosen`;
    buttons.forEach((button, i) => { button.disabled = chosen.size < actions[i].least; });
  }

  function cellsOf({ cells, name }) {
    if (!actions.length) return cells;
    if (!name) return ["", ...cells];
    const box = el("input", { type: "checkbox", "aria-label": `Choose ${name}`, checked: chosen.has(name), onchange: () => choose(name, box) });
    return [box, ...cells];
  }

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = entries.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)));
    found.replaceChildren(hits.length
      ? table(caption, [...(actions.length ? ["choose"] : []), ...columns], hits.map(cellsOf))
      : el("p", { class: "hint" }, entries.length ? "Nothing matches these words." : nothing));
  }
  show();
  return el("div", { class: "list" }, field("Search", search), bar, found);
}
