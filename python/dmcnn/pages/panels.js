"use strict";

// What is drawn of the open event, as it was chosen.

const BELOW_MAPS = "Greys"; // two colour scales on the same pixels cannot be told apart
const MOST_VOXELS = 20000;

/** What is worked out from an event, kept while it is open. */
function once(key, make) {
  if (!open.made.has(key)) open.made.set(key, make());
  return open.made.get(key);
}

/** Pixels of one channel. */
function size() {
  return open.words.shape[1] * open.words.shape[2];
}

/** (H, W) charge of the chosen channel. */
function charge() {
  return once(`charge ${chosen.channel}`, () => channelOf(open.image, size(), chosen.channel));
}

/** The maps that the chosen view shows. */
function mapsShown() {
  const count = open.words.maps.length;
  if (chosen.view === "all") return [...Array(count).keys()];
  const one = chosen.view === "space" ? chosen.voxels === "map" : chosen.view !== "image";
  return one && count ? [chosen.map] : [];
}

/** Decode maps of an event when they are first wanted. */
async function decode({number, words, maps}, wanted) {
  for (const map of wanted) {
    if (!maps.has(map)) maps.set(map, await readMap(number, map, words.maps[map].power));
  }
}

/** (H, W) values of a decoded map in the chosen channel. */
function mapPart(number) {
  return once(`map ${number} ${chosen.channel}`, () => channelOf(open.maps.get(number), size(), chosen.channel));
}

/** The charge as a field, see paint. Frames share one scale, planes have their own. */
function chargeField(colours) {
  const single = open.words.frames && chosen.channel !== "sum";
  const high = once(`top ${single ? "" : chosen.channel}`, () => brightest(single ? open.image : charge()));
  const table = tables[colours];
  const width = open.words.shape[2];
  return {values: charge(), width, ground: 0, low: 0, high, gamma: chosen.gamma, table, clear: false};
}

/** Ends of a map's colour scale: of all channels, or of their sum where that is shown. */
function scaleOf(number, summed = chosen.channel === "sum") {
  return once(`limits ${number} ${summed} ${chosen.percent}`, () => {
    const pixels = summed ? mapPart(number) : open.maps.get(number);
    const anywhere = once("anywhere", () => channelOf(open.image.map((value) => Number(value !== 0)), size(), "sum"));
    const active = pixels.length === size() ? (i) => anywhere[i] > 0 : (i) => open.image[i] !== 0;
    return limits(pixels, active, open.words.maps[number].signed, chosen.percent);
  });
}

/** A decoded map as a field. */
function mapField(number) {
  const {signed} = open.words.maps[number];
  const [low, high] = scaleOf(number);
  const values = mapPart(number);
  const ground = signed ? 0 : once(`ground ${number} ${chosen.channel}`, () => median(values));
  const table = tables[signed ? chosen.signed : chosen.unsigned];
  return {values, width: open.words.shape[2], ground, low, high, gamma: 1, table, clear: true};
}

function median(values) {
  const sorted = finiteSorted(values, null, true);
  return sorted.length ? quantile(sorted, 0.5) : 0;
}

function withUnit(title, unit) {
  return unit ? `${title} [${unit}]` : title;
}

function barOf({low, high, gamma, table}, title) {
  return {low, high, gamma, table, title};
}

/** The panels of the chosen view. */
function panels() {
  const field = chargeField(chosen.charge);
  const bar = barOf(field, withUnit(open.words.quantity, open.words.unit));
  if (chosen.view === "image") return [{title: "", charge: field, bar}];
  const all = chosen.view === "all";
  const below = chargeField(BELOW_MAPS);
  const over = mapsShown().map((number) => mapPanel(number, below, all));
  return chosen.view === "overlay" ? over : [{title: open.words.quantity, charge: field, bar: all ? null : bar}, ...over];
}

/** One map over the charge; among many the ends of its scale stand in the title, else beside the colour bar. */
function mapPanel(number, below, many) {
  const {title, quantity, unit, signed} = open.words.maps[number];
  const map = mapField(number);
  const ends = signed ? `±${short(map.high, 3)}` : `${short(map.low, 3)} … ${short(map.high, 3)}`;
  const bar = many ? null : barOf(map, withUnit(quantity, unit));
  return {title, ends: many ? ends : "", charge: below, map, opacity: chosen.opacity, bar};
}

let asked = 0;

async function redraw() {
  if (!open || !open.image || !$("stage").clientWidth) return; // a hidden page has no size to draw in
  const [mine, turn, shown] = [open, ++asked, mapsShown()];
  arrangeControls(open.words);
  tellMap((chosen.view !== "all" && open.words.maps[shown[0]]) || null);
  await decode(mine, shown);
  if (mine !== open || turn !== asked) return; // something else was chosen meanwhile
  figure.of = mine;
  if (chosen.view === "space") return drawVoxels();
  const drawn = panels();
  figure.draw(drawn, place(), perRow(drawn.length), theme());
}

function perRow(count) {
  const wide = $("stage").clientWidth;
  const most = chosen.view === "all" ? (wide > 820 ? 4 : wide > 560 ? 3 : 2) : wide > 560 ? 2 : 1;
  return Math.min(most, count);
}

/** Where the chosen channel lies. */
function place() {
  const {shape, channels} = open.words;
  return {...channels[chosen.channel === "sum" ? 0 : chosen.channel], rows: shape[1], columns: shape[2]};
}

function theme() {
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {ink: colour("--ink"), line: colour("--line"), ground: colour("--ground"), font: style.fontFamily};
}

/** What the tip says about a pixel: where it is, its charge, and every map that is shown. */
function describe(row, column) {
  const {words, maps} = open;
  const {x, y, labels, columns, rows} = place();
  const at = row * columns + column;
  const pairs = [
    [labels[0], coordinate(x, columns, column)],
    [labels[1], coordinate(y, rows, row)],
    [withUnit(words.quantity, words.unit), short(charge()[at], 6)],
    ...mapsShown().filter((number) => maps.has(number)).map((number) => [words.maps[number].title, short(mapPart(number)[at])]),
  ];
  $("status").textContent = pairs.map((pair) => pair.join(" ")).join(", ");
  return pairs;
}

/** The voxels of a space-time event, coloured by charge or by the chosen map. */
function drawVoxels() {
  const {image, maps, words} = open;
  const [number] = mapsShown();
  const mapped = number !== undefined;
  const [low, high] = mapped ? scaleOf(number, false) : [0, once("top ", () => brightest(image))];
  const colours = mapped ? mapField(number) : chargeField(chosen.charge);
  const title = mapped ? words.maps[number].title : withUnit(words.quantity, words.unit);
  const points = voxels(mapped ? maps.get(number) : null);
  figure.drawSpace(points, {...place(), frames: words.shape[0]}, barOf({...colours, low, high}, title), theme());
}

/** Where the active pixels of all frames lie, and what they hold; of very many the strongest. */
function voxels(values) {
  const {image} = open;
  const {x, y, labels, columns, rows} = place();
  const active = [];
  image.forEach((value, i) => Number.isFinite(value) && value !== 0 && active.push(i));
  if (active.length > MOST_VOXELS) active.sort((a, b) => image[b] - image[a]).splice(MOST_VOXELS);
  const middle = ([low, high], count, at) => low + ((at + 0.5) / count) * (high - low);
  return active.map((i) => {
    const [frame, row, column] = [Math.floor(i / size()), Math.floor((i % size()) / columns), i % columns];
    const value = values && values[i % values.length];
    const told = [
      `Frame ${frame}`,
      `${labels[0]} ${coordinate(x, columns, column)}`,
      `${labels[1]} ${coordinate(y, rows, row)}`,
      `${open.words.quantity} ${short(image[i], 6)} ${open.words.unit}`,
      ...(values ? [`${open.words.maps[chosen.map].title} ${short(value)}`] : []),
    ];
    return {
      x: middle(x, columns, column),
      y: middle(y, rows, row),
      frame,
      charge: image[i],
      colour: values ? value : image[i],
      text: told.map(plain).join("<br>"),
    };
  });
}
