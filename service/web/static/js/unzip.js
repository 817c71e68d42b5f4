/** Reads the zips that the service writes: their files lie in them as they are, one after another. */

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_SIZE = 22;

/**
 * The files of a zip, each a part of it, so that nothing is copied.
 * @param {Blob} archive whose files are stored, not compressed
 * @returns {Promise<{name: string, file: Blob}[]>}
 * @throws {Error} not such a zip
 */
export async function unzip(archive) {
  const end = view(await archive.slice(-END_SIZE).arrayBuffer());
  if (end.byteLength < END_SIZE || end.getUint32(0, true) !== END) throw new Error("The images cannot be shown here. Download them instead.");
  const [count, size, start] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)];
  const directory = view(await archive.slice(start, start + size).arrayBuffer());
  const found = [];
  for (let at = 0, i = 0; i < count && directory.getUint32(at, true) === ENTRY; i += 1) {
    const [bytes, length, extra, comment] = [directory.getUint32(at + 24, true), directory.getUint16(at + 28, true), directory.getUint16(at + 30, true), directory.getUint16(at + 32, true)];
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, at + 46, length));
    found.push({ name, bytes, head: directory.getUint32(at + 42, true) });
    at += 46 + length + extra + comment;
  }
  return Promise.all(found.map(async ({ name, bytes, head }) => {
    const lengths = view(await archive.slice(head + 26, head + 30).arrayBuffer());
    const from = head + 30 + lengths.getUint16(0, true) + lengths.getUint16(2, true);
    return { name, file: archive.slice(from, from + bytes) };
  }));
}

const view = (buffer) => new DataView(buffer);
