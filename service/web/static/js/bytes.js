/** What the bytes of an image file say, and its pixels, once a browser has decoded them, do not. */

const TAIL = 4096; // bytes in which the end of an image is looked for, for some cameras write more behind it

const bytes = async (file, from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
const isPng = (head) => head[1] === 0x50 && head[2] === 0x4e && head[3] === 0x47;
const isJpeg = (head) => head[0] === 0xff && head[1] === 0xd8;

/** Whether a file is a PNG of 16 bits a value, of which a browser would keep 8; the service scales them by what they use. */
export async function isDeep(file) {
  const head = await bytes(file, 0, 25);
  return isPng(head) && head[24] === 16;
}

/** Whether a PNG or JPEG file has its end. Browsers show the upper part of one that was cut off, and say nothing. */
export async function isWhole(file) {
  const head = await bytes(file, 0, 4);
  const tail = await bytes(file, Math.max(0, file.size - TAIL));
  if (isPng(head)) return tail.some((_, i) => "IEND".split("").every((letter, j) => tail[i + j] === letter.charCodeAt(0)));
  return !isJpeg(head) || tail.some((byte, i) => byte === 0xff && tail[i + 1] === 0xd9);
}
