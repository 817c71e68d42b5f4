/** Elements, messages and questions: what every view does with the document. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an HTML element.
 * @param {string} tag
 * @param {Object<string, unknown>} attributes `onclick` and the like take functions, `true` sets a bare attribute,
 *     `false`, null and undefined set none, `class` and all others are attributes.
 * @param {...(Node|string|number|null|undefined|Array)} children null and undefined are left out.
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Makes an SVG element, as `el` makes HTML. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** A box that says what went wrong. */
export function problem(error) {
  const fields = (error.fields ?? []).filter((entry) => !error.message.includes(entry.msg));
  return el("div", { class: "problem", role: "alert" },
    el("strong", {}, error.title ?? "That did not work."), " ", error.message,
    fields.length ? el("ul", {}, fields.map((entry) => el("li", {}, `${entry.loc}: ${entry.msg}`))) : null);
}

/** Runs `work` and returns its result. If it fails, returns undefined, and `place` shows why. */
export async function attempt(place, work) {
  place.replaceChildren();
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(problem(error));
    return undefined;
  }
}

/** Has a screen reader say what others see. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Asks before what cannot be undone. @returns {Promise<boolean>} */
export function confirmed(question, action) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-label": question, onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } },
    el("p", {}, question),
    el("div", { class: "row" },
      el("button", { class: "danger", onclick: () => dialog.close("yes") }, action),
      el("button", { autofocus: true, onclick: () => dialog.close("no") }, "Keep")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Whether the window is as narrow as a phone's. */
export const isNarrow = () => matchMedia("(max-width: 40rem)").matches;

/** Draws the open view anew. */
export const redraw = () => dispatchEvent(new HashChangeEvent("hashchange"));

/** Shows a picture above everything else until it is closed. */
export function shown(src, name) {
  const dialog = el("dialog", { class: "picture", "aria-label": name, onclose: () => dialog.remove() },
    el("img", { src, alt: name }),
    el("div", { class: "row" }, el("button", { autofocus: true, onclick: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

/** Saves a file on the person's machine. @param {Blob} blob */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Makes a function that runs `work` once at a time: calls that come while it runs lead to one more run at the end.
 * So the images are never more than one answer behind a slider, and a slider never waits for a clock.
 */
export function newest(work) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}

/** Text in which whatever is between backticks is code. */
export const marked = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

/** A table with a caption and a header cell for each column. */
export function table(caption, columns, rows) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
      el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, i) => el("td", { "data-column": columns[i] }, cell)))))));
}

/** A point in time as the person's own country writes it. */
export function when(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";
}

/** Seconds as a person would say them. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
