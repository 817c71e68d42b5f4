/** A zip file of what lies in a folder: stored, not compressed, for images are that already. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});
const UTF8_NAMES = 0x0800;
const VERSION = 20;
const DATE = 0x21; // 1 January 1980, the zero of the format

function crc32(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = TABLE[(c ^ byte) & 0xff] ^ (c >>> 8);
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
 * Packs files. Sizes are those of plain zip: under 4 GiB, at most 65,535 files.
 * @param {{path: string, file: Blob}[]} files
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  if (files.length > 65_535) throw new Error(`${files.length} files are too many for one zip; send at most 65,535.`);
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { path, file } of files) {
    const name = new TextEncoder().encode(path);
    const content = new Uint8Array(await file.arrayBuffer());
    const common = [
      [2, VERSION], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DATE],
      [4, crc32(content)], [4, content.length], [4, content.length], [2, name.length], [2, 0],
    ];
    const head = record([4, 0x04034b50], ...common);
    directory.push(record([4, 0x02014b50], [2, VERSION], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name);
    parts.push(head, name, content);
    offset += head.length + name.length + content.length;
  }
  const size = directory.reduce((sum, bytes) => sum + bytes.length, 0);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
