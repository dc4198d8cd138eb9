"use strict";

// From values to colours.

/** 256 x RGB bytes of every colour map, by name. */
const tables = {};

/** Quantile of a sorted array, interpolated as np.percentile does. */
function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** The sorted finite values, of the pixels that are active unless everything is wanted. */
function finiteSorted(values, active, everything) {
  const chosen = values.filter((value, i) => Number.isFinite(value) && (everything || active(i)));
  return chosen.length || everything ? chosen.sort() : finiteSorted(values, active, true);
}

/**
 * [low, high] of a map's colour scale. A signed map's is symmetric and ends at the percentile of |values|, another's
 * spans that percentile and its opposite; both over active pixels, or all pixels at 100 %.
 */
function limits(values, active, signed, percent) {
  const everything = percent >= 100;
  if (signed) {
    const magnitudes = finiteSorted(values.map(Math.abs), active, everything);
    const high = magnitudes.length ? quantile(magnitudes, percent / 100) : 0;
    const top = high || magnitudes[magnitudes.length - 1] || 1;
    return [-top, top];
  }
  const sorted = finiteSorted(values, active, everything);
  if (!sorted.length) return [0, 1];
  const [low, high] = [quantile(sorted, 1 - percent / 100), quantile(sorted, percent / 100)];
  if (low < high) return [low, high];
  return low < 0 ? [low, 0] : [0, low || 1]; // one value, such as that of a box
}

/** The highest finite charge, or 1 where there is none. */
function brightest(values) {
  let top = 0;
  for (const value of values) if (value > top && value < Infinity) top = value;
  return top || 1;
}

/**
 * Start of every drawn row (or column) in [first, last) of the image, and the end of the last: as many as there is
 * room for, at most one per pixel.
 */
function steps(first, last, room) {
  const count = Math.max(1, Math.min(last - first, Math.round(room)));
  return Array.from({length: count + 1}, (_, i) => first + Math.floor((i * (last - first)) / count));
}

/**
 * Paint a window of an (H, W) field on a canvas, row 0 first. Where several pixels share a dot, the one furthest from
 * the field's ground stands for all, so that no thin track vanishes.
 *
 * field: {values, width, ground, low, high, gamma, table, clear}; clear: pixels without a value are see-through.
 */
function paint(field, rows, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns.length - 1;
  canvas.height = rows.length - 1;
  const context = canvas.getContext("2d");
  const dots = context.createImageData(canvas.width, canvas.height);
  let at = 0;
  for (let r = 0; r < canvas.height; r++) {
    for (let c = 0; c < canvas.width; c++, at += 4) {
      const value = strongest(field, rows[r], rows[r + 1], columns[c], columns[c + 1]);
      if (Number.isNaN(value) && field.clear) continue;
      const share = Math.min(Math.max((value - field.low) / (field.high - field.low), 0), 1) || 0;
      const colour = 3 * Math.min(255, Math.floor(256 * share ** field.gamma));
      for (let k = 0; k < 3; k++) dots.data[at + k] = field.table[colour + k];
      dots.data[at + 3] = 255;
    }
  }
  context.putImageData(dots, 0, 0);
  return canvas;
}

function strongest(field, row0, row1, column0, column1) {
  let found = field.values[row0 * field.width + column0];
  if (row1 - row0 === 1 && column1 - column0 === 1) return found;
  let furthest = -1;
  for (let row = row0; row < row1; row++) {
    for (let column = column0; column < column1; column++) {
      const value = field.values[row * field.width + column];
      const distance = Math.abs(value - field.ground);
      if (distance > furthest) [found, furthest] = [value, distance];
    }
  }
  return found;
}

/** A plotly colour scale of a table, its colours moved as the exponent gamma moves them. */
function colourScale(table, gamma) {
  return Array.from({length: 33}, (_, i) => {
    const k = 3 * Math.min(255, 8 * i);
    return [(i / 32) ** (1 / gamma), `rgb(${table[k]},${table[k + 1]},${table[k + 2]})`];
  });
}
