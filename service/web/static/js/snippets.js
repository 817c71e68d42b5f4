/** The request that makes the images on the screen, as a shell script with curl and as a Python program. */

import { address, at } from "./api.js";
import { key } from "./key.js";
import { rowsOf } from "./sources.js";

const NPZ = "application/x-npz";
const ZIP = "application/zip";

/** A text in single quotes for a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The address to fetch the sources from, if all are rows of the model's data set; null otherwise. */
function addressOf(sources) {
  const rows = rowsOf(sources);
  if (!rows) return null;
  const { dataset } = sources[0].origin;
  return `${address(at("datasets", dataset, "/images"))}?rows=${rows}`;
}

/** The address of a request with a binary body: its options are in the query. */
function target(model, body) {
  const { images, labels, ...options } = body;
  return `${address(at("models", model, "/augment"))}?${new URLSearchParams(options)}`;
}

/**
 * A shell script that gives the images on the screen as new-images.zip.
 * @param {string} model
 * @param {{images: string[]}} body of the augment request, as JSON has it
 * @param {object[]} sources as in the playground
 */
export function asCurl(model, body, sources) {
  const secret = key.get() ? ` \\\n     -H "Authorization: Bearer $LATENTAUG_KEY"` : "";
  const from = addressOf(sources);
  if (from) {
    return `curl -s ${quoted(from)}${secret} \\
     -H 'Accept: ${NPZ}' -o images.npz
curl -s ${quoted(target(model, body))}${secret} \\
     -H 'Content-Type: ${NPZ}' -H 'Accept: ${ZIP}' \\
     --data-binary @images.npz -o new-images.zip
`;
  }
  return `curl -s ${quoted(address(at("models", model, "/augment")))}${secret} \\
     -H 'Content-Type: application/json' -H 'Accept: ${ZIP}' \\
     --data-binary @- -o new-images.zip <<'END'
${JSON.stringify(body)}
END
`;
}

/** The same as a Python program that needs no packages. */
export function asPython(model, body, sources) {
  const secret = key.get() ? `"Authorization": "Bearer " + os.environ["LATENTAUG_KEY"], ` : "";
  const from = addressOf(sources);
  const [url, type] = from
    ? [target(model, body), NPZ]
    : [address(at("models", model, "/augment")), "application/json"];
  const content = from
    ? `get = urllib.request.Request(
    ${JSON.stringify(from)},
    headers={${secret}"Accept": "${NPZ}"},
)
body = urllib.request.urlopen(get).read()`
    : `body = ${JSON.stringify(JSON.stringify(body))}.encode()`;
  return `${secret ? "import os\n" : ""}import urllib.request

${content}
post = urllib.request.Request(
    ${JSON.stringify(url)},
    data=body,
    headers={${secret}"Content-Type": "${type}", "Accept": "${ZIP}"},
)
with open("new-images.zip", "wb") as file:
    file.write(urllib.request.urlopen(post).read())
`;
}
