// Small numerical pieces that do what Python and torch do.

// Round half to even, as Python and torch do.
export function round(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// Return a source of numbers from 0 to below 1 that depend on the seed alone (mulberry32).
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Return the place of the greatest value, of the first of equal ones, from start to before end.
export function argmax(values, start = 0, end = values.length) {
  let best = start;
  for (let i = start + 1; i < end; i++) if (values[i] > values[best]) best = i;
  return best;
}

// Return softmax(Q / τ); for τ = 0 the limit, all weight on the first greatest value.
export function chances(values, temperature) {
  const best = argmax(values);
  const result = new Float64Array(values.length);
  if (temperature === 0) {
    result[best] = 1;
    return result;
  }
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    result[i] = Math.exp((values[i] - values[best]) / temperature);
    total += result[i];
  }
  for (let i = 0; i < result.length; i++) result[i] /= total;
  return result;
}

// Draw an action: a point on a line on which each action has a piece as long as its chance
// (`draw_strokes` in dqngan_lib/applications/strokes/decoding.py).
//
// luck: from 0 to below 1.
export function draw(chance, luck) {
  let total = 0;
  for (const share of chance) total += share;
  const point = luck * total;
  let end = 0;
  for (let i = 0; i < chance.length; i++) {
    end += chance[i];
    if (end > point) return i;
  }
  return argmax(chance);
}
