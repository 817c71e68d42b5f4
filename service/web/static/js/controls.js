/** Form controls, and those of the API's options. */

import { el } from "./dom.js";
import { inWords } from "./words.js";

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

/**
 * A labelled form control with a "?" beside its label that shows what it means.
 * @param {string} text what it is
 * @param {HTMLElement} control
 * @param {string} meaning
 * @param {HTMLElement} [shown] what the control stands in, where it is not alone
 */
export function explained(text, control, meaning, shown = control) {
  const node = field(text, control, meaning, shown);
  const hint = node.querySelector("small");
  const button = el("button", { type: "button", class: "help", "aria-expanded": "false", onclick: () => {
    hint.hidden = !hint.hidden;
    button.setAttribute("aria-expanded", String(!hint.hidden));
  } }, el("span", { "aria-hidden": "true" }, "?"), el("span", { class: "unseen" }, `What ${text.replace(/ \(.*/, "")} means`));
  hint.hidden = true;
  node.querySelector("label").after(button);
  return node;
}

/** A select of `choices`, texts or pairs of [value, text]. */
export function select(choices, chosen, attributes = {}) {
  const pairs = choices.map((choice) => (Array.isArray(choice) ? choice : [choice, choice]));
  const node = el("select", attributes, pairs.map(([value, text]) => el("option", { value }, text)));
  if (pairs.some(([value]) => value === chosen)) node.value = chosen;
  return node;
}

/** A select of an option's choices. */
export const choice = (option, chosen = option.default, attributes = {}) => select(inWords(option.choices), chosen, attributes);

/** A number within an option's bounds. `attributes` may narrow them. */
export function number(option, attributes = {}) {
  return el("input", {
    type: "number", value: option.default ?? "", min: option.low, max: option.high, step: option.whole ? 1 : "any",
    required: option.default !== null, placeholder: option.default === null ? "automatic" : "", ...attributes,
  });
}

/** A text field for an option. If the text does not have the right form, the browser says what the option means. */
export function text(option, attributes = {}) {
  const check = () => {
    const wrong = input.value && option.pattern && !option.pattern.test(input.value);
    input.setCustomValidity(wrong ? option.meaning : "");
  };
  const input = el("input", { autocomplete: "off", spellcheck: "false", required: !option.optional, ...attributes, oninput: check });
  return input;
}

/**
 * A group of boxes, one for each of an option's choices; `values()` of it gives those that are ticked.
 * @param {string} legend
 * @param {string} one what one of them is, such as "classifier"
 * @param {Option} option
 * @param {string[]} [ticked]
 */
export function checks(legend, one, option, ticked = option.default) {
  const boxes = inWords(option.choices).map(([value, words]) => ({
    words, input: el("input", { type: "checkbox", value, checked: ticked.includes(value) }),
  }));
  const values = () => boxes.map(({ input }) => input).filter(({ checked }) => checked).map(({ value }) => value);
  const check = () => boxes[0].input.setCustomValidity(option.needed && !values().length ? `Choose at least one ${one}.` : "");
  const group = el("fieldset", { onchange: check }, el("legend", {}, legend),
    boxes.map(({ input, words }) => el("label", { class: "check" }, input, words)));
  return Object.assign(group, { values });
}
