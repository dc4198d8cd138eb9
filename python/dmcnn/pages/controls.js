"use strict";

// What can be chosen, by mouse and by key.

const VIEWS = {image: "Image", overlay: "Overlay", beside: "Side by side", all: "All maps", space: "3-D"};

function choose(change) {
  Object.assign(chosen, change);
  return redraw();
}

/** The controls that an event needs. */
function fillControls(words) {
  const has = (view) => view === "image" || (view === "space" ? words.frames : words.maps.length > 0);
  const views = Object.keys(VIEWS).filter(has);
  if (!views.includes(chosen.view)) chosen.view = words.maps.length ? "beside" : "image";
  const buttons = views.map((view) => {
    const button = element("input", {type: "radio", name: "view", value: view});
    button.checked = view === chosen.view;
    button.addEventListener("change", () => choose({view}));
    return element("label", {}, button, element("span", {}, VIEWS[view]));
  });
  $("views").replaceChildren($("views").querySelector("legend"), ...buttons);
  $("views").hidden = views.length < 2;
  $("plane-choice").hidden = words.frames || words.shape[0] === 1;
  $("frame").max = words.shape[0] - 1;
  $("frame").value = 0;
  for (const part of document.querySelectorAll(".maps-only")) part.hidden = !words.maps.length;
  options($("map"), words.maps.map((map, i) => [i, map.title]));
  options($("plane"), words.channels.map((channel, i) => [i, channel.name]));
  $("map").value = chosen.map;
  $("plane").value = chosen.channel;
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, title]) => element("option", {value}, title)));
}

/** Colour maps, those apart that colour-blind readers can use. */
function fillColours(select, names) {
  const unsafe = names.filter((name) => page.colours.unsafe.includes(name));
  const safe = element("optgroup", {label: "Colour-blind safe"});
  const others = element("optgroup", {label: "Others"});
  options(safe, names.filter((name) => !unsafe.includes(name)).map((name) => [name, name]));
  options(others, unsafe.map((name) => [name, name]));
  select.replaceChildren(safe, ...(unsafe.length ? [others] : []));
  select.value = names[0];
}

/** Show the controls that act on the chosen view, as they stand. */
function arrangeControls({maps, frames}) {
  const {view, channel} = chosen;
  const voxels = view === "space";
  $("map-choice").hidden = !maps.length || view === "image" || view === "all" || (voxels && chosen.voxels !== "map");
  $("opacity-choice").hidden = !maps.length || view === "image" || voxels;
  $("voxels-choice").hidden = !maps.length || !voxels;
  $("zooms").hidden = voxels;
  $("frame-choice").hidden = !frames || voxels;
  $("sum").checked = channel === "sum";
  $("frame-number").textContent = channel === "sum" ? "–" : channel;
}

function listen() {
  const when = (id, event, change) => $(id).addEventListener(event, () => choose(change($(id))));
  when("map", "change", (control) => ({map: Number(control.value)}));
  when("opacity", "input", (control) => ({opacity: control.value / 100}));
  when("plane", "change", (control) => ({channel: Number(control.value)}));
  when("frame", "input", (control) => ({channel: Number(control.value)}));
  when("sum", "change", (control) => ({channel: control.checked ? "sum" : Number($("frame").value)}));
  when("voxels", "change", (control) => ({voxels: control.value}));
  when("percent", "change", (control) => ({percent: Number(control.value)}));
  when("gamma", "input", (control) => ({gamma: control.value / 100}));
  for (const [kind, names] of Object.entries(page.colours.kinds)) {
    fillColours($(kind), names);
    chosen[kind] = names[0];
    when(kind, "change", (control) => ({[kind]: control.value}));
  }
  // A browser that reloads a page fills in what was chosen before; the page starts anew.
  Object.assign($("percent"), {value: chosen.percent});
  Object.assign($("gamma"), {value: 100 * chosen.gamma});
  Object.assign($("opacity"), {value: 100 * chosen.opacity});
  const press = (id, action) => $(id).addEventListener("click", action);
  press("closer", () => figure.zoom(1.5));
  press("farther", () => figure.zoom(1 / 1.5));
  press("whole", () => figure.whole());
  press("fit", () => figure.fit(charge()));
  press("save", savePicture);
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", route);
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

const KEYS = {
  "[": () => nextMap(-1),
  "]": () => nextMap(1),
  "+": () => figure.zoom(1.5),
  "=": () => figure.zoom(1.5),
  "-": () => figure.zoom(1 / 1.5),
  0: () => figure.whole(),
  c: () => figure.fit(charge()),
  v: nextView,
  p: () => $("previous").click(),
  n: () => $("next").click(),
  Escape: () => many && $("back").click(),
};

function pressed(event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!open || !open.image || modified || event.target.matches("select, input[type=search]")) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function nextMap(step) {
  const count = open.words.maps.length;
  if (!count) return;
  $("map").value = (chosen.map + step + count) % count;
  choose({map: Number($("map").value)});
}

function nextView() {
  const buttons = [...$("views").querySelectorAll("input")];
  const at = buttons.findIndex((button) => button.checked);
  buttons[(at + 1) % buttons.length]?.click();
}

function savePicture() {
  const {ids, source, entry} = open.words;
  const known = Object.entries(ids).filter(([, id]) => id !== null);
  const names = known.length ? known.map(([name, id]) => `${name}${id}`) : [source.replace(/[^\w.-]+/g, "_")];
  const filename = [...names, `entry${entry}`, chosen.view].join("_");
  const {width, height} = figure;
  Plotly.downloadImage(figure.plot, {format: "png", scale: 2, filename, width, height});
}
