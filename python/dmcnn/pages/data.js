"use strict";

// What the page holds: scripts that are not run, each with the text of one thing (see packing.py).

/** The parsed JSON of a data element, or undefined where there is none. */
function readWords(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : undefined;
}

function bytesOf(base64) {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The value of every float16: few browsers have a Float16Array. */
const halfValues = (() => {
  const values = new Float64Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let value = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    if (exponent === 31) value = fraction ? NaN : Infinity;
    values[bits] = bits >> 15 ? -value : value;
  }
  return values;
})();

/** The (C, H, W) image of an event, flat: float32, its bytes sorted by significance. */
async function readImage(event) {
  const planes = await inflate(bytesOf(document.getElementById(`event-${event}-1`).textContent));
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0; i < count; i++) bytes[4 * i + plane] = planes[plane * count + i];
  }
  const view = new DataView(bytes.buffer);
  return Float64Array.from({length: count}, (_, i) => view.getFloat32(4 * i, true));
}

/** One map of an event, flat: float16 times 2 ** power, its bytes sorted by significance. */
async function readMap(event, number, power) {
  const planes = await inflate(bytesOf(document.getElementById(`event-${event}-${number + 2}`).textContent));
  const count = planes.length / 2;
  const scale = 2 ** power;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = halfValues[planes[i] | (planes[count + i] << 8)] * scale;
  return values;
}

/** A channel of a flat (C, H, W) array, or the sum of all where channel is "sum"; (H, W) serves every channel. */
function channelOf(values, size, channel) {
  if (values.length === size) return values;
  if (channel !== "sum") return values.subarray(channel * size, (channel + 1) * size);
  const sum = new Float64Array(size);
  for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) sum[i % size] += values[i];
  return sum;
}
