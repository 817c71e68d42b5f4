/** A zip of what lies in a folder: stored, not compressed, for images are that already. */

import { makeZip } from "../vendor/client-zip/index.js";

const SAME_DATE = new Date(1980, 0, 1); // the zero of the format, so that the same files give the same zip

/**
 * Packs files of any number and size.
 * @param {{path: string, file: Blob}[]} files
 * @returns {Promise<Blob>}
 */
export function zip(files) {
  const entries = files.map(({ path, file }) => ({ name: path, input: file, lastModified: SAME_DATE }));
  return new Response(makeZip(entries), { headers: { "Content-Type": "application/zip" } }).blob();
}
