// Notebook 14's painter: dqngan_lib/applications/art/{brushes,painter}.py, line for line. Pictures
// are Float32Arrays, plane by plane: red, green, blue, each row by row.

import { argmax, clamp, round } from "./numbers.js";

const PATCH = 28;
const STEP = 2; // pixels between two places
const DIRECTIONS = 8;
const SIZES = [[10.0, 3.0], [5.0, 1.3]]; // length without the round ends, half the width
const SHAPES = DIRECTIONS * SIZES.length;
const REACH = 4; // a value depends on no pixel more than so many places away
const BORDER = 2 * REACH; // pixels of nothing around a sheet: what a window sees beyond the edge
const FINER = 2.5;

// Return a schedule: [factor, strokes] of each level, coarse to fine.
export function plan(height, width, strokes) {
  const factors = [1];
  const even = (side) => side % (2 * STEP * factors.at(-1)) === 0;
  while (Math.floor(Math.min(height, width) / (2 * factors.at(-1))) >= PATCH
         && even(height) && even(width)) {
    factors.push(2 * factors.at(-1));
  }
  const shares = factors.map((_, level) => FINER ** level);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const ends = [0];
  let sum = 0;
  for (const share of shares) ends.push(round((strokes * (sum += share)) / total));
  return factors.reverse().map((factor, level) => [factor, ends[level + 1] - ends[level]]);
}

// Return a stroke in pixels of the picture, from its number's parts on a level.
export function strokeAt(shape, row, column, factor) {
  const [length, halfWidth] = SIZES[Math.floor(shape / DIRECTIONS)];
  return {
    row: factor * STEP * (row + 0.5),
    column: factor * STEP * (column + 0.5),
    angle: (Math.PI * (shape % DIRECTIONS)) / DIRECTIONS,
    length: factor * length,
    halfWidth: factor * halfWidth,
  };
}

// Return the rows and the columns that a stroke may touch, each [from, to).
function strokeWindow({ row, column, angle, length, halfWidth }, height, width) {
  const span = (middle, share, size) => {
    const half = (Math.abs(share) * length) / 2 + halfWidth + 0.5;
    const first = clamp(Math.floor(middle - half), 0, size);
    return [first, Math.max(Math.min(Math.ceil(middle + half), size), first)];
  };
  return [span(row, Math.sin(angle), height), span(column, Math.cos(angle), width)];
}

// A canvas beside the picture that is painted, the strokes, and the error after each.
export class Painting {
  // target: a picture. ground: red, green, blue of the blank canvas.
  constructor(target, height, width, ground) {
    Object.assign(this, { target, height, width, ground, strokes: [] });
    const size = height * width;
    this.canvas = new Float32Array(3 * size);
    ground.forEach((part, plane) => this.canvas.fill(part, plane * size, (plane + 1) * size));
    let sum = 0;
    for (let i = 0; i < target.length; i++) sum += (target[i] - this.canvas[i]) ** 2;
    this.errors = [sum / target.length];
  }

  // Lay a stroke in its best colour, k = Σ m d / Σ m² with d = t − (1 − m) c; return its window.
  lay(stroke) {
    const { canvas, target, height, width } = this;
    const window = strokeWindow(stroke, height, width);
    const [[top, bottom], [left, right]] = window;
    const across = right - left;
    const mask = new Float32Array((bottom - top) * across);
    const [sine, cosine] = [Math.sin(stroke.angle), Math.cos(stroke.angle)];
    let squares = 0;
    for (let row = top, i = 0; row < bottom; row++) {
      const y = row + 0.5 - stroke.row;
      for (let column = left; column < right; column++, i++) {
        const x = column + 0.5 - stroke.column;
        const beyond = Math.max(Math.abs(y * sine + x * cosine) - stroke.length / 2, 0);
        const aside = y * cosine - x * sine;
        const distance = Math.sqrt(beyond * beyond + aside * aside);
        mask[i] = clamp(stroke.halfWidth + 0.5 - distance, 0, 1);
        squares += mask[i] * mask[i];
      }
    }
    let fall = 0;
    const colour = [0, 1, 2].map((plane) => {
      const start = plane * height * width + left;
      let wanted = 0;
      for (let row = top, i = 0; row < bottom; row++) {
        for (let at = start + row * width; at < start + row * width + across; at++, i++) {
          wanted += mask[i] * (target[at] - (1 - mask[i]) * canvas[at]);
        }
      }
      const best = Math.fround(clamp(wanted / Math.max(squares, 1e-8), 0, 1));
      for (let row = top, i = 0; row < bottom; row++) {
        for (let at = start + row * width; at < start + row * width + across; at++, i++) {
          const before = target[at] - canvas[at];
          canvas[at] += mask[i] * (best - canvas[at]);
          const after = target[at] - canvas[at];
          fall += before * before - after * after;
        }
      }
      return best;
    });
    this.strokes.push({ ...stroke, colour });
    this.errors.push(this.errors.at(-1) - fall / target.length);
    return window;
  }

  // Return the likeness to the picture in decibels.
  psnr() {
    return -10 * Math.log10(Math.max(this.errors.at(-1), 1e-10));
  }
}

// What every stroke of one level is worth, kept up to date from stroke to stroke.
//
// networks: {spread, worth}, the two parts of the painter's network. Sheets have a border of
// nothing, as wide as a window sees beyond the edge, so a part of a sheet is valued as the whole.
export class ValueMap {
  static async make(networks, painting, factor) {
    const level = new ValueMap();
    Object.assign(level, { networks, painting, factor });
    level.rows = painting.height / factor / STEP;
    level.columns = painting.width / factor / STEP;
    level.high = STEP * level.rows + 2 * BORDER;
    level.wide = STEP * level.columns + 2 * BORDER;
    level.canvas = new Float32Array(3 * level.high * level.wide);
    level.target = new Float32Array(3 * level.high * level.wide);
    const whole = [[0, level.rows], [0, level.columns]];
    level.shrink(painting.canvas, level.canvas, whole);
    level.shrink(painting.target, level.target, whole);
    const inside = new Float32Array(level.high * level.wide);
    for (let row = BORDER; row < level.high - BORDER; row++) {
      inside.fill(1, row * level.wide + BORDER, (row + 1) * level.wide - BORDER);
    }
    level.spread = await networks.spread({
      target: { data: level.target, shape: [1, 3, level.high, level.wide] },
      inside: { data: inside, shape: [1, 1, level.high, level.wide] },
    });
    level.worth = new Float32Array(SHAPES * level.rows * level.columns);
    level.rowBest = new Float32Array(SHAPES * level.rows);
    await level.value(whole);
    return level;
  }

  // Return shape, row and column of the greatest value, of the first of equal ones.
  best() {
    const line = argmax(this.rowBest);
    const start = line * this.columns;
    const column = argmax(this.worth, start, start + this.columns) - start;
    return [Math.floor(line / this.rows), line % this.rows, column];
  }

  // Value again what a stroke may have changed, given the window of the picture that it touched.
  async lookAgain(window) {
    const side = STEP * this.factor;
    const changed = window.map(([first, last]) => [Math.floor(first / side), Math.ceil(last / side)]);
    this.shrink(this.painting.canvas, this.canvas, changed);
    const counts = [this.rows, this.columns];
    await this.value(changed.map(([first, last], i) => [
      Math.max(first - REACH, 0), Math.min(last + REACH, counts[i]),
    ]));
  }

  // Bring some places of a sheet up to date: means over factor × factor pixels of the picture.
  shrink(picture, sheet, [[top, bottom], [left, right]]) {
    const { factor, high, wide } = this;
    const { height, width } = this.painting;
    for (let plane = 0; plane < 3; plane++) {
      for (let row = STEP * top; row < STEP * bottom; row++) {
        let to = (plane * high + row + BORDER) * wide + BORDER + STEP * left;
        for (let column = STEP * left; column < STEP * right; column++, to++) {
          let from = (plane * height + row * factor) * width + column * factor;
          let sum = 0;
          for (let down = 0; down < factor; down++, from += width) {
            for (let across = 0; across < factor; across++) sum += picture[from + across];
          }
          sheet[to] = sum / (factor * factor);
        }
      }
    }
  }

  // Ask the network for the values of some places.
  async value([[top, bottom], [left, right]]) {
    const [rows, columns] = [bottom - top, right - left];
    const [high, wide] = [STEP * rows + 2 * BORDER, STEP * columns + 2 * BORDER];
    const pixels = (sheet) => part(sheet, 3, this.high, this.wide, STEP * top, STEP * left, high, wide);
    const values = await this.networks.worth({
      canvas: { data: pixels(this.canvas), shape: [1, 3, high, wide] },
      target: { data: pixels(this.target), shape: [1, 3, high, wide] },
      spread: {
        data: part(this.spread, SHAPES, this.rows, this.columns, top, left, rows, columns),
        shape: [1, SHAPES, rows, columns],
      },
    });
    for (let shape = 0, from = 0; shape < SHAPES; shape++) {
      for (let row = top; row < bottom; row++, from += columns) {
        const line = shape * this.rows + row;
        const start = line * this.columns;
        this.worth.set(values.subarray(from, from + columns), start + left);
        this.rowBest[line] = this.worth[argmax(this.worth, start, start + this.columns)];
      }
    }
  }
}

// Return a part of planes as an array of its own.
function part(planes, count, height, width, top, left, high, wide) {
  const result = new Float32Array(count * high * wide);
  for (let plane = 0, to = 0; plane < count; plane++) {
    for (let row = top; row < top + high; row++, to += wide) {
      const from = (plane * height + row) * width + left;
      result.set(planes.subarray(from, from + wide), to);
    }
  }
  return result;
}

// Paint, each time with the stroke of the greatest value, and give the painting after each stroke.
export async function* paint(networks, painting, schedule) {
  for (const [factor, count] of schedule) {
    const level = await ValueMap.make(networks, painting, factor);
    for (let i = 0; i < count; i++) {
      const window = painting.lay(strokeAt(...level.best(), factor));
      await level.lookAgain(window);
      yield painting;
    }
  }
}

// Return the mean colour of a picture.
export function meanColour(picture) {
  const size = picture.length / 3;
  return [0, 1, 2].map((plane) => {
    let sum = 0;
    for (let i = plane * size; i < (plane + 1) * size; i++) sum += picture[i];
    return Math.fround(sum / size);
  });
}

// Return {picture, height, width}: the shorter side is `side`, both are multiples of `multiple`, and
// the longer side is at most three times the shorter (`fit_photo` in photos.py).
export function fitPhoto(picture, height, width, side, multiple) {
  const factor = side / Math.min(height, width);
  const [high, wide] = [height, width].map((size) => Math.max(side, round(size * factor)));
  const small = resize(picture, height, width, high, wide);
  const kept = (size) => Math.floor(Math.min(size, 3 * side) / multiple) * multiple;
  const [rows, columns] = [kept(high), kept(wide)];
  const [top, left] = [Math.floor((high - rows) / 2), Math.floor((wide - columns) / 2)];
  const cut = part(small, 3, high, wide, top, left, rows, columns);
  return { picture: cut.map((x) => clamp(x, 0, 1)), height: rows, width: columns };
}

// Resize as torch does with mode="bilinear", antialias=True: a triangle as wide as a new pixel.
function resize(picture, height, width, high, wide) {
  const rows = triangles(height, high);
  const columns = triangles(width, wide);
  const flat = new Float32Array(3 * height * wide);
  for (let line = 0; line < 3 * height; line++) {
    for (let column = 0; column < wide; column++) {
      const { first, weights } = columns[column];
      let sum = 0;
      weights.forEach((weight, i) => { sum += weight * picture[line * width + first + i]; });
      flat[line * wide + column] = sum;
    }
  }
  const result = new Float32Array(3 * high * wide);
  for (let plane = 0; plane < 3; plane++) {
    for (let row = 0; row < high; row++) {
      const { first, weights } = rows[row];
      for (let column = 0; column < wide; column++) {
        let sum = 0;
        let at = (plane * height + first) * wide + column;
        for (const weight of weights) {
          sum += weight * flat[at];
          at += wide;
        }
        result[(plane * high + row) * wide + column] = sum;
      }
    }
  }
  return result;
}

// Return for each new pixel of a line the first old one that counts, and the weights from there on.
function triangles(before, after) {
  const scale = before / after;
  const reach = Math.max(scale, 1);
  return Array.from({ length: after }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), before);
    const weights = [];
    for (let k = first; k < last; k++) {
      weights.push(Math.max(1 - Math.abs((k - centre + 0.5) / reach), 0));
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
