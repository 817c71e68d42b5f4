/** The service's contract, /openapi.json: fetched once, and asked for as soon as this module is loaded. */

import { get } from "./api.js";

let asked = get("/openapi.json");
asked.catch(() => {}); // `contract` reports a failure to whoever waits for it

/** @returns {Promise<object>} the OpenAPI document; fetched again where the last try failed */
export async function contract() {
  try {
    return await asked;
  } catch {
    asked = get("/openapi.json");
    return asked;
  }
}

/** A schema with its reference followed; what is written beside the reference wins. */
export function resolved(document, node = {}) {
  if (!node.$ref) return node;
  const { $ref, ...beside } = node;
  const found = $ref.replace(/^#\//, "").split("/").reduce((inner, name) => inner[name], document);
  return { ...resolved(document, found), ...beside };
}

/** The schemas of an operation's JSON body, by field; none where it takes no JSON. */
export function bodyFields(document, operation) {
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  return resolved(document, body).properties ?? {};
}
