"use strict";

// All events at a glance, each with a small picture.

const THUMBNAIL = 256; // dots at most along a side

function fillGallery() {
  $("gallery-title").textContent = page.title;
  const ranked = page.ranked_by ? `, ranked by ${page.ranked_by}` : "";
  $("gallery-note").textContent = `${events} event${events === 1 ? "" : "s"}${ranked}`;
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
    element("span", {class: "source"}, `${words.source}, entry ${words.entry}`),
    verdict
  );
  const item = element("li", {}, link);
  item.dataset.event = number;
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
