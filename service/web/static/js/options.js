/**
 * The options of the API's operations: each one's default, bounds, choices and meaning, as the service declares them.
 * This is the only place where the page learns them.
 */

import { bodyFields, contract, resolved } from "./contract.js";

/**
 * @typedef {object} Option
 * @property {string} name
 * @property {string} meaning what it is, in the service's words
 * @property {unknown} [default] undefined where one has to be given; null where the service finds the value itself
 * @property {boolean} optional whether it can be left out
 * @property {boolean} whole whether it is a whole number
 * @property {number} [low] the smallest number
 * @property {number} [high] the largest number
 * @property {string[]} choices of a text, or of each text in a list; none where anything goes
 * @property {boolean} needed whether a list must have an entry
 * @property {RegExp} [pattern] of a text
 */

/**
 * The options of one operation, from its query and its JSON body.
 * @param {string} verb such as `post`
 * @param {string} path as in the contract, such as `/v1/models/{model}/augment`
 * @returns {Promise<Object<string, Option>>} by name
 */
export async function optionsOf(verb, path) {
  const document = await contract();
  const operation = document.paths[path][verb];
  const required = new Set();
  const schemas = { ...bodyFields(document, operation) };
  for (const { name, in: place, schema, description, required: needed } of operation.parameters ?? []) {
    if (place !== "query") continue;
    schemas[name] = { description, ...schema };
    if (needed) required.add(name);
  }
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, option(document, name, schema, required.has(name))]));
}

function option(document, name, declared, required) {
  const outer = resolved(document, declared);
  const inner = resolved(document, outer.anyOf?.find(({ type }) => type !== "null"));
  const automatic = !required && outer.anyOf?.some(({ type }) => type === "null"); // the contract leaves such defaults out
  const schema = { ...inner, ...outer, type: outer.type ?? inner.type };
  const items = resolved(document, schema.items);
  return {
    name,
    meaning: (schema.description ?? "").replaceAll("`", "").replaceAll("\n", " "),
    default: schema.default ?? (automatic ? null : undefined),
    optional: !required && (schema.default !== undefined || Boolean(outer.anyOf)),
    whole: schema.type === "integer",
    low: least(schema),
    high: most(schema),
    choices: schema.enum ?? items.enum ?? [],
    needed: schema.minItems > 0,
    pattern: schema.pattern ? new RegExp(schema.pattern) : undefined,
  };
}

const least = ({ type, minimum, exclusiveMinimum }) => minimum ?? (type === "integer" && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : exclusiveMinimum);

/** The largest number, as far as the browser's numbers are exact. */
function most({ type, maximum, exclusiveMaximum }) {
  const high = maximum ?? (type === "integer" && exclusiveMaximum !== undefined ? exclusiveMaximum - 1 : exclusiveMaximum);
  return high === undefined ? undefined : Math.min(high, Number.MAX_SAFE_INTEGER);
}
