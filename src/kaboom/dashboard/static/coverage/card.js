// The card of a cell: at once what the map knows, and after a moment what the cell was judged by.
const ASK_MS = 160;
const known = new Map();

const facts = (pairs) => {
  const list = document.createElement('dl');
  list.className = 'facts';
  for (const [name, value] of pairs) {
    const term = document.createElement('dt');
    const text = document.createElement('dd');
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  return list;
};

const clock = (at) => new Date(at).toLocaleString('sv-SE', { timeZone: 'Asia/Tokyo' });

const judged = (cell, words) => {
  const usual = cell.expected === null ? '' : ` (${words.median} ${cell.expected.toLocaleString('en')})`;
  return [
    [words.bars, cell.bars.toLocaleString('en') + usual],
    [words.asked, cell.asked_at ? `${clock(cell.asked_at)} JST` : words.never_asked],
  ];
};

export class Card {
  constructor(host, map) {
    this.tip = host.querySelector('.tip');
    this.host = host;
    this.map = map;
    this.timer = 0;
    this.path = '';
  }

  hide() {
    clearTimeout(this.timer);
    this.tip.hidden = true;
    this.path = '';
  }

  describe(at) {
    const { grid, order } = this.map;
    const symbol = order.rows[at.row];
    const state = grid.states[grid.cells[symbol * grid.width + at.column]];
    return { symbol: grid.symbols[symbol], name: grid.titles[symbol], language: grid.titles[symbol] === grid.names[symbol] ? 'ja' : 'en', session: grid.sessions[at.column], state, sector: grid.sectors[symbol] };
  }

  show(at) {
    const cell = this.describe(at);
    const path = `/api/v1/coverage/cells/${encodeURIComponent(cell.symbol)}?interval=${this.map.grid.interval}&provider=${this.map.grid.provider}&sessions=1&last=${cell.session}`;
    if (path !== this.path) {
      this.path = path;
      this.fill(cell, known.get(path));
      clearTimeout(this.timer);
      if (!known.has(path)) this.timer = setTimeout(() => this.ask(path, cell, at), ASK_MS);
    }
    this.place(at);
  }

  fill(cell, details) {
    const { words, sectors } = this.map;
    const title = document.createElement('b');
    title.textContent = cell.symbol;
    if (cell.name) {
      const name = document.createElement('span');
      name.lang = cell.language;
      name.textContent = ` ${cell.name}`;
      title.append(name);
    }
    const state = document.createElement('div');
    state.className = 'small';
    const swatch = document.createElement('i');
    swatch.className = `sw c-${cell.state}`;
    const meaning = document.createElement('div');
    meaning.className = 'xs faint';
    meaning.textContent = words[`w_${cell.state}`];
    state.append(swatch, words[`s_${cell.state}`], meaning);
    const pairs = [[words.session, cell.session], [words.sector, sectors[cell.sector]?.[0] ?? '–']];
    this.tip.replaceChildren(title, state, facts([...pairs, ...(details ? judged(details, words) : [[words.bars, '…'], [words.asked, '…']])]));
  }

  async ask(path, cell, at) {
    const answer = await fetch(path, { headers: { accept: 'application/json' } }).catch(() => null);
    if (!answer?.ok) return;
    const [details] = (await answer.json()).items;
    if (!details) return;
    if (known.size > 500) known.clear();
    known.set(path, details);
    if (this.path !== path) return;
    this.fill(cell, details);
    this.place(at);
  }

  place(at) {
    const layout = this.map.layout;
    const first = layout.isFit ? 0 : this.map.first;
    const x = layout.left + at.column * layout.column;
    const y = layout.top + (at.row - first) * layout.row;
    this.tip.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = this.tip;
    const left = x > this.host.clientWidth / 2 ? x - wide - 14 : x + 14;
    this.tip.style.left = `${Math.max(0, Math.min(left, this.host.clientWidth - wide))}px`;
    this.tip.style.top = `${Math.max(0, Math.min(layout.top + layout.view - high, y - 30))}px`;
  }
}
