// Draws the map: cells as pixels of an image, bars of what is to fetch above it, names at its sides.
const TOP = 62;
const BOTTOM = 22;
const NEWEST = 20;
const HIGHEST_ROW = 60;

const ja = document.documentElement.lang === 'ja';
export const number = (n, digits = 0) => n.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Where everything lies, in CSS pixels. In `fit` all rows share the height, up to that of a few lines of text; otherwise a row has one of its own.
export const measure = (wide, width, rows, height) => {
  const narrow = wide < 560;
  const right = narrow ? 0 : 84;
  const left = narrow ? 100 : 180;
  // Whole pixels where that wastes little, else parts of them: the map fills its width.
  const exact = Math.max(1, (wide - left - right) / width);
  const column = exact > 8 ? Math.floor(exact) : exact;
  const isFit = height === 'fit';
  const most = isFit ? HIGHEST_ROW : Number(height);
  const view = Math.min(isFit && narrow ? 560 : 600, Math.max(1, rows) * most);
  const row = isFit ? view / Math.max(1, rows) : most;
  return { wide, narrow, left, right, column, row, view, isFit, top: TOP, width: column * width, all: TOP + BOTTOM + Math.max(view, row * rows), high: TOP + view + BOTTOM };
};

export const prepare = (canvas, wide, high) => {
  const dpr = devicePixelRatio || 1;
  if (canvas.width !== Math.round(wide * dpr) || canvas.height !== Math.round(high * dpr)) {
    canvas.width = Math.round(wide * dpr);
    canvas.height = Math.round(high * dpr);
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
  }
  const context = canvas.getContext('2d');
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.clearRect(0, 0, wide, high);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = 'middle';
  return context;
};

const shorten = (g, text, wide) => {
  if (g.measureText(text).width <= wide) return text;
  let short = text;
  while (short && g.measureText(`${short}…`).width > wide) short = short.slice(0, -1).trimEnd();
  return `${short}…`;
};

// One pixel of the image for each session and each line of the screen: the worst of the symbols that share it.
const image = (map, layout, first, lines) => {
  const { grid, ranks, palette, shown } = map;
  const { rows } = map.order;
  const out = new ImageData(grid.width, Math.max(1, lines));
  const pixels = new Uint32Array(out.data.buffer);
  const dpr = devicePixelRatio || 1;
  const step = 1 / dpr / layout.row;
  const none = grid.states.indexOf('empty');
  for (let y = 0; y < lines; y++) {
    const from = Math.floor(first + y * step);
    const to = Math.max(from + 1, Math.min(rows.length, Math.floor(first + (y + 1) * step)));
    for (let j = 0; j < grid.width; j++) {
      let worst = none;
      let high = -1;
      for (let at = from; at < to && at < rows.length; at++) {
        const state = grid.cells[rows[at] * grid.width + j];
        if (shown[state] && ranks[state] > high) {
          high = ranks[state];
          worst = state;
        }
      }
      pixels[y * grid.width + j] = from < rows.length ? palette[worst] : 0;
    }
  }
  return out;
};

const drawCells = (g, map, layout, first) => {
  const dpr = devicePixelRatio || 1;
  const seen = Math.min(layout.view, map.order.rows.length * layout.row);
  const lines = Math.round(seen * dpr);
  const off = new OffscreenCanvas(map.grid.width, Math.max(1, lines));
  off.getContext('2d').putImageData(image(map, layout, first, lines), 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(off, layout.left, layout.top, layout.width, seen);
};

// Above the map: how many symbols a backfill would take of each session. Bars stand on zero.
const drawBars = (g, map, layout) => {
  const [, ink, , ink3, bad] = map.inks;
  const { bySession } = map.counts;
  const peak = Math.max(...bySession);
  const high = (n) => Math.max(1, (n / peak) * 36);
  g.fillStyle = bad;
  bySession.forEach((n, j) => {
    if (n) g.fillRect(layout.left + j * layout.column, layout.top - 4 - high(n), Math.max(1, layout.column - (layout.column > 2 ? 1 : 0)), high(n));
  });
  g.textAlign = 'right';
  g.fillStyle = ink3;
  g.fillText(shorten(g, map.words.per_session, layout.left - 10), layout.left - 8, layout.top - 10);
  const last = bySession.length - 1;
  const newest = map.words.newest.replace('{n}', number(bySession[last]));
  const wide = g.measureText(newest).width;
  // Above all bars that it covers, not only the last.
  const covered = Math.max(...bySession.slice(-Math.ceil((wide + 4) / layout.column)));
  g.fillText(newest, layout.left + layout.width, layout.top - 14 - (peak ? (covered / peak) * 36 : 0));
  const at = bySession.indexOf(peak);
  if (!peak || layout.left + at * layout.column > layout.left + layout.width - wide - 60) return;
  const half = g.measureText(`00/00: ${number(peak)}`).width / 2;
  g.textAlign = 'center';
  g.fillStyle = ink;
  g.fillText(`${map.grid.sessions[at].slice(5).replace('-', '/')}: ${number(peak)}`, Math.max(layout.left + half, layout.left + (at + 0.5) * layout.column), layout.top - 50);
};

const drawMonths = (g, map, layout) => {
  const [bg, , , ink3] = map.inks;
  const bottom = layout.top + layout.view;
  let free = -99;
  g.textAlign = 'left';
  map.grid.sessions.forEach((day, j) => {
    if (j && day.slice(0, 7) === map.grid.sessions[j - 1].slice(0, 7)) return;
    const x = layout.left + j * layout.column;
    if (j) {
      g.fillStyle = bg;
      g.globalAlpha = 0.55;
      g.fillRect(x, layout.top, 1, layout.view);
      g.globalAlpha = 1;
    }
    const text = day.slice(5, 7) === '01' ? day.slice(0, 4) : day.slice(layout.narrow ? 5 : 2, 7).replace('-', '/');
    if (x - free < (layout.narrow ? 34 : 40) || x > layout.left + layout.width - 28) return;
    g.fillStyle = ink3;
    g.fillText(text, x, bottom + 12);
    free = x;
  });
};

const drawNames = (g, map, layout, first) => {
  const [, , ink2] = map.inks;
  const { rows } = map.order;
  g.textAlign = 'right';
  g.fillStyle = ink2;
  for (let at = Math.floor(first); at < Math.min(rows.length, first + layout.view / layout.row); at++) {
    const y = layout.top + (at - first + 0.5) * layout.row;
    if (y < layout.top + 4 || y > layout.top + layout.view - 4) continue;
    g.fillText(shorten(g, `${map.grid.symbols[rows[at]]} ${map.grid.titles[rows[at]]}`, layout.left - 10), layout.left - 8, y);
  }
};

const drawBands = (g, map, layout, first) => {
  const [bg, ink, ink2, ink3] = map.inks;
  let free = -99;
  g.textAlign = 'right';
  if (layout.right) {
    g.fillStyle = ink3;
    g.fillText(map.words.last_20, layout.left + layout.width + 60, layout.top - 10);
  }
  for (const band of map.order.bands) {
    const from = Math.max(layout.top, layout.top + (band.from - first) * layout.row);
    const to = Math.min(layout.top + layout.view, layout.top + (band.to - first) * layout.row);
    if (to <= layout.top || from >= layout.top + layout.view) continue;
    g.fillStyle = bg;
    if (from > layout.top) g.fillRect(layout.left, Math.round(from), layout.width, 1);
    const middle = (from + to) / 2;
    if (to - from < 9 || middle - free < 14) continue;
    free = middle;
    g.fillStyle = ink2;
    g.fillText(shorten(g, band.name, layout.left - 10), layout.left - 8, middle);
    if (!layout.right) continue;
    band.share ??= map.share(map.order.rows.slice(band.from, band.to), NEWEST);
    if (band.share === null) continue;
    g.fillStyle = band.share < 99 ? ink : ink3;
    g.fillText(`${number(band.share, 1)}${ja ? '％' : '%'}`, layout.left + layout.width + 60, middle);
  }
};

export const paint = (host, map) => {
  const layout = map.layout;
  const canvas = host.querySelector('.map-cells');
  const g = prepare(canvas, layout.wide, layout.high);
  const first = layout.isFit ? 0 : map.first;
  drawCells(g, map, layout, first);
  drawBars(g, map, layout);
  drawMonths(g, map, layout);
  if (layout.row >= 12) drawNames(g, map, layout, first);
  else if (map.order.bands.length) drawBands(g, map, layout, first);
  if (!map.order.rows.length) {
    g.textAlign = 'left';
    g.fillStyle = map.inks[2];
    g.fillText(map.words.no_match, layout.left, layout.top + 14);
  }
};

// The session of the place that is chosen, and its row, on a canvas of their own: the cells are not drawn again.
export const mark = (host, map, at) => {
  const layout = map.layout;
  const g = prepare(host.querySelector('.map-over'), layout.wide, layout.high);
  if (!at) return;
  const first = layout.isFit ? 0 : map.first;
  const x = layout.left + at.column * layout.column;
  const y = layout.top + (at.row - first) * layout.row;
  g.strokeStyle = map.inks[5];
  g.strokeRect(x - 1.5, layout.top - 1.5, layout.column + 3, layout.view + 3);
  if (y < layout.top - layout.row || y > layout.top + layout.view) return;
  const high = Math.max(layout.row, 3);
  g.strokeRect(x - 2.5, y - 1.5, layout.column + 5, high + 3);
};
