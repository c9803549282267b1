// Paint a photograph that is here, or the reader's own.

import { begin, breathe, byId, isStill, say } from "./page.js";
import { Painting, fitPhoto, meanColour, paint, plan } from "./painter.js";

const SIDE = 256; // pixels of the shorter side
const ENOUGH = 640; // a large photograph is made smaller to so many pixels first
const LARGEST = 60_000_000; // bytes
const LEAST = 8; // pixels
const LONGEST = 16_000; // pixels, after that
const SHARP = 3; // screen pixels for each of the painting's
const TURN = 40; // milliseconds of painting between two looks at the page

let networks;
let photo; // {picture, height, width, name}
let painting;
let asked = 0; // counts the pictures that were asked for
let task = null; // the painting on its way: it ends early if {stopped}, without a word if {replaced}

// Return the colours of an image, plane by plane, from 0 to 1, on white where it is transparent.
function colours(image, height, width) {
  const board = document.createElement("canvas");
  Object.assign(board, { height, width });
  const pen = board.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  const picture = new Float32Array(3 * height * width);
  for (let i = 0, size = height * width; i < size; i++) {
    for (let plane = 0; plane < 3; plane++) picture[plane * size + i] = data[4 * i + plane] / 255;
  }
  return picture;
}

// Take a picture, and tell whether it is still the one that is wanted.
async function take(blob, name) {
  const mine = (asked += 1);
  const image = await createImageBitmap(blob, { imageOrientation: "from-image" });
  if (mine !== asked) return false;
  const least = Math.min(image.height, image.width);
  if (least < LEAST) throw new Error(`it has ${image.width} × ${image.height} pixels; each side needs ${LEAST}`);
  const shrink = Math.min(ENOUGH / least, 1);
  const [height, width] = [image.height, image.width].map((size) => Math.round(size * shrink));
  if (Math.max(height, width) > LONGEST) throw new Error("it is too long and narrow");
  const picture = colours(image, height, width);
  image.close();
  const [[coarsest]] = plan(SIDE, SIDE, 0);
  photo = { ...fitPhoto(picture, height, width, SIDE, 2 * coarsest), name };
  drawPhoto();
  return true;
}

async function open(file) {
  say("wrong", "");
  try {
    if (file.size > LARGEST) throw new Error(`it has ${Math.round(file.size / 1e6)} MB; at most ${LARGEST / 1e6} MB are opened`);
    if (!await take(file, file.name)) return;
  } catch (error) {
    const why = error.name === "InvalidStateError"
      ? "it is no picture that this browser can read: a JPEG or PNG file is best" : error.message;
    say("wrong", `“${file.name}” cannot be painted: ${why}. The picture is as it was.`);
    return;
  } finally {
    byId("file").value = "";
  }
  for (const tile of document.querySelectorAll("[name=sample]")) tile.checked = false;
  await start();
}

async function choose(name) {
  say("wrong", "");
  const answer = await fetch(new URL(`./samples/${name}.png`, import.meta.url));
  if (!answer.ok) throw new Error(`samples/${name}.png is missing`);
  if (await take(await answer.blob(), name)) await start();
}

async function start() {
  if (task) task.replaced = true;
  const mine = (task = {});
  const { picture, height, width, name } = photo;
  const count = Number(byId("strokes").value);
  painting = new Painting(picture, height, width, meanColour(picture));
  byId("paint").textContent = "Stop";
  byId("bar").max = count;
  byId("step").disabled = byId("save").disabled = true;
  say("status", `Painting ${name} …`);
  const begun = performance.now();
  const pen = blank();
  let shown = 0;
  const progress = () => {
    for (; shown < painting.strokes.length; shown++) drawStroke(pen, painting.strokes[shown]);
    byId("bar").value = shown;
    say("count", String(shown));
  };
  let turn = performance.now();
  for await (const _ of paint(networks, painting, plan(height, width, count))) {
    if (performance.now() - turn < TURN) continue;
    if (!isStill()) progress();
    await breathe();
    if (mine.replaced) return;
    if (mine.stopped) break;
    turn = performance.now();
  }
  task = null;
  progress();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  byId("paint").textContent = "Paint";
  Object.assign(byId("step"), { max: shown, value: shown, disabled: false });
  byId("save").disabled = false;
  const words = `${name}: ${shown.toLocaleString("en")} strokes in ${seconds} s, PSNR ${painting.psnr().toFixed(1)} dB.`;
  say("status", words);
  Object.assign(byId("painting").dataset, { strokes: shown, seconds, psnr: painting.psnr() });
  byId("painting").setAttribute("aria-label", `The painting of ${words}`);
}

function drawPhoto() {
  const { picture, height, width, name } = photo;
  const board = byId("photo");
  Object.assign(board, { height, width });
  const pen = board.getContext("2d");
  const image = pen.createImageData(width, height);
  for (let i = 0, size = height * width; i < size; i++) {
    for (let plane = 0; plane < 3; plane++) image.data[4 * i + plane] = 255 * picture[plane * size + i];
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  board.setAttribute("aria-label", `The photograph ${name}, ${width} × ${height} pixels.`);
}

const css = (colour) => `rgb(${colour.map((part) => Math.round(255 * part)).join(" ")})`;

// Return a pen on a blank canvas of the ground's colour.
function blank() {
  const board = byId("painting");
  Object.assign(board, { height: SHARP * painting.height, width: SHARP * painting.width });
  const pen = board.getContext("2d");
  pen.scale(SHARP, SHARP);
  pen.fillStyle = css(painting.ground);
  pen.fillRect(0, 0, painting.width, painting.height);
  pen.lineCap = "round";
  return pen;
}

function drawStroke(pen, { row, column, angle, length, halfWidth, colour }) {
  const [down, right] = [(Math.sin(angle) * length) / 2, (Math.cos(angle) * length) / 2];
  pen.strokeStyle = css(colour);
  pen.lineWidth = 2 * halfWidth;
  pen.beginPath();
  pen.moveTo(column - right, row - down);
  pen.lineTo(column + right, row + down);
  pen.stroke();
}

function replay() {
  const count = Number(byId("step").value);
  const pen = blank();
  painting.strokes.slice(0, count).forEach((stroke) => drawStroke(pen, stroke));
  say("count", String(count));
  byId("step").setAttribute("aria-valuetext", `${count} strokes shown`);
}

function save() {
  byId("painting").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${photo.name.replace(/\.\w+$/, "")}_painted.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say("status", `Saved as ${link.download}.`);
  });
}

function prepare() {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const tile of document.querySelectorAll("[name=sample]")) {
    tile.addEventListener("change", () => choose(tile.value));
  }
  byId("file").addEventListener("change", () => byId("file").files[0] && open(byId("file").files[0]));
  byId("paint").addEventListener("click", () => {
    if (task) task.stopped = true;
    else start();
  });
  byId("step").addEventListener("input", replay);
  byId("save").addEventListener("click", save);
  const drop = byId("drop");
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}

begin(
  async () => {
    const { loadNetwork } = await import("./runtime.js");
    return { spread: await loadNetwork("photo_spread"), worth: await loadNetwork("photo_worth") };
  },
  async (loaded) => {
    networks = loaded;
    prepare();
    await choose("astronaut");
  },
);
