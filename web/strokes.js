// Notebook 10's strokes and how the painter lays them: dqngan_lib/applications/strokes/drawing.py
// and canvas.py, number for number.

import { chances, clamp, draw, randomNumbers, round } from "./numbers.js";

export const SIDE = 28; // pixels
export const PIXELS = SIDE * SIDE;
export const GRID = 14; // starts in a row, and rows of starts
export const DIRECTIONS = 8;
export const LENGTHS = [4, 8]; // pixels
export const HALF_WIDTH = 1.1; // pixels
export const SHAPES = DIRECTIONS * LENGTHS.length;
export const NO_OP = SHAPES * GRID * GRID; // 3,136
export const STROKES = 10; // of a drawing

// Return what a stroke is: row and column of its start, its direction and its length.
export function strokeParts(number) {
  const shape = Math.floor(number / (GRID * GRID));
  const place = number % (GRID * GRID);
  return {
    row: Math.floor(place / GRID),
    column: place % GRID,
    direction: Math.floor(shape / LENGTHS.length),
    length: LENGTHS[shape % LENGTHS.length],
  };
}

// Return start and end of a stroke, each as row and column in pixels.
export function strokeLine(number) {
  const { row, column, direction, length } = strokeParts(number);
  const step = SIDE / GRID;
  const start = [(row + 0.5) * step, (column + 0.5) * step];
  const angle = (2 * Math.PI * direction) / DIRECTIONS;
  return [start, [start[0] + length * Math.sin(angle), start[1] + length * Math.cos(angle)]];
}

// Return the ink of a stroke at each pixel, from 0 to 1; the no-op has none.
export function ink(number) {
  const pixels = new Float32Array(PIXELS);
  if (number === NO_OP) return pixels;
  const [a, b] = strokeLine(number).map((point) => point.map(Math.fround));
  const down = b[0] - a[0];
  const right = b[1] - a[1];
  const square = Math.max(down * down + right * right, 1e-12);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const y = row + 0.5 - a[0];
      const x = column + 0.5 - a[1];
      const along = clamp((y * down + x * right) / square, 0, 1);
      const distance = Math.hypot(y - along * down, x - along * right);
      pixels[row * SIDE + column] = clamp(HALF_WIDTH + 0.5 - distance, 0, 1);
    }
  }
  return pixels;
}

// Return the canvas after a stroke: c + m (1 − c), ink on what was still paper.
export function lay(canvas, number) {
  const m = ink(number);
  return canvas.map((c, i) => c + Math.fround(m[i] * Math.fround(1 - c)));
}

// Return what the network sees: 784 pixels as bytes, the strokes so far, the class.
export function observe(canvas, step, digit) {
  const seen = new Uint8Array(PIXELS + 2);
  for (let i = 0; i < PIXELS; i++) seen[i] = round(Math.fround(canvas[i] * 255));
  seen[PIXELS] = step;
  seen[PIXELS + 1] = digit;
  return seen;
}

// Draw a digit; return the canvas before each stroke, with what was chosen there, and the last one.
//
// values: from {observation} to 3,137 Q-values. temperature: τ ≥ 0. luck: a function that gives a
// number from 0 to below 1 for each stroke; that of the seed if there is none.
export async function drawDigit(values, digit, temperature, seed, luck = randomNumbers(seed)) {
  const states = [];
  let canvas = new Float32Array(PIXELS);
  for (let step = 0; step < STROKES; step++) {
    const data = observe(canvas, step, digit);
    const q_values = await values({ observation: { data, shape: [1, data.length] } });
    const chance = chances(q_values, temperature);
    const action = draw(chance, luck());
    states.push({ canvas, q_values, chance, action });
    canvas = lay(canvas, action);
  }
  return { states, canvas };
}

// Return the chance that the next stroke starts at each of the 14 × 14 places.
export function startMap(chance) {
  const map = new Float64Array(GRID * GRID);
  for (let i = 0; i < NO_OP; i++) map[i % map.length] += chance[i];
  return map;
}
