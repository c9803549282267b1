// What both players do at their start: load, or say why not and leave the film where it is.

export const byId = (name) => document.getElementById(name);

// Write text into an element; one that is read aloud is changed only where the text is new.
export function say(name, text) {
  if (byId(name).textContent !== text) byId(name).textContent = text;
}

// Load with a note on the page; then show the player, or the reason beside the film.
export async function begin(load, play) {
  byId("loading").hidden = false;
  try {
    const loaded = await load();
    byId("loading").hidden = byId("twin").hidden = true;
    byId("player").hidden = false;
    await play(loaded);
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    byId("loading").hidden = byId("player").hidden = true;
    byId("twin").hidden = false;
    byId("failed").hidden = false;
    say("failed", "The player could not start in this browser. The picture shows what it does.");
    console.error(error);
  }
}

// Let the browser draw and listen.
export const breathe = () => new Promise((resolve) => setTimeout(resolve));

// Tell whether somebody has asked for pages that do not move.
export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
