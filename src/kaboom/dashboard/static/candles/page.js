// The page of a symbol: draws its bars as candles and volume, with indicators or compared symbols, and steps by keys.
import { colours } from '../colours.js';
import { lunch, overCandles, overVolume } from './marks.js';
import { addCompared, addLines, lineInks } from './lines.js';

const host = document.getElementById('candles');
const JST_S = 9 * 3600;
const NARROW = 560;
const isJapanese = document.documentElement.lang === 'ja';

const read = ([time, open, high, low, close, volume, flags, auction]) => ({
  time, open, high, low, close, volume, auction, flags: flags ? flags.split('+') : [], day: new Date(time * 1000).toISOString().slice(0, 10),
});

const INKS = { bg: 'bg', bg3: 'bg-3', ink: 'ink', ink2: 'ink-2', ink3: 'ink-3', line: 'line', line2: 'line-2', up: 'up', down: 'down', warn: 'warn', accent: 'accent', ...lineInks };

const fade = (colour, alpha) => colour.replace(/^rgb\(([^)]+)\)$/, `rgba($1, ${alpha})`);
const price = (value) => {
  const digits = Number(host.dataset.digits);
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
};
const shares = (value) => value.toLocaleString('en');
// Japanese counts shares by the ten thousand, English by the thousand or million.
const volume = (value) => {
  if (isJapanese) return value >= 1e4 ? `${shares(Math.round(value / 1e4))}万` : shares(value);
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e3 ? `${shares(Math.round(value / 1e3))} k` : shares(value);
};
const two = (n) => String(n).padStart(2, '0');
const clock = (time) => {
  const at = new Date(time * 1000);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
};

const dated = (time, options = { weekday: 'short' }) => {
  const at = new Date(time * 1000);
  const day = at.toISOString().slice(0, 10);
  const name = at.toLocaleDateString(isJapanese ? 'ja' : 'en', { ...options, timeZone: 'UTC' });
  return isJapanese ? `${day}（${name}）` : `${name} ${day}`;
};

const SECONDS = { '1m': 60, '5m': 300, '15m': 900, '1h': 3600 };

// The times that a session has, so that minutes without a bar stay empty; the lunch break is a few steps.
const gridOf = (bars, hours, interval) => {
  const step = SECONDS[interval];
  if (!step || !hours) return { times: bars.map((bar) => bar.time), lunch: null, breaks: [] };
  const seconds = (text) => Date.parse(text) / 1000 + JST_S;
  const [opens, amCloses, pmOpens, closes] = ['opens_at', 'am_closes_at', 'pm_opens_at', 'closes_at'].map((name) => seconds(hours[name]));
  const known = new Set(bars.map((bar) => bar.time));
  const times = new Set(known);
  if (interval === '1m') {
    for (let at = opens; at <= amCloses; at += step) times.add(at);
    // The call auction takes the last five minutes: there are no bars then but the last.
    for (let at = pmOpens; at <= closes; at += step) if (known.has(at) || at < closes - 300 || at === closes) times.add(at);
  }
  const steps = interval === '1m' ? 4 : 1;
  const pause = (pmOpens - amCloses) / (steps + 1);
  const breaks = Array.from({ length: steps }, (_, n) => Math.round(amCloses + pause * (n + 1)));
  const hasBoth = bars.some((bar) => bar.time <= amCloses) && bars.some((bar) => bar.time >= pmOpens);
  if (hasBoth) breaks.forEach((at) => times.add(at));
  return { times: [...times].sort((a, b) => a - b), breaks, lunch: hasBoth ? [breaks[0], breaks.at(-1)] : null };
};

const start = () => {
  const { createChart, CandlestickSeries, HistogramSeries, LineStyle } = window.LightweightCharts;
  const data = JSON.parse(host.dataset.chart);
  const bars = data.bars.map(read);
  const interval = host.dataset.interval;
  const isDaily = interval === '1d' || interval === '1w';
  const isOne = !isDaily && bars[0].day === bars.at(-1).day;
  const isCompared = data.compared.length > 0;
  const words = JSON.parse(host.dataset.words);
  const hours = host.dataset.hours ? JSON.parse(host.dataset.hours) : null;
  const grid = isDaily ? { times: bars.map((bar) => bar.time), lunch: null, breaks: [] } : gridOf(bars, hours, interval);
  const byTime = new Map(bars.map((bar) => [bar.time, bar]));
  const ranked = bars.map((bar) => bar.volume).sort((a, b) => b - a);
  const mostVolume = isDaily || !isOne ? ranked[0] : ranked[Math.min(4, ranked.length - 1)];
  const view = { bars, words, isDaily, mostVolume, volume, lunch: grid.lunch, actions: JSON.parse(host.dataset.actions), ink: colours(INKS) };
  host.hidden = false;
  const plot = host.querySelector('.plot');
  const breaks = new Set(grid.breaks);
  // The kinds of tick marks of the library: 2 is a day, 3 a time of day.
  const tick = (time, kind) => {
    if (breaks.has(time)) return '';
    if (isOne || kind >= 3) return clock(time);
    const at = new Date(time * 1000);
    return kind < 2 ? at.toISOString().slice(0, 7) : `${at.getUTCMonth() + 1}/${at.getUTCDate()}`;
  };
  const when = (time) => (isDaily ? dated(time) : isOne ? clock(time) : `${dated(time)} ${clock(time)}`);
  const chart = createChart(plot, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(document.body).fontFamily, panes: { enableResize: false } },
    crosshair: { mode: 0, vertLine: { labelVisible: true }, horzLine: { labelVisible: true } },
    rightPriceScale: { borderVisible: false, entireTextOnly: true, scaleMargins: { top: 0.12, bottom: 0.06 } },
    timeScale: { borderVisible: false, timeVisible: !isDaily, secondsVisible: false, allowBoldLabels: false, ...(isDaily ? {} : { tickMarkFormatter: tick }), fixLeftEdge: true, fixRightEdge: true, minBarSpacing: 0.2, lockVisibleTimeRangeOnResize: true },
    localization: { timeFormatter: when },
    handleScroll: { vertTouchDrag: false },
    handleScale: { axisPressedMouseMove: false },
  });
  const candles = chart.addSeries(CandlestickSeries, { priceLineVisible: false, lastValueVisible: false, priceFormat: { type: 'custom', formatter: price, minMove: 0.1 } });
  const columns = chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false, priceFormat: { type: 'custom', formatter: volume, minMove: 1 } }, 1);
  columns.applyOptions({ autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: mostVolume || 1 }, margins: { above: 32, below: 0 } }) });
  columns.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 }, borderVisible: false, entireTextOnly: true });
  chart.panes()[0].setStretchFactor(4);
  chart.panes()[1].setStretchFactor(1.2);
  candles.attachPrimitive(lunch(view));
  if (!isCompared) candles.attachPrimitive(overCandles(view));
  columns.attachPrimitive(lunch(view));
  columns.attachPrimitive(overVolume(view));
  const compared = addCompared(chart, data.compared, grid.times, bars, view);
  const lines = addLines(chart, data.lines, { times: grid.times, bars, view, isWithPrices: !isCompared, price });
  plot.style.height = `calc(${plot.clientHeight}px + ${7 * (chart.panes().length - 2)}rem)`;
  candles.applyOptions({ visible: !isCompared });
  const line = host.dataset.previous && !isCompared
    ? candles.createPriceLine({ price: Number(host.dataset.previous), lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false, title: `${words.previous} ${price(Number(host.dataset.previous))}` })
    : null;

  // Above or below the close before; without one, the open.
  const isUp = bars.at(-1).close >= Number(host.dataset.previous ?? bars.at(-1).open);
  const close = candles.createPriceLine({ price: bars.at(-1).close, lineVisible: false, axisLabelVisible: !isCompared, title: '' });

  const recolour = () => {
    const ink = colours(INKS);
    view.ink = ink;
    chart.applyOptions({
      layout: { background: { type: 'solid', color: ink.bg }, textColor: ink.ink3, panes: { separatorColor: ink.line, separatorHoverColor: ink.line } },
      grid: { vertLines: { visible: false }, horzLines: { color: ink.line } },
      crosshair: { vertLine: { color: ink.line2, labelBackgroundColor: ink.ink2 }, horzLine: { color: ink.line2, labelBackgroundColor: ink.ink2 } },
    });
    // Up candles are hollow, down candles filled: no reader depends on the hue.
    candles.applyOptions({ upColor: ink.bg, downColor: ink.down, borderUpColor: ink.up, borderDownColor: ink.down, wickUpColor: ink.up, wickDownColor: ink.down });
    close.applyOptions({ axisLabelColor: isUp ? ink.up : ink.down, axisLabelTextColor: ink.bg, color: ink.ink3 });
    line?.applyOptions({ color: ink.ink3, lineVisible: true });
    for (const each of [...compared, ...lines]) each.recolour(ink);
    columns.setData(grid.times.map((time) => {
      const bar = byTime.get(time);
      return bar ? { time, value: bar.volume, color: fade(bar.close >= bar.open ? ink.up : ink.down, 0.45) } : { time };
    }));
  };
  candles.setData(grid.times.map((time) => byTime.get(time) ?? { time }));
  recolour();

  // A bar of room at both sides: the marks of the first and the last are whole.
  const show = () => {
    const count = grid.times.length;
    const from = isOne && host.clientWidth < NARROW && count > 150 ? count - 120 : 0;
    chart.timeScale().setVisibleLogicalRange({ from: from - 1.5, to: count + 0.5 });
  };
  show();

  const readout = host.querySelector('[data-readout]');
  const tell = (bar) => {
    readout.textContent = `${when(bar.time)}  ${words.open} ${price(bar.open)}  ${words.high} ${price(bar.high)}  ${words.low} ${price(bar.low)}  ${words.close} ${price(bar.close)}  ${words.volume} ${shares(bar.volume)}`;
    for (const each of lines) each.tell(bar.time);
  };
  tell(bars.at(-1));
  chart.subscribeCrosshairMove(({ time }) => {
    const bar = byTime.get(time) ?? (time === undefined ? bars.at(-1) : null);
    if (bar) tell(bar);
  });
  document.addEventListener('redraw', recolour);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour);
  let wide = host.clientWidth;
  addEventListener('resize', () => {
    if (host.clientWidth !== wide) show();
    wide = host.clientWidth;
  });
};

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest('input, textarea, select, [contenteditable]');
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping || document.querySelector('dialog[open]')) return;
  const link = document.querySelector(`[data-step="${CSS.escape(event.key)}"], [data-key="${CSS.escape(event.key)}"]`);
  link?.click();
});

if (host) start();

// What stands beside the chart is asked for when the chart is there; without JavaScript a link leads to it.
const beside = document.getElementById('beside');
if (beside) {
  const answer = await fetch(beside.dataset.path, { headers: { 'hx-request': 'true' } }).catch(() => null);
  if (answer?.ok) beside.innerHTML = await answer.text();
}
