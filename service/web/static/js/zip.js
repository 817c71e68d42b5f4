/** A zip of a folder's files: they are stored, not compressed, because image files are compressed already. */

const MOST_FILES = 65_535; // the most that a zip without extensions holds
const MOST_BYTES = 2 ** 32 - 1;
const VERSION = 20;
const UTF8_NAMES = 0x0800;
const DATE = 0x21; // 1 January 1980, the zero of the format, so that the same files give the same zip
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = REMAINDERS[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Little-endian fields: pairs of [bytes, value]. */
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

/**
 * Packs files. The zip refers to them, so that a large folder need not fit into memory.
 * @param {{path: string, file: Blob}[]} files
 * @returns {Promise<Blob>}
 * @throws {Error} more files or bytes than a zip can hold
 */
export async function zip(files) {
  if (files.length > MOST_FILES) throw new Error(`The folder holds ${files.length.toLocaleString()} images, and one upload can hold ${MOST_FILES.toLocaleString()}. Leave some out, or upload an npz file.`);
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { path, file } of files) {
    const name = new TextEncoder().encode(path);
    const crc = crc32(new Uint8Array(await file.arrayBuffer()));
    const common = [
      [2, VERSION], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DATE],
      [4, crc], [4, file.size], [4, file.size], [2, name.length], [2, 0],
    ];
    const head = record([4, 0x04034b50], ...common);
    directory.push(record([4, 0x02014b50], [2, VERSION], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name);
    parts.push(head, name, file);
    offset += head.length + name.length + file.size;
    if (offset > MOST_BYTES) throw new Error("The folder holds more than 4 GiB, which is too much for one upload. Leave some images out.");
  }
  const size = directory.reduce((sum, bytes) => sum + bytes.length, 0);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
