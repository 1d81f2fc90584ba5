// Lines beside the candles: averages and bands over prices, an average of the volume, panes of indicators below, and
// compared symbols. Values come from the server, one for each bar.
import { named } from './marks.js';

const NUMBERS = [1, 2, 3, 4, 5, 6];
export const lineInks = Object.fromEntries(NUMBERS.map((n) => [`line${n}`, `l-${n}`]));
const VOLUME_PANE = 1;

const faint = (colour) => colour.replace(/^rgb\(([^)]+)\)$/, 'rgba($1, 0.5)');
const two = (value) => value.toLocaleString('en', { maximumFractionDigits: 2 });

const points = (values, times, bars) => {
  const byTime = new Map(bars.map((bar, i) => [bar.time, values[i]]));
  return times.map((time) => {
    const value = byTime.get(time);
    return value === null || value === undefined ? { time } : { time, value };
  });
};

// Over a gap without bars a line goes on, as averages do: only the bars that exist are its points.
const joined = (values, times, bars) => points(values, times, bars).filter((point) => 'value' in point);

export const addCompared = (chart, compared, times, bars, view) =>
  compared.map(({ label, colour, values }) => {
    const series = chart.addSeries(window.LightweightCharts.LineSeries, {
      title: label, lineWidth: 2, priceLineVisible: false, priceFormat: { type: 'custom', formatter: two, minMove: 0.01 },
    });
    series.setData(joined(values, times, bars));
    return { recolour: (ink) => series.applyOptions({ color: ink[`line${colour}`] }), view };
  });

const MOST_LABELS = 3;

export const addLines = (chart, lines, { times, bars, view, isWithPrices, price }) => {
  const panes = new Map([['price', 0], ['volume', VOLUME_PANE]]);
  const { LineSeries, HistogramSeries, LineStyle } = window.LightweightCharts;
  return lines.map(({ label, pane, colour, style, guides, values }, i) => {
    if (pane === 'price' && !isWithPrices) return { recolour: () => {}, tell: () => {} };
    const isFirst = !panes.has(pane);
    if (isFirst) panes.set(pane, Math.max(...panes.values()) + 1);
    const at = panes.get(pane);
    const isHistogram = style === 'histogram';
    const format = pane === 'price' ? price : pane === 'volume' || pane === 'obv' ? view.volume : two;
    const options = { priceLineVisible: false, lastValueVisible: at > VOLUME_PANE && i < MOST_LABELS * 9, crosshairMarkerVisible: false, priceFormat: { type: 'custom', formatter: format, minMove: 0.01 } };
    if (!isHistogram) Object.assign(options, { lineWidth: style === 'dashed' ? 1 : 1.5, lineStyle: style === 'dashed' ? LineStyle.Dashed : LineStyle.Solid });
    const series = chart.addSeries(isHistogram ? HistogramSeries : LineSeries, options, at);
    series.setData(isHistogram ? points(values, times, bars) : joined(values, times, bars));
    const rules = isFirst ? guides.map((each) => series.createPriceLine({ price: each, lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false, title: '' })) : [];
    if (isFirst) {
      const names = lines.filter((each) => each.pane === pane).map((each) => each.label).join(' · ');
      series.attachPrimitive(named(view, names));
      chart.panes()[at].setStretchFactor(1.1);
    }
    const byTime = new Map(bars.map((bar, n) => [bar.time, values[n]]));
    const shown = document.querySelector(`[data-line="${i}"]`);
    return {
      recolour: (ink) => {
        const found = ink[`line${colour}`];
        series.applyOptions({ color: isHistogram ? faint(found) : found });
        for (const rule of rules) rule.applyOptions({ color: ink.line2 });
      },
      tell: (time) => {
        const value = byTime.get(time);
        if (shown) shown.textContent = value === null || value === undefined ? '–' : format(value);
      },
    };
  });
};
