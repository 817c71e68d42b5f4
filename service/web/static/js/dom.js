/** Elements, messages and questions: the few things that every view does with the document. */

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

let made = 0;

/**
 * A labelled form control.
 * @param {string} text what it is
 * @param {HTMLElement} control an input, select or output
 * @param {string} [hint] what to know about it
 * @param {HTMLElement} [shown] what the control stands in, where it is not alone
 */
export function field(text, control, hint, shown = control) {
  made += 1;
  control.id ||= `control-${made}`;
  if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
  return el("div", { class: "field" },
    el("label", { for: control.id }, text),
    shown,
    hint ? el("small", { id: `${control.id}-hint` }, hint) : null);
}

/** A select of `choices`, texts or pairs of [value, text]. */
export function select(choices, chosen, attributes = {}) {
  const pairs = choices.map((choice) => (Array.isArray(choice) ? choice : [choice, choice]));
  const node = el("select", attributes, pairs.map(([value, text]) => el("option", { value }, text)));
  if (pairs.some(([value]) => value === chosen)) node.value = chosen;
  return node;
}

/** A group of checkboxes; `values()` on the answer gives those that are ticked. */
export function checks(legend, choices, ticked) {
  const boxes = choices.map(([value, text]) =>
    el("label", { class: "check" }, el("input", { type: "checkbox", value, checked: ticked.includes(value) }), text));
  const group = el("fieldset", {}, el("legend", {}, legend), boxes);
  group.values = () => [...group.querySelectorAll(":checked")].map((box) => box.value);
  return group;
}

/** What went wrong, in the API's own words. */
export function problem(error) {
  const fields = (error.fields ?? []).filter((entry) => !error.message.includes(entry.msg));
  return el("div", { class: "problem", role: "alert" },
    el("strong", {}, error.title ?? "That did not work"), " ", error.message,
    fields.length ? el("ul", {}, fields.map((entry) => el("li", {}, `${entry.loc}: ${entry.msg}`))) : null);
}

/** Runs `work` and gives what it returns; where it goes wrong, undefined, and `place` shows why. */
export async function attempt(place, work) {
  place.replaceChildren();
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(problem(error));
    return undefined;
  }
}

/** Has a screen reader say something that the eye sees anyway. */
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

/** Gives a file to the person. @param {Blob} blob */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Runs `work` for the newest wish only: one at a time, and what was wished meanwhile is done once, at the end.
 * So a slider is never ahead of its images by more than one answer, and never waits for a clock.
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

/** A table with a caption and a header cell for each column. */
export function table(caption, columns, rows) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
      el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}

/** A point in time as people here write it. */
export function when(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";
}

/** Seconds as a few words. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
