"use strict";

// All events at a glance, each with a small picture.

const THUMBNAIL = 256; // dots at most along a side

function fillGallery() {
  $("gallery-title").textContent = page.title;
  const visible = new IntersectionObserver(
    (entries) => {
      for (const {isIntersecting, target} of entries) {
        if (!isIntersecting) continue;
        visible.unobserve(target);
        drawThumbnail(target);
      }
    },
    {rootMargin: "300px"}
  );
  for (let number = 0; number < events; number++) {
    const made = card(number);
    $("cards").append(made);
    visible.observe(made);
  }
  fillFilters();
}

/** The filters that make a difference: a class of which all events are needs no choice. */
function fillFilters() {
  const cards = [...$("cards").children];
  for (const kind of ["truth", "predicted"]) {
    const names = [...new Set(cards.map(({dataset}) => dataset[kind]).filter((name) => name !== undefined))].sort();
    options($(kind), [["", "any"], ...names.map((name) => [name, name])]);
    $(`${kind}-choice`).hidden = names.length < 2;
  }
  $("verdict-choice").hidden = !cards.some(({dataset}) => dataset.verdict);
  for (const id of ["truth", "predicted", "verdict", "find"]) $(id).addEventListener("input", filter);
  filter();
}

/** Show the events that all filters let pass. */
function filter() {
  const wanted = $("find").value.trim().toLowerCase();
  for (const item of $("cards").children) {
    const passes = (kind) => !$(kind).value || item.dataset[kind] === $(kind).value;
    const found = item.textContent.toLowerCase().includes(wanted);
    item.hidden = !(found && ["truth", "predicted", "verdict"].every(passes));
  }
  const count = listed().length;
  const of = count === events ? "" : ` of ${events}`;
  const ranked = page.ranked_by ? `, ranked by ${page.ranked_by}` : "";
  $("gallery-note").textContent = `${count}${of} event${(of ? events : count) === 1 ? "" : "s"}${ranked}`;
}

/** Numbers of the events that the filters let pass. */
function listed() {
  return [...$("cards").children].filter((item) => !item.hidden).map((item) => Number(item.dataset.event));
}

function card(number) {
  const words = readWords(`event-${number}-0`);
  const best = predicted(words);
  const picture = element("span", {class: "picture"});
  const [, rows, columns] = words.shape;
  picture.style.aspectRatio = words.channels[0].square ? `${columns} / ${rows}` : "1";
  const verdict = element("span", {class: "verdict"});
  if (best) verdict.append(element("b", {}, best[0]), ` ${best[1].toFixed(4)}`);
  if (words.label !== null) verdict.append(truthMark(words, best));
  const link = element(
    "a",
    {href: `#event-${number}`},
    picture,
    element("span", {class: "rank"}, String(number + 1)),
    element("span", {class: "ids"}, idsOf(words)),
    element("span", {class: "source"}, placeOf(words)),
    verdict
  );
  const item = element("li", {}, link);
  item.dataset.event = number;
  if (words.label !== null) item.dataset.truth = words.label;
  if (best) item.dataset.predicted = best[0];
  if (best && words.label !== null) item.dataset.verdict = best[0] === words.label ? "right" : "wrong";
  return item;
}

/** The charge of all channels together, or of the only one. */
async function drawThumbnail(item) {
  const number = Number(item.dataset.event);
  const {shape} = readWords(`event-${number}-0`);
  const [, rows, columns] = shape;
  const values = channelOf(await readImage(number), rows * columns, "sum");
  const field = {
    values,
    width: columns,
    ground: 0,
    low: 0,
    high: brightest(values),
    gamma: chosen.gamma,
    table: tables[chosen.charge],
    clear: false,
  };
  const most = THUMBNAIL / Math.max(rows, columns);
  const canvas = paint(field, steps(0, rows, rows * most), steps(0, columns, columns * most));
  item.querySelector(".picture").replaceChildren(canvas);
}
