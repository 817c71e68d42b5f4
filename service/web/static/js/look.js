/** A look at a person's files before anything is sent: how many images of each class, their sizes, and what is left out. */

import { isDeep, isWhole } from "./bytes.js";
import { isHidden, isImage, isOtherImage, LARGEST, MAX_SIDE, shrunk } from "./pictures.js";

const AT_ONCE = 4; // images that are decoded side by side
const FEW = 5; // images of a class that are too few to learn from
const PROPOSED = "64x64"; // large enough to tell photos apart, small enough to train within minutes
const NAMED = 5; // files that are named before the rest is only counted
const NOT_LABELS = new Set(["images", "image", "imgs", "img", "train", "training", "val", "valid", "validation", "test", "testing"]);
const WITHOUT_LABEL = new Set(["unlabelled", "unlabeled"]);

/**
 * @typedef {object} Looked
 * @property {{path: string, file: Blob}[]} images those that can be sent, large ones scaled down
 * @property {string[]} broken paths of images that cannot be read
 * @property {string[]} others paths of files that are hidden or no images
 * @property {Map<string|null, number>} classes how many images there are of each; null counts those without a label
 * @property {{height: number, width: number, count: number}[]} sizes that occur, as they were found
 * @property {number} scaled how many were scaled down
 * @property {number} deep how many may have 16 bits a value
 */

/**
 * @param {{path: string, file: File}[]} files
 * @param {(done: number, all: number) => void} progress
 * @returns {Promise<Looked>}
 */
export async function look(files, progress) {
  const found = withoutRoot(files);
  const wanted = found.filter(isTaken);
  const others = found.filter((one) => !isTaken(one)).map(({ path }) => path);
  const looked = { images: [], broken: [], others, classes: new Map(), scaled: 0, deep: 0 };
  const seen = await eachOf(wanted, examined, (done) => progress(done, wanted.length));
  const sizes = new Map();
  for (const { path, file, size, small, deep } of seen) {
    if (!file) {
      looked.broken.push(path);
      continue;
    }
    looked.images.push({ path, file });
    looked.scaled += small ? 1 : 0;
    looked.deep += deep ? 1 : 0;
    if (size) {
      const written = inWriting(size);
      sizes.set(written, { ...size, count: (sizes.get(written)?.count ?? 0) + 1 });
    }
    const label = labelOf(path);
    looked.classes.set(label, (looked.classes.get(label) ?? 0) + 1);
  }
  return { ...looked, sizes: [...sizes.values()] };
}

const isTaken = (found) => (isImage(found.path) || isOtherImage(found.path)) && !isHidden(found);

/** Files of a dropped folder have its name before them, which is no label. */
function withoutRoot(files) {
  const roots = new Set(files.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  if (roots.size !== 1 || roots.has("")) return files;
  return files.map(({ path, file }) => ({ path: path.slice(path.indexOf("/") + 1), file }));
}

/** One image: its size, and itself or a smaller copy; no file where it is broken. */
async function examined({ path, file }) {
  if (!file.size || isOtherImage(path)) return { path };
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    // A format that no browser knows is for the service to judge.
    return /\.tiff?$/i.test(path) ? { path, file, deep: true } : { path };
  }
  const size = { height: bitmap.height, width: bitmap.width };
  const deep = await isDeep(file);
  const large = Math.max(size.height, size.width) > LARGEST && (await isWhole(file)) && !deep; // the service judges the others
  const kept = large ? await shrunk(bitmap, LARGEST, /\.jpe?g$/i.test(path) ? "image/jpeg" : "image/png") : file;
  bitmap.close();
  return { path, file: kept, size, small: large, deep };
}

/** The class of an image by its path; null where it has none. The service has the last word. */
function labelOf(path) {
  const folders = path.split("/").slice(0, -1);
  if (folders.some((name) => WITHOUT_LABEL.has(name.toLowerCase()))) return null;
  return folders.filter((name) => !NOT_LABELS.has(name.toLowerCase())).at(-1) ?? null;
}

/** The results of `work` for each entry, in order, some at once. */
async function eachOf(entries, work, progress) {
  const results = new Array(entries.length);
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < entries.length) {
      const i = next;
      next += 1;
      results[i] = await work(entries[i]);
      done += 1;
      progress(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

const inWriting = ({ height, width }) => `${height}x${width}`;

/** A size for all images: theirs, if most have one that a model takes; else a small square. Empty where all have such a size. */
export function proposedSize({ images, sizes }) {
  const fits = ({ height, width }) => Math.max(height, width) <= MAX_SIDE;
  if (sizes.length <= 1 && sizes.every(fits)) return "";
  const common = sizes.find((size) => fits(size) && 2 * size.count > images.length);
  return common ? inWriting(common) : PROPOSED;
}

/** What is in the files, in a sentence. */
export function summary({ images, classes }) {
  const labelled = [...classes].filter(([label]) => label !== null).sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  const without = classes.get(null) ?? 0;
  const count = `${images.length.toLocaleString()} image${images.length === 1 ? "" : "s"}`;
  if (!labelled.length) return `${count} without labels.`;
  const shown = labelled.slice(0, 12).map(([label, number]) => `${label} ${number.toLocaleString()}`).join(", ");
  const more = labelled.length > 12 ? " and more" : "";
  return `${count} in ${labelled.length} class${labelled.length === 1 ? "" : "es"}: ${shown}${more}.${without ? ` ${without.toLocaleString()} have no label.` : ""}`;
}

/**
 * What the person should know before sending.
 * @param {Looked} looked
 * @returns {{words: string, files: string[]}[]} sentences, each with the files that it does not name, though it is about them
 */
export function findings({ images, broken, others, classes, sizes, scaled }) {
  const rare = [...classes].filter(([label, count]) => label !== null && count < FEW).map(([label, count]) => `${label} (${count})`);
  const labelled = [...classes.keys()].filter((label) => label !== null);
  return [
    broken.length && [`${counted(broken, "file")} cannot be read as ${broken.length === 1 ? "an image" : "images"} and will be left out: ${named(broken)}.`, broken],
    others.length && [`${counted(others, "file")} will be left out, because ${others.length === 1 ? "it is hidden or no image" : "they are hidden or no images"}: ${named(others)}.`, others],
    rare.length && `${rare.length === 1 ? "One class has" : `${rare.length} classes have`} fewer than ${FEW} images: ${named(rare)}. Add images, or remove the folder.`,
    labelled.length === 1 && "There is only one class. A model can be trained on it, but to check whether new images help there must be two.",
    !labelled.length && images.length > 0 && "No image has a label. To give them labels, put them into a folder for each class.",
    sizes.length > 1 && `The images have different sizes, from ${written(least(sizes))} to ${written(most(sizes))} pixels (height × width), and the model needs one. Each will be fitted into the size below, its shape kept.`,
    scaled && `${scaled === 1 ? "One image is" : `${scaled.toLocaleString()} images are`} large and will be sent smaller, at most ${LARGEST} pixels a side. That is more than a model takes.`,
  ].filter(Boolean).map((told) => (Array.isArray(told) ? told : [told, []])).map(([words, files]) => ({ words, files: files.slice(NAMED) }));
}

const counted = (list, noun) => `${list.length.toLocaleString()} ${noun}${list.length === 1 ? "" : "s"}`;
const named = (list) => list.slice(0, NAMED).join(", ") + (list.length > NAMED ? ` and ${(list.length - NAMED).toLocaleString()} more` : "");
const written = ({ height, width }) => `${height} × ${width}`;
const byArea = (sizes) => [...sizes].sort((a, b) => a.height * a.width - b.height * b.width);
const least = (sizes) => byArea(sizes)[0];
const most = (sizes) => byArea(sizes).at(-1);
