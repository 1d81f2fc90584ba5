// What is drawn over the candles: the lunch break, auctions as diamonds, flags as triangles, splits as lines.
// A primitive of the chart library: it is asked to draw with each frame, in pixels of the screen.
const SIZE = 3.5;

const halo = (g, text, x, y, colour, background, align = 'center') => {
  g.textAlign = align;
  g.lineWidth = 4;
  g.lineJoin = 'round';
  g.strokeStyle = background;
  g.strokeText(text, x, y);
  g.fillStyle = colour;
  g.fillText(text, x, y);
};

const diamond = (g, x, y) => {
  g.beginPath();
  g.moveTo(x, y - SIZE);
  g.lineTo(x + SIZE, y);
  g.lineTo(x, y + SIZE);
  g.lineTo(x - SIZE, y);
  g.fill();
};

const triangle = (g, x, y) => {
  g.beginPath();
  g.moveTo(x, y);
  g.lineTo(x + 4, y - 7);
  g.lineTo(x - 4, y - 7);
  g.fill();
};

class Layer {
  constructor(draw) {
    this.draw_ = draw;
  }
  zOrder() {
    return 'top';
  }
  renderer() {
    return { draw: (target) => target.useMediaCoordinateSpace((space) => this.draw_(space.context, space.mediaSize)) };
  }
}

class Overlay {
  constructor(draw) {
    this.views = [new Layer((g, size) => draw(g, size, this))];
  }
  attached({ chart, series, requestUpdate }) {
    this.chart = chart;
    this.series = series;
    this.requestUpdate = requestUpdate;
  }
  paneViews() {
    return this.views;
  }
  x(time) {
    return this.chart.timeScale().timeToCoordinate(time);
  }
}

const font = () => `11px ${getComputedStyle(document.body).fontFamily}`;

// Flags above their bars, and splits. A name is left out where it would lie on the one before.
export const overCandles = (view) =>
  new Overlay((g, size, at) => {
    g.font = font();
    g.textBaseline = 'middle';
    let free = -99;
    for (const bar of view.bars.filter((each) => each.flags.length)) {
      const x = at.x(bar.time);
      const y = at.series.priceToCoordinate(bar.high);
      if (x === null || y === null) continue;
      g.fillStyle = view.ink.warn;
      triangle(g, x, y - 5);
      const text = bar.flags.join(' ');
      const half = g.measureText(text).width / 2;
      const middle = Math.max(half + 2, Math.min(size.width - half - 2, x));
      if (middle - half < free) continue;
      halo(g, text, middle, y - 19, view.ink.warn, view.ink.bg);
      free = middle + half + 4;
    }
    for (const action of view.actions) {
      const bar = view.bars.find((each) => each.day >= action.ex_session);
      if (!view.isDaily || !bar || bar === view.bars[0]) continue;
      const x = at.x(bar.time);
      if (x === null) continue;
      g.strokeStyle = view.ink.ink3;
      g.setLineDash([3, 3]);
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, 10);
      g.lineTo(x, size.height);
      g.stroke();
      g.setLineDash([]);
      halo(g, `${action.ex_session} × ${action.factor}`, x + 6, 16, view.ink.ink2, view.ink.bg, 'left');
    }
  });

// Auctions above the volume, with the number where it is cut; the lunch break as a band.
export const overVolume = (view) =>
  new Overlay((g, size, at) => {
    g.font = font();
    g.textBaseline = 'middle';
    for (const bar of view.bars.filter((each) => each.auction)) {
      const x = at.x(bar.time);
      if (x === null) continue;
      g.fillStyle = view.ink.accent;
      diamond(g, x, 23);
      const isCut = bar.volume > view.mostVolume;
      const name = view.words[bar.auction];
      const text = isCut ? `${name} ${view.volume(bar.volume)}` : name;
      if (size.width < 420 && bar.auction !== 'a_close' && bar.auction !== 'a_open') continue;
      halo(g, text, x, 10, view.ink.accent, view.ink.bg, bar.auction.endsWith('close') ? 'right' : 'left');
    }
  });

export const lunch = (view) => {
  const overlay = new Overlay((g, size, at) => {
    if (!view.lunch) return;
    const [from, to] = view.lunch.map((time) => at.x(time));
    if (from === null || to === null) return;
    const step = at.chart.timeScale().options().barSpacing;
    g.fillStyle = view.ink.bg3;
    g.fillRect(from - step / 2, 0, to - from + step, size.height);
  });
  overlay.views[0].zOrder = () => 'bottom';
  return overlay;
};

// The name of a pane, at its top left.
export const named = (view, text) =>
  new Overlay((g) => {
    g.font = font();
    g.textBaseline = 'middle';
    halo(g, text, 4, 10, view.ink.ink2, view.ink.bg, 'left');
  });
