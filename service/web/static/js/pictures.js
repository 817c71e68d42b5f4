/** Image files that were dropped or chosen, read as the base64 that the API takes. */

/** Pixels a side that any model takes at most. */
export const MAX_SIDE = 256;

/** Pixels a side of an image that is sent to be kept: more than a model takes, so that the service can fit it well. */
export const LARGEST = 2 * MAX_SIDE;

const TAKEN = ["image/png", "image/jpeg", "image/webp"];

/** The `data:` URL of an image in base64. */
export const dataUrl = (base64) => `data:image/png;base64,${base64}`;

/** Whether a file is an image that the service reads, by its name. */
export const isImage = (name) => /\.(a?png|jpe?g|jpe|jfif|jif|mpo|webp|avifs?|bmp|dib|gif|tiff?)$/i.test(name);

/** Whether a file is an image of a kind that nobody here reads; the service names such files as well. */
export const isOtherImage = (name) => /\.(hei[cf]|hif|svg|psd|xcf|ico|jp2|j2k|jxl|tga|exr|hdr|eps|pcx|p[bgpn]m|dcm|raw|dng|cr[23]|nef|arw|orf|rw2)$/i.test(name);

/** Folders and files that systems leave behind; the service passes them over in a zip, too. */
const LEFT_BEHIND = /^(\..*|__MACOSX|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found|[#@]recycle)$/i;

/** Whether a file is no one's picture. */
export const isHidden = ({ path }) => path.split("/").some((part) => LEFT_BEHIND.test(part));

/**
 * An image file in base64. A large image is scaled down first, so that a move of a slider never sends a whole photograph.
 * @param {File} file
 */
export async function read(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is not an image that this browser can read.`);
  }
  const fits = Math.max(bitmap.width, bitmap.height) <= MAX_SIDE;
  return base64(fits && TAKEN.includes(file.type) ? file : await shrunk(bitmap, MAX_SIDE, "image/png"));
}

/** A bitmap as a file of this type, scaled down to at most `side` pixels a side. */
export function shrunk(bitmap, side, type) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type, quality: 0.95 });
}

/** A blob's bytes as base64. */
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * The files that were dropped, and all files in dropped folders.
 * @returns {Promise<{path: string, file: File}[]>}
 */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }));
  return (await Promise.all(entries.map((entry) => walked(entry, "")))).flat();
}

async function walked(entry, folder) {
  const path = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
    return [{ path, file }];
  }
  const reader = entry.createReader();
  const found = [];
  while (true) { // the browser gives them in portions
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((inner) => walked(inner, `${path}/`)))).flat();
}

/** The files of an `<input type=file>`, each with its path within the chosen folder. */
export const chosen = (input) =>
  [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** Makes `area` take dropped files; `taken` is called with what `dropped` gives. */
export function takesDrops(area, taken) {
  const mark = (on) => (event) => {
    event.preventDefault();
    area.classList.toggle("dropping", on);
  };
  area.addEventListener("dragover", mark(true));
  area.addEventListener("dragleave", mark(false));
  area.addEventListener("drop", async (event) => {
    mark(false)(event);
    taken(await dropped(event.dataTransfer));
  });
}
