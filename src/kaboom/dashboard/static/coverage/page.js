// The data page: loads the cells once, and draws them by what the form above and the legend say.
import { arrange, count, parse, rank, shareComplete } from './model.js';
import { mark, measure, number, paint } from './paint.js';
import { Card } from './card.js';
import { colours } from '../colours.js';

const host = document.getElementById('map');
const form = document.getElementById('filters');

const toPixel = (text) => {
  const [r, g, b] = text.match(/\d+/g).map(Number);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
};

// A busy API may need more time than an answer has, and goes on: the next question finds what it made.
const ask = async (path) => {
  for (let tries = 3; tries; tries--) {
    const answer = await fetch(path).catch(() => null);
    if (answer?.status !== 503) return answer;
    await new Promise((done) => setTimeout(done, 1000));
  }
  return null;
};

const start = async () => {
  const answer = await ask(host.dataset.cells);
  if (!answer?.ok) {
    document.getElementById('map-away').hidden = false;
    return;
  }
  const grid = parse(await answer.arrayBuffer(), document.documentElement.lang);
  const words = JSON.parse(host.dataset.words);
  const sectors = JSON.parse(host.dataset.sectors);
  const gaps = host.dataset.gaps.split(' ');
  const all = count(grid, gaps);
  const map = { grid, words, sectors, counts: all, first: 0, ranks: rank(grid.states, host.dataset.severity.split(' ')) };
  map.share = (rows, sessions) => shareComplete(grid, all, rows, sessions);
  map.order = null;
  map.arrange = (choices) => {
    map.order = arrange(grid, all, { ...choices, sectors, words });
    map.counts = map.order.rows.length === grid.symbols.length ? all : count(grid, gaps, map.order.rows);
    tell(map);
  };
  host.hidden = false;
  run(map);
};

// Every number of the page is about the rows that are shown.
const tell = ({ grid, counts, order, words }) => {
  for (const each of document.querySelectorAll('[data-sum]')) each.textContent = number(counts[each.dataset.sum]);
  grid.states.forEach((state, i) => {
    const label = document.querySelector(`[data-state="${state}"]`)?.closest('label');
    if (label) label.querySelector('.num').textContent = number(counts.byState[i]);
  });
  const isPart = order.rows.length < grid.symbols.length;
  const found = document.getElementById('found');
  found.textContent = isPart ? words.found.replace('{n}', number(order.rows.length)).replace('{all}', number(grid.symbols.length)) : '';
  for (const each of document.querySelectorAll('[data-part]')) each.hidden = !isPart;
};

const run = (map) => {
  const view = host.querySelector('.map-view');
  const canvas = host.querySelector('.map-cells');
  const said = host.querySelector('[role="status"]');
  const card = new Card(host, map);
  let at = null;
  let frame = 0;

  const choices = () => {
    const given = new FormData(form);
    return { group: given.get('group') ?? 'sector', q: given.get('q') ?? '', height: document.querySelector('[data-rows][aria-current]')?.dataset.rows ?? 'fit' };
  };

  const recolour = () => {
    map.palette = Object.values(colours(map.grid.states.map((state) => `c-${state}`))).map(toPixel);
    map.inks = Object.values(colours(['bg', 'ink', 'ink-2', 'ink-3', 'c-missing', 'accent']));
    map.shown = map.grid.states.map((state) => document.querySelector(`[data-state="${state}"]`)?.checked ?? true);
  };

  const scroll = () => {
    map.first = map.layout.isFit ? 0 : view.scrollTop / map.layout.row;
    paint(host, map);
    mark(host, map, at);
  };

  const layOut = () => {
    const { height } = choices();
    // A bar to scroll with takes room: it is there before the room is measured.
    view.style.overflowY = height === 'fit' ? 'hidden' : 'scroll';
    map.layout = measure(view.clientWidth, map.grid.width, map.order.rows.length, height);
    view.style.height = `${map.layout.high}px`;
    host.querySelector('.map-all').style.height = `${map.layout.all}px`;
    scroll();
  };

  const redraw = () => {
    recolour();
    layOut();
  };

  const reorder = () => {
    const { group, q } = choices();
    map.arrange({ group, q });
    at = null;
    card.hide();
    redraw();
  };

  const find = (event) => {
    const box = canvas.getBoundingClientRect();
    const { layout } = map;
    const column = Math.floor((event.clientX - box.left - layout.left) / layout.column);
    const y = event.clientY - box.top - layout.top;
    const row = Math.floor(y / layout.row + (layout.isFit ? 0 : map.first));
    const isInside = column >= 0 && column < map.grid.width && y >= 0 && y < layout.view && row < map.order.rows.length;
    return isInside ? { row, column } : null;
  };

  // In `fit` many symbols share a pixel: the card is about the worst of them, which is the one that is drawn.
  const worstOf = (place) => {
    if (!place || map.layout.row >= 1) return place;
    const size = Math.ceil(1 / map.layout.row);
    let found = place.row;
    let high = -1;
    for (let row = place.row; row < Math.min(place.row + size, map.order.rows.length); row++) {
      const state = map.grid.cells[map.order.rows[row] * map.grid.width + place.column];
      if (map.shown[state] && map.ranks[state] > high) {
        high = map.ranks[state];
        found = row;
      }
    }
    return { ...place, row: found };
  };

  const point = (place) => {
    at = place;
    mark(host, map, at);
    if (at) card.show(at);
    else card.hide();
  };

  const open = (place) => {
    if (!place) return;
    const cell = card.describe(place);
    const query = new URLSearchParams({ interval: map.grid.interval, session: cell.session, provider: map.grid.provider });
    location.href = `/symbols/${encodeURIComponent(cell.symbol)}?${query}`;
  };

  // What was searched for: the symbol of that code, or the only one that was found, on its newest session that has ended.
  const openFound = () => {
    const { rows } = map.order;
    const exact = rows.findIndex((i) => map.grid.symbols[i] === form.elements.q.value.trim().toUpperCase());
    if (exact < 0 && rows.length !== 1) return;
    const row = Math.max(0, exact);
    let column = map.grid.width - 1;
    while (column && card.describe({ row, column }).state === 'pending') column--;
    open({ row, column });
  };

  const say = () => {
    const cell = card.describe(at);
    said.textContent = `${cell.symbol} ${cell.name}, ${cell.session}: ${map.words[`s_${cell.state}`]}`;
  };

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0], PageDown: [20, 0] };
  const move = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter') open(at);
    if (event.key === 'Escape') point(null);
    const step = MOVES[event.key];
    if (!step || !map.order.rows.length) return;
    event.preventDefault();
    const from = at ?? { row: 0, column: map.grid.width };
    const clip = (n, most) => Math.max(0, Math.min(most - 1, n));
    const place = { row: clip(from.row + step[0], map.order.rows.length), column: clip(from.column + step[1], map.grid.width) };
    const { layout } = map;
    if (!layout.isFit) {
      const top = place.row * layout.row;
      if (top < view.scrollTop) view.scrollTop = top;
      if (top + layout.row > view.scrollTop + layout.view) view.scrollTop = top + layout.row - layout.view;
    }
    point(place);
    say();
  };

  const remember = () => {
    const query = new URLSearchParams(location.search);
    const { group, q, height } = choices();
    const boxes = [...document.querySelectorAll('[data-state]')];
    const set = (name, value, usual) => (value === usual ? query.delete(name) : query.set(name, value));
    set('group', group, 'sector');
    set('q', q, '');
    set('rows', height, 'fit');
    query.delete('state');
    if (!boxes.every((box) => box.checked)) for (const box of boxes.filter((each) => each.checked)) query.append('state', box.value);
    history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  };

  canvas.addEventListener('pointermove', (event) => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => point(worstOf(find(event))));
  });
  canvas.addEventListener('pointerleave', () => {
    cancelAnimationFrame(frame);
    point(null);
  });
  canvas.addEventListener('click', (event) => {
    point(worstOf(find(event)));
    open(at);
  });
  canvas.addEventListener('keydown', move);
  view.addEventListener('scroll', () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(scroll);
  });
  document.addEventListener('change', (event) => {
    if (event.target.matches('[data-state]')) redraw();
    else if (event.target.name === 'group') reorder();
    else if (event.target.matches('[data-choice]')) {
      event.target.form.requestSubmit();
      return;
    } else return;
    remember();
  });
  form.elements.q.addEventListener('input', () => {
    reorder();
    remember();
  });
  form.addEventListener('submit', (event) => {
    if (!event.submitter && document.activeElement !== form.elements.q) return;
    event.preventDefault();
    openFound();
  });
  for (const link of document.querySelectorAll('[data-rows]')) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      for (const each of document.querySelectorAll('[data-rows]')) each.removeAttribute('aria-current');
      link.setAttribute('aria-current', 'true');
      view.scrollTop = 0;
      point(null);
      layOut();
      remember();
    });
  }
  addEventListener('resize', () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(layOut);
  });
  document.addEventListener('redraw', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  reorder();
};

if (host) start();
