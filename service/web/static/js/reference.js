/** The API's reference at /docs: every endpoint of /openapi.json, to read and to try. */

import { JSON_TYPE, call } from "./api.js";
import { bodyFields, contract, resolved } from "./contract.js";
import { field } from "./controls.js";
import { attempt, el, marked, problem, table } from "./dom.js";

const main = document.getElementById("main");

async function show() {
  const document_ = await contract();
  const tags = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [verb, operation] of Object.entries(operations)) {
      const [tag] = operation.tags ?? ["other"];
      tags.set(tag, [...(tags.get(tag) ?? []), { path, verb: verb.toUpperCase(), operation }]);
    }
  }
  main.replaceChildren(el("h1", {}, `The API of ${document_.info.title}`),
    el("p", {}, marked(document_.info.description)),
    el("p", {}, "If you have typed a key in on ", el("a", { href: "./" }, "the page"), ", it is sent from here as well."),
    ...[...tags].map(([tag, entries]) => el("section", {}, el("h2", {}, tag), entries.map((entry) => endpoint(document_, entry)))));
}

function endpoint(document_, { path, verb, operation }) {
  const [first, ...rest] = (operation.description ?? operation.summary ?? "").split("\n\n");
  const parameters = operation.parameters ?? [];
  const bodies = operation.requestBody?.content ?? {};
  return el("details", { id: operation.operationId },
    el("summary", {}, el("span", { class: "verb" }, verb), el("code", {}, path), el("span", {}, marked(first))),
    rest.map((text) => el("p", {}, marked(text))),
    parameters.length ? parameterTable(document_, operation.operationId, parameters) : null,
    Object.keys(bodies).length ? el("p", {}, "The body may be ", el("code", {}, Object.keys(bodies).join(", ")), ".") : null,
    fieldTable(document_, operation),
    el("p", {}, "Answers:"),
    el("ul", {}, Object.entries(operation.responses).map(([status, { description, content = {} }]) =>
      el("li", {}, `${status} `, marked(description), " ", el("code", {}, Object.keys(content).join(", "))))),
    trial(path, verb, parameters, bodies));
}

function parameterTable(document_, id, parameters) {
  return table(`Parameters of ${id}`, ["parameter", "in", "type", "default", "meaning"], parameters.map((one) => {
    const schema = resolved(document_, one.schema);
    return [`${one.name}${one.required ? " (required)" : ""}`, one.in, typeOf(document_, schema), written(schema.default),
      marked(one.description ?? schema.description ?? "")];
  }));
}

function fieldTable(document_, operation) {
  const fields = Object.entries(bodyFields(document_, operation));
  if (!fields.length) return null;
  return table(`Fields of ${operation.operationId}`, ["field", "type", "default", "meaning"], fields.map(([name, node]) => {
    const schema = resolved(document_, node);
    return [name, typeOf(document_, schema), written(schema.default), marked(schema.description ?? "")];
  }));
}

const written = (value) => (value === undefined ? "" : JSON.stringify(value));

function typeOf(document_, node) {
  const inner = (one) => typeOf(document_, resolved(document_, one));
  if (node.enum) return node.enum.join(" | ");
  if (node.const) return String(node.const);
  if (node.anyOf) return node.anyOf.map(inner).join(" | ");
  if (node.type === "array") return `array of ${inner(node.items)}`;
  const low = node.minimum ?? node.exclusiveMinimum;
  const high = node.maximum ?? node.exclusiveMaximum;
  const range = low === undefined && high === undefined ? "" : ` ${low ?? ""}..${high ?? ""}`;
  return `${node.format === "binary" ? "file" : (node.type ?? "any")}${range}`;
}

/** A form that sends the request. */
function trial(path, verb, parameters, bodies) {
  if (path.endsWith("/events")) return null; // a stream that does not end
  const types = Object.keys(bodies).filter((type) => type !== "multipart/form-data"); // the other types can hold the same
  const inputs = new Map(parameters.map((one) => [one, el("input", { autocomplete: "off", required: one.in === "path" })]));
  const text = types.includes(JSON_TYPE) ? el("textarea", { spellcheck: "false" }) : null;
  const file = types.some((type) => type !== JSON_TYPE) ? el("input", { type: "file" }) : null;
  const type = types.length > 1 || file ? el("select", {}, types.map((name) => el("option", {}, name))) : null;
  const answer = el("div");
  const send = async (event) => {
    event.preventDefault();
    const { address, headers } = filled(path, inputs);
    const form = type?.value ?? types[0];
    const body = form === JSON_TYPE ? text.value : file?.files[0];
    await attempt(answer, async () => {
      if (verb !== "GET" && types.length && !body) throw new Error("This request needs a body. Choose a file or type JSON in first.");
      const request = { method: verb, headers, body: verb === "GET" ? undefined : body, type: types.length ? form : undefined };
      answer.replaceChildren(await call(address, request).then(shown, refused));
    });
  };
  return el("form", { onsubmit: send, "aria-label": `Try ${verb} ${path}` },
    el("div", { class: "grid" },
      [...inputs].map(([one, input]) => field(one.name, input)),
      type ? field("Type of the body", type) : null,
      file ? field("File", file) : null),
    text ? field("JSON", text) : null,
    el("button", { class: "primary" }, "Send"), answer);
}

function filled(path, inputs) {
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const [{ name, in: where }, { value }] of inputs) {
    if (where === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && where === "query") query.set(name, value);
    else if (value && where === "header") headers[name] = value;
  }
  return { address: query.size ? `${address}?${query}` : address, headers };
}

/** A refusal as the API wrote it, for those who write programs. */
function refused(error) {
  if (!error.status) throw error;
  return el("div", {}, el("p", { role: "status" }, String(error.status)), json(error.answer));
}

const json = (value) => el("pre", { tabindex: 0 }, JSON.stringify(value, null, 1));

async function shown(response) {
  const type = response.headers.get("content-type") ?? "";
  const head = el("p", { role: "status" }, `${response.status} ${type}`);
  if (type.startsWith("image/")) return el("div", {}, head, el("img", { src: URL.createObjectURL(await response.blob()), alt: "The answer" }));
  if (type.includes("json")) return el("div", {}, head, json(await response.json()));
  if (type.startsWith("text/") || !type) return el("div", {}, head, el("pre", { tabindex: 0 }, await response.text()));
  const bytes = await response.blob();
  return el("div", {}, head, el("a", { href: URL.createObjectURL(bytes), download: "answer" }, `Save ${bytes.size} bytes`));
}

show().catch((error) => main.replaceChildren(problem(error)));
