/** Single images of a data set, by row; each is fetched only once. */

import { at, get } from "./api.js";

const kept = new Map();

/** @returns {Promise<string>} base64 PNG */
export async function imageAt(dataset, row, signal) {
  const name = `${dataset}/${row}`;
  if (!kept.has(name)) {
    const { images } = await get(`${at("datasets", dataset, "/images")}?rows=${row}`, signal);
    kept.set(name, images[0]);
  }
  return kept.get(name);
}
