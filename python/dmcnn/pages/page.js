"use strict";

// The page: its events, which of them is open, and what is chosen.

const $ = (id) => document.getElementById(id);

const page = readWords("page-words"); // {colours}, for many events also {title, ranked_by}
const many = "ranked_by" in page;
const events = (() => {
  let count = 0;
  while ($(`event-${count}-0`)) count++;
  return count;
})();

const chosen = {
  view: "beside",
  map: 0,
  opacity: 0.75,
  channel: 0, // of the image, or "sum"
  charge: "", // names of colour maps
  signed: "",
  unsigned: "",
  percent: 99.5,
  gamma: 0.35,
  voxels: "charge",
};

/** The event that is shown: {number, words, image, maps, made}. */
let open = null;

const figure = new Figure($("stage"), describe);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

async function show(number) {
  const words = readWords(`event-${number}-0`);
  const mine = {number, words, image: null, maps: new Map(), made: new Map()};
  open = mine;
  chosen.map = Math.min(chosen.map, Math.max(words.maps.length - 1, 0));
  const plane = chosen.channel === "sum" ? 0 : Math.min(chosen.channel, words.shape[0] - 1);
  chosen.channel = words.frames ? "sum" : plane;
  $("gallery").hidden = true;
  $("viewer").hidden = false;
  tellAbout(words);
  fillControls(words);
  mine.image = await readImage(number);
  if (mine === open) await redraw();
}

/** Show what the address names: an event, or all of them. */
function route() {
  const match = /^#event-(\d+)$/.exec(location.hash);
  if (match && Number(match[1]) < events) return show(Number(match[1]));
  if (!many && events) return show(0);
  open = null;
  $("viewer").hidden = true;
  $("gallery").hidden = false;
  document.title = page.title;
  return null;
}

function trouble(reason) {
  $("trouble").hidden = false;
  $("trouble").textContent = `This page cannot be drawn: ${reason}`;
}

if (typeof Plotly === "undefined") {
  trouble(`${page.plotly} is not beside it: it lies in the folder where the page was made.`);
} else if (typeof DecompressionStream === "undefined") {
  trouble("the browser is older than Chrome 80, Firefox 113 or Safari 16.4.");
} else {
  window.addEventListener("unhandledrejection", (event) => trouble(event.reason));
  for (const [name, text] of Object.entries(page.colours.tables)) tables[name] = bytesOf(text);
  listen();
  if (many) fillGallery();
  route();
}
