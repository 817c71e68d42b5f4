/** The API's reference at /docs: every endpoint of /openapi.json, to read and to try. */

import { Problem, call, get } from "./api.js";
import { attempt, el, field, problem, table } from "./dom.js";

const JSON_TYPE = "application/json";
const main = document.getElementById("main");

async function show() {
  const document_ = await get("/openapi.json");
  const tags = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [verb, operation] of Object.entries(operations)) {
      const [tag] = operation.tags ?? ["other"];
      tags.set(tag, [...(tags.get(tag) ?? []), { path, verb: verb.toUpperCase(), operation }]);
    }
  }
  const schema = (node) => resolved(document_, node);
  main.replaceChildren(el("h1", {}, `The API of ${document_.info.title}`),
    el("p", {}, marked(document_.info.description)),
    el("p", {}, "A key that the page at ", el("a", { href: "/" }, "/"), " was given is sent here, too."),
    ...[...tags].map(([tag, entries]) => el("section", {}, el("h2", {}, tag), entries.map((entry) => endpoint(entry, schema)))));
}

/** A schema with its reference followed. */
function resolved(document_, node = {}) {
  if (!node.$ref) return node;
  return node.$ref.replace(/^#\//, "").split("/").reduce((found, name) => found[name], document_);
}

/** Text with what stands between backticks as code. */
const marked = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

function endpoint({ path, verb, operation }, schema) {
  const [first, ...rest] = (operation.description ?? operation.summary ?? "").split("\n\n");
  const parameters = operation.parameters ?? [];
  const bodies = operation.requestBody?.content ?? {};
  return el("details", { id: operation.operationId },
    el("summary", {}, el("span", { class: "verb" }, verb), el("code", {}, path), el("span", {}, marked(first))),
    rest.map((text) => el("p", {}, marked(text))),
    parameters.length ? table(`Parameters of ${operation.operationId}`, ["parameter", "in", "type", "meaning"],
      parameters.map((one) => [`${one.name}${one.required ? " (required)" : ""}`, one.in, typeOf(schema(one.schema)), marked(one.description ?? one.schema?.description ?? "")])) : null,
    Object.keys(bodies).length ? el("p", {}, "Body: ", el("code", {}, Object.keys(bodies).join(", "))) : null,
    bodies[JSON_TYPE] ? fields(`Fields of ${operation.operationId}`, schema(bodies[JSON_TYPE].schema), schema) : null,
    el("p", {}, "Answers:"),
    el("ul", {}, Object.entries(operation.responses).map(([status, { description, content = {} }]) =>
      el("li", {}, `${status} `, marked(description), " ", el("code", {}, Object.keys(content).join(", "))))),
    trial(path, verb, parameters, bodies));
}

function fields(caption, body, schema) {
  if (!body.properties) return null;
  return table(caption, ["field", "type", "default", "meaning"], Object.entries(body.properties).map(([name, node]) => {
    const one = { ...schema(node), ...node };
    return [name, typeOf(one), one.default === undefined ? "" : JSON.stringify(one.default), marked(one.description ?? "")];
  }));
}

function typeOf(node) {
  if (node.enum) return node.enum.join(" | ");
  if (node.const) return String(node.const);
  if (node.anyOf) return node.anyOf.map(typeOf).join(" | ");
  if (node.type === "array") return `array of ${typeOf(node.items ?? {})}`;
  const low = node.minimum ?? node.exclusiveMinimum;
  const high = node.maximum ?? node.exclusiveMaximum;
  const range = low === undefined && high === undefined ? "" : ` ${low ?? ""}..${high ?? ""}`;
  return `${node.format === "binary" ? "file" : (node.type ?? "any")}${range}`;
}

/** A form that sends the request. */
function trial(path, verb, parameters, bodies) {
  if (path.endsWith("/events")) return null; // a stream without end
  const types = Object.keys(bodies).filter((type) => type !== "multipart/form-data"); // the others carry as much
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
      if (verb !== "GET" && types.length && !body) throw new Problem(0, { detail: "Give a body first." });
      const response = await call(address, { method: verb, headers, body: verb === "GET" ? undefined : body, type: types.length ? form : undefined });
      answer.replaceChildren(await shown(response));
    });
  };
  return el("form", { onsubmit: send, "aria-label": `Try ${verb} ${path}` },
    el("div", { class: "grid" },
      [...inputs].map(([one, input]) => field(one.name, input)),
      type ? field("Form of the body", type) : null,
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

async function shown(response) {
  const type = response.headers.get("content-type") ?? "";
  const head = el("p", { role: "status" }, `${response.status} ${type}`);
  if (type.startsWith("image/")) return el("div", {}, head, el("img", { src: URL.createObjectURL(await response.blob()), alt: "The answer" }));
  if (type.includes("json")) return el("div", {}, head, el("pre", { tabindex: 0 }, JSON.stringify(await response.json(), null, 1)));
  if (type.startsWith("text/") || !type) return el("div", {}, head, el("pre", { tabindex: 0 }, await response.text()));
  const bytes = await response.blob();
  return el("div", {}, head, el("a", { href: URL.createObjectURL(bytes), download: "answer" }, `Save ${bytes.size} bytes`));
}

show().catch((error) => main.replaceChildren(problem(error)));
