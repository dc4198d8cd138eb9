"use strict";

// Panels of one event, drawn by plotly, with linked axes and one cursor in all of them.

const SPACE = {left: 64, right: 12, top: 26, bottom: 46, between: 14, above: 24, bar: 78, barBetween: 96};
const SHORTEST = 240; // of the drawn image [px]
const ROOMY = 180; // height of a panel that has a title of its own axis [px]
const SMALLEST_MARKER = 3;
const LARGEST_MARKER = 14;

/** Text that plotly shows as it is: it would read HTML tags in it. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

class Figure {
  /** describe(row, column): what the tip tells about a pixel, as [name, value] pairs. */
  constructor(stage, describe) {
    this.stage = stage;
    this.plot = stage.querySelector("#plot");
    this.marks = stage.querySelector("#marks");
    this.tip = stage.querySelector("#tip");
    this.describe = describe;
    this.of = null; // the event that is drawn
    this.panels = [];
    this.range = null; // visible {x, y} in detector units
    this.cursor = null; // {row, column}
    this.kind = "";
    this.pressed = false;
    stage.addEventListener("pointermove", (event) => this.follow(event), true);
    stage.addEventListener("pointerdown", (event) => this.press(event), true);
    window.addEventListener("pointerup", () => (this.pressed = false), true);
    stage.addEventListener("pointerleave", () => this.point(null));
    stage.addEventListener("keydown", (event) => this.key(event));
  }

  /**
   * Draw panels side by side. place: {x, y, labels, square, rows, columns}, where the image lies and how large it is.
   * A panel: {title, charge, map, opacity, bar}; charge and map are fields (see paint), bar {low, high, table, gamma,
   * title} or null.
   */
  draw(panels, place, perRow, theme) {
    if (!this.place || String([this.place.x, this.place.y]) !== String([place.x, place.y])) this.range = null;
    Object.assign(this, {panels, place, perRow, theme});
    this.range = this.range || {x: [...place.x], y: [...place.y]};
    this.boxes = this.arrange();
    const painted = new Map();
    const source = (field) => {
      if (!painted.has(field)) painted.set(field, this.picture(field));
      return painted.get(field);
    };
    const traces = panels.flatMap((panel, i) => this.traces(panel, i, source));
    this.show("flat", traces, this.layout());
    this.point(this.cursor);
  }

  /** Where every panel lies in the stage [px]; sets the size of the whole. */
  arrange() {
    const {place, panels, perRow} = this;
    const bars = panels.some((panel) => panel.bar);
    const rows = Math.ceil(panels.length / perRow);
    const beside = bars ? SPACE.barBetween : SPACE.between;
    const room = this.stage.clientWidth - SPACE.left - (bars ? SPACE.bar : SPACE.right) - (perRow - 1) * beside;
    const ratio = place.square ? place.rows / place.columns : 1;
    const tallest = rows > 1 ? Infinity : Math.max(this.roomBelow() - SPACE.top - SPACE.bottom, SHORTEST);
    const width = Math.max(Math.min(room / perRow, tallest / ratio), 40);
    const height = width * ratio;
    const left = SPACE.left + (room - width * perRow) / 2;
    this.width = this.stage.clientWidth;
    this.height = SPACE.top + rows * height + (rows - 1) * SPACE.above + SPACE.bottom;
    return panels.map((_, i) => ({
      left: left + (i % perRow) * (width + beside),
      top: SPACE.top + Math.floor(i / perRow) * (height + SPACE.above),
      width,
      height,
    }));
  }

  /** Height of the window below the stage's upper edge [px]. */
  roomBelow() {
    return window.innerHeight - this.stage.getBoundingClientRect().top - window.scrollY - 12;
  }

  /** The visible part of a field and half as much on every side, painted: {source, x0, dx, y0, dy} of a plotly image. */
  picture(field) {
    const {place, boxes, range} = this;
    const along = (edges, count, [low, high], size) => {
      const pixel = (edges[1] - edges[0]) / count;
      const [a, b] = [(low - edges[0]) / pixel, (high - edges[0]) / pixel];
      const first = Math.min(Math.max(Math.floor(a - (b - a) / 2), 0), count - 1);
      const last = Math.max(Math.min(Math.ceil(b + (b - a) / 2), count), first + 1);
      const room = (size * window.devicePixelRatio * (last - first)) / (b - a);
      const drawn = steps(first, last, room);
      const step = ((last - first) * pixel) / (drawn.length - 1);
      return {drawn, start: edges[0] + first * pixel + step / 2, step};
    };
    const x = along(place.x, place.columns, range.x, boxes[0].width);
    const y = along(place.y, place.rows, range.y, boxes[0].height);
    const source = paint(field, y.drawn, x.drawn).toDataURL();
    return {source, x0: x.start, dx: x.step, y0: y.start, dy: y.step};
  }

  traces(panel, i, source) {
    const axes = {xaxis: `x${i ? i + 1 : ""}`, yaxis: `y${i ? i + 1 : ""}`};
    const image = (field, opacity) => ({type: "image", ...source(field), ...axes, opacity, hoverinfo: "skip"});
    const traces = [image(panel.charge, 1)];
    if (panel.map) traces.push(image(panel.map, panel.opacity));
    if (panel.bar) traces.push({...this.bar(panel.bar, this.boxes[i]), ...axes});
    return traces;
  }

  /** A colour bar: that of a trace which has no other point to show. */
  bar(bar, box) {
    const marker = this.colouring(bar);
    Object.assign(marker.colorbar, {
      x: (box.left + box.width + 8) / this.width,
      xref: "container",
      xanchor: "left",
      y: 1 - (box.top + box.height / 2) / this.height,
      yref: "container",
      yanchor: "middle",
      len: box.height,
      lenmode: "pixels",
    });
    return {type: "scatter", mode: "markers", x: [null], y: [null], hoverinfo: "skip", showlegend: false, marker};
  }

  /** The colours of markers, and their bar. */
  colouring(bar) {
    const {ink, line} = this.theme;
    return {
      color: [bar.low],
      cmin: bar.low,
      cmax: bar.high,
      colorscale: colourScale(bar.table, bar.gamma),
      showscale: true,
      colorbar: {
        xpad: 0,
        ypad: 0,
        thickness: 12,
        outlinecolor: line,
        outlinewidth: 1,
        nticks: 6,
        tickfont: {color: ink, size: 11},
        exponentformat: "power",
        title: {text: plain(bar.title), side: "right", font: {color: ink, size: 12}},
      },
    };
  }

  layout() {
    const {place, boxes, panels, perRow, theme, width, height} = this;
    const layout = {
      width,
      height,
      margin: {l: 0, r: 0, t: 0, b: 0, pad: 0, autoexpand: false}, // boxes say where everything lies
      paper_bgcolor: theme.ground,
      plot_bgcolor: theme.ground,
      font: {family: theme.font, color: theme.ink, size: 12},
      dragmode: "pan",
      hovermode: false,
      showlegend: false,
      annotations: [],
    };
    boxes.forEach((box, i) => {
      const n = i ? i + 1 : "";
      const lowest = i + perRow >= panels.length;
      const axis = {
        showgrid: false,
        zeroline: false,
        ticks: "outside",
        ticklen: 4,
        tickcolor: theme.line,
        linecolor: theme.line,
        showline: true,
        mirror: true,
        exponentformat: "none",
        separatethousands: false,
        nticks: Math.max(4, Math.round(box.width / 70)),
        };
      layout[`xaxis${n}`] = {
        ...axis,
        anchor: `y${n}`,
        domain: [box.left / width, (box.left + box.width) / width],
        range: [...this.range.x],
        showticklabels: lowest,
        ...(i ? {matches: "x"} : {}),
      };
      layout[`yaxis${n}`] = {
        ...axis,
        anchor: `x${n}`,
        domain: [1 - (box.top + box.height) / height, 1 - box.top / height],
        range: [...this.range.y],
        showticklabels: i % perRow === 0,
        ...(i ? {matches: "y"} : place.square ? this.anchored() : {}),
      };
      if (panels[i].title) layout.annotations.push(...this.heading(panels[i], box));
      if (lowest) layout.annotations.push(this.axisTitle(place.labels[0], box, false));
      const roomy = lowest || box.height > ROOMY;
      if (i % perRow === 0 && roomy) layout.annotations.push(this.axisTitle(place.labels[1], box, true));
    });
    return layout;
  }

  /** Pixels stay square, whatever is zoomed to. */
  anchored() {
    const {x, y, rows, columns} = this.place;
    const ratio = (x[1] - x[0]) / columns / ((y[1] - y[0]) / rows);
    return {scaleanchor: "x", scaleratio: ratio, constrain: "range"};
  }

  /** Title of a panel on the left, the ends of its scale on the right. */
  heading({title, ends}, box) {
    const most = Math.floor(box.width / 7.5) - (ends ? ends.length : 0);
    const shown = title.length > most ? `${title.slice(0, Math.max(most - 1, 1))}…` : title;
    const words = (text, left, xanchor, size) => ({...this.words(text, left, box.top, size), xanchor, yanchor: "bottom"});
    const name = words(shown, box.left, "left", 13);
    return ends ? [name, words(ends, box.left + box.width, "right", 11)] : [name];
  }

  /** The title of an axis: plotly would place it by margins, and here there are none. */
  axisTitle(title, box, up) {
    if (!up) return {...this.words(title, box.left + box.width / 2, box.top + box.height + 22, 13), yanchor: "top"};
    return {...this.words(title, box.left - 62, box.top + box.height / 2, 13), textangle: -90, xanchor: "left", yanchor: "middle"};
  }

  words(text, left, top, size) {
    return {
      text: plain(text),
      x: left / this.width,
      y: 1 - top / this.height,
      xref: "paper",
      yref: "paper",
      showarrow: false,
      borderpad: 2,
      font: {size, color: this.theme.ink},
    };
  }

  /** Voxels in space and time. voxels: [{x, y, frame, charge, colour, text}]; place.frames: how many; bar as in draw. */
  drawSpace(voxels, place, bar, theme) {
    Object.assign(this, {panels: [], boxes: [], place, theme});
    this.width = this.stage.clientWidth;
    this.height = Math.max(Math.min(this.roomBelow(), this.width), 1.5 * SHORTEST);
    const most = voxels.reduce((top, {charge}) => Math.max(top, charge), 0) || 1;
    const share = (charge) => Math.sqrt(Math.min(Math.max(charge / most, 0), 1));
    const trace = {
      type: "scatter3d",
      mode: "markers",
      x: voxels.map(({x}) => x),
      y: voxels.map(({frame}) => frame),
      z: voxels.map(({y}) => y),
      text: voxels.map(({text}) => text),
      hovertemplate: "%{text}<extra></extra>",
      marker: {
        ...this.colouring(bar),
        color: voxels.map(({colour}) => colour),
        size: voxels.map(({charge}) => SMALLEST_MARKER + share(charge) * (LARGEST_MARKER - SMALLEST_MARKER)),
        line: {width: 0},
        opacity: 1,
      },
    };
    trace.marker.colorbar.len = 0.7;
    this.show("space", [trace], this.spaceLayout());
    this.point(null);
  }

  spaceLayout() {
    const {place, theme, width, height} = this;
    const away = Math.max(1, (1.15 * height) / (width - SPACE.bar)); // a narrow window sees the whole cube from further
    const axis = (title, range) => ({
      title: {text: plain(title)},
      range,
      gridcolor: theme.line,
      zeroline: false,
      showbackground: false,
      showspikes: false,
      exponentformat: "none",
      nticks: 6,
    });
    return {
      width,
      height,
      margin: {l: 0, r: 0, t: 0, b: 0},
      paper_bgcolor: theme.ground,
      font: {family: theme.font, color: theme.ink, size: 12},
      uirevision: "space", // the view stays as it was turned
      scene: {
        domain: {x: [0, 1 - SPACE.bar / width]},
        xaxis: axis(place.labels[0], place.x),
        yaxis: axis("Time frame", [-0.5, place.frames - 0.5]),
        zaxis: axis(place.labels[1], place.y),
        aspectmode: "cube",
        camera: {eye: {x: 1.35 * away, y: -1.65 * away, z: 0.7 * away}, center: {x: 0, y: 0, z: -0.12}},
      },
    };
  }

  show(kind, traces, layout) {
    if (this.kind !== kind) {
      Plotly.purge(this.plot);
      this.fresh = true;
    }
    this.kind = kind;
    const config = {displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false};
    Plotly.react(this.plot, traces, layout, config);
    if (!this.fresh) return;
    this.fresh = false;
    this.plot.on("plotly_relayout", () => this.moved());
    this.plot.on("plotly_relayouting", () => this.point(null));
    this.plot.on("plotly_doubleclick", () => this.whole());
  }

  /** The axes were dragged or scrolled: paint what is visible now. */
  moved() {
    if (this.kind !== "flat") return;
    const {xaxis, yaxis} = this.plot.layout;
    this.look([...xaxis.range], [...yaxis.range]);
  }

  look(x, y) {
    this.range = {x, y};
    this.draw(this.panels, this.place, this.perRow, this.theme);
  }

  whole() {
    if (this.kind === "flat") this.look([...this.place.x], [...this.place.y]);
  }

  /** Zoom by a factor around the cursor, or the middle. */
  zoom(factor) {
    if (this.kind !== "flat") return;
    const at = this.cursor ? this.position(this.cursor) : null;
    const around = ([low, high], centre) => [centre - (centre - low) / factor, centre + (high - centre) / factor];
    const middle = ([low, high]) => (low + high) / 2;
    const {x, y} = this.range;
    this.look(around(x, at ? at.x : middle(x)), around(y, at ? at.y : middle(y)));
  }

  /** Show only the square around charge, an (H, W) field's values: the middle 95 % of it, and some room. */
  fit(values) {
    if (this.kind !== "flat") return;
    const {rows, columns, x, y} = this.place;
    const across = new Float64Array(columns);
    const up = new Float64Array(rows);
    values.forEach((value, i) => {
      const weight = Number.isFinite(value) ? Math.abs(value) : 0;
      across[i % columns] += weight;
      up[Math.floor(i / columns)] += weight;
    });
    const [a, b] = [span(across), span(up)];
    if (!a || !b) return;
    const side = 1.2 * Math.max(a[1] - a[0], b[1] - b[0]) + 2;
    const ratio = this.boxes[0].height / this.boxes[0].width;
    const [wide, high] = ratio > 1 ? [side, side * ratio] : [side / ratio, side];
    const part = ([first, last], length, count, [low, top]) => {
      const start = Math.min(Math.max((first + last - length) / 2, 0), Math.max(count - length, 0));
      const unit = (top - low) / count;
      return [low + start * unit, low + Math.min(start + length, count) * unit];
    };
    this.look(part(a, wide, columns, x), part(b, high, rows, y));
  }

  /** Middle of a pixel in detector units. */
  position({row, column}) {
    const {x, y, rows, columns} = this.place;
    return {
      x: x[0] + ((column + 0.5) / columns) * (x[1] - x[0]),
      y: y[0] + ((row + 0.5) / rows) * (y[1] - y[0]),
    };
  }

  press(event) {
    this.pressed = true;
    if (event.pointerType === "touch") this.follow(event);
  }

  follow(event) {
    if (this.kind !== "flat" || (this.pressed && event.pointerType !== "touch")) return;
    const area = this.stage.getBoundingClientRect();
    const [left, top] = [event.clientX - area.left, event.clientY - area.top];
    const box = this.boxes.find(
      (b) => left >= b.left && left < b.left + b.width && top >= b.top && top < b.top + b.height
    );
    if (!box) return this.point(null);
    const {x, y, rows, columns} = this.place;
    const at = (share, [low, high], edges, count) =>
      Math.floor(((low + share * (high - low) - edges[0]) / (edges[1] - edges[0])) * count);
    const column = at((left - box.left) / box.width, this.range.x, x, columns);
    const row = at(1 - (top - box.top) / box.height, this.range.y, y, rows);
    const inside = row >= 0 && row < rows && column >= 0 && column < columns;
    this.point(inside ? {row, column} : null, this.boxes.indexOf(box));
  }

  /** Put the cursor on a pixel: a cross in every panel, the tip beside that of the panel it was moved in. */
  point(cursor, panel = 0) {
    this.cursor = cursor;
    this.marks.replaceChildren();
    this.tip.hidden = !cursor || !this.boxes.length;
    if (this.tip.hidden) return;
    const {x, y} = this.position(cursor);
    const places = this.boxes.map((box) => {
      const across = (x - this.range.x[0]) / (this.range.x[1] - this.range.x[0]);
      const up = (y - this.range.y[0]) / (this.range.y[1] - this.range.y[0]);
      return {left: box.left + across * box.width, top: box.top + (1 - up) * box.height, out: across < 0 || across > 1 || up < 0 || up > 1};
    });
    for (const {left, top, out} of places) {
      if (out) continue;
      const mark = document.createElement("div");
      mark.className = "cross";
      mark.style.transform = `translate(${left}px, ${top}px)`;
      this.marks.append(mark);
    }
    this.tell(places[panel], this.describe(cursor.row, cursor.column));
  }

  tell({left, top}, pairs) {
    const list = document.createElement("dl");
    for (const [name, value] of pairs) {
      const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      detail.textContent = value;
      list.append(term, detail);
    }
    this.tip.replaceChildren(list);
    const {offsetWidth, offsetHeight} = this.tip;
    const right = left + 16 + offsetWidth > this.width;
    this.tip.style.left = `${Math.max(right ? left - 16 - offsetWidth : left + 16, 0)}px`;
    this.tip.style.top = `${Math.max(top + 16 + offsetHeight > this.height ? top - 16 - offsetHeight : top + 16, 0)}px`;
  }

  /** Arrow keys move the cursor; it starts in the middle of what is visible. */
  key(event) {
    const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0]};
    if (this.kind !== "flat" || !(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const {rows, columns, x, y} = this.place;
    const middle = ([low, high], edges, count) =>
      Math.floor((((low + high) / 2 - edges[0]) / (edges[1] - edges[0])) * count);
    const start = this.cursor || {row: middle(this.range.y, y, rows), column: middle(this.range.x, x, columns)};
    const [up, right] = moves[event.key].map((step) => step * (event.shiftKey ? 10 : 1));
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    this.point({row: within(start.row + up, rows), column: within(start.column + right, columns)});
  }
}

/** [first, last) bins that hold the middle 95 % of a profile, or null for an empty one. */
function span(profile) {
  const total = profile.reduce((sum, value) => sum + value, 0);
  if (!total) return null;
  let sum = 0;
  let first = null;
  for (let i = 0; i < profile.length; i++) {
    sum += profile[i];
    if (first === null && sum >= 0.025 * total) first = i;
    if (sum >= 0.975 * total) return [first, i + 1];
  }
  return [first, profile.length];
}
