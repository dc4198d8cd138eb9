"use strict";

// What is told about an event in words and numbers.

/** A number in at most so many significant digits; words as they are. */
function short(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  const near = Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6;
  const text = value === 0 || near ? String(Number(value.toPrecision(digits))) : value.toExponential(digits - 1);
  return text.replace(/-/g, "−");
}

/** Where pixel ``at`` of ``count`` lies: its number where pixels are numbered one by one, else its two edges. */
function coordinate([low, high], count, at) {
  const step = (high - low) / count;
  if (step === 1 && Number.isInteger(low)) return String(low + at);
  const whole = Number.isInteger(step) && Number.isInteger(low);
  const digits = whole ? 0 : Math.min(Math.max(1, 1 + Math.ceil(-Math.log10(step))), 20);
  return [at, at + 1].map((edge) => (low + edge * step).toFixed(digits)).join(" – ");
}

/** The ids that the file gives; without any, its name and the entry. */
function idsOf({ids, source, entry}) {
  const known = Object.entries(ids).filter(([, id]) => id !== null);
  const words = known.map(([name, id]) => `${name[0].toUpperCase()}${name.slice(1)} ${id}`);
  return words.length ? words.join(", ") : `${source}, entry ${entry}`;
}

/** File and entry, where they are not the name of the event already. */
function placeOf(words) {
  const place = `${words.source}, entry ${words.entry}`;
  return place === idsOf(words) ? "" : place;
}

/** [class, score] of the highest score, or null. */
function predicted({scores}) {
  const known = scores.filter(([, score]) => score !== null);
  return known.length ? known.reduce((best, next) => (next[1] > best[1] ? next : best)) : null;
}

/** Whether the prediction is right is told by a sign as well as by a colour. */
function truthMark({label}, best) {
  const right = best !== null && best[0] === label;
  const sign = best === null ? "" : right ? "✓ " : "✗ ";
  return element("span", {class: right || best === null ? "mark truth" : "mark wrong"}, `${sign}true: ${label}`);
}

function tellAbout(words) {
  $("text").textContent = words.text;
  $("ids").textContent = idsOf(words);
  $("source").textContent = placeOf(words);
  document.title = [idsOf(words), placeOf(words)].filter(Boolean).join(" – ");
  tellScores(words);
  tellQuality(words);
  $("steps").hidden = !many;
  const numbers = many ? listed() : [];
  const at = numbers.indexOf(open.number);
  $("place").textContent = at < 0 ? `event ${open.number + 1}` : `${at + 1} of ${numbers.length}`;
  stepTo("previous", numbers[at - 1]);
  stepTo("next", at < 0 ? undefined : numbers[at + 1]);
}

function stepTo(id, number) {
  if (number !== undefined) $(id).href = `#event-${number}`;
  else $(id).removeAttribute("href");
}

function tellScores(words) {
  const best = predicted(words);
  const rows = words.scores.map(([name, score]) => {
    const isBest = best !== null && name === best[0];
    const bar = element("span", {class: "bar"}, element("span"));
    bar.firstChild.style.width = `${100 * Math.min(Math.max(score || 0, 0), 1)}%`;
    const row = element("li", {class: isBest ? "best" : ""}, element("span", {class: "name"}, name));
    if (isBest) row.append(element("span", {class: "mark"}, "predicted"));
    if (name === words.label) row.append(element("span", {class: "mark truth"}, "true"));
    row.append(element("span", {class: "value"}, score === null ? "–" : score.toFixed(4)), bar);
    return row;
  });
  if (words.label !== null && !words.scores.some(([name]) => name === words.label)) {
    rows.push(element("li", {}, `true class: ${words.label}`));
  }
  $("scores").replaceChildren(...rows);
  $("scores-part").hidden = !rows.length;
}

function tellQuality({quality}) {
  const titles = [...new Set(quality.flatMap((row) => Object.keys(row)))];
  $("quality").hidden = !titles.length;
  const heads = titles.map((title) => element("th", {scope: "col"}, title));
  $("quality").querySelector("thead").replaceChildren(element("tr", {}, ...heads));
  const rows = quality.map((row) => {
    const cells = titles.map((title, i) => element(i ? "td" : "th", i ? {} : {scope: "row"}, short(row[title])));
    return element("tr", {}, ...cells);
  });
  $("quality").querySelector("tbody").replaceChildren(...rows);
}

/** Title and note of the map that is shown; its row in the quality table is marked. */
function tellMap(map) {
  $("about").hidden = !map;
  for (const row of $("quality").querySelectorAll("tbody tr")) {
    const name = row.firstChild.textContent;
    row.classList.toggle("shown", map !== null && (name === map.name || name === map.title));
  }
  if (!map) return;
  $("about-title").textContent = map.title;
  $("about-note").textContent = [map.note, map.unit && `in ${map.unit}`].filter(Boolean).join("; ");
}
