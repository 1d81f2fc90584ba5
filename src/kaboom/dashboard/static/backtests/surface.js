// The surface of a sweep: a canvas of cells over two parameters, coloured by a metric; a pointer and arrow keys read it.
import { colours } from '../colours.js';

const VALUES = { total_return: 1, sharpe: 2, max_drawdown: 3 };
const ROW_PX = 26;
const MOST_PX = 520;

const minus = (text) => text.replace('-', '−');
const sayMetric = (name, value) => {
  if (value === null) return '–';
  return minus(name === 'sharpe' ? value.toFixed(2) : `${(100 * value).toFixed(1)}%`);
};

const start = async (host) => {
  host.dataset.isOn = 'yes';
  const answer = await fetch(host.dataset.path);
  if (!answer.ok) return;
  const { surfaces } = await answer.json();
  const words = JSON.parse(host.dataset.words);
  const canvas = host.querySelector('canvas');
  const readout = host.querySelector('[data-readout]');
  const pair = host.querySelector('[data-pair]');
  const choice = host.querySelector('[data-metric]');
  let at = null;
  let layout = null;

  const shown = () => surfaces[Number(pair.value) || 0];
  const sizeOf = ({ x_values: xs, y_values: ys }) => ({ columns: xs.length, rows: Math.max(1, ys.length) });
  // The highest value of the second parameter is on top.
  const cellAt = (surface, { column, row }) => {
    const { columns, rows } = sizeOf(surface);
    return surface.cells[(rows - 1 - row) * columns + column];
  };

  const measure = (surface) => {
    const { columns, rows } = sizeOf(surface);
    const wide = host.clientWidth;
    const left = surface.y ? (wide < 560 ? 48 : 72) : 8;
    const high = Math.min(MOST_PX, Math.max(rows * ROW_PX, rows < 4 ? rows * 40 : 160));
    return { wide, left, top: 20, column: (wide - left) / columns, row: high / rows, high, all: high + 60, columns, rows };
  };

  const say = () => {
    const surface = shown();
    const cell = at && cellAt(surface, at);
    if (!at) return;
    const place = [`${surface.x} ${surface.x_values[at.column]}`];
    if (surface.y) place.unshift(`${surface.y} ${surface.y_values[layout.rows - 1 - at.row]}`);
    const parts = cell
      ? [words.trial.replace('{n}', String(cell[0])), ...Object.keys(VALUES).map((name) => `${words[name]} ${sayMetric(name, cell[VALUES[name]])}`)]
      : [words.none];
    readout.textContent = `${place.join(', ')}: ${parts.join(', ')}`;
  };

  const drawAxes = (g, surface, ink) => {
    g.fillStyle = ink.ink3;
    const { left, top, column, row, high, columns, rows } = layout;
    const stepX = Math.max(1, Math.ceil(44 / column));
    g.textAlign = 'center';
    g.textBaseline = 'alphabetic';
    for (let n = 0; n < columns; n += stepX) g.fillText(String(surface.x_values[n]), left + (n + 0.5) * column, top + high + 16);
    g.fillText(surface.x, left + (columns * column) / 2, top + high + 34);
    if (!surface.y) return;
    g.textAlign = 'right';
    g.textBaseline = 'middle';
    const stepY = Math.max(1, Math.ceil(16 / row));
    for (let n = 0; n < rows; n += stepY) g.fillText(String(surface.y_values[rows - 1 - n]), left - 8, top + (n + 0.5) * row);
    g.textAlign = 'left';
    g.fillText(surface.y, 0, 8);
  };

  const drawCell = (g, { value, scale, ink, name }, x, y) => {
    const { column, row } = layout;
    // Values below 0 have the colour of a fall, the others that of a rise; the strength is the place between them.
    const [low, high] = scale[value >= 0];
    g.globalAlpha = 0.06 + (0.46 * (Math.abs(value) - low)) / (high - low || 1);
    g.fillStyle = value >= 0 ? ink.up : ink.down;
    g.fillRect(x, y, column - 1, row - 1);
    g.globalAlpha = 1;
    const text = sayMetric(name, value);
    if (g.measureText(text).width > column - 8 || row < 15) return;
    g.fillStyle = ink.ink;
    g.textAlign = 'center';
    g.textBaseline = 'middle';
    g.fillText(text, x + column / 2, y + row / 2);
  };

  const draw = () => {
    const surface = shown();
    const name = choice.value;
    layout = measure(surface);
    const dpr = devicePixelRatio || 1;
    canvas.width = Math.round(layout.wide * dpr);
    canvas.height = Math.round(layout.all * dpr);
    canvas.style.height = `${layout.all}px`;
    const g = canvas.getContext('2d');
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    g.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const ink = colours({ ink: 'ink', ink3: 'ink-3', up: 'up', down: 'down', none: 'bg-3', accent: 'accent' });
    const known = surface.cells.filter(Boolean).map((cell) => cell[VALUES[name]]).filter((value) => value !== null);
    const span = (values) => [Math.min(...values), Math.max(...values)];
    const scale = { true: span(known.filter((value) => value >= 0)), false: span(known.filter((value) => value < 0).map(Math.abs)) };
    for (let row = 0; row < layout.rows; row++) {
      for (let column = 0; column < layout.columns; column++) {
        const cell = cellAt(surface, { column, row });
        const [x, y] = [layout.left + column * layout.column, layout.top + row * layout.row];
        const value = cell ? cell[VALUES[name]] : null;
        if (value === null) {
          g.fillStyle = ink.none;
          g.fillRect(x, y, layout.column - 1, layout.row - 1);
        } else drawCell(g, { value, scale, ink, name }, x, y);
      }
    }
    drawAxes(g, surface, ink);
    const label = surface.y ? words.label.replace('{x}', surface.x).replace('{y}', surface.y) : words.label_1.replace('{x}', surface.x);
    canvas.setAttribute('aria-label', label);
    if (!at) return;
    g.strokeStyle = ink.accent;
    g.lineWidth = 2;
    g.strokeRect(layout.left + at.column * layout.column - 0.5, layout.top + at.row * layout.row - 0.5, layout.column, layout.row);
  };

  const point = (place) => {
    at = place;
    draw();
    say();
  };

  // The best trial is the first that is read.
  const findBest = () => {
    const surface = shown();
    const rank = VALUES[host.dataset.rank];
    let best = null;
    for (let row = 0; row < layout.rows; row++) {
      for (let column = 0; column < layout.columns; column++) {
        const cell = cellAt(surface, { column, row });
        if (cell && cell[rank] !== null && (!best || cell[rank] > best.value)) best = { value: cell[rank], column, row };
      }
    }
    return best && { column: best.column, row: best.row };
  };

  const clip = (n, most) => Math.max(0, Math.min(most - 1, n));
  const MOVES = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  canvas.addEventListener('keydown', (event) => {
    const step = MOVES[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const from = at ?? { column: 0, row: 0 };
    point({ column: clip(from.column + step[0], layout.columns), row: clip(from.row + step[1], layout.rows) });
  });
  canvas.addEventListener('pointermove', (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - layout.left) / layout.column);
    const row = Math.floor((event.clientY - box.top - layout.top) / layout.row);
    if (column < 0 || row < 0 || column >= layout.columns || row >= layout.rows) return;
    if (at?.column !== column || at?.row !== row) point({ column, row });
  });
  const anew = () => {
    at = null;
    draw();
    point(findBest());
  };
  pair.addEventListener('change', anew);
  choice.addEventListener('change', draw);
  addEventListener('resize', draw);
  document.addEventListener('redraw', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  host.hidden = false;
  anew();
};

// The page of a sweep that was running gets its surface when the sweep has ended.
const look = () => {
  const host = document.getElementById('surface');
  if (host && !host.dataset.isOn) start(host);
};
document.addEventListener('htmx:afterSettle', look);
look();
