// Ask for a digit, and watch ten strokes and where each may start.

import { begin, byId, isStill, say } from "./page.js";
import { GRID, NO_OP, SIDE, STROKES, drawDigit, startMap, strokeLine, strokeParts } from "./strokes.js";

const COLOURS = [[247, 251, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]];
const WAYS = ["right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right"];
const PAUSE = 650; // milliseconds between two strokes

let values; // the network
let drawing; // what drawDigit has returned
let asked = 0; // counts the drawings that were asked for
let timer = 0;

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}\u00a0%`;

function settings() {
  const digit = Number(document.querySelector("[name=digit]:checked").value);
  const whole = Math.round(Number(byId("seed").value)) || 0;
  const seed = Math.min(Math.max(whole, 0), 9999);
  return { digit, temperature: Number(byId("temperature").value), seed };
}

async function redraw() {
  stop();
  const mine = (asked += 1);
  const { digit, temperature, seed } = settings();
  const made = await drawDigit(values, digit, temperature, seed);
  if (mine !== asked) return; // somebody has asked for another one meanwhile
  drawing = made;
  say("status", `A ${digit} in ten strokes, temperature ${temperature}, seed ${seed}.`);
  byId("paper").dataset.digit = digit;
  if (isStill()) show(STROKES);
  else play();
}

// Show the paper after so many strokes, and the map of the next one.
function show(step) {
  byId("step").value = step;
  say("count", String(step));
  const canvas = step < STROKES ? drawing.states[step].canvas : drawing.canvas;
  drawPaper(canvas);
  drawMap(drawing.states[step]);
  const facts = describe(drawing.states[step], step);
  byId("facts").textContent = facts;
  byId("step").setAttribute("aria-valuetext", `${step} of ${STROKES} strokes. ${facts}`);
  const digit = byId("paper").dataset.digit;
  byId("paper").setAttribute("aria-label", `The paper with ${step} of ${STROKES} strokes of a ${digit}.`);
}

function describe(state, step) {
  if (!state) return "The drawing is finished.";
  const chance = `Its chance was ${percent(state.chance[state.action])}.`;
  if (state.action === NO_OP) return `Stroke ${step + 1} lays nothing. ${chance}`;
  const { row, column, direction, length } = strokeParts(state.action);
  return `Stroke ${step + 1} starts in row ${row + 1}, column ${column + 1} and goes ${length} pixels `
    + `${WAYS[direction]}. ${chance}`;
}

function drawPaper(canvas) {
  const pen = byId("paper").getContext("2d");
  const picture = pen.createImageData(SIDE, SIDE);
  canvas.forEach((ink, i) => {
    picture.data.fill(255 * (1 - ink), 4 * i, 4 * i + 3);
    picture.data[4 * i + 3] = 255;
  });
  pen.putImageData(picture, 0, 0);
}

function drawMap(state) {
  const board = byId("map");
  const pen = board.getContext("2d");
  const cell = board.width / GRID;
  const map = state ? startMap(state.chance) : new Float64Array(GRID * GRID);
  const most = Math.max(...map, 1e-9);
  map.forEach((share, place) => {
    pen.fillStyle = colour(Math.sqrt(share / most));
    pen.fillRect((place % GRID) * cell, Math.floor(place / GRID) * cell, cell, cell);
  });
  if (!state) {
    board.setAttribute("aria-label", "The map is empty: no stroke follows.");
    return;
  }
  const place = map.indexOf(most);
  const where = place < 0 ? "" : ` Most likely: row ${Math.floor(place / GRID) + 1}, column ${(place % GRID) + 1}, ${percent(most)}.`;
  board.setAttribute("aria-label", `Where the next stroke may start.${where} Chance of no stroke: ${percent(state.chance[NO_OP])}.`);
  if (state.action !== NO_OP) drawMark(pen, state.action, board.width / SIDE, cell);
}

// A ring at the start and a line to the end, dark orange on white so that it stands out anywhere.
function drawMark(pen, action, scale, cell) {
  const [[y, x], [down, right]] = strokeLine(action).map((point) => point.map((at) => at * scale));
  for (const [style, width] of [["#ffffff", 9], ["#d55e00", 5]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.beginPath();
    pen.arc(x, y, cell / 2, 0, 2 * Math.PI);
    const far = Math.hypot(right - x, down - y);
    pen.moveTo(x + ((right - x) * cell) / 2 / far, y + ((down - y) * cell) / 2 / far);
    pen.lineTo(right, down);
    pen.stroke();
  }
}

function colour(share) {
  const at = share * (COLOURS.length - 1);
  const low = Math.min(Math.floor(at), COLOURS.length - 2);
  const mixed = COLOURS[low].map((part, i) => part + (at - low) * (COLOURS[low + 1][i] - part));
  return `rgb(${mixed.map(Math.round).join(" ")})`;
}

function play() {
  stop();
  show(0);
  byId("play").textContent = "Pause";
  timer = setInterval(() => {
    const step = Number(byId("step").value) + 1;
    show(step);
    if (step >= STROKES) stop();
  }, PAUSE);
}

function stop() {
  clearInterval(timer);
  timer = 0;
  byId("play").textContent = "Play";
}

function prepare() {
  for (let digit = 0; digit < 10; digit++) {
    const tile = document.createElement("label");
    tile.innerHTML = `<input type="radio" name="digit" value="${digit}">${digit}`;
    tile.firstChild.checked = digit === 3;
    byId("digits").append(tile);
  }
  byId("controls").addEventListener("change", redraw);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("again").addEventListener("click", () => {
    byId("seed").value = (settings().seed + 1) % 10_000;
    redraw();
  });
  byId("play").addEventListener("click", () => (timer ? stop() : play()));
  byId("step").addEventListener("input", () => {
    stop();
    show(Number(byId("step").value));
  });
}

begin(
  async () => (await import("./runtime.js")).loadNetwork("digit_painter"),
  async (network) => {
    values = network;
    prepare();
    await redraw();
  },
);
